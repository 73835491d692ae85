"""What became of transactions that are not yet in an executed block.

Every transaction of a batch that this node holds is tracked from the moment the batch is durable until
its block is executed; from then on the store answers. A transaction whose time has passed without
execution can never execute any more, so its poster is told `expired`, never left without an answer.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from api.gateway import TransactionState
from consensus.transactions import Transaction
from consensus.types import MemberNumber

ENTRUSTED = -1
"""In place of a lane: a validator promised to order it, and its batch has not come here yet."""

EXPIRED_KEPT_MS = 600_000
"""How long it is told that what was entrusted has expired."""


@dataclass(slots=True)
class _Copy:
    """A transaction as one batch of a lane carries it."""

    transaction: Transaction
    batch: bytes
    lane: MemberNumber
    available: bool = False


class PendingTransactions:
    """Transactions of held, not yet executed batches, by id (32 bytes).

    A transaction may come in several copies: posted on two nodes, signed with two keys of its account, or
    copied by a member without a valid key. All have one id, and only execution knows which counts; what this
    node itself promised is told by the copy in its own lane.
    """

    def __init__(self, me: MemberNumber) -> None:
        self._me = me
        # Values are replaced, never changed: the API's thread reads them too.
        self._copies: dict[bytes, tuple[_Copy, ...]] = {}
        self._by_batch: dict[bytes, tuple[bytes, ...]] = {}
        self._entrusted: dict[bytes, int] = {}
        """Expiry times by id; each is tracked as if it were a batch of its own, named by the id."""
        self._refused: dict[bytes, tuple[str, str]] = {}
        self.own = 0
        """Transactions of the own lane's batches, each as often as it is there; any thread may ask."""
        self._spreading: dict[bytes, float] = {}
        """Batches of the own lane that no quorum holds, oldest first, and since when they are here."""

    @property
    def spreading_since_s(self) -> float | None:
        """Since when (monotonic) a batch of the own lane is held by no quorum; any thread may ask."""
        return next(iter(tuple(self._spreading.values())), None)

    def __len__(self) -> int:
        return len(self._copies)

    def holds(self, transaction: Transaction, lanes: Collection[MemberNumber]) -> bool:
        """Whether this very envelope, signatures included, is in a held batch of `lanes`, or entrusted."""
        return any(
            copy.transaction.envelope == transaction.envelope
            and (copy.lane in lanes or copy.lane == ENTRUSTED)
            for copy in self._copies.get(transaction.id, ())
        )

    def track(self, batch: bytes, transactions: Sequence[Transaction], lane: MemberNumber) -> None:
        """The batch (digest, 32 bytes) of a lane is durable here."""
        if batch in self._by_batch:
            return
        self._by_batch[batch] = tuple(transaction.id for transaction in transactions)
        if lane == self._me:
            self._spreading[batch] = time.monotonic()
            self.own += len(transactions)
        for transaction in transactions:
            copies = self._copies.get(transaction.id, ())
            self._copies[transaction.id] = (*copies, _Copy(transaction, batch, lane))

    def entrust(self, transaction: Transaction) -> None:
        """A validator has taken it: it is pending here until it is executed, or past its time."""
        self._entrusted[transaction.id] = transaction.expires_ms
        self.track(transaction.id, [transaction], ENTRUSTED)

    def refuse(self, transaction: bytes, code: str, detail: str) -> None:
        """No validator takes over what this node, which has left, had promised to order (id of 32 bytes)."""
        self._refused[transaction] = code, detail

    def refusal(self, transaction: bytes) -> tuple[str, str] | None:
        """Code and detail, for what was refused so."""
        return self._refused.get(transaction)

    def settle(self, transactions: Iterable[bytes], final_time_ms: int) -> None:
        """A block of this time has executed these: nothing more is to be said of what was entrusted."""
        if not self._entrusted:
            return
        told_ms = final_time_ms - EXPIRED_KEPT_MS
        late = [each for each, expires_ms in self._entrusted.items() if expires_ms < told_ms]
        for identifier in (*transactions, *late):
            if self._entrusted.pop(identifier, None) is not None:
                self.forget([identifier])

    def mark_available(self, batch: bytes) -> tuple[bytes, ...]:
        """A quorum holds the batch; the ids of what it carries, where that is news."""
        changed = []
        self._spreading.pop(batch, None)
        for identifier in self._by_batch.get(batch, ()):
            for copy in self._copies[identifier]:
                if copy.batch == batch and not copy.available:
                    copy.available = True
                    changed.append(identifier)
        return tuple(changed)

    def forget(self, batches: Iterable[bytes]) -> None:
        """The batches are executed: the store knows their transactions now."""
        for batch in batches:
            self._spreading.pop(batch, None)
            carried = self._by_batch.pop(batch, ())
            if carried and any(
                copy.batch == batch and copy.lane == self._me for copy in self._copies[carried[0]]
            ):
                self.own -= len(carried)
            for identifier in carried:
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
        speaking = [copy for copy in copies if copy.lane == self._me] or copies
        available = any(copy.available for copy in speaking)
        return TransactionState.AVAILABLE if available else TransactionState.PENDING
