"""The overlay behaves as a plain dict would, through savepoints, rollbacks and scans."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import state
from contracts.errors import StateCorruption
from contracts.layout import ACCOUNT, VALUE
from contracts.memory import Rows
from contracts.neighbours import PAGE_ROWS_MAX
from contracts.state import Overlay

PREFIX = b"t/"
keys = st.integers(0, 9).map(lambda number: PREFIX + bytes([48 + number]))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.none() | st.integers(0, 99)),
        st.tuples(st.just("save"), st.none(), st.none()),
        st.tuples(st.just("rollback"), st.none(), st.none()),
    ),
    max_size=40,
)


def rows(content: dict[bytes, int]) -> Rows:
    stored = Rows()
    stored.apply((key, VALUE.encode(value)) for key, value in content.items())
    return stored


@given(st.dictionaries(keys, st.integers(0, 99)), operations, st.none() | keys)
@settings(max_examples=200)
def test_overlay_equals_a_dict(
    content: dict[bytes, int], steps: list[tuple[str, bytes, int | None]], after: bytes | None
) -> None:
    overlay = Overlay(rows(content))
    model = dict(content)
    saved: list[tuple[int, dict[bytes, int]]] = []
    for step, key, value in steps:
        if step == "put":
            overlay.put(key, value, VALUE, PREFIX)
            model.pop(key, None)
            if value is not None:
                model[key] = value
        elif step == "save":
            saved.append((overlay.savepoint(), dict(model)))
        elif saved:
            savepoint, model = saved.pop()
            overlay.rollback(savepoint)
    assert {key: overlay.get(key, VALUE) for key in model} == model
    scanned = [(key, value) for key, value in overlay.scan(PREFIX, after, VALUE) if value is not None]
    assert scanned == sorted((key, value) for key, value in model.items() if after is None or key > after)
    overlay.commit()
    stored = rows(content)
    stored.apply(overlay.writes())
    assert stored.rows == {key: VALUE.encode(value) for key, value in model.items()}


def test_scan_crosses_pages_of_the_store() -> None:
    content = {b"t/%04d" % number: number for number in range(3 * PAGE_ROWS_MAX + 1)}
    overlay = Overlay(rows(content))
    overlay.put(b"t/0001", None, VALUE, PREFIX)
    overlay.put(b"t/9999", 7, VALUE, PREFIX)
    scanned = dict(overlay.scan(PREFIX, None, VALUE))
    assert scanned == content | {b"t/0001": None, b"t/9999": 7}


def test_scan_sees_what_the_loop_over_it_writes_further_on() -> None:
    """A contract may write to a table while it reads through it; the order stays that of the keys."""
    overlay = Overlay(rows({b"t/1": 1, b"t/5": 5}))
    seen = []
    for key, value in overlay.scan(PREFIX, None, VALUE):
        seen.append((key, value))
        if key == b"t/1":
            overlay.put(b"t/0", 0, VALUE, PREFIX)
            overlay.put(b"t/3", 3, VALUE, PREFIX)
            overlay.put(b"t/5", 6, VALUE, PREFIX)
    assert seen == [(b"t/1", 1), (b"t/3", 3), (b"t/5", 6)]


def test_what_was_rolled_back_is_not_scanned() -> None:
    """A failed transaction must not make the scans of later ones longer, or dearer."""
    overlay = Overlay(rows({b"t/5": 5}))
    overlay.put(b"t/2", 2, VALUE, PREFIX)
    savepoint = overlay.savepoint()
    for key in (b"t/1", b"t/2", b"t/5", b"t/9"):
        overlay.put(key, None if key == b"t/5" else 7, VALUE, PREFIX)
    overlay.rollback(savepoint)
    assert list(overlay.scan(PREFIX, None, VALUE)) == [(b"t/2", 2), (b"t/5", 5)]


def test_what_was_only_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block may look at more than a node has memory for, transaction after transaction."""
    monkeypatch.setattr(state, "READ_BYTES_MAX", 10_000)
    overlay = Overlay(rows({b"t/%04d" % number: number for number in range(1_000)}))
    for number in range(1_000):
        assert overlay.get(b"t/%04d" % number, VALUE) == number
        if number % 100 == 0:
            overlay.put(b"t/%04d" % number, -number, VALUE, PREFIX)
            overlay.commit()
            assert len(overlay._values) < 110
    assert len(overlay.writes()) == 10
    assert [overlay.get(b"t/%04d" % number, VALUE) for number in (99, 100, 900, 999)] == [99, -100, -900, 999]


def test_changes_tell_what_was_before() -> None:
    overlay = Overlay(rows({b"t/1": 1}))
    overlay.put(b"t/1", 2, VALUE)
    savepoint = overlay.savepoint()
    overlay.put(b"t/1", 3, VALUE)
    overlay.put(b"t/1", 4, VALUE)
    overlay.put(b"t/2", 5, VALUE)
    assert overlay.changes(savepoint) == {b"t/1": 2, b"t/2": None}
    assert overlay.changes(0) == {b"t/1": 1, b"t/2": None}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x01", b"\x92\x90\x01"])
def test_a_damaged_record_is_corruption(data: bytes) -> None:
    stored = Rows()
    stored.apply([(b"account/acme", data)])
    with pytest.raises(StateCorruption):
        Overlay(stored).get(b"account/acme", ACCOUNT)
