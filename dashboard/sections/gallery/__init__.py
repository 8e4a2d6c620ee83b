"""The gallery of failures, card by card."""
