"""The ordering core: its parts one by one, and scenarios of a few validators."""
