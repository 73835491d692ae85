"""Looks on while a load runs: when had every node executed a height?"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from types import TracebackType

from node.demo.partner import Partner

LOOK_S = 0.5
"""Between two looks at a node; a block counts from when it was seen, so by about so much too late."""


class Seen:
    """The heights at which one node was seen, and when."""

    def __init__(self) -> None:
        self._heights: list[int] = []
        self._at_s: list[float] = []

    def note(self, height: int, now_s: float) -> None:
        """What one look found."""
        if not self._heights or height > self._heights[-1]:
            self._heights.append(height)
            self._at_s.append(now_s)

    def executed_s(self, height: int) -> float | None:
        """When it had executed this height, in seconds of the monotonic clock; None: not yet."""
        place = bisect_left(self._heights, height)
        return self._at_s[place] if place < len(self._at_s) else None


class Watch:
    """Asks each node for its height, in a thread for each, until the end of the `with`."""

    def __init__(self, partners: Sequence[Partner]) -> None:
        self._seen = [Seen() for _ in partners]
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._look_on, args=pair, daemon=True)
            for pair in zip(partners, self._seen, strict=True)
        ]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def executed_s(self, height: int) -> float | None:
        """When every node had executed this height, in seconds of the monotonic clock; None: not yet."""
        times = [seen.executed_s(height) for seen in self._seen]
        known = [at_s for at_s in times if at_s is not None]
        return max(known) if len(known) == len(times) else None

    def _look_on(self, partner: Partner, seen: Seen) -> None:
        while True:
            height = partner.height()
            seen.note(height, time.monotonic())
            if self._over.wait(LOOK_S):
                return
