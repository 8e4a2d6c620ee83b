"""The steps of the Lab, in the order of the page."""
