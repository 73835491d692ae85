"""How many transactions may wait at a node: so many as it will have executed in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S_MAX = 4.0
"""What is admitted should be executed after so many seconds; and what was executed in so many says how much
that is."""
WAITING_MAX = 8_000
"""Transactions that may wait at the fastest node; and at all validators' nodes together, where nothing was
executed lately, be it that nothing was posted: a first burst is taken."""
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
        self._executed: tuple[tuple[float, int], ...] = ()
        """When a block was executed, and how many transactions it settled, in the last WAIT_S_MAX."""

    def executed(self, transactions: int) -> None:
        """A block that settled so many is executed."""
        if transactions:
            now_s = self._now_s()
            recent = (block for block in self._executed if block[0] > now_s - WAIT_S_MAX)
            self._executed = (*recent, (now_s, transactions))

    def is_full(self, waiting: int, validators: int, spreading_since_s: float | None) -> bool:
        """Whether nothing more is to be admitted while so many wait.

        `spreading_since_s`: since when something in the own lane is held by no quorum, if anything is.
        """
        if waiting < SPREADING_MIN:
            return False
        now_s = self._now_s()
        if spreading_since_s is not None and now_s - spreading_since_s >= SPREAD_S_MAX:
            return True
        cleared = sum(count for at_s, count in self._executed if at_s > now_s - WAIT_S_MAX)
        return waiting >= min(max(cleared, WAITING_MAX // validators), WAITING_MAX)
