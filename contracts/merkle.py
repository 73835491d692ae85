"""The authenticated state: a compact sparse Merkle tree whose root names the whole map from keys to values.

A key stands at `path = SHA-256(key)`, read from its most significant bit. A subtree with no entry hashes
to 32 zero bytes, one with a single entry to `leaf_hash`, any other to `node_hash` of its two halves. So the
root depends on the map alone, never on the order in which it came about, and a proof of absence is a path
that ends in nothing or in somebody else's leaf. `docs/proofs.md` specifies this byte by byte.

The tree is kept in *pages* of four levels. A page's key is the path to it, one nibble a byte; its value is

    number of leaves (1 byte) ‖ bitmap of the slots that hold child pages (2 bytes) ‖
    (path ‖ value hash) of each leaf ‖ hash of each child page, both in order of their slots

A leaf's slot is the next nibble of its path. A page is looked up by the hash that its parent holds for it,
and checked against that hash when it is read: what is not in the root can not be read by mistake.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Protocol

from contracts.errors import StateCorruption

EMPTY = bytes(32)
"""The hash of a subtree without entries, and the root of the empty state."""
DEPTH_MAX = 256
"""Levels of the tree, in bits."""
CACHED_PAGES_MAX = 8192
"""Decoded pages kept in memory, about 3 KiB each."""

_SLOTS = 16
"""Where a page's four levels end. Node 1 is its top, node i has halves 2i and 2i + 1: slots are 16 to 31."""
_DIGEST_BYTES = 32
_LEAF_BYTES = 2 * _DIGEST_BYTES
_PAGE_HEAD_BYTES = 3

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""


class TreeReader(Protocol):
    """Where the pages of the last committed tree are stored."""

    def get_page(self, key: bytes) -> bytes | None:
        """The page's bytes, or None where there is none."""


class _Leaf(NamedTuple):
    path: bytes
    value_hash: bytes
    hash: bytes


_Node = _Leaf | bytes | None
"""A subtree: None without entries, its leaf where it has one, else its hash (32 bytes)."""
_Page = list[_Node]
_Change = tuple[bytes, _Leaf | None]


@dataclass(frozen=True, slots=True)
class StateProof:
    """That a key has a certain value, or none.

    `siblings` are the hashes beside the path from where it ends up to the root, 32 bytes each. `other` is
    the leaf (path, value hash; 32 bytes each) that stands at the end in a proof of absence; None where the
    path ends in nothing, and in a proof of a value.
    """

    siblings: tuple[bytes, ...]
    other: tuple[bytes, bytes] | None


def leaf_hash(path: bytes, value_hash: bytes) -> bytes:
    """32 bytes, of two hashes of 32 bytes."""
    return sha256(b"\x00" + path + value_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes, of two hashes of 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def check_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """True when `proof` shows that under `root` (32 bytes) `key` has `value`; None: that it has none."""
    path = sha256(key).digest()
    hashes = proof.siblings if proof.other is None else proof.siblings + proof.other
    if len(proof.siblings) > DEPTH_MAX or any(len(hashed) != _DIGEST_BYTES for hashed in hashes):
        return False
    if value is not None:
        if proof.other is not None:
            return False
        current = leaf_hash(path, sha256(value).digest())
    elif proof.other is None:
        current = EMPTY
    else:
        if proof.other[0] == path:
            return False
        current = leaf_hash(*proof.other)  # that it stands on the way to `path`, the bits below make sure
    bits = int.from_bytes(path, "big") >> (DEPTH_MAX - len(proof.siblings))
    for level, sibling in enumerate(proof.siblings):
        current = node_hash(sibling, current) if bits >> level & 1 else node_hash(current, sibling)
    return current == root


class PageCache:
    """Decoded pages by their hash, the least recently used dropped first; for one thread.

    A hash names its page for good, so nothing here ever becomes stale, whether or not a block is committed.
    """

    def __init__(self, pages_max: int = CACHED_PAGES_MAX) -> None:
        self._pages_max = pages_max
        self._pages: OrderedDict[bytes, _Page] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, page_hash: bytes) -> _Page | None:
        page = self._pages.get(page_hash)
        if page is not None:
            self._pages.move_to_end(page_hash)
        return page

    def put(self, page_hash: bytes, page: _Page) -> None:
        self._pages[page_hash] = page
        if len(self._pages) > self._pages_max:
            self._pages.popitem(last=False)


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
            root = EMPTY if stored is None else _hash(_decode(b"", stored)[1])
        self.root = root

    def update(self, writes: Iterable[Write]) -> tuple[bytes, tuple[Write, ...]]:
        """The new root (32 bytes) and the pages to store (None: delete), sorted by key.

        Of several writes to one key the last counts. Levels that the writes share are hashed once.
        """
        changes: dict[bytes, _Leaf | None] = {}
        for key, value in writes:
            path = sha256(key).digest()
            value_hash = None if value is None else sha256(value).digest()
            changes[path] = (
                None if value_hash is None else _Leaf(path, value_hash, leaf_hash(path, value_hash))
            )
        if not changes:
            return self.root, ()
        pages: dict[bytes, bytes | None] = {}
        page = _empty_page() if self.root == EMPTY else self._page(b"", self.root)
        top = self._update_page(b"", page, sorted(changes.items()), pages)
        return _hash(top), tuple(sorted(pages.items()))

    def prove(self, key: bytes) -> StateProof:
        """That `key` has the value it has, or none."""
        path = sha256(key).digest()
        end, siblings = self._descend(path)
        other = None if end is None or end.path == path else (end.path, end.value_hash)
        return StateProof(tuple(reversed(siblings)), other)

    def value_hash(self, key: bytes) -> bytes | None:
        """SHA-256 of the key's value, 32 bytes; None where it has none."""
        path = sha256(key).digest()
        end, _ = self._descend(path)
        return end.value_hash if end is not None and end.path == path else None

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value hash) of every entry, sorted by path."""
        if self.root != EMPTY:
            yield from self._leaves(b"", self.root)

    def _leaves(self, prefix: bytes, page_hash: bytes) -> Iterator[tuple[bytes, bytes]]:
        for slot, node in enumerate(self._page(prefix, page_hash)[_SLOTS:]):
            if isinstance(node, bytes):
                yield from self._leaves(prefix + bytes([slot]), node)
            elif node is not None:
                yield node.path, node.value_hash

    def _descend(self, path: bytes) -> tuple[_Leaf | None, list[bytes]]:
        """What the path ends in, and the siblings from the root down to there."""
        siblings: list[bytes] = []
        prefix, page_hash = b"", self.root
        while page_hash != EMPTY:
            page, index = self._page(prefix, page_hash), 1
            while isinstance(page[index], bytes) and index < _SLOTS:
                bit = path[len(siblings) >> 3] >> (7 - (len(siblings) & 7)) & 1
                index = 2 * index + bit
                siblings.append(_hash(page[index ^ 1]))
            node = page[index]
            if not isinstance(node, bytes):
                return node, siblings
            prefix, page_hash = prefix + bytes([index - _SLOTS]), node
        return None, siblings

    def _update_page(
        self, prefix: bytes, page: _Page, changes: list[_Change], pages: dict[bytes, bytes | None]
    ) -> _Node:
        """Apply `changes` (sorted, at least one) and return what the page's subtree becomes."""
        page = page.copy()
        groups: dict[int, list[_Change]] = {}
        for change in changes:
            groups.setdefault(_SLOTS + _nibble(change[0], len(prefix)), []).append(change)
        for slot, group in groups.items():
            page[slot] = self._update_slot(prefix + bytes([slot - _SLOTS]), page[slot], group, pages)
        touched = list(groups)
        while touched[0] > 1:
            level, touched = touched, []
            for index in level:
                parent = index >> 1
                if not touched or touched[-1] != parent:
                    page[parent] = _join(page[2 * parent], page[2 * parent + 1])
                    touched.append(parent)
        top = page[1]
        if top is None or (prefix and not isinstance(top, bytes)):
            pages[prefix] = None  # a single leaf moves up to the page above
        else:
            pages[prefix] = _encode(page)
            self._cache.put(_hash(top), page)
        return top

    def _update_slot(
        self, prefix: bytes, node: _Node, changes: list[_Change], pages: dict[bytes, bytes | None]
    ) -> _Node:
        if isinstance(node, bytes):
            return self._update_page(prefix, self._page(prefix, node), changes, pages)
        entries = {} if node is None else {node.path: node}
        for path, leaf in changes:
            if leaf is None:
                entries.pop(path, None)
            else:
                entries[path] = leaf
        if len(entries) > 1:
            return self._update_page(prefix, _empty_page(), sorted(entries.items()), pages)
        return next(iter(entries.values()), None)

    def _page(self, prefix: bytes, page_hash: bytes) -> _Page:
        page = self._cache.get(page_hash)
        if page is None:
            stored = self._reader.get_page(prefix)
            if stored is None:
                raise _corrupt(prefix, "is missing")
            page = _decode(prefix, stored)
            if _hash(page[1]) != page_hash or (prefix and not isinstance(page[1], bytes)):
                raise _corrupt(prefix, f"does not hash to {page_hash.hex()}")
            self._cache.put(page_hash, page)
        return page


def _empty_page() -> _Page:
    return [None] * (2 * _SLOTS)


def _hash(node: _Node) -> bytes:
    if node is None:
        return EMPTY
    return node if isinstance(node, bytes) else node.hash


def _join(left: _Node, right: _Node) -> _Node:
    """The subtree of two halves: a leaf that is alone stands for the whole."""
    if left is None and not isinstance(right, bytes):
        return right
    if right is None and not isinstance(left, bytes):
        return left
    return node_hash(_hash(left), _hash(right))


def _nibble(path: bytes, depth: int) -> int:
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _corrupt(prefix: bytes, what: str) -> StateCorruption:
    return StateCorruption(
        f"state tree: the page at path {prefix.hex()[1::2] or '(top)'} {what}; "
        "the store was changed or damaged: restore it from a backup, or remove it and let this node catch up"
    )


def _encode(page: _Page) -> bytes:
    bitmap = 0
    leaves: list[bytes] = []
    children: list[bytes] = []
    for slot, node in enumerate(page[_SLOTS:]):
        if isinstance(node, bytes):
            bitmap |= 1 << slot
            children.append(node)
        elif node is not None:
            leaves += (node.path, node.value_hash)
    return b"".join((bytes([len(leaves) // 2]), bitmap.to_bytes(2, "big"), *leaves, *children))


def _decode(prefix: bytes, stored: bytes) -> _Page:
    """The page with all its hashes. Raises: StateCorruption where the bytes are no page at all."""
    page = _empty_page()
    count, bitmap = (stored[0], int.from_bytes(stored[1:_PAGE_HEAD_BYTES], "big")) if stored else (0, 0)
    if len(stored) != _PAGE_HEAD_BYTES + count * _LEAF_BYTES + bitmap.bit_count() * _DIGEST_BYTES:
        raise _corrupt(prefix, f"can not have {len(stored)} bytes")
    place = _PAGE_HEAD_BYTES
    for _ in range(count):
        path, value_hash = (
            stored[place : place + _DIGEST_BYTES],
            stored[place + _DIGEST_BYTES : place + _LEAF_BYTES],
        )
        page[_SLOTS + _nibble(path, len(prefix))] = _Leaf(path, value_hash, leaf_hash(path, value_hash))
        place += _LEAF_BYTES
    for slot in range(_SLOTS):
        if bitmap >> slot & 1:
            page[_SLOTS + slot] = stored[place : place + _DIGEST_BYTES]
            place += _DIGEST_BYTES
    for index in range(_SLOTS - 1, 0, -1):
        left, right = page[2 * index], page[2 * index + 1]
        if left is not None or right is not None:
            page[index] = _join(left, right)
    return page
