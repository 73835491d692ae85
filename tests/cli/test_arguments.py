"""Arguments typed at a command line become the JSON that the chain expects."""

from __future__ import annotations

from typing import Any

import pytest

from node.commands.arguments import parse_arguments, span_ms
from node.errors import ConfigurationError

NOW_MS = 1_000_000


@pytest.mark.parametrize(
    ("given", "declared", "value"),
    [
        ("a=25", None, "25"),
        ("a=25", "int", "25"),
        ("a=true", None, "true"),
        ("a=true", "bool", True),
        ("a=2500 euro", "Money", {"amount": "2500", "currency": "euro"}),
        ("a=2500 euro", "str", "2500 euro"),
        ("a=+10s", "Time", NOW_MS + 10_000),
        ("a=2026-05-31T12:00:00Z", "Time", "2026-05-31T12:00:00Z"),
        ("a=+10s", "str", "+10s"),
        ("a=1795286781900", "Time", 1_795_286_781_900),
        ("a=30d", "Span", "30d"),
        ("a=5000", "Span", 5000),
        ('a=["x"]', "list[str]", ["x"]),
        ('a:={"k": [1, null]}', None, {"k": [1, None]}),
        ("a=b=c", "str", "b=c"),
        ("a=1.25", "Decimal", "1.25"),
        ('a={"x": 1}', "Point", {"x": 1}),
        ('a={"x": 1}', "str", '{"x": 1}'),
        (
            'a={"contract": "euro", "action": "b", "args": {}}',
            "Call",
            {"contract": "euro", "action": "b", "args": {}},
        ),
        ("a=null", "Party | None", None),
        ("a=bolt", "Party | None", "bolt"),
        ("a=+10s", "Time | None", NOW_MS + 10_000),
        ("a=shop", "Instance[Shop]", "shop"),
        ("a=", "str", ""),
        ("a=two\nlines", "str", "two\nlines"),
    ],
)
def test_text_becomes_the_declared_type(given: str, declared: str | None, value: Any) -> None:
    """Guards each form that the help promises."""
    types = {} if declared is None else {"a": declared}
    assert parse_arguments([given], types, NOW_MS) == {"a": value}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["price"], "write arguments as name=value"),
        (["Price=1"], "write arguments as name=value"),
        (["a=1", "a=2"], "a is given twice"),
        (["price=2500"], "price is money: write minor units and currency"),
        (["price=25.00 euro"], "price is money"),
        (["deadline=+soon"], "'soon' is no span of time"),
        (["open=yes"], "open: not JSON"),
        (["a:=nothing"], "a: not JSON"),
    ],
)
def test_a_slip_is_explained(given: list[str], complaint: str) -> None:
    """Guards the person at the keyboard: what is wrong and how to write it."""
    with pytest.raises(ConfigurationError, match=complaint):
        parse_arguments(given, {"price": "Money", "deadline": "Time", "open": "bool"}, NOW_MS)


def test_spans() -> None:
    """Guards the units."""
    assert [span_ms(text) for text in ("7ms", "1s", "1m", "1h", "2d")] == [
        7,
        1000,
        60_000,
        3_600_000,
        172_800_000,
    ]
    with pytest.raises(ConfigurationError):
        span_ms("1w")
