"""A set of keys in order, for which a change stays cheap however many there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

RUN_KEYS_MAX = 1_024
"""Keys of one sorted list; a longer one is split, so that adding moves few."""


class SortedKeys:
    """Distinct keys as a sequence of sorted lists.

    Invariant: no list is empty, and `_firsts` holds the first key of each.
    """

    def __init__(self) -> None:
        self._runs: list[list[bytes]] = []
        self._firsts: list[bytes] = []

    def add(self, key: bytes) -> None:
        """Add a key, or leave all as it is where it is there."""
        if not self._runs:
            self._runs.append([key])
            self._firsts.append(key)
            return
        index = max(bisect_right(self._firsts, key) - 1, 0)
        run = self._runs[index]
        place = bisect_left(run, key)
        if place < len(run) and run[place] == key:
            return
        run.insert(place, key)
        self._firsts[index] = run[0]
        if len(run) > RUN_KEYS_MAX:
            half = run[RUN_KEYS_MAX // 2 :]
            del run[RUN_KEYS_MAX // 2 :]
            self._runs.insert(index + 1, half)
            self._firsts.insert(index + 1, half[0])

    def discard(self, key: bytes) -> None:
        """Take a key out, or leave all as it is where it is not there."""
        index = max(bisect_right(self._firsts, key) - 1, 0)
        run = self._runs[index] if self._runs else []
        place = bisect_left(run, key)
        if place == len(run) or run[place] != key:
            return
        del run[place]
        if run:
            self._firsts[index] = run[0]
        else:
            del self._runs[index], self._firsts[index]

    def until(self, key: bytes) -> bytes | None:
        """The greatest key that is not greater than `key`; None where there is none."""
        index = bisect_right(self._firsts, key) - 1
        return None if index < 0 else self._runs[index][bisect_right(self._runs[index], key) - 1]

    def after(self, key: bytes | None) -> bytes | None:
        """The smallest key greater than `key`, or the smallest of all; None where there is none."""
        if key is None:
            return self._firsts[0] if self._firsts else None
        index = max(bisect_right(self._firsts, key) - 1, 0)
        for run in self._runs[index : index + 2]:
            place = bisect_right(run, key)
            if place < len(run):
                return run[place]
        return None
