"""What this node keeps about another member, whether or not it is connected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

from node.network.limits import NetworkLimits, TokenBucket
from node.network.outbox import Outbox
from node.network.requests import Requester
from node.wire import StreamClass


@dataclass(frozen=True)
class Peer:
    """A member's network identity."""

    member: int
    """The member's number in the consortium."""

    network_key: bytes
    """Ed25519 public key, 32 bytes."""

    address: str
    """Where it listens: a multiaddr without /p2p, as /ip4/192.0.2.7/tcp/4001 or /dns4/a.example/tcp/4001."""


class MemberState:
    """Queues to a member, what it is granted, and what has been held against it."""

    def __init__(
        self, peer: Peer, limits: NetworkLimits, on_offence: Callable[[int, str, float], None]
    ) -> None:
        self.peer = peer
        self._on_offence = on_offence
        self.outboxes = {
            StreamClass.VOTES: Outbox(StreamClass.VOTES, limits.votes_queue_bytes_max),
            StreamClass.BATCHES: Outbox(StreamClass.BATCHES, limits.batches_queue_bytes_max),
            StreamClass.SYNC: Outbox(StreamClass.SYNC, limits.sync_queue_bytes_max),
        }
        self.requester = Requester(self.outboxes[StreamClass.SYNC], limits.requests_in_flight_max)
        self.bad_messages = 0
        self.last_error: str | None = None

        self._bytes = TokenBucket(limits.inbound_bytes_per_s, limits.inbound_bytes_per_s)
        self._messages = TokenBucket(limits.inbound_messages_per_s, limits.inbound_messages_burst)
        self._offences = TokenBucket(limits.bad_messages_per_s, limits.bad_messages_max)
        self._penalty_s = limits.penalty_ms / 1000
        self._shut_out_until_s = 0.0

    def pace_bytes(self, amount: int) -> float:
        """Seconds to wait before more is read from the member, which has just sent `amount` bytes."""
        return self._bytes.take(amount, trio.current_time())

    def pace_message(self) -> float:
        """Seconds to wait before the member's next message is handled."""
        return self._messages.take(1, trio.current_time())

    def blame(self, reason: str) -> None:
        """Count a bad message; a member that sends too many is shut out for a while."""
        self.bad_messages += 1
        self.last_error = reason
        if self.shut_out_s:
            return  # it had sent this before it was shut out
        now_s = trio.current_time()
        if self._offences.take(1, now_s) > 0:
            self._shut_out_until_s = now_s + self._penalty_s
        self._on_offence(self.peer.member, reason, self.shut_out_s)

    def came(self) -> None:
        """The member is connected: everything can be queued for it."""
        for outbox in self.outboxes.values():
            outbox.member_came()

    def went(self) -> None:
        """The member is away."""
        for outbox in self.outboxes.values():
            outbox.member_went()

    @property
    def shut_out_s(self) -> float:
        """Seconds for which the member stays shut out; 0 when it is welcome."""
        return max(0.0, self._shut_out_until_s - trio.current_time())

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent, of all stream classes."""
        return sum(outbox.bytes_queued for outbox in self.outboxes.values())

    @property
    def dropped(self) -> int:
        """Messages to the member that were discarded or refused so far."""
        return sum(outbox.dropped for outbox in self.outboxes.values())
