"""The client of a scenario, the only room in which its secret exists."""
