"""The own transactions that wait for the next batch, and the limits at which more are refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus.parameters import Parameters
from consensus.transactions import Transaction


@dataclass(slots=True)
class _Draft:
    """A batch that grows until it is full or cut."""

    since_ms: int
    transactions: list[Transaction] = field(default_factory=list)
    size_bytes: int = 0
    gas: int = 0

    def has_room(self, transaction: Transaction, limits: Parameters) -> bool:
        return (
            len(self.transactions) < limits.batch_count_max
            and self.size_bytes + len(transaction.envelope) <= limits.batch_bytes_max
            and self.gas + transaction.gas_limit <= limits.batch_gas_max
        )

    def add(self, transaction: Transaction) -> None:
        self.transactions.append(transaction)
        self.size_bytes += len(transaction.envelope)
        self.gas += transaction.gas_limit


class Outbox:
    """A queue in the shape of the batches to come, divided by size, count and gas, and cut by age.

    Invariant: for each draft there is a place in the lane, so whatever was taken is in a batch when its
    draft is due, also while nothing becomes final.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._drafts: deque[_Draft] = deque()

    def __len__(self) -> int:
        return sum(len(draft.transactions) for draft in self._drafts)

    def offer(
        self, transactions: Sequence[Transaction], ahead_batches: int, ahead_bytes: int, now_ms: int
    ) -> int:
        """Take as many as the limits allow, from the first on; returns how many.

        `ahead_batches` and `ahead_bytes` say how far the own lane is past its final tip; a client that finds
        no room is told to come later.
        """
        limits = self._parameters
        drafts_max = limits.lane_ahead_batches_max - ahead_batches
        waiting_bytes = sum(draft.size_bytes for draft in self._drafts)
        room_bytes = limits.lane_ahead_bytes_max - ahead_bytes - waiting_bytes
        for accepted, transaction in enumerate(transactions):
            room_bytes -= len(transaction.envelope)
            if room_bytes < 0:
                return accepted
            if not self._drafts or not self._drafts[-1].has_room(transaction, limits):
                if len(self._drafts) >= drafts_max:
                    return accepted
                self._drafts.append(_Draft(now_ms))
            self._drafts[-1].add(transaction)
        return len(transactions)

    def due_ms(self) -> int | None:
        """When the next batch is to be cut, None where nothing waits."""
        if not self._drafts:
            return None
        first = self._drafts[0]
        full = len(self._drafts) > 1 or len(first.transactions) >= self._parameters.batch_count_max
        return first.since_ms if full else first.since_ms + self._parameters.batch_interval_ms

    def take(self) -> tuple[Transaction, ...]:
        """The next batch's transactions, oldest first, within a batch's limits."""
        return tuple(self._drafts.popleft().transactions)
