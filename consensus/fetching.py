"""What is missing, whom to ask for it, and when to ask the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.messages import GET_BATCHES_MAX, GET_HEADERS_MAX
from consensus.types import BatchRange, Digest, Get, MemberNumber


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to fetch: a header, or a range of batches.

    `sources` are asked in turn, best first; the first is asked `patience_ms` after the need arose,
    because what is on its way need not be asked for.
    """

    key: Digest
    batches: BatchRange | None
    sources: tuple[MemberNumber, ...]
    named: bool = True
    """A certificate or a leader's header names it; else only a peer says that it exists."""
    patience_ms: int = 0


@dataclass(slots=True)
class _Asked:
    next_ms: int
    attempts: int = 0


@dataclass
class Fetches:
    """Spreads requests over peers and time. Needs are stated anew each time; all others are forgotten."""

    interval_ms: int
    _asked: dict[Digest, _Asked] = field(default_factory=dict)

    def requests(self, needs: Sequence[Need], now_ms: int) -> list[tuple[MemberNumber, Get]]:
        """What to send now, by peer."""
        stated = {need.key: need for need in needs if need.sources}
        self._asked = {key: asked for key, asked in self._asked.items() if key in stated}
        by_peer: dict[MemberNumber, list[Need]] = {}
        for key, need in stated.items():
            asked = self._asked.setdefault(key, _Asked(now_ms + need.patience_ms))
            if asked.next_ms <= now_ms:
                by_peer.setdefault(need.sources[asked.attempts % len(need.sources)], []).append(need)
                asked.attempts += 1
                asked.next_ms = now_ms + self.interval_ms
        return [(peer, _get(by_peer[peer])) for peer in sorted(by_peer)]

    def next_ms(self) -> int | None:
        """When to look again."""
        return min((asked.next_ms for asked in self._asked.values()), default=None)


def _get(needs: list[Need]) -> Get:
    headers = tuple(need.key for need in needs if need.batches is None)
    batches = tuple(need.batches for need in needs if need.batches is not None)
    return Get(headers[:GET_HEADERS_MAX], batches[:GET_BATCHES_MAX])
