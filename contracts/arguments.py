"""Values of the contract language to and from JSON, by their declared types.

    int      integer, or decimal text beyond 2^53 - 1    Money    {"amount": "2500", "currency": "euro"}
    bool     true, false                                 Time     ms since 1970, or "2026-05-31T12:00:00Z"
    str      text                                        Span     ms, or "30d", "12h", "90m", "5s"
    bytes    hex digits as text                          Percent  text such as "7.5", at most 4 decimals
    list     array                                       Decimal  text such as "-0.25", at most 9 decimals
    record   object of its fields                        Call     {"contract": "a", "action": "b", "args": {}}
    None     null, where the type is `... | None`        Party, Oracle, Instance    a name
    dict     array of [key, value]; read also from an object

What is written is always the first form, so equal values give equal JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from consensus.transactions import INTEGER_MAX, Json, canonical_json, is_name
from contracts.calendar import date_of, parse_time
from contracts.encoding import encode_key
from contracts.errors import Revert
from contracts.language.constants import parse_decimal, parse_percent
from contracts.program import ParameterSpec, TypeSpec, Value
from contracts.values import (
    DAY,
    DECIMAL_ONE,
    HOUR,
    INT_MAX,
    ITEMS_MAX,
    MINUTE,
    PERCENT_ONE,
    SECOND,
    TEXT_BYTES_MAX,
    TIME_MS_MAX,
    Call,
    Money,
)

DICT_KEY_MAX = 2**60 - 1
"""Largest magnitude of an integer that is a dict's key: beyond it Python's dicts can be made to collide."""
PERCENT_DECIMALS = 4
"""A percentage is a whole number of ten-thousandths."""

_ONE_PERCENT = PERCENT_ONE // 100
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,77})\Z", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,12})([dhms])\Z", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z", re.ASCII)
_UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}


class Directory(Protocol):
    """Who and what exists, so that money is not paid to a typing error."""

    def has_account(self, name: str) -> bool:
        """True for a registered account, and for the escrow account of an instance."""

    def has_instance(self, name: str) -> bool:
        """True for an instance that was created."""


def arguments_from_json(
    parameters: Sequence[ParameterSpec], given: Mapping[str, Json], directory: Directory
) -> list[Value]:
    """The typed arguments of an action or query, in the order of its parameters. Raises: Revert."""
    _check_names(parameters, given)
    return [from_json(spec.type, given[spec.name], spec.name, directory) for spec in parameters]


def arguments_from_values(
    parameters: Sequence[ParameterSpec], given: Mapping[str, Value], directory: Directory
) -> list[Value]:
    """The same from values of a calling contract, copied, so that the two share nothing that can change."""
    _check_names(parameters, given)
    return [checked_copy(spec.type, given[spec.name], spec.name, directory) for spec in parameters]


def from_json(spec: TypeSpec, raw: Json, path: str, directory: Directory) -> Value:
    """The value of type `spec` that `raw` stands for; `path` names its place. Raises: Revert("arguments")."""
    if spec.name == "list":
        items = _sized(raw, list, spec, path)
        return [from_json(spec.items[0], item, f"{path}[{i}]", directory) for i, item in enumerate(items)]
    if spec.name == "dict":
        pairs = [[key, item] for key, item in raw.items()] if type(raw) is dict else raw
        entries: dict[Value, Value] = {}
        for i, pair in enumerate(_sized(pairs, list, spec, path)):
            if type(pair) is not list or len(pair) != 2:
                raise _refuse(f"{path}[{i}]", "must be an array of a key and a value")
            key = from_json(spec.items[0], pair[0], f"{path}[{i}], the key,", directory)
            if key in entries or (type(key) is int and abs(key) > DICT_KEY_MAX):
                raise _refuse(
                    f"{path}[{i}]", "has a key that was there before, or a number too large for a key"
                )
            entries[key] = from_json(spec.items[1], pair[1], f"{path}[{i}]", directory)
        return {key: entries[key] for key in sorted(entries, key=encode_key)}
    if spec.name == "Optional":
        return None if raw is None else from_json(spec.items[0], raw, path, directory)
    if spec.fields:
        if type(raw) is not dict or raw.keys() != set(spec.fields):
            raise _refuse(path, f"must be an object with the fields {', '.join(spec.fields)}")
        fields = zip(spec.fields, spec.items, strict=True)
        return tuple(from_json(item, raw[name], f"{path}.{name}", directory) for name, item in fields)
    return _checked(spec, _READERS[spec.name](raw), path, directory)


def checked_copy(spec: TypeSpec, value: Value, path: str, directory: Directory) -> Value:
    """A deep copy of a value that must be of type `spec`. Raises: Revert("arguments")."""
    if spec.name == "list":
        items = _sized(value, list, spec, path)
        return [checked_copy(spec.items[0], item, path, directory) for item in items]
    if spec.name == "dict":
        entries = _sized(value, dict, spec, path)
        return {
            checked_copy(spec.items[0], key, path, directory): checked_copy(
                spec.items[1], item, path, directory
            )
            for key, item in entries.items()
        }
    if spec.name == "Optional":
        return None if value is None else checked_copy(spec.items[0], value, path, directory)
    if spec.fields:
        if type(value) is not tuple or len(value) != len(spec.fields):
            raise _refuse(path, f"must be a {spec} with the fields {', '.join(spec.fields)}")
        pairs = zip(spec.fields, spec.items, value, strict=True)
        return tuple(checked_copy(item, part, f"{path}.{name}", directory) for name, item, part in pairs)
    return _checked(spec, value, path, directory)


def to_json(value: Value, spec: TypeSpec | None = None) -> Json:
    """The JSON form of a value; where its type is not known, times and percentages are plain integers."""
    kind = type(value)
    if spec is not None and spec.name == "Optional":
        spec = spec.items[0]
    items = spec.items if spec is not None else ()
    if kind is int:
        if spec and spec.name == "Percent":
            return _percent_text(value)
        if spec and spec.name == "Decimal":
            return decimal_text(value)
        return value if abs(value) <= INTEGER_MAX else str(value)
    if kind is bytes:
        return bytes.hex(value)
    if kind is Money:
        return {"amount": str(value.amount), "currency": value.currency}
    if kind is list:
        return [to_json(item, items[0] if items else None) for item in value]
    if kind is Call:
        arguments: Json = orjson.loads(value.arguments)
        return {"contract": value.contract, "action": value.action, "args": arguments}
    if kind is tuple and spec is not None and spec.fields:
        pairs = zip(spec.fields, items, value, strict=True)
        return {name: to_json(part, item) for name, item, part in pairs}
    if kind is tuple:  # the key of a table, where it has parts; a record of a type that is not known
        return [to_json(part, items[place] if items else None) for place, part in enumerate(value)]
    if kind is dict:
        key_spec, item_spec = items or (None, None)
        ordered = sorted(value, key=encode_key)
        return [[to_json(key, key_spec), to_json(value[key], item_spec)] for key in ordered]
    plain: Json = value  # text, a truth value or nothing
    return plain


def readable(value: Value, type_: str) -> Json:
    """The form for people of a value whose type has this name: it differs for times, spans and percentages.

    What is written here is read by `from_json`, too.
    """
    type_ = type_.removesuffix(" | None")
    if type(value) is int and type_ == "Time":
        return time_text(value) if 0 <= value <= TIME_MS_MAX else value
    if type(value) is int and type_ == "Span":
        unit = next((unit for unit, length in _UNITS.items() if value >= 0 and value % length == 0), None)
        return value if unit is None else f"{value // _UNITS[unit]}{unit}"
    return to_json(value, TypeSpec(type_))


def decimal_text(value: int) -> str:
    """Billionths as a decimal number."""
    whole, part = divmod(abs(value), DECIMAL_ONE)
    decimals = f".{part:09d}".rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{whole}{decimals}"


def time_text(time_ms: int) -> str:
    """A time as RFC 3339 has it, in UTC; before 1970 and after 9999 its milliseconds."""
    if not 0 <= time_ms <= TIME_MS_MAX:
        return f"{time_ms} ms"
    year, month, day = date_of(time_ms)
    hours, rest = divmod(time_ms % DAY, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, milliseconds = divmod(rest, SECOND)
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}Z"


def _check_names(parameters: Sequence[ParameterSpec], given: Mapping[str, Any]) -> None:
    if len(given) != len(parameters) or not all(spec.name in given for spec in parameters):
        wanted = ", ".join(f"{spec.name}: {spec.type}" for spec in parameters) or "none"
        names = ", ".join(sorted(given)) or "none"
        raise Revert("arguments", f"the arguments must be {wanted}; given are {names}", consumes_all=False)


def _sized(raw: Any, kind: type[Any], spec: TypeSpec, path: str) -> Any:
    if type(raw) is not kind:
        raise _refuse(path, f"must be {_FORMS[spec.name]}")
    if len(raw) > ITEMS_MAX:
        raise _refuse(path, f"has {len(raw)} items, at most {ITEMS_MAX} are allowed")
    return raw


def _checked(spec: TypeSpec, value: Value, path: str, directory: Directory) -> Value:
    """A value without parts, once it is known to be of type `spec`."""
    if not _CHECKS[spec.name](value):
        raise _refuse(path, f"must be {_FORMS[spec.name]}")
    if spec.name in ("Party", "Oracle"):
        if not directory.has_account(value):
            raise Revert("unknown", f"{path}: there is no account {value}", consumes_all=False)
    elif spec.name == "Instance" and not directory.has_instance(value):
        raise Revert("unknown", f"{path}: there is no instance {value}", consumes_all=False)
    elif spec.name == "Call" and not directory.has_instance(value.contract):
        raise Revert("unknown", f"{path}: there is no instance {value.contract}", consumes_all=False)
    elif spec.name == "Money" and not directory.has_instance(value.currency):
        raise Revert("unknown", f"{path}: there is no currency {value.currency}", consumes_all=False)
    return value


def _refuse(path: str, problem: str) -> Revert:
    return Revert("arguments", f"{path} {problem}", consumes_all=False)


def _whole(limit: int, low: int = 0) -> Callable[[Value], bool]:
    return lambda value: type(value) is int and low <= value <= limit


def _is_text(value: Value) -> bool:
    try:
        return type(value) is str and len(value.encode()) <= TEXT_BYTES_MAX
    except UnicodeEncodeError:  # half of a surrogate pair, which a query from elsewhere than JSON may hold
        return False


def _is_call(value: Value) -> bool:
    return (
        type(value) is Call
        and is_name(value.contract)
        and _ACTION.match(value.action) is not None
        and len(value.arguments.encode()) <= TEXT_BYTES_MAX
    )


def _is_money(value: Value) -> bool:
    return type(value) is Money and 0 <= value.amount <= INT_MAX and is_name(value.currency)


_FORMS = {
    "int": "an integer, written as text beyond 2^53 - 1",
    "bool": "true or false",
    "str": f"text of at most {TEXT_BYTES_MAX} bytes",
    "bytes": f"hex digits in pairs, for at most {TEXT_BYTES_MAX} bytes",
    "Money": 'an amount and a currency, such as {"amount": "2500", "currency": "euro"}',
    "Time": 'milliseconds since 1970, or a time such as "2026-05-31T12:00:00Z"',
    "Span": 'milliseconds, or a span such as "30d", "12h", "90m" or "5s"',
    "Percent": f'a percentage as text with at most {PERCENT_DECIMALS} decimals, such as "7.5"',
    "Decimal": 'a number as text with at most 9 decimals, such as "-0.25"',
    "Call": 'an instance, an action and arguments, {"contract": "euro", "action": "transfer", "args": {...}}',
    "Party": "the name of an account",
    "Oracle": "the name of an account",
    "Instance": "the name of an instance",
    "list": "an array",
    "dict": "an object, or an array of [key, value]",
}

_CHECKS: dict[str, Callable[[Value], bool]] = {
    "int": _whole(INT_MAX, -INT_MAX),
    "bool": lambda value: type(value) is bool,
    "str": _is_text,
    "bytes": lambda value: type(value) is bytes and len(value) <= TEXT_BYTES_MAX,
    "Money": _is_money,
    "Time": _whole(TIME_MS_MAX),
    "Span": _whole(TIME_MS_MAX, -TIME_MS_MAX),
    "Percent": _whole(INTEGER_MAX),
    "Decimal": _whole(INT_MAX, -INT_MAX),
    "Call": _is_call,
    "Party": _is_text,
    "Oracle": _is_text,
    "Instance": _is_text,
}


def _same(raw: Json) -> Value:
    return raw


def _name(raw: Json) -> Value:
    """Not an escrow account: nobody but a contract moves money into a contract."""
    return raw if is_name(raw) else None


def _integer(raw: Json) -> int | None:
    if type(raw) is int:
        return raw
    return int(raw) if type(raw) is str and _INTEGER.match(raw) else None


def _octets(raw: Json) -> bytes | None:
    return bytes.fromhex(raw) if type(raw) is str and _HEX.match(raw) else None


def _money(raw: Json) -> Money | None:
    if type(raw) is not dict or raw.keys() != {"amount", "currency"}:
        return None
    amount, currency = _integer(raw["amount"]), raw["currency"]
    return Money(amount, currency) if amount is not None and type(currency) is str else None


def _time(raw: Json) -> int | None:
    if type(raw) is str:
        return parse_time(raw) if "T" in raw else None
    return raw if type(raw) is int else None


def _span(raw: Json) -> int | None:
    match = _SPAN.match(raw) if type(raw) is str else None
    if match is None:
        return raw if type(raw) is int else None
    return int(match[1]) * _UNITS[match[2]]


def _percent(raw: Json) -> int | None:
    return parse_percent(raw) if type(raw) is str else None


def _decimal(raw: Json) -> int | None:
    return parse_decimal(raw) if type(raw) is str else None


def _kept_call(raw: Json) -> Call | None:
    if type(raw) is not dict or raw.keys() != {"contract", "action", "args"}:
        return None
    contract, action, arguments = raw["contract"], raw["action"], raw["args"]
    if type(contract) is not str or type(action) is not str or type(arguments) is not dict:
        return None
    try:
        return Call(contract, action, canonical_json(arguments).decode())
    except (TypeError, ValueError):  # a query from elsewhere than JSON may hold what JSON can not
        return None


def _percent_text(value: int) -> str:
    whole, part = divmod(abs(value), _ONE_PERCENT)
    decimals = f".{part:0{PERCENT_DECIMALS}d}".rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{whole}{decimals}"


_READERS: dict[str, Callable[[Json], Value]] = {
    "int": _integer,
    "bool": _same,
    "str": _same,
    "bytes": _octets,
    "Money": _money,
    "Time": _time,
    "Span": _span,
    "Percent": _percent,
    "Decimal": _decimal,
    "Call": _kept_call,
    "Party": _name,
    "Oracle": _name,
    "Instance": _name,
}
