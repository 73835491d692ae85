"""Pages of the state's tree: their forms, and what of them is kept in memory. `contracts.merkle` is the tree.

A bucket is `0x00 ‖ (path ‖ SHA-256(value)) of each entry, sorted`, a fork `0x01 ‖ hash of each of the sixteen
subtrees`. A page's place is the nibbles that lead to it, one a byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from contracts.errors import StateCorruption
from contracts.recent import Recent

EMPTY = bytes(32)
"""The hash of a subtree without entries, and the root of the empty state."""
BUCKET_ENTRIES_MAX = 16
"""Entries of a bucket; a subtree with more is a fork."""
TOP_NIBBLES_MAX = 4
"""Forks reached by so few nibbles are the top: 69,905 at most, some 40 MB, in a state of millions of keys."""
CACHED_BYTES_MAX = 8 * 1024 * 1024
"""Other pages kept in memory, in bytes with what keeping them takes."""
PAGE_KEPT_BYTES = 400
"""What keeping a page takes in memory besides its bytes: its place, its hash, its turn among the others."""

DIGEST_BYTES = 32
ENTRY_BYTES = 2 * DIGEST_BYTES
FORKS = 16
BUCKET, FORK = b"\x00", b"\x01"
NO_ENTRY = BUCKET
"""The page without entries, which is never stored."""
FORK_BYTES = 1 + FORKS * DIGEST_BYTES
BUCKET_BYTES_MAX = 1 + BUCKET_ENTRIES_MAX * ENTRY_BYTES
NIBBLES = tuple(bytes((nibble,)) for nibble in range(FORKS))

Fork = tuple[bytes, tuple["Fork | None", ...]]
"""A fork of the top: its page, and the sixteen below where they are of the top too; the lowest lists none."""


class Top(NamedTuple):
    """What of a tree is kept in memory and not stored: its root (32 bytes), and the forks near that."""

    root: bytes
    fork: Fork | None


NO_STATE = Top(EMPTY, None)
"""Of the empty state."""


def page_hash(page: bytes) -> bytes:
    """32 bytes; EMPTY of a bucket without entries."""
    return sha256(page).digest() if page != NO_ENTRY else EMPTY


class PageCache:
    """Checked pages with their hashes, by their place; for one thread.

    A page is given only to whoever knows its hash, so none is ever stale, also if a block is not committed.
    """

    def __init__(self, bytes_max: int = CACHED_BYTES_MAX) -> None:
        self._pages = Recent[tuple[bytes, bytes]](bytes_max, _kept_bytes)

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, place: bytes, expected: bytes) -> bytes | None:
        """The page there, if it has this hash (32 bytes)."""
        if place in self._pages:
            its_hash, page = self._pages.find(place)
            if its_hash == expected:
                return page
        return None

    def put(self, place: bytes, its_hash: bytes, page: bytes) -> None:
        """Keep a page, in place of any other there."""
        self._pages.keep(place, (its_hash, page))


def _kept_bytes(_place: bytes, held: tuple[bytes, bytes]) -> int:
    return PAGE_KEPT_BYTES + len(held[1])


def top_of(pages: Iterable[tuple[bytes, bytes]]) -> Top:
    """The top over stored pages, each with its place, sorted: all that are a nibble below it at most.

    They are believed; who knows the root compares it. Raises: StateCorruption.
    """
    rows = iter(pages)
    ahead = next(rows, None)

    def subtree(place: bytes) -> tuple[bytes, Fork | None]:
        nonlocal ahead
        if ahead is None or not ahead[0].startswith(place):
            return EMPTY, None
        if ahead[0] == place:
            its_hash, ahead = page_hash(ahead[1]), next(rows, None)
            return its_hash, None
        below = [subtree(place + nibble) for nibble in NIBBLES]
        page = FORK + b"".join(its_hash for its_hash, _ in below)
        forks = tuple(fork for _, fork in below) if len(place) < TOP_NIBBLES_MAX else ()
        return page_hash(page), (page, forks)

    top = Top(*subtree(b""))
    if ahead is not None:
        raise corrupt_page(ahead[0], "is at no place")
    return top


def is_fork(page: bytes) -> bool:
    """Else it is a bucket."""
    return page[0] == 1


def has_form(page: bytes) -> bool:
    """Whether a stored page can be one at all."""
    entries, rest = divmod(len(page) - 1, ENTRY_BYTES)
    is_bucket = page[:1] == BUCKET and rest == 0 and 0 < entries <= BUCKET_ENTRIES_MAX
    return is_bucket or (page[:1] == FORK and len(page) == FORK_BYTES)


def subtree_of(page: bytes, fork: Fork | None, nibble: int) -> tuple[bytes, Fork | None]:
    """What a fork's page says of a subtree: its hash (32 bytes), and the fork if it is one of the top."""
    at = slot_of(nibble)
    return page[at : at + DIGEST_BYTES], fork[1][nibble] if fork is not None and fork[1] else None


def slot_of(nibble: int) -> int:
    """Where in a fork's page the hash of a subtree stands."""
    return 1 + nibble * DIGEST_BYTES


def entries_of(bucket: bytes) -> list[bytes]:
    """Each path ‖ value hash, 64 bytes."""
    return [bucket[start : start + ENTRY_BYTES] for start in range(1, len(bucket), ENTRY_BYTES)]


def find_entry(bucket: bytes, path: bytes) -> int:
    """Where the path's entry begins, or -1. A value hash may look like a path, so only beginnings count."""
    at = bucket.find(path, 1)
    while at >= 0 and at % ENTRY_BYTES != 1:
        at = bucket.find(path, at + 1)
    return at


def nibble_of(path: bytes, depth: int) -> int:
    """Which of the sixteen subtrees of a fork at this depth the path leads to."""
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def corrupt_page(place: bytes, what: str) -> StateCorruption:
    """What to raise where a stored page is not as it was written."""
    return StateCorruption(
        f"state tree: the page at path {place.hex()[1::2] or '(root)'} {what}; "
        "the store was changed or damaged: restore it from a backup, or remove it and let this node catch up"
    )
