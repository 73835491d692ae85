"""The Merkle root of an ordered list, and proofs that an item is in it (RFC 6962, section 2.1).

Leaves are hashed as `0x00 ‖ item` and nodes as `0x01 ‖ left ‖ right`, so neither can pose as the
other; the list splits at the largest power of two below its length; the empty list is SHA-256 of
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(item: bytes) -> bytes:
    """32 bytes."""
    return sha256(b"\x00" + item).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes, of two hashes of 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def list_root(items: Sequence[bytes]) -> bytes:
    """The root over `items`, 32 bytes."""
    if not items:
        return sha256(b"").digest()
    level = [leaf_hash(item) for item in items]
    while len(level) > 1:
        # An odd node at the end rises unpaired, which is the same tree as the recursive split.
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def list_proof(items: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The siblings from the leaf at `index` up to the root, 32 bytes each."""
    if not 0 <= index < len(items):
        raise IndexError(f"no item {index} in a list of {len(items)}")
    siblings = []
    level = [leaf_hash(item) for item in items]
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
        index //= 2
    return tuple(siblings)


def root_from_proof(item: bytes, index: int, count: int, siblings: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to, or None where its length cannot belong to (`index`, `count`)."""
    if not 0 <= index < count:
        return None
    current, remaining, width = leaf_hash(item), list(siblings), count
    while width > 1:
        if index ^ 1 < width:
            if not remaining:
                return None
            sibling = remaining.pop(0)
            current = node_hash(sibling, current) if index & 1 else node_hash(current, sibling)
        index //= 2
        width = (width + 1) // 2
    return None if remaining else current
