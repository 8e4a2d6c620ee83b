"""The story of one training step, part by part: what the client does, and what the server reads off its gradient."""
