"""Reading rows in order, from anywhere and however often, and never stepping twice over what was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import neighbours
from contracts.memory import Rows
from contracts.neighbours import Neighbours

keys = st.binary(min_size=1, max_size=2)
walks = st.lists(st.tuples(st.binary(max_size=2), st.integers(0, 9)), max_size=12)


class MarkedRows(Rows):
    """Deletes by leaving marks, as LevelDB does, and counts how many it steps over."""

    stepped = 0

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        while len(found) < limit and (page := super().scan(prefix, after, 1)):
            [(after, data)] = page
            self.stepped += not data
            found += [(after, data)] if data else []
        return found

    def last_before(self, key: bytes) -> bytes | None:
        found = super().last_before(key)
        while found is not None and not self.rows[found]:
            self.stepped += 1
            found = super().last_before(found)
        return found

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key) or None


def marked(live: set[bytes], deleted: set[bytes]) -> MarkedRows:
    rows = MarkedRows()
    rows.apply((key, b"" if key in deleted else b"x" + key) for key in live | deleted)
    return rows


@pytest.mark.parametrize("remembered_max", [3, neighbours.REMEMBERED_MAX])
@given(st.sets(keys), st.sets(keys), walks)
def test_every_walk_gives_the_rows_in_order(
    remembered_max: int, live: set[bytes], deleted: set[bytes], steps: list[tuple[bytes, int]]
) -> None:
    """Whatever is remembered from the walks before, or forgotten."""
    live -= deleted
    rows = Neighbours(marked(live, deleted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "REMEMBERED_MAX", remembered_max)
        for start, count in steps:
            expected = sorted((key, b"x" + key) for key in live if key > start)[:count]
            assert list(islice(rows.after(start), count)) == expected


def test_nothing_is_stepped_over_twice() -> None:
    """A contract fills a table, empties it, and reads it through again and again, from wherever it likes."""
    deleted = {b"t/%04d" % number for number in range(1_000)}
    rows = marked({b"s/1", b"u/1"}, deleted)
    block = Neighbours(rows)
    starts = [b"t/%04d" % number for number in (500, 999, 998, 3, 2, 1, 0, 600)]
    for start in (*starts, b"t/", b"t/5", b"t", b"s/1"):
        assert next(block.after(start))[0] == b"u/1"
    assert rows.stepped <= 2 * len(deleted)


def test_little_more_is_read_than_is_taken() -> None:
    class Counted(Rows):
        read = 0

        def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
            found = super().scan(prefix, after, limit)
            self.read += len(found)
            return found

    for taken in (1, 2, 10, 100, 300):
        rows = Counted()
        rows.apply((b"%04d" % number, b"x") for number in range(1_000))
        assert len(list(islice(Neighbours(rows).after(b""), taken))) == taken
        assert taken <= rows.read <= 2 * taken
