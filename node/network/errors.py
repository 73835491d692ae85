"""What can go wrong between members' nodes."""

from __future__ import annotations

from consensus.errors import InvalidMessage


class NetworkError(Exception):
    """Root of the network's errors, except for what a peer is to blame for (InvalidMessage)."""


class ListenFailed(NetworkError):
    """The node cannot listen where its configuration says; the text says what to do."""


class RequestFailed(NetworkError):
    """A request got no answer: member away, too slow, refused, or too many requests under way."""


class RequestRefused(NetworkError):
    """Raised by `on_request` to answer a request with a reason instead of a result."""


class ConnectFailed(NetworkError):
    """No usable connection came of dialling or of an inbound handshake."""


class ConnectionLost(NetworkError):
    """The connection is gone; the text says why."""


class StreamEnded(NetworkError):
    """The stream was reset or its connection is gone; what was not read or written is lost."""


class ProtocolViolation(InvalidMessage):
    """A peer broke the rules of the connection itself; the connection is closed and the peer is blamed."""


REFUSED = "the peer hung up once it knew who calls: does it list this node?"
"""How it looks from here when a node does not take this one for a member."""
