"""The own transactions that wait for the next batch, and the limits at which more are refused."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.parameters import Parameters
from consensus.transactions import Transaction


class Outbox:
    """A queue that is cut into batches by size, count, gas or age."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._waiting: list[Transaction] = []
        self._bytes = 0
        self._since_ms = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(
        self, transactions: Sequence[Transaction], ahead_batches: int, ahead_bytes: int, now_ms: int
    ) -> int:
        """Take as many as the limits allow, from the first on; returns how many.

        `ahead_batches` and `ahead_bytes` say how far the own lane is past its final tip. When it may
        not grow, one batch's worth still waits here; beyond that a client is told to come later.
        """
        limits = self._parameters
        room = limits.lane_ahead_bytes_max - ahead_bytes - self._bytes
        count_max = limits.batch_count_max * max(1, limits.lane_ahead_batches_max - ahead_batches)
        accepted = 0
        for transaction in transactions:
            size = len(transaction.envelope)
            if size > room or len(self._waiting) >= count_max:
                break
            if not self._waiting:
                self._since_ms = now_ms
            self._waiting.append(transaction)
            self._bytes, room, accepted = self._bytes + size, room - size, accepted + 1
        return accepted

    def due_ms(self) -> int | None:
        """When the next batch is to be cut, None where nothing waits."""
        if not self._waiting:
            return None
        full = (
            len(self._waiting) >= self._parameters.batch_count_max
            or self._bytes >= self._parameters.batch_bytes_max
        )
        return self._since_ms if full else self._since_ms + self._parameters.batch_interval_ms

    def take(self, now_ms: int) -> tuple[Transaction, ...]:
        """The next batch's transactions, oldest first, within a batch's limits."""
        limits = self._parameters
        size = gas = count = 0
        for transaction in self._waiting[: limits.batch_count_max]:
            size, gas = size + len(transaction.envelope), gas + transaction.gas_limit
            if count and (size > limits.batch_bytes_max or gas > limits.batch_gas_max):
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= sum(len(transaction.envelope) for transaction in taken)
        self._since_ms = now_ms
        return tuple(taken)
