"""What can go wrong in a node that its operator, and not a peer or a client, must hear of."""


class NodeError(Exception):
    """Root of the node's own errors."""


class ConfigurationError(NodeError):
    """What the operator asked for cannot be: one line says what, where and what to do. Exit code 2."""


class CommandFailed(NodeError):
    """A command was understood but did not succeed; the text says why. Exit code 1."""


class NotRunning(CommandFailed):
    """The node of a data folder does not run, so whoever answers at its address is another."""
