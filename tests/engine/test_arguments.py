"""Values to and from JSON: the forms that are read or refused, and the one form that is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.arguments import DICT_KEY_MAX, checked_copy, from_json, readable, time_text, to_json
from contracts.errors import Revert
from contracts.program import TypeSpec
from contracts.values import (
    DAY,
    HOUR,
    INT_MAX,
    ITEMS_MAX,
    MINUTE,
    PERCENT_ONE,
    SECOND,
    TEXT_BYTES_MAX,
    TIME_MS_MAX,
    Money,
)


class Known:
    """A directory of one account, one agreement and one currency."""

    def has_account(self, name: str) -> bool:
        return name in ("acme", "contract:deal")

    def has_instance(self, name: str) -> bool:
        return name in ("deal", "euro")


def spec(text: str) -> TypeSpec:
    name, _, inner = text.partition("[")
    return TypeSpec(name, tuple(spec(part) for part in inner.removesuffix("]").split(", ")) if inner else ())


def read(type_: str, raw: Any) -> Any:
    return from_json(spec(type_), raw, "x", Known())


@pytest.mark.parametrize(
    ("type_", "raw", "value"),
    [
        ("int", 5, 5),
        ("int", -5, -5),
        ("int", "5", 5),
        ("int", str(INT_MAX), INT_MAX),
        ("int", str(-INT_MAX), -INT_MAX),
        ("bool", True, True),
        ("str", "häuser", "häuser"),
        ("str", "x" * TEXT_BYTES_MAX, "x" * TEXT_BYTES_MAX),
        ("bytes", "00ff", b"\x00\xff"),
        ("bytes", "", b""),
        ("Money", {"amount": "2500", "currency": "euro"}, Money(2500, "euro")),
        ("Money", {"amount": 0, "currency": "euro"}, Money(0, "euro")),
        ("Time", 0, 0),
        ("Time", "1970-01-01T00:00:00Z", 0),
        ("Time", "2024-02-29T12:34:56.7Z", 1_709_210_096_700),
        ("Time", "2026-05-28T20:26:40Z", 1_780_000_000_000),
        ("Span", 5, 5),
        ("Span", -5, -5),
        ("Span", "30d", 30 * DAY),
        ("Span", "12h", 12 * HOUR),
        ("Span", "90m", 90 * MINUTE),
        ("Span", "5s", 5 * SECOND),
        ("Percent", "1", PERCENT_ONE // 100),
        ("Percent", "0.5", 5_000),
        ("Percent", "0.0001", 1),
        ("Percent", "100", PERCENT_ONE),
        ("Party", "acme", "acme"),
        ("Oracle", "acme", "acme"),
        ("Instance", "deal", "deal"),
        ("list[int]", [3, "1", 2], [3, 1, 2]),
        ("dict[str, int]", {"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ("dict[str, int]", [["b c", 1], ["a", 2]], {"a": 2, "b c": 1}),
        ("dict[int, bool]", {"10": True, "9": False}, {9: False, 10: True}),
        ("dict[int, bool]", [[DICT_KEY_MAX, True]], {DICT_KEY_MAX: True}),
    ],
)
def test_reads(type_: str, raw: Any, value: Any) -> None:
    found = read(type_, raw)
    assert found == value
    assert type(found) is type(value)
    if type(value) is dict:
        assert list(found) == list(value)
    assert checked_copy(spec(type_), found, "x", Known()) == value


@pytest.mark.parametrize(
    ("type_", "raw"),
    [
        ("int", True),
        ("int", None),
        ("int", 1.0),
        ("int", ""),
        ("int", "05"),
        ("int", "-0"),
        ("int", "+5"),
        ("int", " 5"),
        ("int", "5\n"),
        ("int", "5_0"),
        ("int", "\u0665"),
        ("int", str(INT_MAX + 1)),
        ("int", str(-INT_MAX - 1)),
        ("int", "9" * 5_000),
        ("bool", 1),
        ("bool", "true"),
        ("str", 5),
        ("str", "x" * (TEXT_BYTES_MAX + 1)),
        ("str", "ä" * (TEXT_BYTES_MAX // 2 + 1)),
        ("bytes", "0"),
        ("bytes", "0G"),
        ("bytes", "FF"),
        ("bytes", "00" * (TEXT_BYTES_MAX + 1)),
        ("Money", "5 euro"),
        ("Money", {"amount": "5"}),
        ("Money", {"amount": "5", "currency": "euro", "more": 1}),
        ("Money", {"amount": "-5", "currency": "euro"}),
        ("Money", {"amount": "1.5", "currency": "euro"}),
        ("Money", {"amount": "5", "currency": "Euro"}),
        ("Money", {"amount": "5", "currency": 7}),
        ("Time", -1),
        ("Time", TIME_MS_MAX + 1),
        ("Span", TIME_MS_MAX + 1),
        ("Span", -TIME_MS_MAX - 1),
        ("str", "\ud800"),
        ("Time", "2026-05-28"),
        ("Time", "2026-02-29T00:00:00Z"),
        ("Time", "2026-05-28T24:00:00Z"),
        ("Time", "2026-05-28T20:60:00Z"),
        ("Time", "2026-05-28T20:00:60Z"),
        ("Time", "2026-05-28T20:26:40+00:00"),
        ("Time", "2026-05-28T20:26:40.1234Z"),
        ("Time", "0000-01-01T00:00:00Z"),
        ("Time", "1969-12-31T23:59:59Z"),
        ("Span", "30"),
        ("Span", "1w"),
        ("Span", "-1d"),
        ("Span", "1.5h"),
        ("Span", "999999999999d"),
        ("Percent", 1),
        ("Percent", "1%"),
        ("Percent", "0.00001"),
        ("Percent", "-1"),
        ("Percent", ".5"),
        ("Party", "acmé"),
        ("Party", 5),
        ("Party", "contract:deal"),
        ("Party", "x" * (TEXT_BYTES_MAX + 1)),
        ("Instance", None),
        ("list[int]", 5),
        ("list[int]", {"0": 1}),
        ("list[int]", ["a"]),
        ("list[int]", [0] * (ITEMS_MAX + 1)),
        ("dict[str, int]", 5),
        ("dict[str, int]", [["a"]]),
        ("dict[str, int]", ["ab"]),
        ("dict[str, int]", [["a", 1], ["a", 2]]),
        ("dict[int, int]", {"1": 1, "01": 1}),
        ("dict[int, int]", [[1, 1], ["1", 2]]),
        ("dict[int, int]", [[str(DICT_KEY_MAX + 1), 1]]),
    ],
)
def test_refuses(type_: str, raw: Any) -> None:
    with pytest.raises(Revert) as caught:
        read(type_, raw)
    assert caught.value.code in ("arguments", "unknown")
    assert caught.value.text.startswith("x")
    assert not caught.value.consumes_all


@pytest.mark.parametrize(("type_", "name"), [("Party", "nobody"), ("Oracle", "deal"), ("Instance", "acme")])
def test_a_name_must_exist(type_: str, name: str) -> None:
    with pytest.raises(Revert, match="unknown: x: there is no") as caught:
        read(type_, name)
    assert name in caught.value.text


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int", True),
        ("int", "5"),
        ("Money", (5, "euro")),
        ("list[int]", (1, 2)),
        ("str", b"x"),
        ("Percent", "1"),
    ],
)
def test_a_contract_passes_values_of_the_declared_type_only(type_: str, value: Any) -> None:
    with pytest.raises(Revert, match="arguments"):
        checked_copy(spec(type_), value, "x", Known())


def test_a_copy_shares_nothing() -> None:
    inner = [1]
    copied = checked_copy(TypeSpec("list", (spec("list[int]"),)), [inner], "x", Known())
    inner.append(2)
    assert copied == [[1]]


@pytest.mark.parametrize(
    ("type_", "value", "raw"),
    [
        ("int", 2**53 - 1, 2**53 - 1),
        ("int", 2**53, str(2**53)),
        ("int", -(2**53), str(-(2**53))),
        ("bytes", b"\x00\xff", "00ff"),
        ("Money", Money(5, "euro"), {"amount": "5", "currency": "euro"}),
        ("Percent", 75_000, "7.5"),
        ("Percent", 10_000, "1"),
        ("Percent", 0, "0"),
        ("Percent", 1, "0.0001"),
        ("Percent", 1_000_000, "100"),
        ("list[Percent]", [5_000], ["0.5"]),
        ("dict[str, Percent]", {"b": 0, "a": 5_000}, [["a", "0.5"], ["b", "0"]]),
        ("Time", 5, 5),
        ("bool", True, True),
        ("str", "a", "a"),
        ("int", None, None),
    ],
)
def test_writes_one_form(type_: str, value: Any, raw: Any) -> None:
    assert to_json(value, spec(type_)) == raw


scalars = {
    "int": st.integers(-INT_MAX, INT_MAX),
    "bool": st.booleans(),
    "str": st.text(max_size=50),
    "bytes": st.binary(max_size=50),
    "Money": st.builds(Money, st.integers(0, INT_MAX), st.just("euro")),
    "Time": st.integers(0, TIME_MS_MAX),
    "Span": st.integers(-TIME_MS_MAX, TIME_MS_MAX) | st.integers(0, 99).map(lambda days: days * DAY),
    "Percent": st.integers(0, 10**12),
}
typed = st.sampled_from(sorted(scalars)).flatmap(
    lambda name: st.one_of(
        st.tuples(st.just(name), scalars[name]),
        st.tuples(st.just(f"list[{name}]"), st.lists(scalars[name], max_size=4)),
        st.tuples(
            st.just(f"dict[str, {name}]"), st.dictionaries(st.text(max_size=9), scalars[name], max_size=4)
        ),
    )
)


@given(typed)
def test_what_is_written_is_read_back(pair: tuple[str, Any]) -> None:
    type_, value = pair
    assert read(type_, to_json(value, spec(type_))) == value
    assert read(type_, readable(value, type_)) == value if "[" not in type_ else True


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("Time", 0, "1970-01-01T00:00:00Z"),
        ("Time", -1, -1),
        ("Span", 30 * DAY, "30d"),
        ("Span", 90 * MINUTE, "90m"),
        ("Span", 1, 1),
        ("Span", -DAY, -DAY),
        ("Percent", 15_000, "1.5"),
        ("int", DAY, DAY),
    ],
)
def test_readable(type_: str, value: int, text: Any) -> None:
    assert readable(value, type_) == text


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_709_210_096_700, "2024-02-29T12:34:56.700Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "253402300800000 ms"),
        (-1, "-1 ms"),
    ],
)
def test_times_in_words(time_ms: int, text: str) -> None:
    assert time_text(time_ms) == text
