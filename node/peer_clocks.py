"""How far the clocks of the others are from this one: asked over the sync stream, as NTP does.

What they answer is shown to the operator, and nothing is decided by it: the members agree on time through
the headers that they vote for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import trio

from consensus.errors import InvalidMessage
from node.clock import Clock
from node.network import Network, RequestFailed
from node.services import Handler, Service, addressed

ASK_AGAIN_S = 15.0
LOOK_AGAIN_S = 1.0
ANSWER_MS_MAX = 3_000
FORGET_MS = 120_000
"""What was measured longer ago says nothing of now."""

_TIME_MS = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Offset:
    """A peer's clock minus ours; the truth is within `error_ms`, half the time that asking took."""

    offset_ms: int
    error_ms: int
    at_ms: int
    """Of the monotonic clock."""


class PeerClocks:
    """Asks every connected member what time it is, now and then."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._offsets: dict[int, Offset] = {}
        self._asked_s: dict[int, float] = {}

    def offsets(self) -> dict[int, Offset]:
        """By member, what was measured lately."""
        now_ms = self._clock.now().mono_ms
        return {who: seen for who, seen in self._offsets.items() if now_ms - seen.at_ms <= FORGET_MS}

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                for peer in self._network.status():
                    if not peer.connected:
                        self._asked_s.pop(peer.member, None)  # asked again as soon as it is back
                    elif self._is_time(peer.member):
                        self._asked_s[peer.member] = trio.current_time()
                        nursery.start_soon(self._ask, peer.member)
                await trio.sleep(LOOK_AGAIN_S)

    def _is_time(self, member: int) -> bool:
        asked_s = self._asked_s.get(member)
        return asked_s is None or trio.current_time() - asked_s >= ASK_AGAIN_S

    async def _ask(self, member: int) -> None:
        sent = self._clock.now()
        try:
            answer = await self._network.request(member, addressed(Service.CLOCK, b""), ANSWER_MS_MAX)
            (theirs_ms,) = _TIME_MS.unpack(answer)
        except (RequestFailed, struct.error):
            return
        came = self._clock.now()
        half_ms = (came.mono_ms - sent.mono_ms + 1) // 2
        self._offsets[member] = Offset(theirs_ms - sent.wall_ms - half_ms, half_ms, came.mono_ms)


def clock_server(clock: Clock) -> Handler:
    """Tells peers the time here."""

    async def tell(_member: int, request: bytes) -> bytes:
        if request:
            raise InvalidMessage("asking for the time takes no words")
        return _TIME_MS.pack(clock.now().wall_ms)

    return tell
