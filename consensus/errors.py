"""What can go wrong in the ordering core, and whose fault it is."""


class ConsensusError(Exception):
    """Root of every error of the ordering core."""


class InvalidMessage(ConsensusError):
    """A peer sent something that an honest peer never sends: drop it, count it, report it."""


class DecodeError(InvalidMessage):
    """Bytes that are not the one canonical encoding of a value; the text names the field."""


class InvalidTransaction(ConsensusError):
    """A client's transaction that no node may order.

    `code` is stable and machine readable, `detail` says what is wrong and what to do.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class CorruptionError(ConsensusError):
    """Durable data contradict themselves or a proven fact: the node must stop, never guess."""


class InvariantError(ConsensusError):
    """A fault of ours: the node must stop before it promises anything more."""


def ensure(condition: bool, what: str) -> None:
    """Stop with InvariantError unless `condition` holds; unlike `assert` it is never compiled away."""
    if not condition:
        raise InvariantError(what)
