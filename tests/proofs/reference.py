"""The state tree as its specification words it, with no thought of speed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

Entries = Mapping[bytes, bytes]
"""Values by key."""


def reference_root(state: Entries) -> bytes:
    """The root over a whole map, 32 bytes."""
    return _subtree({sha256(key).hexdigest(): sha256(value).digest() for key, value in state.items()}, 0)


def _subtree(entries: Mapping[str, bytes], depth: int) -> bytes:
    if not entries:
        return bytes(32)
    if len(entries) <= 16:
        return sha256(
            b"\x00" + b"".join(bytes.fromhex(path) + entries[path] for path in sorted(entries))
        ).digest()
    below = (
        {path: value for path, value in entries.items() if path[depth] == nibble}
        for nibble in "0123456789abcdef"
    )
    return sha256(b"\x01" + b"".join(_subtree(part, depth + 1) for part in below)).digest()
