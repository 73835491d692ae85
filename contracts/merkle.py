"""The authenticated state: a Merkle tree whose root names the whole map from keys to values.

A key stands at `path = SHA-256(key)`. The tree forks by one nibble of the path at a time. A subtree with no
entry hashes to 32 zero bytes. One with at most BUCKET_ENTRIES_MAX entries is a *bucket*, any other a *fork*
of sixteen subtrees. Either is one *page*, and its hash is the SHA-256 of that:

    bucket:  0x00 ‖ (path ‖ SHA-256(value)) of each entry, sorted
    fork:    0x01 ‖ hash of each of the sixteen subtrees

So the root depends on the map alone, never on the order in which it came about, and a proof is the pages on
the way from the root to a bucket that has the key, or has it not. `docs/proofs.md` specifies every byte.

Pages keep the tree cheap where each operation costs, as in Python: to change one of a million keys, some five
pages of half a kilobyte or a kilobyte are hashed at once, most of them shared with the block's other changes.

A page is stored under the nibbles that lead to it, one a byte. It is looked up by the hash that the page
above holds for it, and checked against that when it is read: what is not in the root can not be read by
mistake.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from contracts.errors import StateCorruption

EMPTY = bytes(32)
"""The hash of a subtree without entries, and the root of the empty state."""
NIBBLES_MAX = 64
"""Forks on the way to a bucket at most: a path has no more nibbles."""
BUCKET_ENTRIES_MAX = 32
"""Entries of a bucket; a subtree with more is a fork."""
UPPER_NIBBLES_MAX = 3
"""Forks reached by so few nibbles, 4,369 at most, all stay in the cache: every block needs most of them."""
CACHED_BYTES_MAX = 32 * 1024 * 1024
"""Other pages kept in memory, in bytes with what keeping them takes, those put longest ago dropped first."""
PAGE_KEPT_BYTES = 400
"""What keeping a page takes in memory besides its bytes: its place, its hash, its turn among the others."""

_DIGEST_BYTES = 32
_ENTRY_BYTES = 2 * _DIGEST_BYTES
_FORKS = 16
_BUCKET, _FORK = b"\x00", b"\x01"
_NO_ENTRY = _BUCKET
"""The page without entries, which is never stored."""
_FORK_BYTES = 1 + _FORKS * _DIGEST_BYTES
_BUCKET_BYTES_MAX = 1 + BUCKET_ENTRIES_MAX * _ENTRY_BYTES
_NIBBLES = tuple(bytes((nibble,)) for nibble in range(_FORKS))

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""


class TreeReader(Protocol):
    """Where the pages of the last committed tree are stored."""

    def get_page(self, key: bytes) -> bytes | None:
        """The page's bytes, or None where there is none."""


@dataclass(frozen=True, slots=True)
class StateProof:
    """That a key has a certain value, or none.

    `forks` are those on the key's path from the root on, the hashes of sixteen subtrees each, 512 bytes.
    `bucket` holds every entry (path ‖ value hash, 64 bytes) of the bucket that they lead to, sorted.
    """

    forks: tuple[bytes, ...]
    bucket: tuple[bytes, ...]


def page_hash(page: bytes) -> bytes:
    """32 bytes; EMPTY of a bucket without entries."""
    return sha256(page).digest() if page != _NO_ENTRY else EMPTY


def check_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """True when `proof` shows that under `root` (32 bytes) `key` has `value`; None: that it has none."""
    path = sha256(key).digest()
    if len(proof.forks) > NIBBLES_MAX or len(proof.bucket) > BUCKET_ENTRIES_MAX:
        return False
    if any(len(entry) != _ENTRY_BYTES for entry in proof.bucket):
        return False
    expected = root
    for depth, fork in enumerate(proof.forks):
        if len(fork) != _FORK_BYTES - 1 or page_hash(_FORK + fork) != expected:
            return False
        at = _nibble(path, depth) * _DIGEST_BYTES
        expected = fork[at : at + _DIGEST_BYTES]
    if page_hash(_BUCKET + b"".join(proof.bucket)) != expected:
        return False
    found = [entry for entry in proof.bucket if entry.startswith(path)]
    return found == ([] if value is None else [path + sha256(value).digest()])


_Change = tuple[bytes, bytes | None]
"""A path and the hash of the value that stands there now."""


class PageCache:
    """Checked pages with their hashes, by their place; for one thread.

    A page is given only to whoever knows its hash, so none is ever stale, also if a block is not committed.
    """

    def __init__(self, bytes_max: int = CACHED_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._upper: dict[bytes, tuple[bytes, bytes]] = {}
        self._lower: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._upper) + len(self._lower)

    def get(self, place: bytes, expected: bytes) -> bytes | None:
        """The page there, if it has this hash (32 bytes)."""
        held = self._lower.get(place)
        if held is None and len(place) <= UPPER_NIBBLES_MAX:
            held = self._upper.get(place)
        return held[1] if held is not None and held[0] == expected else None

    def put(self, place: bytes, its_hash: bytes, page: bytes) -> None:
        """Keep a page, in place of any other there."""
        before = self._lower.pop(place, None)
        if before is not None:
            self._size_bytes -= PAGE_KEPT_BYTES + len(before[1])
        if len(place) <= UPPER_NIBBLES_MAX:
            if _is_fork(page):
                self._upper[place] = its_hash, page
                return
            self._upper.pop(place, None)
        self._lower[place] = its_hash, page
        self._size_bytes += PAGE_KEPT_BYTES + len(page)
        while self._size_bytes > self._bytes_max:
            _, (_, oldest) = self._lower.popitem(last=False)
            self._size_bytes -= PAGE_KEPT_BYTES + len(oldest)


class Tree:
    """The state's tree as one block left it. Updating returns what to store and changes nothing here.

    `root` is what the caller knows the stored tree to have; where none is given, the stored page is believed.
    Raises: StateCorruption wherever a stored page is not the one that the root stands for.
    """

    def __init__(self, reader: TreeReader, root: bytes | None = None, cache: PageCache | None = None) -> None:
        self._reader = reader
        self._cache = PageCache() if cache is None else cache
        if root is None:
            stored = reader.get_page(b"")
            root = EMPTY if stored is None else page_hash(stored)
        self.root = root

    def update(self, writes: Iterable[Write]) -> tuple[bytes, tuple[Write, ...]]:
        """The new root (32 bytes) and the pages to store (None: delete), sorted by key.

        Of several writes to one key the last counts. Pages that the writes share are hashed once.
        """
        changes = {
            sha256(key).digest(): None if value is None else sha256(value).digest() for key, value in writes
        }
        if not changes:
            return self.root, ()
        update = _Update(self.page, self._cache, deletes=None in changes.values())
        root = update.subtree(b"", self.root, sorted(changes.items()))
        return root, tuple(sorted(update.pages.items()))

    def prove(self, key: bytes) -> StateProof:
        """That `key` has the value it has, or none."""
        forks, bucket = self._descend(sha256(key).digest())
        return StateProof(tuple(fork[1:] for fork in forks), tuple(_entries(bucket)))

    def value_hash(self, key: bytes) -> bytes | None:
        """SHA-256 of the key's value, 32 bytes; None where it has none."""
        path = sha256(key).digest()
        _, bucket = self._descend(path)
        at = _find(bucket, path)
        return None if at < 0 else bucket[at + _DIGEST_BYTES : at + _ENTRY_BYTES]

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value hash) of every entry, sorted by path."""
        return self._leaves(b"", self.root)

    def page(self, place: bytes, expected: bytes) -> bytes:
        """What is at a place, where that has this hash (32 bytes)."""
        if expected == EMPTY:
            return _NO_ENTRY
        page = self._cache.get(place, expected)
        if page is None:
            page = self._reader.get_page(place)
            if page is None:
                raise _corrupt(place, "is missing")
            if sha256(page).digest() != expected:
                raise _corrupt(place, f"does not hash to {expected.hex()}")
            if not _has_form(page):
                raise _corrupt(place, f"can not have these {len(page)} bytes")
            self._cache.put(place, expected, page)
        return page

    def _leaves(self, place: bytes, expected: bytes) -> Iterator[tuple[bytes, bytes]]:
        page = self.page(place, expected)
        if _is_fork(page):
            for nibble in range(_FORKS):
                at = _slot(nibble)
                yield from self._leaves(place + _NIBBLES[nibble], page[at : at + _DIGEST_BYTES])
        else:
            yield from ((entry[:_DIGEST_BYTES], entry[_DIGEST_BYTES:]) for entry in _entries(page))

    def _descend(self, path: bytes) -> tuple[list[bytes], bytes]:
        """The forks from the root down to the bucket that the path ends in, and that bucket."""
        forks: list[bytes] = []
        place = b""
        page = self.page(place, self.root)
        while _is_fork(page):
            nibble = _nibble(path, len(place))
            forks.append(page)
            place += _NIBBLES[nibble]
            at = _slot(nibble)
            page = self.page(place, page[at : at + _DIGEST_BYTES])
        return forks, page


class _Update:
    """One update of a tree: `pages` gathers what to store."""

    def __init__(self, read: Callable[[bytes, bytes], bytes], cache: PageCache, *, deletes: bool) -> None:
        self.pages: dict[bytes, bytes | None] = {}
        self._read = read
        self._cache = cache
        self._deletes = deletes

    def subtree(self, place: bytes, its_hash: bytes, changes: Sequence[_Change]) -> bytes:
        """Apply `changes` (sorted, at least one) to a subtree; its new hash (32 bytes)."""
        page = self._read(place, its_hash)
        if _is_fork(page):
            page = self._fork(place, page, changes)
        else:
            page = _changed(page, changes)
            if len(page) > _BUCKET_BYTES_MAX:
                page = self._split(place, page)
        return self._keep(place, page)

    def _fork(self, place: bytes, fork: bytes, changes: Sequence[_Change]) -> bytes:
        hashes = bytearray(fork)
        byte, shift = len(place) >> 1, 0 if len(place) & 1 else 4
        start, count = 0, len(changes)
        while start < count:
            nibble, end = changes[start][0][byte] >> shift & 15, start + 1
            while end < count and changes[end][0][byte] >> shift & 15 == nibble:
                end += 1
            at = _slot(nibble)
            hashes[at : at + _DIGEST_BYTES] = self.subtree(
                place + _NIBBLES[nibble], fork[at : at + _DIGEST_BYTES], changes[start:end]
            )
            start = end
        if self._deletes:
            few = self._few(place, hashes)
            if few is not None:
                return few
        return bytes(hashes)

    def _split(self, place: bytes, bucket: bytes) -> bytes:
        """A fork over entries that are too many for a bucket."""
        parts: list[list[bytes]] = [[_NO_ENTRY] for _ in range(_FORKS)]
        for entry in _entries(bucket):
            parts[_nibble(entry, len(place))].append(entry)
        hashes = [_FORK]
        for nibble, part in zip(_NIBBLES, parts, strict=True):
            below, page = place + nibble, b"".join(part)
            if len(page) > _BUCKET_BYTES_MAX:
                page = self._split(below, page)
            hashes.append(self._keep(below, page) if len(part) > 1 else EMPTY)
        return b"".join(hashes)

    def _few(self, place: bytes, hashes: bytearray) -> bytes | None:
        """What is left below a fork where a bucket has room for it, its pages then dropped; else None."""
        left, found = _NO_ENTRY, []
        for nibble, below in enumerate(place + nibble for nibble in _NIBBLES):
            at = _slot(nibble)
            expected = bytes(hashes[at : at + _DIGEST_BYTES])
            if expected != EMPTY:
                page = self.pages.get(below) or self._read(below, expected)
                if _is_fork(page) or len(left) + len(page) - 1 > _BUCKET_BYTES_MAX:
                    return None
                left += page[1:]
                found.append(below)
        self.pages.update(dict.fromkeys(found))
        return left

    def _keep(self, place: bytes, page: bytes) -> bytes:
        """Have a page stored; its hash (32 bytes)."""
        its_hash = page_hash(page)
        if its_hash == EMPTY:
            self.pages[place] = None
        else:
            self.pages[place] = page
            self._cache.put(place, its_hash, page)
        return its_hash


def _is_fork(page: bytes) -> bool:
    """Else it is a bucket."""
    return page[0] == 1


def _has_form(page: bytes) -> bool:
    """Whether a stored page can be one at all."""
    entries, rest = divmod(len(page) - 1, _ENTRY_BYTES)
    is_bucket = page[:1] == _BUCKET and rest == 0 and 0 < entries <= BUCKET_ENTRIES_MAX
    return is_bucket or (page[:1] == _FORK and len(page) == _FORK_BYTES)


def _slot(nibble: int) -> int:
    """Where in a fork's page the hash of a subtree stands."""
    return 1 + nibble * _DIGEST_BYTES


def _entries(bucket: bytes) -> list[bytes]:
    """Each path ‖ value hash, 64 bytes."""
    return [bucket[start : start + _ENTRY_BYTES] for start in range(1, len(bucket), _ENTRY_BYTES)]


def _find(bucket: bytes, path: bytes) -> int:
    """Where the path's entry begins, or -1. A value hash may look like a path, so only beginnings count."""
    at = bucket.find(path, 1)
    while at >= 0 and at % _ENTRY_BYTES != 1:
        at = bucket.find(path, at + 1)
    return at


def _changed(bucket: bytes, changes: Sequence[_Change]) -> bytes:
    """With as many entries as there may be after `changes`."""
    added: list[bytes] = []
    for path, value_hash in changes:
        at = _find(bucket, path)
        if at >= 0:
            entry = b"" if value_hash is None else path + value_hash
            bucket = bucket[:at] + entry + bucket[at + _ENTRY_BYTES :]
        elif value_hash is not None:
            added.append(path + value_hash)
    return _BUCKET + b"".join(sorted([*_entries(bucket), *added])) if added else bucket


def _nibble(path: bytes, depth: int) -> int:
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _corrupt(place: bytes, what: str) -> StateCorruption:
    return StateCorruption(
        f"state tree: the page at path {place.hex()[1::2] or '(top)'} {what}; "
        "the store was changed or damaged: restore it from a backup, or remove it and let this node catch up"
    )
