"""Work that the page does not wait for: jobs in threads, and what belongs to one browser tab."""
