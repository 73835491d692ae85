"""The documents: what they show is run, what they link to exists."""
