"""The state tree as its specification words it, with no thought of speed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

Entries = Mapping[bytes, bytes]
"""Values by key."""


def reference_root(state: Entries) -> bytes:
    """The root over a whole map, 32 bytes."""
    return _root({_bits(key): sha256(value).digest() for key, value in state.items()}, 0)


def _bits(key: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in sha256(key).digest())


def _root(leaves: Mapping[str, bytes], depth: int) -> bytes:
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        ((bits, value_hash),) = leaves.items()
        return sha256(b"\x00" + int(bits, 2).to_bytes(32, "big") + value_hash).digest()
    halves = [{bits: value for bits, value in leaves.items() if bits[depth] == side} for side in "01"]
    return sha256(b"\x01" + _root(halves[0], depth + 1) + _root(halves[1], depth + 1)).digest()
