"""What protects, and what that proves."""
