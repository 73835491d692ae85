"""`quorate demo`: four organisations on this machine, each with its own node, keys and data folder."""
