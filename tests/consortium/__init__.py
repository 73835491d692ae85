"""Four real nodes as four processes: what only the whole can show."""
