"""The authenticated state: a Merkle tree whose root names the whole map from keys to values.

A key stands at `path = SHA-256(key)`. The tree forks by one nibble of the path at a time. A subtree with no
entry hashes to 32 zero bytes, one with at most BUCKET_ENTRIES_MAX entries is a *bucket* and hashes to
`bucket_hash` of all of them, any other is a *fork* and hashes its sixteen subtrees two by two, four levels
up. So the root depends on the map alone, never on the order in which it came about, and a proof of absence
is a bucket without the key. `docs/proofs.md` specifies this byte by byte.

Buckets keep the tree cheap: to change one of a million keys, a kilobyte is hashed at once and some sixteen
nodes above it, where a tree down to single keys would read and hash a node for each bit in which they differ.

A fork or bucket is stored as a *page* under the nibbles that lead to it, one a byte:

    bucket:  0x00 ‖ (path ‖ SHA-256(value)) of each entry, sorted
    fork:    0x01 ‖ hash of each of the sixteen subtrees

It is looked up by the hash that the page above holds for it, and checked against that when it is read:
what is not in the root can not be read by mistake.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
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
CACHED_PAGES_MAX = 8192
"""Other pages kept in memory, 1 to 3 KiB each, the least recently used dropped first."""

_DIGEST_BYTES = 32
_ENTRY_BYTES = 2 * _DIGEST_BYTES
_FORKS = 16
"""Node 1 of a fork is its top, node i has halves 2i and 2i + 1: the subtrees are nodes 16 to 31."""
_BUCKET, _FORK = b"\x00", b"\x01"

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""


class TreeReader(Protocol):
    """Where the pages of the last committed tree are stored."""

    def get_page(self, key: bytes) -> bytes | None:
        """The page's bytes, or None where there is none."""


@dataclass(frozen=True, slots=True)
class StateProof:
    """That a key has a certain value, or none.

    `bucket` holds every entry (path ‖ value hash, 64 bytes) of the bucket on the key's path, sorted.
    `siblings` are the hashes beside the path from there up to the root, 32 bytes each, four for each fork.
    """

    bucket: tuple[bytes, ...]
    siblings: tuple[bytes, ...]


def bucket_hash(entries: bytes) -> bytes:
    """32 bytes, of entries of 64 bytes on end, sorted; EMPTY of none."""
    return sha256(_BUCKET + entries).digest() if entries else EMPTY


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes, of two hashes of 32 bytes."""
    return sha256(_FORK + left + right).digest()


def check_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """True when `proof` shows that under `root` (32 bytes) `key` has `value`; None: that it has none."""
    path, depth = sha256(key).digest(), len(proof.siblings)
    if depth % 4 or depth > 4 * NIBBLES_MAX or len(proof.bucket) > BUCKET_ENTRIES_MAX:
        return False
    if any(len(sibling) != _DIGEST_BYTES for sibling in proof.siblings):
        return False
    if any(len(entry) != _ENTRY_BYTES for entry in proof.bucket):
        return False
    found = [entry for entry in proof.bucket if entry.startswith(path)]
    if found != ([] if value is None else [path + sha256(value).digest()]):
        return False
    current = bucket_hash(b"".join(proof.bucket))
    bits = int.from_bytes(path, "big") >> (4 * NIBBLES_MAX - depth)
    for level, sibling in enumerate(proof.siblings):
        current = node_hash(sibling, current) if bits >> level & 1 else node_hash(current, sibling)
    return current == root


@dataclass(frozen=True, slots=True)
class _Fork:
    nodes: list[bytes]

    @property
    def hash(self) -> bytes:
        return self.nodes[1]


_Page = bytes | _Fork
"""A bucket's entries on end, or a fork."""
_Change = tuple[bytes, bytes | None]
"""A path and the hash of the value that stands there now."""


class PageCache:
    """Checked pages with their hashes, by their place; for one thread.

    A page is given only to whoever knows its hash, so none is ever stale, also if a block is not committed.
    """

    def __init__(self, pages_max: int = CACHED_PAGES_MAX) -> None:
        self._pages_max = pages_max
        self._upper: dict[bytes, tuple[bytes, _Page]] = {}
        self._lower: OrderedDict[bytes, tuple[bytes, _Page]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._upper) + len(self._lower)

    def get(self, place: bytes, page_hash: bytes) -> _Page | None:
        """The page there, if it has this hash (32 bytes)."""
        held = self._upper.get(place)
        if held is None:
            held = self._lower.get(place)
            if held is not None:
                self._lower.move_to_end(place)
        return held[1] if held is not None and held[0] == page_hash else None

    def put(self, place: bytes, page_hash: bytes, page: _Page) -> None:
        """Keep a page, in place of any other there."""
        if isinstance(page, _Fork) and len(place) <= UPPER_NIBBLES_MAX:
            self._lower.pop(place, None)
            self._upper[place] = page_hash, page
            return
        self._upper.pop(place, None)
        self._lower[place] = page_hash, page
        self._lower.move_to_end(place)
        if len(self._lower) > self._pages_max:
            self._lower.popitem(last=False)


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
            root = EMPTY if stored is None else _hash(_decode(b"", stored))
        self.root = root

    def update(self, writes: Iterable[Write]) -> tuple[bytes, tuple[Write, ...]]:
        """The new root (32 bytes) and the pages to store (None: delete), sorted by key.

        Of several writes to one key the last counts. Levels that the writes share are hashed once.
        """
        changes = {
            sha256(key).digest(): None if value is None else sha256(value).digest() for key, value in writes
        }
        if not changes:
            return self.root, ()
        pages: dict[bytes, bytes | None] = {}
        root = self._update(b"", self.root, sorted(changes.items()), pages)
        return root, tuple(sorted(pages.items()))

    def prove(self, key: bytes) -> StateProof:
        """That `key` has the value it has, or none."""
        bucket, siblings = self._descend(sha256(key).digest())
        return StateProof(tuple(_entries(bucket)), tuple(reversed(siblings)))

    def value_hash(self, key: bytes) -> bytes | None:
        """SHA-256 of the key's value, 32 bytes; None where it has none."""
        path = sha256(key).digest()
        bucket, _ = self._descend(path)
        place = _find(bucket, path)
        return None if place < 0 else bucket[place + _DIGEST_BYTES : place + _ENTRY_BYTES]

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value hash) of every entry, sorted by path."""
        return self._leaves(b"", self.root)

    def _leaves(self, place: bytes, page_hash: bytes) -> Iterator[tuple[bytes, bytes]]:
        page = self._page(place, page_hash)
        if isinstance(page, _Fork):
            for nibble, below in enumerate(page.nodes[_FORKS:]):
                yield from self._leaves(place + bytes((nibble,)), below)
        else:
            yield from ((entry[:_DIGEST_BYTES], entry[_DIGEST_BYTES:]) for entry in _entries(page))

    def _descend(self, path: bytes) -> tuple[bytes, list[bytes]]:
        """The bucket that the path ends in, and the siblings from the root down to it."""
        siblings: list[bytes] = []
        place = b""
        page = self._page(place, self.root)
        while isinstance(page, _Fork):
            nibble = _nibble(path, len(place))
            slot = _FORKS + nibble
            siblings += (page.nodes[slot >> level ^ 1] for level in (3, 2, 1, 0))
            place += bytes((nibble,))
            page = self._page(place, page.nodes[slot])
        return page, siblings

    def _update(
        self, place: bytes, page_hash: bytes, changes: Sequence[_Change], pages: dict[bytes, bytes | None]
    ) -> bytes:
        """Apply `changes` (sorted, at least one) to a subtree; its new hash (32 bytes)."""
        page = self._page(place, page_hash)
        if isinstance(page, _Fork):
            page = self._update_fork(place, page, changes, pages)
        else:
            page = _changed(page, changes)
            if len(page) > BUCKET_ENTRIES_MAX * _ENTRY_BYTES:
                page = self._split(place, page, pages)
        return self._keep(place, page, pages)

    def _update_fork(
        self, place: bytes, fork: _Fork, changes: Sequence[_Change], pages: dict[bytes, bytes | None]
    ) -> _Page:
        nodes = fork.nodes.copy()
        slots: list[int] = []
        start = 0
        while start < len(changes):
            nibble, end = _nibble(changes[start][0], len(place)), start + 1
            while end < len(changes) and _nibble(changes[end][0], len(place)) == nibble:
                end += 1
            slot = _FORKS + nibble
            nodes[slot] = self._update(place + bytes((nibble,)), nodes[slot], changes[start:end], pages)
            slots.append(slot)
            start = end
        if any(value_hash is None for _, value_hash in changes):
            few = self._few(place, nodes, pages)
            if few is not None:
                return few
        _hash_up(nodes, slots)
        return _Fork(nodes)

    def _split(self, place: bytes, entries: bytes, pages: dict[bytes, bytes | None]) -> _Fork:
        """A fork over entries that are too many for a bucket."""
        parts: list[list[bytes]] = [[] for _ in range(_FORKS)]
        for entry in _entries(entries):
            parts[_nibble(entry, len(place))].append(entry)
        nodes = [EMPTY] * (2 * _FORKS)
        for nibble, part in enumerate(parts):
            if part:
                below, page = place + bytes((nibble,)), b"".join(part)
                many = len(part) > BUCKET_ENTRIES_MAX
                nodes[_FORKS + nibble] = self._keep(
                    below, self._split(below, page, pages) if many else page, pages
                )
        _hash_up(nodes, range(_FORKS, 2 * _FORKS))
        return _Fork(nodes)

    def _few(self, place: bytes, nodes: Sequence[bytes], pages: dict[bytes, bytes | None]) -> bytes | None:
        """What is left below a fork where a bucket has room for it, its pages then dropped; else None."""
        found: dict[bytes, bytes] = {}
        for nibble, page_hash in enumerate(nodes[_FORKS:]):
            if page_hash == EMPTY:
                continue
            below = place + bytes((nibble,))
            changed = pages.get(below)
            page = self._page(below, page_hash) if changed is None else _decode(below, changed)
            if isinstance(page, _Fork):
                return None
            found[below] = page
            if sum(map(len, found.values())) > BUCKET_ENTRIES_MAX * _ENTRY_BYTES:
                return None
        pages.update(dict.fromkeys(found))
        return b"".join(found.values())

    def _keep(self, place: bytes, page: _Page, pages: dict[bytes, bytes | None]) -> bytes:
        """Have a page stored; its hash (32 bytes)."""
        page_hash = _hash(page)
        if page_hash == EMPTY:
            pages[place] = None
        else:
            pages[place] = _encode(page)
            self._cache.put(place, page_hash, page)
        return page_hash

    def _page(self, place: bytes, page_hash: bytes) -> _Page:
        if page_hash == EMPTY:
            return b""
        page = self._cache.get(place, page_hash)
        if page is None:
            stored = self._reader.get_page(place)
            if stored is None:
                raise _corrupt(place, "is missing")
            page = _decode(place, stored)
            if _hash(page) != page_hash:
                raise _corrupt(place, f"does not hash to {page_hash.hex()}")
            self._cache.put(place, page_hash, page)
        return page


def _hash(page: _Page) -> bytes:
    return page.hash if isinstance(page, _Fork) else bucket_hash(page)


def _hash_up(nodes: list[bytes], slots: Sequence[int]) -> None:
    """Compute anew what is above these slots, sorted."""
    level = slots
    while level[0] > 1:
        above: list[int] = []
        for index in level:
            parent = index >> 1
            if not above or above[-1] != parent:
                nodes[parent] = sha256(_FORK + nodes[2 * parent] + nodes[2 * parent + 1]).digest()
                above.append(parent)
        level = above


def _entries(bucket: bytes) -> list[bytes]:
    return [bucket[start : start + _ENTRY_BYTES] for start in range(0, len(bucket), _ENTRY_BYTES)]


def _find(bucket: bytes, path: bytes) -> int:
    """Where the path's entry begins, or -1. A value hash may look like a path, so only beginnings count."""
    place = bucket.find(path)
    while place % _ENTRY_BYTES and place >= 0:
        place = bucket.find(path, place + 1)
    return place


def _changed(bucket: bytes, changes: Sequence[_Change]) -> bytes:
    """The bucket's entries, as many as they may be, after `changes`."""
    if len(changes) == 1:
        [(path, value_hash)] = changes
        place = _find(bucket, path)
        if place >= 0:
            entry = b"" if value_hash is None else path + value_hash
            return bucket[:place] + entry + bucket[place + _ENTRY_BYTES :]
    entries = {entry[:_DIGEST_BYTES]: entry for entry in _entries(bucket)}
    for path, value_hash in changes:
        if value_hash is None:
            entries.pop(path, None)
        else:
            entries[path] = path + value_hash
    return b"".join(sorted(entries.values()))


def _nibble(path: bytes, depth: int) -> int:
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _corrupt(place: bytes, what: str) -> StateCorruption:
    return StateCorruption(
        f"state tree: the page at path {place.hex()[1::2] or '(top)'} {what}; "
        "the store was changed or damaged: restore it from a backup, or remove it and let this node catch up"
    )


def _encode(page: _Page) -> bytes:
    if isinstance(page, _Fork):
        return b"".join((_FORK, *page.nodes[_FORKS:]))
    return _BUCKET + page


def _decode(place: bytes, stored: bytes) -> _Page:
    """The page with all its hashes. Raises: StateCorruption where the bytes are no page at all."""
    head, body = stored[:1], stored[1:]
    entries, rest = divmod(len(body), _ENTRY_BYTES)
    if head == _BUCKET and rest == 0 and 0 < entries <= BUCKET_ENTRIES_MAX:
        return body
    if head != _FORK or len(body) != _FORKS * _DIGEST_BYTES:
        raise _corrupt(place, f"can not have these {len(stored)} bytes")
    nodes = [EMPTY] * _FORKS
    nodes += [body[start : start + _DIGEST_BYTES] for start in range(0, len(body), _DIGEST_BYTES)]
    _hash_up(nodes, range(_FORKS, 2 * _FORKS))
    return _Fork(nodes)
