"""What was used recently, kept at hand up to a size.

It has two generations: what is put or found goes to the younger one, and when that has half of the size, it
becomes the older one and what was there before is dropped. So keeping costs what a dictionary does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

V = TypeVar("V")

ROW_KEPT_BYTES = 192
"""What keeping a row takes in memory besides its bytes: two objects, and its place among the others."""


class Recent(Generic[V]):
    """Values by key, of those that were used most recently; for one thread."""

    def __init__(self, bytes_max: int, size_bytes: Callable[[bytes, V], int]) -> None:
        """`size_bytes` says what keeping a value takes, with its key; all takes `bytes_max` at most."""
        self._half_bytes = bytes_max // 2
        self._size_bytes = size_bytes
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def __contains__(self, key: bytes) -> bool:
        return key in self._young or key in self._old

    def find(self, key: bytes) -> V:
        """The value that is kept. Raises: KeyError."""
        if key in self._young:
            return self._young[key]
        value = self._old[key]
        self.keep(key, value)
        return value

    def keep(self, key: bytes, value: V) -> None:
        """Keep a value in place of any other under its key."""
        size_bytes = self._size_bytes(key, value)
        if key in self._young:
            self._young_bytes -= self._size_bytes(key, self._young[key])
        if self._young_bytes + size_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
            if size_bytes > self._half_bytes:
                self._old.pop(key, None)
                return
        self._young[key] = value
        self._young_bytes += size_bytes

    def changed(self, writes: Iterable[tuple[bytes, V]]) -> None:
        """Take over what has changed of that which is kept."""
        for key, value in writes:
            if key in self:
                self.keep(key, value)

    def clear(self) -> None:
        """Let go of everything."""
        self._young, self._old, self._young_bytes = {}, {}, 0


def row_kept_bytes(key: bytes, value: bytes | None) -> int:
    """What keeping a row takes, or that there is none."""
    return ROW_KEPT_BYTES + len(key) + (0 if value is None else len(value))
