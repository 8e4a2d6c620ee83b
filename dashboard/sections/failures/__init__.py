"""What the page of failures shows, step by step."""
