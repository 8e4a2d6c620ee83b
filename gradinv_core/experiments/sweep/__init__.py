"""One parameter of a scenario varied, many attacks each, and the curves that were measured so."""
