"""What is and what happened, as plain data for people: ready to become JSON, read from a committed state.

Amounts and whatever may pass 2^53 are text, digests are hex, times are milliseconds since 1970.
"""
