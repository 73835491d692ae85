"""Looks on while a load runs: when had every node executed a height?"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from types import TracebackType

from node.demo.partner import Partner

LOOK_S = 0.5
"""Between two looks at all nodes; a block counts from the end of the look that saw it everywhere."""


class Watch:
    """Asks every node for its height, in a thread of its own, until the end of the `with`."""

    def __init__(self, partners: Sequence[Partner]) -> None:
        self._partners = partners
        self._heights: list[int] = []
        self._seen_s: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def executed_s(self, height: int) -> float | None:
        """When every node had executed this height, in seconds of the monotonic clock; None: not yet."""
        place = bisect_left(self._heights, height)
        return self._seen_s[place] if place < len(self._seen_s) else None

    def _run(self) -> None:
        while True:
            self.note(min(partner.height() for partner in self._partners), time.monotonic())
            if self._over.wait(LOOK_S):
                return

    def note(self, height: int, now_s: float) -> None:
        """What one look found."""
        if not self._heights or height > self._heights[-1]:
            self._heights.append(height)
            self._seen_s.append(now_s)
