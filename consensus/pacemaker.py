"""When to give up on a view, and when to ask again. It holds times of the monotonic clock, not the clock."""

from __future__ import annotations


class Pacemaker:
    """The timers of the current view.

    The deadline runs only while there is a reason to wait for a block, so an idle chain rests; it is
    set when the reason appears and cleared when it goes. While a view lasts and is wanted, it is time to ask
    others again and again: what was lost before a line healed must not cost the rest of a long timeout.
    """

    def __init__(self, retry_ms: int, *, gathers: bool = False) -> None:
        """`gathers`: whether `slack_ms` is ever more than 0."""
        self._interval_ms = retry_ms
        self._gathers = gathers
        self._proposed_ms: int | None = None
        self.view = 0
        self.entered_ms = 0
        self.slack_ms = 0
        """So long a leader lets work gather, and all wait longer: about as long as the last vote took, T0 / 2
        at most. So among many, the slower voting is, the more each block orders."""
        self.deadline_ms: int | None = None
        self.retry_at_ms: int | None = None
        self.busy_since_ms: int | None = None
        """Since when a block has been wanted and none became final, whatever the views."""

    @property
    def opens_ms(self) -> int:
        """When the view's leader may look for work."""
        return self.entered_ms + self.slack_ms

    def enter(self, view: int, now_ms: int, *, skipped: bool = False) -> None:
        """Begin a view; `skipped`: the one before was, and says nothing of how long a vote takes."""
        if self._gathers and self._proposed_ms is not None and not skipped:
            # Between a proposal's arrival and its notarisation is one of the two delays that a vote takes.
            self.slack_ms = min(2 * (now_ms - self._proposed_ms), self._interval_ms // 2)
        self._proposed_ms = None
        self.view, self.entered_ms = view, now_ms
        self.deadline_ms = self.retry_at_ms = None

    def proposed(self, now_ms: int) -> None:
        """There is a proposal in this view; the first time counts."""
        if self._proposed_ms is None:
            self._proposed_ms = now_ms

    def run(self, wanted: bool, given_up: bool, timeout_ms: int, now_ms: int) -> None:
        """Let the retries run while a block is wanted, and the deadline until the view is given up."""
        if not wanted:
            self.deadline_ms = self.retry_at_ms = self.busy_since_ms = None
            return
        if self.busy_since_ms is None:
            self.busy_since_ms = now_ms
        if self.retry_at_ms is None:
            self.retry_at_ms = now_ms + self._interval_ms + self.slack_ms
        if given_up:
            self.deadline_ms = None
        elif self.deadline_ms is None:
            self.deadline_ms = now_ms + timeout_ms + self.slack_ms

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
