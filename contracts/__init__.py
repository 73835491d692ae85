"""Execution: checks, compiles and runs contracts, the same on every node."""
