"""What members ask of each other on the SYNC stream: the first byte of a request says which part answers."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping

from consensus.errors import InvalidMessage
from consensus.types import MemberNumber

Handler = Callable[[MemberNumber, bytes], Awaitable[bytes]]
"""Answers one request; raises RequestRefused to decline, InvalidMessage for what no honest member asks."""


class Service(enum.IntEnum):
    """The parts that answer."""

    BLOCKS = 1
    """Final blocks, for a node that was away: `node.sync`."""

    SUBMIT = 2
    """Transactions that the asking node cannot order itself: `node.forwarding`."""

    KEY_INQUIRY = 3
    """Whether a validator key has signed before."""

    CLOCK = 4
    """What time it is: `node.peer_clocks`."""

    EXECUTION = 5
    """What a block came to, for a node that executed it otherwise: `node.divergence`."""


def addressed(service: Service, request: bytes) -> bytes:
    """A request as it is sent."""
    return bytes([service]) + request


class Services:
    """Hands requests to the parts of this node that answer them."""

    def __init__(self, handlers: Mapping[Service, Handler]) -> None:
        self._handlers = dict(handlers)

    async def on_request(self, member: MemberNumber, body: bytes) -> bytes:
        """The answer. Raises: InvalidMessage, RequestRefused."""
        handler = self._handlers.get(Service(body[0])) if body[:1] in _KNOWN else None
        if handler is None:
            raise InvalidMessage(f"member {member} asks for a service that does not exist")
        return await handler(member, body[1:])


_KNOWN = {bytes([service]) for service in Service}
