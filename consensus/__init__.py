"""Ordering: the sans-I/O core by which validators agree on one sequence of blocks."""
