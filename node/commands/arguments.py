"""Arguments of actions as people type them: NAME=TEXT, or NAME:=JSON for anything at all.

With the declared type known, text becomes what the chain expects:

    price="2500 euro"        Money: minor units, and the currency
    deadline=2026-05-31T12:00:00Z, deadline=+10s        Time; + counts from now
    rate=0.5                 Percent
    open=true                bool
    parts='["a", "b"]'       lists, dicts, records and calls as JSON
    deputy=null              nothing, where the type is `... | None`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import orjson

from node.errors import ConfigurationError

if TYPE_CHECKING:
    from consensus.transactions import Json

_ARGUMENT = re.compile(r"(?P<name>[a-z0-9_]{1,64})(?P<json>:?)=(?P<text>.*)\Z", re.DOTALL)
_MONEY = re.compile(r"(?P<amount>-?[0-9]+) (?P<currency>\S+)\Z")
_SPAN = re.compile(r"(?P<count>[0-9]{1,12})(?P<unit>ms|s|m|h|d)\Z")
_NUMBER = re.compile(r"[0-9]{1,16}\Z")
_OR_NONE = " | None"
_AS_TEXT = ("int", "str", "bytes", "Time", "Span", "Percent", "Decimal", "Party", "Oracle", "Instance")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_arguments(given: Iterable[str], types: Mapping[str, str], now_ms: int) -> dict[str, Json]:
    """Arguments by name; `types` has the declared types that are known. Raises: ConfigurationError."""
    arguments: dict[str, Json] = {}
    for item in given:
        if not _is_utf8(item):
            raise ConfigurationError(f"{item!r} is not UTF-8, and no transaction can hold it")
        match = _ARGUMENT.match(item)
        if match is None:
            raise ConfigurationError(f"{item!r}: write arguments as name=value, or name:=JSON")
        name, text = match["name"], match["text"]
        if name in arguments:
            raise ConfigurationError(f"{name} is given twice")
        arguments[name] = (
            _json(name, text) if match["json"] else parse_value(name, text, types.get(name), now_ms)
        )
    return arguments


def parse_value(name: str, text: str, declared: str | None, now_ms: int) -> Json:
    """One argument of a declared type (None: not known). Raises: ConfigurationError."""
    if declared == "Money":
        match = _MONEY.match(text)
        if match is None:
            raise ConfigurationError(
                f'{name} is money: write minor units and currency, as {name}="2500 euro"'
            )
        return {"amount": match["amount"], "currency": match["currency"]}
    if declared == "Time" and text.startswith("+"):
        return now_ms + span_ms(text[1:])
    if declared in ("Time", "Span") and _NUMBER.match(text):
        return int(text)
    if declared is not None and declared.endswith(_OR_NONE):
        return None if text == "null" else parse_value(name, text, declared.removesuffix(_OR_NONE), now_ms)
    if declared is not None and declared.split("[")[0] not in _AS_TEXT:
        return _json(name, text)
    return text


def span_ms(text: str) -> int:
    """Milliseconds of 500ms, 30s, 15m, 12h or 2d. Raises: ConfigurationError."""
    match = _SPAN.match(text)
    if match is None:
        raise ConfigurationError(f"{text!r} is no span of time: write it as 500ms, 30s, 15m, 12h or 2d")
    return int(match["count"]) * _UNIT_MS[match["unit"]]


def _is_utf8(text: str) -> bool:
    """False for a word in which the shell has passed on bytes that are none."""
    return text.encode(errors="replace").decode() == text


def _json(name: str, text: str) -> Json:
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{name}: not JSON: {error}") from None
    return value
