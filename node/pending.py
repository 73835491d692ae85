"""What became of transactions that are not yet in an executed block.

Every transaction of a batch that this node holds is tracked from the moment the batch is durable until
its block is executed; from then on the store answers. A transaction whose time has passed without
execution can never execute any more, so its poster is told `expired`, never left without an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from api.gateway import TransactionState
from consensus.transactions import Transaction


@dataclass(slots=True)
class _Tracked:
    expires_ms: int
    batch: bytes
    available: bool = False


class PendingTransactions:
    """Transactions of held, not yet executed batches, by id (32 bytes)."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, _Tracked] = {}
        self._by_batch: dict[bytes, tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, transaction: bytes) -> bool:
        return transaction in self._by_id

    def track(self, batch: bytes, transactions: Sequence[Transaction]) -> None:
        """The batch (digest, 32 bytes) is durable here."""
        if batch in self._by_batch:
            return
        self._by_batch[batch] = tuple(transaction.id for transaction in transactions)
        for transaction in transactions:
            # The first batch that carries a transaction speaks for it; a second copy adds nothing.
            self._by_id.setdefault(transaction.id, _Tracked(transaction.expires_ms, batch))

    def mark_available(self, batch: bytes) -> tuple[bytes, ...]:
        """A quorum holds the batch; the ids whose state changed."""
        changed = []
        for identifier in self._by_batch.get(batch, ()):
            tracked = self._by_id.get(identifier)
            if tracked is not None and tracked.batch == batch and not tracked.available:
                tracked.available = True
                changed.append(identifier)
        return tuple(changed)

    def forget(self, batches: Iterable[bytes]) -> None:
        """The batches are executed: the store knows their transactions now."""
        for batch in batches:
            for identifier in self._by_batch.pop(batch, ()):
                tracked = self._by_id.get(identifier)
                if tracked is not None and tracked.batch == batch:
                    del self._by_id[identifier]

    def state(self, transaction: bytes, final_time_ms: int) -> TransactionState | None:
        """Where it stands when the last executed block has `final_time_ms`; None: not tracked."""
        tracked = self._by_id.get(transaction)
        if tracked is None:
            return None
        if tracked.expires_ms < final_time_ms:
            return TransactionState.EXPIRED
        return TransactionState.AVAILABLE if tracked.available else TransactionState.PENDING
