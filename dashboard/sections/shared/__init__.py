"""What several pages say in the same words."""
