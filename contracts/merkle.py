"""The authenticated state: a Merkle tree whose root names the whole map from keys to values.

A key stands at `path = SHA-256(key)`. The tree forks by one nibble of the path at a time. A subtree with no
entry hashes to 32 zero bytes. One with at most BUCKET_ENTRIES_MAX entries is a *bucket*, any other a *fork*
of sixteen subtrees. Either is one *page*, and its hash is the SHA-256 of that:

    bucket:  0x00 ‖ (path ‖ SHA-256(value)) of each entry, sorted
    fork:    0x01 ‖ hash of each of the sixteen subtrees

So the root depends on the map alone, never on the order in which it came about, and a proof is the pages on
the way from the root to a bucket that has the key, or has it not. `docs/proofs.md` specifies every byte.

Pages keep the tree cheap where each operation costs, as in Python: to change one of a million keys, some six
pages of half a kilobyte, seldom one, are hashed at once, most of them shared with the block's other changes.

The forks near the root, which nearly every block changes, are the tree's *top*. It is kept in memory, and
made again from the pages below it when a node starts; it is a value, so each version of the state has its
own, and what did not change is shared. All other pages are stored, under the nibbles that lead to them, one a
byte. They are looked up by the hash that the page above holds for them, and checked against that when they
are read: what is not in the root can not be read by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from contracts.tree_pages import (
    BUCKET,
    BUCKET_BYTES_MAX,
    BUCKET_ENTRIES_MAX,
    DIGEST_BYTES,
    EMPTY,
    ENTRY_BYTES,
    FORK,
    FORK_BYTES,
    FORKS,
    NIBBLES,
    NO_ENTRY,
    TOP_NIBBLES_MAX,
    Fork,
    PageCache,
    Top,
    corrupt_page,
    entries_of,
    find_entry,
    has_form,
    is_fork,
    nibble_of,
    page_hash,
    slot_of,
    subtree_of,
)

NIBBLES_MAX = 64
"""Forks on the way to a bucket at most: a path has no more nibbles."""

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""


class TreeReader(Protocol):
    """Where the pages of the last committed tree are stored, but for those of its top."""

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


def check_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """True when `proof` shows that under `root` (32 bytes) `key` has `value`; None: that it has none."""
    path = sha256(key).digest()
    if len(proof.forks) > NIBBLES_MAX or len(proof.bucket) > BUCKET_ENTRIES_MAX:
        return False
    if any(len(entry) != ENTRY_BYTES for entry in proof.bucket):
        return False
    expected = root
    for depth, fork in enumerate(proof.forks):
        if len(fork) != FORK_BYTES - 1 or page_hash(FORK + fork) != expected:
            return False
        at = nibble_of(path, depth) * DIGEST_BYTES
        expected = fork[at : at + DIGEST_BYTES]
    if page_hash(BUCKET + b"".join(proof.bucket)) != expected:
        return False
    found = [entry for entry in proof.bucket if entry.startswith(path)]
    return found == ([] if value is None else [path + sha256(value).digest()])


_Change = tuple[bytes, bytes | None]
"""A path and the hash of the value that stands there now."""
_Below = tuple[Fork | None, ...]
"""Of a fork of the top."""


class Tree:
    """The state's tree as one block left it. Updating returns what to store and changes nothing here.

    Raises: StateCorruption wherever a stored page is not the one that the root stands for.
    """

    def __init__(self, reader: TreeReader, top: Top, cache: PageCache | None = None) -> None:
        self._reader = reader
        self._cache = PageCache() if cache is None else cache
        self.top = top

    def update(self, writes: Iterable[Write]) -> tuple[Top, tuple[Write, ...]]:
        """The new top and the pages to store (None: delete), sorted by key.

        Of several writes to one key the last counts. Pages that the writes share are hashed once.
        """
        changes = {
            sha256(key).digest(): None if value is None else sha256(value).digest() for key, value in writes
        }
        if not changes:
            return self.top, ()
        update = _Update(self._at_hand_or_stored, self._cache, deletes=None in changes.values())
        top = Top(*update.subtree(b"", *self.top, sorted(changes.items())))
        return top, tuple(sorted(update.pages.items()))

    def prove(self, key: bytes) -> StateProof:
        """That `key` has the value it has, or none."""
        forks, bucket = self._descend(sha256(key).digest())
        return StateProof(tuple(fork[1:] for fork in forks), tuple(entries_of(bucket)))

    def value_hash(self, key: bytes) -> bytes | None:
        """SHA-256 of the key's value, 32 bytes; None where it has none."""
        path = sha256(key).digest()
        _, bucket = self._descend(path)
        at = find_entry(bucket, path)
        return None if at < 0 else bucket[at + DIGEST_BYTES : at + ENTRY_BYTES]

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value hash) of every entry, sorted by path."""
        return self._leaves(b"", *self.top)

    def _page(self, place: bytes, expected: bytes) -> bytes:
        """What is stored at a place, where that has this hash (32 bytes); kept at hand."""
        page = self._at_hand_or_stored(place, expected)
        if page != NO_ENTRY:
            self._cache.put(place, expected, page)
        return page

    def _at_hand_or_stored(self, place: bytes, expected: bytes) -> bytes:
        """The same, not kept: an update keeps what becomes of it."""
        if expected == EMPTY:
            return NO_ENTRY
        page = self._cache.get(place, expected)
        if page is None:
            page = self._reader.get_page(place)
            if page is None:
                raise corrupt_page(place, "is missing")
            if sha256(page).digest() != expected:
                raise corrupt_page(place, f"does not hash to {expected.hex()}")
            if not has_form(page):
                raise corrupt_page(place, f"can not have these {len(page)} bytes")
        return page

    def _leaves(self, place: bytes, expected: bytes, fork: Fork | None) -> Iterator[tuple[bytes, bytes]]:
        page = self._page(place, expected) if fork is None else fork[0]
        if is_fork(page):
            for nibble in range(FORKS):
                yield from self._leaves(place + NIBBLES[nibble], *subtree_of(page, fork, nibble))
        else:
            yield from ((entry[:DIGEST_BYTES], entry[DIGEST_BYTES:]) for entry in entries_of(page))

    def _descend(self, path: bytes) -> tuple[list[bytes], bytes]:
        """The forks from the root down to the bucket that the path ends in, and that bucket."""
        forks: list[bytes] = []
        place = b""
        expected, fork = self.top
        while is_fork(page := self._page(place, expected) if fork is None else fork[0]):
            nibble = nibble_of(path, len(place))
            forks.append(page)
            place += NIBBLES[nibble]
            expected, fork = subtree_of(page, fork, nibble)
        return forks, page


class _Update:
    """One update of a tree: `pages` gathers what to store."""

    def __init__(self, read: Callable[[bytes, bytes], bytes], cache: PageCache, *, deletes: bool) -> None:
        self.pages: dict[bytes, bytes | None] = {}
        self._read = read
        self._cache = cache
        self._deletes = deletes

    def subtree(
        self, place: bytes, its_hash: bytes, fork: Fork | None, changes: Sequence[_Change]
    ) -> tuple[bytes, Fork | None]:
        """Apply `changes` (sorted, at least one) to a subtree; what it then is, as it was given."""
        page, below = fork or (self._read(place, its_hash), ())
        if is_fork(page):
            page, below = self._fork(place, page, below, changes)
        else:
            page = _changed(page, changes)
            if len(page) > BUCKET_BYTES_MAX:
                page, below = self._split(place, page)
                if its_hash != EMPTY:
                    self.pages[place] = None  # unless a fork is stored in its place
        return self._keep(place, page, below)

    def _fork(
        self, place: bytes, page: bytes, below: _Below, changes: Sequence[_Change]
    ) -> tuple[bytes, _Below]:
        hashes, forks = bytearray(page), list(below)
        byte, shift = len(place) >> 1, 0 if len(place) & 1 else 4
        start, count = 0, len(changes)
        while start < count:
            nibble, end = changes[start][0][byte] >> shift & 15, start + 1
            while end < count and changes[end][0][byte] >> shift & 15 == nibble:
                end += 1
            at = slot_of(nibble)
            hashes[at : at + DIGEST_BYTES], fork = self.subtree(
                place + NIBBLES[nibble],
                page[at : at + DIGEST_BYTES],
                below[nibble] if below else None,
                changes[start:end],
            )
            if forks:
                forks[nibble] = fork
            start = end
        if self._deletes and any(value_hash is None for _, value_hash in changes):
            few = self._few(place, hashes, forks)
            if few is not None:
                return few, ()
        return bytes(hashes), tuple(forks)

    def _split(self, place: bytes, bucket: bytes) -> tuple[bytes, _Below]:
        """A fork over entries that are too many for a bucket."""
        parts: list[list[bytes]] = [[NO_ENTRY] for _ in range(FORKS)]
        for entry in entries_of(bucket):
            parts[nibble_of(entry, len(place))].append(entry)
        hashes, forks = [FORK], list[Fork | None]()
        for nibble, part in zip(NIBBLES, parts, strict=True):
            place_below, page, below = place + nibble, b"".join(part), _Below()
            if len(page) > BUCKET_BYTES_MAX:
                page, below = self._split(place_below, page)
            its_hash, fork = self._keep(place_below, page, below) if len(part) > 1 else (EMPTY, None)
            hashes.append(its_hash)
            forks.append(fork)
        return b"".join(hashes), tuple(forks) if len(place) < TOP_NIBBLES_MAX else ()

    def _few(self, place: bytes, hashes: bytearray, forks: Sequence[Fork | None]) -> bytes | None:
        """What is left below a fork where a bucket has room for it, its pages then dropped; else None."""
        if any(forks):
            return None
        left, found = NO_ENTRY, []
        for nibble, below in enumerate(place + nibble for nibble in NIBBLES):
            at = slot_of(nibble)
            expected = bytes(hashes[at : at + DIGEST_BYTES])
            if expected != EMPTY:
                page = self.pages.get(below) or self._read(below, expected)
                if is_fork(page) or len(left) + len(page) - 1 > BUCKET_BYTES_MAX:
                    return None
                left += page[1:]
                found.append(below)
        self.pages.update(dict.fromkeys(found))
        return left

    def _keep(self, place: bytes, page: bytes, below: _Below) -> tuple[bytes, Fork | None]:
        """Have a page stored unless it is of the top; its hash (32 bytes), and the fork if it is."""
        if page == NO_ENTRY:
            self.pages[place] = None
            return EMPTY, None
        its_hash = sha256(page).digest()
        if len(place) <= TOP_NIBBLES_MAX and is_fork(page):
            return its_hash, (page, below)
        self.pages[place] = page
        self._cache.put(place, its_hash, page)
        return its_hash, None


def _changed(bucket: bytes, changes: Sequence[_Change]) -> bytes:
    """With as many entries as there may be after `changes`."""
    added: list[bytes] = []
    for path, value_hash in changes:
        at = find_entry(bucket, path)
        if at >= 0:
            entry = b"" if value_hash is None else path + value_hash
            bucket = bucket[:at] + entry + bucket[at + ENTRY_BYTES :]
        elif value_hash is not None:
            added.append(path + value_hash)
    return BUCKET + b"".join(sorted([*entries_of(bucket), *added])) if added else bucket
