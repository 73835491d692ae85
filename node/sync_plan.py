"""Which blocks a node that was away asks of whom: bookkeeping without network or clock.

The heights that are missing are cut into spans. Each peer is asked for one span at a time, the lowest that
nobody works on; the blocks of all spans are taken in order of height. When the lowest span stays away for
HELP_AFTER_S, another peer is asked for it too and the first answer counts: a slow or dead peer costs its own
time only. A peer whose blocks turned out to be wrong is barred, and what came from anybody after them is
forgotten; so each liar costs one beginning anew.

Memory: beyond the span that is needed next, nothing is asked for while AHEAD_BYTES_MAX wait to be taken, and
at most ANSWERS_AT_ONCE answers are under way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from consensus.errors import InvalidMessage
from consensus.types import MemberNumber
from node.sync_messages import BlocksAnswer, SyncedBlock, block_bytes

SPAN_BLOCKS = 64
AHEAD_BYTES_MAX = 32 * 1024 * 1024
"""Blocks that came before those that are next, in bytes."""
ANSWERS_AT_ONCE = 4
"""Peers that are asked at the same time, one who helps with the next span included."""
HELP_AFTER_S = 1.0
REST_S = 0.5
REST_S_MAX = 8.0
"""A peer that gave no answer is asked again after REST_S, then after twice that, up to this long."""


@dataclass(frozen=True, slots=True)
class Received:
    """A block as a peer gave it, unchecked."""

    peer: MemberNumber
    item: SyncedBlock
    size_bytes: int

    @property
    def height(self) -> int:
        return self.item.block.header.height


@dataclass(slots=True)
class _Span:
    """Consecutive heights; `blocks` has the first of them."""

    first: int
    last: int
    blocks: list[Received] = field(default_factory=list)
    asked_s: dict[MemberNumber, float] = field(default_factory=dict)

    @property
    def next(self) -> int:
        return self.first + len(self.blocks)


@dataclass(slots=True)
class _Peer:
    height: int | None = None
    """The last block it has, as it says; None where it has not answered, or not lately."""
    failures: int = 0
    rests_until_s: float = 0.0


class Plan:
    """What is missing from `next_height` on, and who may be asked for it."""

    def __init__(self, next_height: int) -> None:
        self.next_height = next_height
        self.held_bytes = 0
        """Of the blocks that came and were not taken."""
        self._spans: list[_Span] = []
        self._peers: dict[MemberNumber, _Peer] = {}
        self._barred: set[MemberNumber] = set()
        self._level_since_s: float | None = None
        """When a peer was asked for the next block and had none; None once blocks were taken."""

    # -- peers --------------------------------------------------------------------------------------
    @property
    def peers(self) -> list[MemberNumber]:
        """Those that may be asked, best first."""
        return list(self._peers)

    @property
    def target(self) -> int | None:
        """The last block that any of them has, as they say."""
        return max((peer.height for peer in self._peers.values() if peer.height is not None), default=None)

    def is_done(self, now_s: float) -> bool:
        """Whether nobody who answers in time has more, or nobody is left to ask."""
        if not self._peers or self._level_since_s is None:
            return not self._peers
        patient = now_s < self._level_since_s + HELP_AFTER_S
        return not any(
            patient and not peer.failures if peer.height is None else peer.height >= self.next_height
            for peer in self._peers.values()
        )

    def add_peers(self, peers: Iterable[MemberNumber]) -> None:
        """These may be asked too, unless they were barred."""
        for number in peers:
            if number not in self._barred:
                self._peers.setdefault(number, _Peer())

    def bar(self, peer: MemberNumber, height: int) -> None:
        """What this peer gave for `height` is wrong: it is not asked again, and all from there on anew."""
        self._barred.add(peer)
        self._peers.pop(peer, None)
        self._restart(height)

    def _restart(self, height: int) -> None:
        self.next_height, self.held_bytes = height, 0
        self._spans.clear()

    # -- asking -------------------------------------------------------------------------------------
    def assign(self, number: MemberNumber, now_s: float) -> tuple[int, int] | None:
        """The first and last height to ask this peer for now, or None."""
        peer = self._peers.get(number)
        if peer is None or now_s < peer.rests_until_s:
            return None
        span = self._open_span(peer) or self._span_in_need(number, now_s)
        if span is None:
            return None
        span.asked_s[number] = now_s
        return span.next, span.last

    def _open_span(self, peer: _Peer) -> _Span | None:
        if self._under_way >= ANSWERS_AT_ONCE - 1:
            return None
        for index, span in enumerate(self._spans):
            if span.next <= span.last and not span.asked_s:
                is_next = index == 0 and not span.blocks
                return span if is_next or self._may_go_ahead(peer, span.next) else None
        first = self._spans[-1].last + 1 if self._spans else self.next_height
        if self._spans and not self._may_go_ahead(peer, first):
            return None
        self._spans.append(_Span(first, first + SPAN_BLOCKS - 1))
        return self._spans[-1]

    @property
    def _under_way(self) -> int:
        return sum(len(span.asked_s) for span in self._spans)

    def _may_go_ahead(self, peer: _Peer, height: int) -> bool:
        known = peer.height if peer.height is not None else self.target
        return known is not None and height <= known and self.held_bytes < AHEAD_BYTES_MAX

    def _span_in_need(self, number: MemberNumber, now_s: float) -> _Span | None:
        if not self._spans or self._under_way >= ANSWERS_AT_ONCE:
            return None
        span = self._spans[0]
        asked = span.asked_s
        overdue = asked and number not in asked and max(asked.values()) + HELP_AFTER_S <= now_s
        return span if overdue and span.next <= span.last else None

    # -- what comes back ----------------------------------------------------------------------------
    def failed(self, number: MemberNumber, now_s: float) -> None:
        """No answer came: the peer rests, and what it had is somebody else's."""
        peer = self._forget_request(number)
        if peer is not None:
            peer.height = None
            peer.rests_until_s = now_s + min(REST_S * 2**peer.failures, REST_S_MAX)
            peer.failures += 1

    def answered(
        self, number: MemberNumber, asked: tuple[int, int], answer: BlocksAnswer, now_s: float
    ) -> None:
        """An answer to `assign`ed heights. Raises: InvalidMessage, the peer's fault."""
        peer = self._forget_request(number)
        if peer is None:
            return
        first, last = asked
        heights = [item.block.header.height for item in answer.blocks]
        if heights != list(range(first, first + len(heights))) or len(heights) > last + 1 - first:
            raise InvalidMessage(f"it was asked for blocks {first} to {last} and gave others")
        if not heights and answer.height >= first:
            raise InvalidMessage(f"it says that it has block {answer.height} and does not give block {first}")
        peer.height, peer.failures = answer.height, 0
        if not heights:
            peer.rests_until_s = now_s + REST_S
            if first == self.next_height and self._level_since_s is None:
                self._level_since_s = now_s
        for item in answer.blocks:
            self._keep(Received(number, item, block_bytes(item)))

    def _keep(self, received: Received) -> None:
        for span in self._spans:
            if span.next == received.height <= span.last:
                span.blocks.append(received)
                self.held_bytes += received.size_bytes

    def _forget_request(self, number: MemberNumber) -> _Peer | None:
        for span in self._spans:
            span.asked_s.pop(number, None)
        return self._peers.get(number)

    # -- taking -------------------------------------------------------------------------------------
    def take(self, blocks_max: int, bytes_max: int) -> list[Received]:
        """The next blocks that are here, in order; one is given whatever its size."""
        taken: list[Received] = []
        size_bytes = 0
        while self._spans and len(taken) < blocks_max:
            span = self._spans[0]
            if not span.blocks or (taken and size_bytes + span.blocks[0].size_bytes > bytes_max):
                break
            received = span.blocks.pop(0)
            span.first = self.next_height = received.height + 1
            size_bytes += received.size_bytes
            self.held_bytes -= received.size_bytes
            taken.append(received)
            if span.first > span.last:
                del self._spans[0]
            self._level_since_s = None
        return taken

    def skip_through(self, height: int) -> None:
        """Blocks up to `height` came another way."""
        if height >= self.next_height:
            self._restart(height + 1)
