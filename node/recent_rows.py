"""Rows that were read lately, kept up to a size by whoever reads a slow store and hears what changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from contracts.merkle import Write

ROW_KEPT_BYTES = 192
"""What keeping a row takes in memory besides its bytes: two objects, its place, its turn among the others."""


class RecentRows:
    """The rows used most recently, and keys that were found to have none."""

    def __init__(self, bytes_max: int) -> None:
        """`bytes_max` counts keys, values, and what keeping them takes."""
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._rows: OrderedDict[bytes, bytes | None] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def find(self, key: bytes) -> bytes | None:
        """The value of a row that is kept, None where there is known to be none. Raises: KeyError."""
        value = self._rows[key]
        self._rows.move_to_end(key)
        return value

    def keep(self, key: bytes, value: bytes | None) -> None:
        """Keep what was read under a key that is not kept, and let go of what was used longest ago."""
        self._rows[key] = value
        self._size_bytes += _row_bytes(key, value)
        while self._size_bytes > self._bytes_max:
            self._size_bytes -= _row_bytes(*self._rows.popitem(last=False))

    def committed(self, writes: Sequence[Write]) -> None:
        """The rows have changed so."""
        for key, value in writes:
            if key in self._rows:
                self._size_bytes -= _row_bytes(key, self._rows.pop(key))
                self.keep(key, value)

    def clear(self) -> None:
        """Let go of everything."""
        self._rows.clear()
        self._size_bytes = 0


def _row_bytes(key: bytes, value: bytes | None) -> int:
    return ROW_KEPT_BYTES + len(key) + (0 if value is None else len(value))
