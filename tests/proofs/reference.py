"""The state tree as its specification words it, with no thought of speed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

Entries = Mapping[bytes, bytes]
"""Values by key."""


def reference_root(state: Entries) -> bytes:
    """The root over a whole map, 32 bytes."""
    return _subtree({_bits(key): sha256(value).digest() for key, value in state.items()}, 0)


def _bits(key: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in sha256(key).digest())


def _subtree(entries: Mapping[str, bytes], depth: int) -> bytes:
    if not entries:
        return bytes(32)
    if len(entries) <= 32:
        ordered = (int(bits, 2).to_bytes(32, "big") + entries[bits] for bits in sorted(entries))
        return sha256(b"\x00" + b"".join(ordered)).digest()
    return _node(entries, depth, 4)


def _node(entries: Mapping[str, bytes], depth: int, levels: int) -> bytes:
    if levels == 0:
        return _subtree(entries, depth)
    halves = [{bits: value for bits, value in entries.items() if bits[depth] == side} for side in "01"]
    left, right = (_node(half, depth + 1, levels - 1) for half in halves)
    return sha256(b"\x01" + left + right).digest()
