"""A member's node: I/O, storage, the network, the command line, and what wires them together."""
