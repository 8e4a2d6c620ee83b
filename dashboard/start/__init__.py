"""Before the first visitor: the server is started, and what the first view needs is played once."""
