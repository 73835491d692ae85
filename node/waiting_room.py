"""How many transactions may wait at a node: so many as it will have executed in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S_MAX = 4.0
"""What is admitted should be executed after so many seconds; and what was executed in so many says how much
that is."""
WAITING_MAX = 8_000
"""Transactions that may wait at the fastest node."""
BURST_MAX = 2_000
"""The same at all validators' nodes together, where nothing was executed lately, be it that nothing was
posted: a first burst is taken. 16 nodes on two processors execute that in some eight seconds; to check more
would keep them from the votes that order it. Faster ones have room for more after their first blocks."""
SPREAD_S_MAX = 0.5
"""After so many seconds a quorum should hold what this node has put into its lane, else it puts in no more:
the others have enough to check."""
SPREADING_MIN = 100
"""Transactions that are taken in any case, however long that lasts."""


class WaitingRoom:
    """The bound on what waits. Told and asked in any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        # Replaced, never changed: other threads read it too.
        self._executed: tuple[tuple[float, int, int], ...] = ()
        """When a block was executed, how many transactions it settled, and how many of these were of the own
        lane, in the last WAIT_S_MAX."""

    def executed(self, transactions: int, own: int) -> None:
        """A block that settled so many is executed; `own` of them came through the own lane."""
        if transactions:
            now_s = self._now_s()
            recent = (block for block in self._executed if block[0] > now_s - WAIT_S_MAX)
            self._executed = (*recent, (now_s, transactions, own))

    def is_full(self, waiting: int, own: int, validators: int, spreading_since_s: float | None) -> bool:
        """Whether nothing more is to be admitted while so many wait, `own` of them in the own lane.

        The own ones are bounded by themselves too: of what others have taken a node hears late.
        `spreading_since_s`: since when something in the own lane is held by no quorum, if anything is.
        """
        if waiting < SPREADING_MIN:
            return False
        now_s = self._now_s()
        if spreading_since_s is not None and now_s - spreading_since_s >= SPREAD_S_MAX:
            return True
        recent = [block for block in self._executed if block[0] > now_s - WAIT_S_MAX]
        first = BURST_MAX // validators
        bound = min(max(sum(all_ for _, all_, _ in recent), first), WAITING_MAX)
        own_bound = max(sum(own_ for _, _, own_ in recent), first)
        return waiting >= bound or own >= own_bound
