"""What is kept at hand is what was put there last, and never more than may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.recent import Recent, row_kept_bytes

KEYS = [b"%d" % number for number in range(6)]
steps = st.lists(
    st.tuples(st.sampled_from(["keep", "find", "change"]), st.sampled_from(KEYS), st.integers(0, 60)),
    max_size=40,
)


@given(steps, st.sampled_from([0, 1, 59, 60, 120, 200, 1_000]))
def test_what_is_found_was_kept_last_and_all_of_it_fits(
    taken: list[tuple[str, bytes, int]], bytes_max: int
) -> None:
    recent = Recent[int](bytes_max, lambda _, size_bytes: size_bytes)
    last: dict[bytes, int] = {}
    for verb, key, size_bytes in taken:
        if verb == "keep":
            recent.keep(key, size_bytes)
            assert (key in recent) == (2 * size_bytes <= bytes_max or (size_bytes == 0))
            last[key] = size_bytes
        elif verb == "change":
            if key in recent:
                last[key] = size_bytes
            recent.changed([(key, size_bytes)])
        elif key in recent:
            assert recent.find(key) == last[key]
        else:
            with pytest.raises(KeyError):
                recent.find(key)
        assert all(recent.find(key) == last[key] for key in KEYS if key in recent)
        assert sum(recent._young.values()) == recent._young_bytes
        assert sum(recent._young.values()) + sum(recent._old.values()) <= bytes_max
        assert len(recent) == sum(key in recent for key in KEYS)


def test_what_is_used_again_and_again_stays() -> None:
    recent = Recent[bytes](20 * row_kept_bytes(b"k", b"v"), row_kept_bytes)
    recent.keep(b"k", b"v")
    for number in range(1_000):
        recent.keep(b"%d" % number, b"v")
        assert recent.find(b"k") == b"v"
    assert b"0" not in recent
    assert b"999" in recent
    recent.clear()
    assert len(recent) == 0


def test_a_row_that_is_not_there_takes_room_too() -> None:
    assert row_kept_bytes(b"key", None) == row_kept_bytes(b"key", b"") == row_kept_bytes(b"", b"key")
