"""The server of a scenario: it gets network, gradients and what was announced, and of the client nothing else."""
