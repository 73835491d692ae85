"""When to give up on a view, and when to ask again. It holds times of the monotonic clock, not the clock."""

from __future__ import annotations


class Pacemaker:
    """The timers of the current view.

    The deadline runs only while there is a reason to wait for a block, so an idle chain rests; it is
    set when the reason appears and cleared when it goes. While a view lasts and is wanted, it is time to ask
    others again and again: what was lost before a line healed must not cost the rest of a long timeout.
    """

    def __init__(self, retry_ms: int) -> None:
        self._interval_ms = retry_ms
        self.view = 0
        self.entered_ms = 0
        self.deadline_ms: int | None = None
        self.retry_at_ms: int | None = None
        self.busy_since_ms: int | None = None
        """Since when a block has been wanted and none became final, whatever the views."""

    def enter(self, view: int, now_ms: int) -> None:
        """Begin a view."""
        self.view, self.entered_ms = view, now_ms
        self.deadline_ms = self.retry_at_ms = None

    def run(self, wanted: bool, given_up: bool, timeout_ms: int, now_ms: int) -> None:
        """Let the retries run while a block is wanted, and the deadline until the view is given up."""
        if not wanted:
            self.deadline_ms = self.retry_at_ms = self.busy_since_ms = None
            return
        if self.busy_since_ms is None:
            self.busy_since_ms = now_ms
        if self.retry_at_ms is None:
            self.retry_at_ms = now_ms + self._interval_ms
        if given_up:
            self.deadline_ms = None
        elif self.deadline_ms is None:
            self.deadline_ms = now_ms + timeout_ms

    def expired(self, now_ms: int) -> bool:
        """Whether the view's time is up."""
        return self.deadline_ms is not None and now_ms >= self.deadline_ms

    def take_retry(self, now_ms: int) -> bool:
        """Whether it is time to ask again; the next time is then set."""
        if self.retry_at_ms is None or now_ms < self.retry_at_ms:
            return False
        self.retry_at_ms = now_ms + self._interval_ms
        return True

    def moments(self) -> list[int]:
        """The times at which something is to be done."""
        return [time for time in (self.deadline_ms, self.retry_at_ms) if time is not None]
