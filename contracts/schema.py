"""JSON Schema (2020-12) of what a contract takes and gives: terms, actions, facts, queries, events.

A document of `$defs` only, one for each: `terms`, `action.NAME` (its `args`), `fact.NAME` (a value),
`query.NAME` (its arguments), `answer.NAME`, `event.NAME` (its `fields`). A value is accepted by its schema
exactly where `contracts.arguments` accepts it, but for what a schema cannot say: that an account or instance
of a name exists, that no key comes twice in a dict written as an array, and the length of text and of a
call's arguments in bytes of UTF-8 (`maxLength` counts characters). A number with a fraction or exponent is
none in a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from consensus.transactions import INTEGER_MAX, NAME_LENGTH_MAX
from contracts.arguments import DICT_KEY_MAX, to_json
from contracts.program import ActionSpec, EventSpec, ParameterSpec, Program, QuerySpec, TermSpec, TypeSpec
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
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_SPAN_DIGITS = 12
_SPAN_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))
_PERCENT_DIGITS, _PERCENT_DECIMALS = 12, 4
_SCALARS = {
    "int": "an integer, written as text beyond 2^53 - 1",
    "bool": "true or false",
    "str": f"text of at most {TEXT_BYTES_MAX} bytes of UTF-8",
    "bytes": f"hex digits in pairs, for at most {TEXT_BYTES_MAX} bytes",
    "Money": "an amount in minor units, and its currency",
    "Time": "milliseconds since 1970, or a time in UTC",
    "Span": "milliseconds, or days, hours, minutes or seconds",
    "Percent": "a percentage with at most 4 decimals",
    "Decimal": "a number with at most 9 decimals",
    "Call": "a call of an action of an instance, with its arguments",
    "Party": "the name of an account",
    "Oracle": "the name of an account",
    "Instance": "the name of an instance",
}


def schema_of(code: str, program: Program) -> Schema:
    """The schemas of a contract whose code has this id."""
    parts: Schema = {"terms": _terms(program.terms)}
    parts |= {f"action.{spec.name}": _action(spec) for spec in program.actions}
    if program.facts:
        parts["action.report"] = _report([spec.name for spec in program.facts])
    parts |= {f"fact.{spec.name}": _taken(spec.type) for spec in program.facts}
    for query in program.queries:
        parts[f"query.{query.name}"] = _query(query)
        parts[f"answer.{query.name}"] = _given(query.returns, typed=True)
    parts |= {f"event.{spec.name}": _event(spec) for spec in program.events}
    parts |= {f"type.{name}": make() | {"description": _SCALARS[name]} for name, make in _TAKEN.items()}
    return {
        "$schema": DIALECT,
        "$id": f"urn:quorate:code:{code}",
        "title": program.name,
        "description": program.text,
        "$defs": parts,
    }


# ---------------------------------------------------------------- what a contract takes


def _terms(terms: Sequence[TermSpec]) -> Schema:
    properties = {}
    for term in terms:
        properties[term.name] = dict(_taken(term.type))
        if term.has_default:
            properties[term.name]["default"] = to_json(term.default, term.type)
    return _object(properties, [term.name for term in terms if not term.has_default])


def _arguments(parameters: Sequence[ParameterSpec]) -> Schema:
    return _object({each.name: _taken(each.type) for each in parameters}, [each.name for each in parameters])


def _action(spec: ActionSpec) -> Schema:
    words = {"description": spec.text, "x-by": list(spec.by), "x-phases": list(spec.phases)}
    return _arguments(spec.parameters) | words


def _query(spec: QuerySpec) -> Schema:
    return _arguments(spec.parameters) | {"description": spec.text}


def _report(facts: Sequence[str]) -> Schema:
    reports = [
        _object({"fact": {"const": fact}, "value": {"$ref": f"#/$defs/fact.{fact}"}}, ["fact", "value"])
        for fact in facts
    ]
    return {"oneOf": reports, "description": "Report a fact, as its oracle."}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _taken(spec: TypeSpec) -> Schema:
    """What is accepted as a value of this type."""
    if spec.name == "Optional":
        return {"anyOf": [{"type": "null"}, _taken(spec.items[0])]}
    if spec.fields:
        fields = dict(zip(spec.fields, map(_taken, spec.items), strict=True))
        return _object(fields, list(spec.fields))
    if spec.name == "list":
        return {"type": "array", "items": _taken(spec.items[0]), "maxItems": ITEMS_MAX}
    if spec.name == "dict":
        key, item = spec.items
        keys = _dict_key() if key.name == "int" else _taken(key)
        pair = {"type": "array", "prefixItems": [keys, _taken(item)], "items": False, "minItems": 2}
        pairs = {"type": "array", "items": pair, "maxItems": ITEMS_MAX}
        entries = {"propertyNames": keys, "additionalProperties": _taken(item), "maxProperties": ITEMS_MAX}
        return {"oneOf": [pairs, {"type": "object"} | entries]}
    return {"$ref": f"#/$defs/type.{spec.name}"}


def _integer(low: int, high: int) -> Schema:
    """An integer as a number."""
    return {"type": "integer", "minimum": low, "maximum": high}


def _integer_or_text(high: int, *, negative: bool) -> Schema:
    sign = "-?" if negative else ""
    text = {"type": "string", "pattern": f"^(0|{sign}({_positive_up_to(high)}))$"}
    number = min(high, INTEGER_MAX)
    return {"anyOf": [_integer(-number if negative else 0, number), text]}


def _dict_key() -> Schema:
    return _integer_or_text(DICT_KEY_MAX, negative=True)


def _name() -> Schema:
    pattern = "^[a-z][a-z0-9]*([._-][a-z0-9]+)*$"
    return {"type": "string", "pattern": pattern, "maxLength": NAME_LENGTH_MAX}


def _money() -> Schema:
    amount = _integer_or_text(INT_MAX, negative=False)
    return _object({"amount": amount, "currency": _name()}, ["amount", "currency"])


def _time() -> Schema:
    date = f"({_YEAR}-({_MONTH_AND_DAY})|{_LEAP_YEAR}-02-29)"
    clock = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,3})?"
    return {"anyOf": [_integer(0, TIME_MS_MAX), {"type": "string", "pattern": f"^{date}T{clock}Z$"}]}


def _span() -> Schema:
    units = "|".join(
        f"({_padded_up_to(TIME_MS_MAX // length, _SPAN_DIGITS)}){unit}" for unit, length in _SPAN_UNITS
    )
    return {"anyOf": [_integer(-TIME_MS_MAX, TIME_MS_MAX), {"type": "string", "pattern": f"^({units})$"}]}


def _decimal() -> Schema:
    return {"type": "string", "pattern": "^-?[0-9]{1,60}([.][0-9]{1,9})?$"}


def _call() -> Schema:
    parts = {
        "contract": _name(),
        "action": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"},
        "args": {"type": "object"},
    }
    return _object(parts, list(parts))


def _percent() -> Schema:
    whole, rest = divmod(INTEGER_MAX, PERCENT_ONE // 100)
    last = f"{rest:0{_PERCENT_DECIMALS}d}"
    decimals = "|".join(_same_length_up_to(last[:length]) for length in range(1, len(last) + 1))
    below = f"({_padded_up_to(whole - 1, _PERCENT_DIGITS)})([.][0-9]{{1,{_PERCENT_DECIMALS}}})?"
    return {"type": "string", "pattern": f"^({below}|{whole}([.]({decimals}))?)$"}


_YEAR = "(19[7-9][0-9]|[2-9][0-9]{3})"
_LEAP_YEAR = "(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)"
_MONTH_AND_DAY = (
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
)

_TAKEN: dict[str, Callable[[], Schema]] = {
    "int": lambda: _integer_or_text(INT_MAX, negative=True),
    "bool": lambda: {"type": "boolean"},
    "str": lambda: {"type": "string", "maxLength": TEXT_BYTES_MAX},
    "bytes": lambda: {"type": "string", "pattern": "^([0-9a-f]{2})*$", "maxLength": 2 * TEXT_BYTES_MAX},
    "Money": _money,
    "Time": _time,
    "Span": _span,
    "Percent": _percent,
    "Decimal": _decimal,
    "Call": _call,
    "Party": _name,
    "Oracle": _name,
    "Instance": _name,
}


def _same_length_up_to(limit: str) -> str:
    """A pattern of the digit strings of the length of `limit` that are not behind it."""
    ways = []
    for place, digit in enumerate(limit):
        if digit != "0":
            rest = len(limit) - place - 1
            ways.append(f"{limit[:place]}[0-{int(digit) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join([*ways, limit])


def _padded_up_to(limit: int, digits: int) -> str:
    """A pattern of 1 to `digits` digits, zeros in front allowed, for 0 to `limit`."""
    text = str(limit)
    exact = f"0{{0,{digits - len(text)}}}({_same_length_up_to(text)})"
    return f"[0-9]{{1,{len(text) - 1}}}|{exact}" if len(text) > 1 else exact


def _positive_up_to(limit: int) -> str:
    """A pattern of 1 to `limit` in digits without a zero in front."""
    text = str(limit)
    shorter = f"[1-9][0-9]{{0,{len(text) - 2}}}"
    ways = []
    for place, digit in enumerate(text):
        first = 1 if place == 0 else 0
        if int(digit) > first:
            rest = len(text) - place - 1
            ways.append(f"{text[:place]}[{first}-{int(digit) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join([shorter, *ways, text])


# ---------------------------------------------------------------- what a contract gives


def _event(spec: EventSpec) -> Schema:
    properties = {field.name: _given(field.type, typed=False) for field in spec.fields}
    return _object(properties, [field.name for field in spec.fields]) | {"description": spec.text}


def _given(spec: TypeSpec, *, typed: bool) -> Schema:
    """What a value of this type is written as; in events, percentages and decimals as whole numbers."""
    if spec.name == "Optional":
        return {"anyOf": [{"type": "null"}, _given(spec.items[0], typed=typed)]}
    if spec.fields:
        parts = dict(zip(spec.fields, (_given(item, typed=typed) for item in spec.items), strict=True))
        return _object(parts, list(spec.fields))
    if spec.name == "list":
        return {"type": "array", "items": _given(spec.items[0], typed=typed)}
    if spec.name == "dict":
        pair = [_given(item, typed=typed) for item in spec.items]
        return {
            "type": "array",
            "items": {"type": "array", "prefixItems": pair, "items": False, "minItems": 2},
        }
    if spec.name == "Money":
        amount = {"type": "string", "pattern": "^(0|-?[1-9][0-9]*)$"}
        return _object({"amount": amount, "currency": _name()}, ["amount", "currency"])
    if spec.name in ("Time", "Span"):
        return {"type": "integer"}
    if spec.name == "Call":
        return _call()
    if spec.name in ("Percent", "Decimal") and typed:
        return {"type": "string"}
    if spec.name == "Percent":
        return {"type": "integer"}
    if spec.name in ("int", "Decimal"):
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[1-9][0-9]{15,}$"}]}
    return {"type": "boolean"} if spec.name == "bool" else {"type": "string"}
