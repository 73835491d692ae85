"""The node's two clocks: wall time, which members compare, and monotonic time, which timers use.

A development node's wall clock can be moved forward; nothing else in the node reads a clock for a
purpose that others can see.
"""

from __future__ import annotations

import time

from consensus.replica import Now


class Clock:
    """Reads the system's clocks. Units: ms."""

    def __init__(self) -> None:
        self._offset_ms = 0

    def now(self) -> Now:
        """Both clocks at this moment."""
        return Now(
            wall_ms=time.time_ns() // 1_000_000 + self._offset_ms,
            mono_ms=time.monotonic_ns() // 1_000_000,
        )

    def advance(self, by_ms: int) -> int:
        """Move the wall clock forward for good; the new wall time in ms."""
        if by_ms < 0:
            raise ValueError("time only goes forward: give a span of 0 ms or more")
        self._offset_ms += by_ms
        return self.now().wall_ms
