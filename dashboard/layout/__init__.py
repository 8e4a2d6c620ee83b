"""How a page is laid out: its frame, the steps of a story, pictures side by side."""
