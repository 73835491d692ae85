"""Parts of the node by themselves; the whole is in tests/consortium."""
