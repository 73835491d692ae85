"""Which transactions were executed, kept for as long as they could come again.

Ids are grouped by when they expire. The state holds one leaf for each such bucket, with the number of its
ids and a running hash over them in order of execution; the ids themselves are rows beside the tree that the
leaf pins. A bucket goes as a whole once all in it have expired: then the expiry alone refuses a repeat.
"""

from __future__ import annotations

from hashlib import sha256

from contracts.layout import BUCKET, REPLAY, Bucket, bucket_key
from contracts.merkle import Write
from contracts.state import Overlay, StateReader

BUCKET_MS = 10_000
"""Expiry times that share a bucket."""
_PAGE_ROWS = 1_000


class Executed:
    """The ids executed so far, as one block reads and extends them."""

    def __init__(self, overlay: Overlay, rows: StateReader) -> None:
        self._overlay = overlay
        self._rows = rows
        self._buckets: dict[bytes, Bucket] = {}
        self._new: dict[bytes, int] = {}

    def contains(self, transaction: bytes, expires_ms: int) -> bool:
        """True when the transaction (id, 32 bytes) was executed and its bucket still exists."""
        row = executed_row(transaction, expires_ms)
        return row in self._new or self._rows.get(row) is not None

    def add(self, transaction: bytes, expires_ms: int) -> None:
        """Note a transaction as executed."""
        row = executed_row(transaction, expires_ms)
        key = row[: -len(transaction)]
        bucket = self._buckets.get(key) or self._overlay.get(key, BUCKET) or Bucket(0, bytes(32))
        self._new[row] = bucket.count
        self._buckets[key] = Bucket(bucket.count + 1, sha256(bucket.running_hash + transaction).digest())

    def finish(self, time_ms: int) -> tuple[Write, ...]:
        """Write the leaves of a block of this time, and return how the rows change, sorted by key.

        Buckets that have expired are dropped; a block that executed nothing leaves that to the next.
        """
        if not self._new:
            return ()
        for key, bucket in self._buckets.items():
            self._overlay.put(key, bucket, BUCKET)
        rows: list[Write] = [(row, place.to_bytes(4, "big")) for row, place in self._new.items()]
        for key, _ in self._overlay.scan(REPLAY, None, BUCKET):
            if (int.from_bytes(key[len(REPLAY) :], "big") + 1) * BUCKET_MS > time_ms:
                break
            self._overlay.put(key, None, BUCKET)
            rows += self._rows_of(key)
        return tuple(sorted(rows))

    def _rows_of(self, key: bytes) -> list[Write]:
        """What deletes the rows of a bucket."""
        deletions: list[Write] = []
        page = self._rows.scan(key, None, _PAGE_ROWS)
        while page:
            deletions += [(row, None) for row, _ in page]
            page = self._rows.scan(key, page[-1][0], _PAGE_ROWS)
        return deletions


def executed_row(transaction: bytes, expires_ms: int) -> bytes:
    """The key of the row that notes a transaction (id, 32 bytes): that of its bucket's leaf, then the id."""
    return bucket_key(expires_ms // BUCKET_MS) + transaction
