"""What a store holds, in memory: for tests, simulations and whoever tries a contract without a node."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

from consensus.errors import ensure
from contracts.engine import Outcome
from contracts.merkle import Write
from contracts.tree_pages import NO_STATE, Top


class Rows:
    """Sorted rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        return self.rows.get(key)

    get_page = get

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows whose keys begin with `prefix`, strictly behind `after`."""
        start = bisect_left(self._keys, prefix) if after is None else bisect_right(self._keys, after)
        found = []
        for key in self._keys[start : start + limit]:
            if not key.startswith(prefix):
                break
            found.append((key, self.rows[key]))
        return found

    def last_before(self, key: bytes) -> bytes | None:
        """The last key before this one, or None."""
        place = bisect_left(self._keys, key)
        return self._keys[place - 1] if place else None

    def apply(self, writes: Iterable[Write]) -> None:
        """Put rows, and remove those whose value is None."""
        for key, value in writes:
            if value is None:
                if self.rows.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self.rows:
                insort(self._keys, key)
            self.rows[key] = value


class MemoryLedger:
    """A `contracts.state.LedgerReader` that keeps what blocks came to."""

    def __init__(self) -> None:
        self.state = Rows()
        self.aux = Rows()
        self.tree = Rows()
        self._top = NO_STATE

    def top(self, root: bytes) -> Top:
        """What is kept of the tree; `root` is that of the last block."""
        ensure(root == self._top.root, "only the last block's tree is kept")
        return self._top

    def commit(self, outcome: Outcome) -> None:
        """Keep all that a block wrote."""
        self.state.apply(outcome.writes)
        self.aux.apply(outcome.aux_writes)
        self.tree.apply(outcome.tree_writes)
        self._top = outcome.top
