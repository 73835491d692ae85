"""What the network grants to whom: sizes, rates, deadlines."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class NetworkLimits:
    """Bounds of one node's network; the defaults suit a consortium of some tens of members.

    Memory: a member can make this node hold at most its queues, one frame being assembled per stream class,
    the answer being sent, and the receive windows of its streams: below 50 MiB with the defaults.
    """

    votes_queue_bytes_max: int = 2 * MIB
    batches_queue_bytes_max: int = 16 * MIB
    sync_queue_bytes_max: int = 1 * MIB
    requests_in_flight_max: int = 16
    """Requests to one member that wait for an answer."""

    inbound_bytes_per_s: int = 64 * MIB
    inbound_messages_per_s: int = 2_000
    """A member that sends more is read more slowly, so that its own queues fill; nothing is dropped. Honest
    members send some hundreds a second; each may cost this node the check of a signature."""

    inbound_messages_burst: int = 10_000
    """Messages taken at once: the votes that waited for a member that was away."""

    heartbeat_ms: int = 3_000
    """From either end of a connection on which nothing came for so long; each time costs the two nodes some
    0.5 ms of processor. Asked every second, that was half of what an idle node among 16 took."""

    stale_after_ms: int = 6_000
    """A connection on which a heartbeat stays unanswered for so long is closed."""

    dial_grace_ms: int = 5_000
    """How long the member with the higher peer id waits to be dialled before it dials itself."""

    start_grace_ms: int = 100
    """The same just after the start, when the other may be up already and wait before it dials again."""

    dial_timeout_ms: int = 5_000
    backoff_min_ms: int = 200
    backoff_max_ms: int = 2_000
    """Between attempts to dial: after a partition a member is back within about that time."""

    handshake_timeout_ms: int = 5_000
    negotiation_timeout_ms: int = 10_000
    pending_handshakes_max: int = 256
    """Inbound connections that have not said who they are; the oldest is dropped for a new one."""

    handshakes_per_s: int = 100
    """Inbound handshakes begun per second, with a burst of as many; each costs about 2 ms of processor."""

    bad_messages_max: int = 20
    """Bad messages that a member may send at once, then `bad_messages_per_s`; above it is disconnected."""

    bad_messages_per_s: int = 1
    penalty_ms: int = 10_000
    """How long a disconnected offender stays out."""


class TokenBucket:
    """A rate with a burst: whoever takes more than has accumulated is told how long to wait."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = float(burst)
        self._at: float | None = None

    def take(self, amount: int, now_s: float) -> float:
        """Take `amount` now and return the seconds after which it is paid for: 0 within rate and burst."""
        elapsed_s = 0.0 if self._at is None else now_s - self._at
        self._at = now_s
        self._level = min(float(self._burst), self._level + elapsed_s * self._per_s) - amount
        return max(0.0, -self._level / self._per_s)
