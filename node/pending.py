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
class _Copy:
    """A transaction as one batch carries it."""

    transaction: Transaction
    batch: bytes
    own: bool
    available: bool = False


class PendingTransactions:
    """Transactions of held, not yet executed batches, by id (32 bytes).

    A transaction may come in several copies: posted on two nodes, signed with two keys of its account, or
    copied by a member without a valid key. All have one id, and only execution knows which counts; what this
    node itself promised is told by the copy in its own lane.
    """

    def __init__(self) -> None:
        # Values are replaced, never changed: the API's thread reads them too.
        self._copies: dict[bytes, tuple[_Copy, ...]] = {}
        self._by_batch: dict[bytes, tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        return len(self._copies)

    def holds(self, transaction: Transaction) -> bool:
        """Whether this very envelope, signatures included, is in a held batch."""
        copies = self._copies.get(transaction.id, ())
        return any(copy.transaction.envelope == transaction.envelope for copy in copies)

    def track(self, batch: bytes, transactions: Sequence[Transaction], *, own: bool) -> None:
        """The batch (digest, 32 bytes) is durable here; `own`: it is of this node's lane."""
        if batch in self._by_batch:
            return
        self._by_batch[batch] = tuple(transaction.id for transaction in transactions)
        for transaction in transactions:
            copies = self._copies.get(transaction.id, ())
            self._copies[transaction.id] = (*copies, _Copy(transaction, batch, own))

    def mark_available(self, batch: bytes) -> tuple[bytes, ...]:
        """A quorum holds the batch; the ids of what it carries, where that is news."""
        changed = []
        for identifier in self._by_batch.get(batch, ()):
            for copy in self._copies[identifier]:
                if copy.batch == batch and not copy.available:
                    copy.available = True
                    changed.append(identifier)
        return tuple(changed)

    def forget(self, batches: Iterable[bytes]) -> None:
        """The batches are executed: the store knows their transactions now."""
        for batch in batches:
            for identifier in self._by_batch.pop(batch, ()):
                rest = tuple(copy for copy in self._copies.get(identifier, ()) if copy.batch != batch)
                if rest:
                    self._copies[identifier] = rest
                else:
                    self._copies.pop(identifier, None)

    def state(self, transaction: bytes, final_time_ms: int) -> TransactionState | None:
        """Where it stands when the last executed block has `final_time_ms`; None: not tracked."""
        copies = self._copies.get(transaction, ())
        if not copies:
            return None
        if copies[0].transaction.expires_ms < final_time_ms:
            return TransactionState.EXPIRED
        speaking = [copy for copy in copies if copy.own] or copies
        available = any(copy.available for copy in speaking)
        return TransactionState.AVAILABLE if available else TransactionState.PENDING
