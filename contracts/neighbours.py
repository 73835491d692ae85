"""Which committed rows follow each other, as far as one block has looked.

A store that deletes by leaving marks has to step over all of them to find the next row, and that can take a
thousand times as long as a scan pays for. So no stretch between two rows is stepped over twice in a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from contracts.errors import StateCorruption
from contracts.sorted_keys import SortedKeys

PAGE_ROWS_MAX = 64
"""Most rows read from the store at a time."""
REMEMBERED_MAX = 65_536
"""Rows whose next row is remembered; then all is forgotten, to bound the memory."""


class OrderedRows(Protocol):
    """Rows that do not change, by key and in the order of their keys."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows whose keys begin with `prefix`, sorted, strictly after the key `after`."""

    def last_before(self, key: bytes) -> bytes | None:
        """The greatest key of a row that is less than `key`, or None."""


class Neighbours:
    """Reads rows in order, and remembers what it had to look for.

    Invariant: no row is strictly between a key of `_next` and what that maps to (None: the end of all rows).
    """

    def __init__(self, rows: OrderedRows) -> None:
        self._rows = rows
        self._starts = SortedKeys()
        self._next: dict[bytes, bytes | None] = {}

    def after(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All rows strictly after `key`; at first one is read, and more at a time as they are taken."""
        count, page = 1, dict[bytes, bytes | None]()
        is_row = False
        while True:
            start = self._start_of(key)
            if start is None:
                is_row = is_row or self._rows.get(key) is not None
                start = key if is_row else self._rows.last_before(key) or b""
                page = dict(self._rows.scan(b"", key, count))
                self._remember(start, list(page), len(page) < count)
                count = min(2 * count, PAGE_ROWS_MAX)
            found = self._next[start]
            if found is None:
                return
            data = page[found] if found in page else self._rows.get(found)
            if data is None:
                raise StateCorruption(f"state {found!r} was there, and is not any more")
            yield found, data
            key, is_row = found, True

    def _start_of(self, key: bytes) -> bytes | None:
        """The key whose next row is known to be that of `key`, too."""
        if key in self._next:
            return key
        start = self._starts.until(key)
        following = self._next[start] if start is not None else b""
        return start if following is None or key < following else None

    def _remember(self, start: bytes, keys: Sequence[bytes], is_end: bool) -> None:
        if len(self._next) > REMEMBERED_MAX:
            self._starts, self._next = SortedKeys(), {}
        for key in keys:
            self._starts.add(start)
            self._next[start] = key
            start = key
        if is_end:
            self._starts.add(start)
            self._next[start] = None
