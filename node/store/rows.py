"""Rows of the database: whatever is read is checked, damage told as what it is."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter, thread_time
from typing import Any
from zlib import crc32

import plyvel

from consensus.codec import Field, T, decode
from consensus.errors import CorruptionError, DecodeError
from contracts.merkle import Write
from contracts.recent import Recent, row_kept_bytes
from contracts.tree_pages import corrupt_page

REMEDY = "remove the folder ledger and start again: this node fetches every block from the others"
"""What an operator can do about a store that was damaged or falsified."""
STUMBLE_S = 0.002
"""A look for one row takes some microseconds, and more than this where much was deleted, in seconds."""
_CHECKSUM = struct.Struct(">I")
_BEHIND_NIBBLES = b"\x10"


class Rows:
    """One space of one version of the store."""

    def __init__(self, source: Any, space: bytes) -> None:
        """`source` is a database or a snapshot of it."""
        self._source = source
        self._space = space

    def get(self, key: bytes) -> bytes | None:
        """The row's value, or None. Raises: CorruptionError."""
        try:
            value: bytes | None = self._source.get(self._space + key, verify_checksums=True)
        except plyvel.Error as error:
            raise damaged(error) from None
        return value

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows with keys that begin with `prefix`, sorted, strictly after the key `after`."""
        rows: list[tuple[bytes, bytes]] = []
        for row in self.each(prefix if after is None else max(prefix, after + b"\x00")):
            if len(rows) == limit or not row[0].startswith(prefix):
                break
            rows.append(row)
        return rows

    def last_before(self, key: bytes) -> bytes | None:
        """The greatest key of a row that is less than `key`, or None."""
        return next((row[0] for row in self.each_reversed(key)), None)

    def each(self, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All rows from `start` on, sorted by key. Raises: CorruptionError."""
        for key, value in each_row(self._source, self._space + start):
            if not key.startswith(self._space):
                return
            yield key[1:], value

    def each_reversed(self, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """All rows strictly before `stop`, the last one first. Raises: CorruptionError."""
        end = bytes([self._space[0] + 1]) if stop is None else self._space + stop
        for key, value in each_row_before(self._source, end):
            if not key.startswith(self._space):
                return
            yield key[1:], value


class Finder:
    """Finds rows through one iterator, which sees what was committed when it was first asked, until `reset`.

    Whenever the database's own `get` has to go on to a second table, it counts a seek against the first, and
    merges a table away that has used up as many as a disk could have done meanwhile. To read a large store
    here and there had all of it rewritten again and again; of what iterators read hardly anything is counted.

    An iterator steps over whatever was deleted between a key that is not there and the next row. Who deleted
    very much could have that done again and again; so after one look for so long, `get` is asked.
    """

    def __init__(self, source: Any, *, checked: bool) -> None:
        """`checked`: against the database's checksums, of a block of rows in each table; else whoever asks
        must know by itself whether a row is sound."""
        self._source = source
        self._checked = checked
        self._at: Any = None
        self._clock = perf_counter
        self._stumbled = False

    def find(self, key: bytes) -> bytes | None:
        """What is stored under a whole key, its space included, or None. Raises: CorruptionError."""
        try:
            if self._stumbled:
                return self._source.get(key, verify_checksums=True)  # type: ignore[no-any-return]
            if self._at is None:
                self._at = self._source.raw_iterator(verify_checksums=self._checked)
            began_s = self._clock()
            self._at.seek(key)
            if self._clock() - began_s > STUMBLE_S:
                # At first it may have waited for a processor; which one took costs more to ask.
                self._stumbled = self._clock is thread_time
                self._clock = thread_time
            if self._at.valid():
                found: tuple[bytes, bytes] = self._at.item()
                return found[1] if found[0] == key else None
        except plyvel.Error as error:
            raise damaged(error) from None
        return None

    def reset(self) -> None:
        """See what is committed from now on, and keep no table of before from being removed."""
        if self._at is not None:
            self._at.close()
            self._at = None
        self._clock, self._stumbled = perf_counter, False


class PageRows(Rows):
    """The pages of the state's tree, which are known by their hashes."""

    def __init__(self, source: Any, space: bytes) -> None:
        super().__init__(source, space)
        self.finder = Finder(source, checked=False)

    def get_page(self, key: bytes) -> bytes | None:
        """The page at a path, or None; not checked."""
        return self.finder.find(self._space + key)

    def each_near(self, nibbles_max: int) -> Iterator[tuple[bytes, bytes]]:
        """The pages at paths of so many nibbles at most, sorted. Raises: CorruptionError, StateCorruption."""
        try:
            with self._source.raw_iterator(verify_checksums=True) as at:
                at.seek(self._space)
                while at.valid():
                    key, page = at.item()
                    if not key.startswith(self._space):
                        return
                    if len(key) <= 1 + nibbles_max:
                        yield key[1:], page
                        at.next()
                    elif key[1 + nibbles_max :] < _BEHIND_NIBBLES:
                        at.seek(key[: 1 + nibbles_max] + _BEHIND_NIBBLES)
                    else:
                        raise corrupt_page(key[1:], "is at no place")
        except plyvel.Error as error:
            raise damaged(error) from None


class SealedRows(Rows):
    """Rows that end in a checksum of their own, which no caller sees."""

    def __init__(self, source: Any, space: bytes, *, seldom_there: bool = False) -> None:
        """`seldom_there` where most rows that are asked for are not; else that is looked at twice."""
        super().__init__(source, space)
        self.finder = Finder(source, checked=seldom_there)
        self._seldom_there = seldom_there

    def get(self, key: bytes) -> bytes | None:
        stored = self.finder.find(self._space + key)
        if stored is None and not self._seldom_there:  # its key may be damaged, which checksums tell
            stored = super().get(key)
        return None if stored is None else unsealed(key, stored)

    def each(self, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key, stored in super().each(start):
            yield key, unsealed(key, stored)

    def each_reversed(self, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        for key, stored in super().each_reversed(stop):
            yield key, unsealed(key, stored)


def sealed(key: bytes, value: bytes) -> bytes:
    """A value as SealedRows read it: with the CRC-32 of key and value, 4 bytes, at its end."""
    return value + _CHECKSUM.pack(crc32(value, crc32(key)))


def unsealed(key: bytes, stored: bytes) -> bytes:
    """The value. Raises: CorruptionError."""
    value = stored[: -_CHECKSUM.size]
    if stored[-_CHECKSUM.size :] != _CHECKSUM.pack(crc32(value, crc32(key))):
        raise CorruptionError(f"store: the row of {key!r} does not have its checksum: {REMEDY}")
    return value


class HotRows(SealedRows):
    """Rows with the most recently used ones at hand, for the one thread that also commits.

    Another thread could put back, after a commit, what it had read before; so others read snapshots.
    """

    def __init__(self, source: Any, space: bytes, bytes_max: int, *, seldom_there: bool = False) -> None:
        super().__init__(source, space, seldom_there=seldom_there)
        self._recent = Recent[bytes | None](bytes_max, row_kept_bytes)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Have rows at hand, looked up in the order in which they are stored, which takes half as long.

        Whether one is missing or damaged is left to `get`: it may not be needed. Raises: CorruptionError.
        """
        for key in sorted({key for key in keys if key not in self._recent}):
            stored = self.finder.find(self._space + key)
            if stored is None:
                if self._seldom_there:
                    self._recent.keep(key, None)
            elif sealed(key, value := stored[: -_CHECKSUM.size]) == stored:
                self._recent.keep(key, value)

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._recent.find(key)
        except KeyError:
            value = super().get(key)
            self._recent.keep(key, value)
            return value

    def committed(self, writes: Sequence[Write]) -> None:
        """The rows have changed so."""
        self._recent.changed(writes)


def each_row(source: Any, start: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All rows of a database or snapshot from the key `start` on, sorted. Raises: CorruptionError.

    plyvel's ordinary iterator steps over a damaged part of a file in silence; the raw one tells.
    """
    try:
        with source.raw_iterator(verify_checksums=True) as at:
            at.seek(start)
            while at.valid():
                yield at.item()
                at.next()
    except plyvel.Error as error:
        raise damaged(error) from None


def each_row_before(source: Any, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All rows strictly before the key `stop`, the last one first. Raises: CorruptionError."""
    try:
        with source.raw_iterator(verify_checksums=True) as at:
            at.seek(stop)
            if at.valid():
                at.prev()
            else:
                at.seek_to_last()
            while at.valid():
                yield at.item()
                at.prev()
    except plyvel.Error as error:
        raise damaged(error) from None


def decode_row(field: Field[T], data: bytes, what: str) -> T:
    """A record of a row. Raises: CorruptionError: what a peer may do wrong, our own store may not."""
    try:
        return decode(field, data, what, len(data))
    except DecodeError as error:
        raise CorruptionError(f"store: {error}: {REMEDY}") from None


def of_size(data: bytes, size_bytes: int, what: str) -> bytes:
    """A row that must have this size. Raises: CorruptionError."""
    if len(data) != size_bytes:
        raise CorruptionError(f"store: {what}: {len(data)} bytes instead of {size_bytes}: {REMEDY}")
    return data


def damaged(error: Exception) -> CorruptionError:
    """What to raise where the database finds itself damaged."""
    return CorruptionError(f"store: the database is damaged ({reason_of(error)}): {REMEDY}")


def reason_of(error: Exception) -> str:
    """An error's text; plyvel's errors carry bytes."""
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
