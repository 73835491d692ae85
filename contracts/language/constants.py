"""Values that are known when the source is read: constants, defaults and initial values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from contracts.calendar import parse_time
from contracts.language import syntax
from contracts.language.operations import find_binary, find_negative
from contracts.language.problems import Problems
from contracts.language.types import (
    BOOL,
    BYTES,
    DECIMAL,
    INT,
    MONEY,
    PERCENT,
    SPAN,
    STR,
    TIME,
    UNKNOWN,
    fits,
    is_container,
    is_optional,
    is_record,
)
from contracts.program import TypeSpec, Value
from contracts.values import DECIMAL_ONE, INT_MAX, MS_MAX, PERCENT_ONE, Money

Known = tuple[TypeSpec, Value]
"""A constant: its type and value."""

_WRONG: Known = (UNKNOWN, 1)
_COMPUTE: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "//": lambda left, right: left // right,
}
_LITERAL_TYPES = {bool: BOOL, int: INT, str: STR, bytes: BYTES}
_PERCENT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,4}))?\Z")
_DECIMAL = re.compile(r"(-?)([0-9]{1,60})(?:\.([0-9]{1,9}))?\Z")
_CURRENCY = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*\Z")
_CURRENCY_LENGTH_MAX = 64


def parse_percent(text: str) -> int | None:
    """Millionths of a whole from text such as "1" or "0.5", with at most 4 decimals; else None."""
    match = _PERCENT.match(text)
    if match is None:
        return None
    return int(match[1]) * (PERCENT_ONE // 100) + int((match[2] or "").ljust(4, "0"))


def parse_decimal(text: str) -> int | None:
    """Billionths from text such as "-1.25", with at most 9 decimals; else None."""
    match = _DECIMAL.match(text)
    if match is None:
        return None
    value = int(match[2]) * DECIMAL_ONE + int((match[3] or "").ljust(9, "0"))
    return -value if match[1] else value


WRITTEN: dict[str, tuple[TypeSpec, Callable[[str], int | None], str]] = {
    "Decimal": (DECIMAL, parse_decimal, 'Decimal("1.25"), with at most 9 decimals'),
    "Percent": (PERCENT, parse_percent, '"1" or "0.5", with at most 4 decimals'),
    "Time": (TIME, parse_time, 'Time("2026-05-31") or Time("2026-05-31T12:00:00Z")'),
}
"""What is written as text: its type, how it is read, and an example."""


class Constants:
    """Computes constant expressions from literals and from constants that are known already."""

    def __init__(self, problems: Problems, known: Mapping[str, Known]) -> None:
        self._problems = problems
        self._known = known

    def _refuse(self, node: syntax.Expression, text: str) -> Known:
        self._problems.add(node.place, text)
        return _WRONG

    def value_of(self, node: syntax.Expression, wanted: TypeSpec) -> Value:
        """The constant, which must be of the wanted type."""
        if is_container(wanted):
            return self._empty(node, wanted)
        if is_optional(wanted) and isinstance(node, syntax.Literal) and node.value is None:
            return None
        if is_record(wanted):
            advice = f"make it `{wanted} | None` and start with None"
            return self._refuse(node, f"a record is made in a method: {advice}")[1]
        spec, value = self.evaluate(node)
        if not fits(spec, wanted):
            self._refuse(node, f"this is {spec}, but {wanted} is needed")
        return value

    def evaluate(self, node: syntax.Expression) -> Known:
        if isinstance(node, syntax.Literal) and node.value is not None:
            return _LITERAL_TYPES[type(node.value)], node.value
        if isinstance(node, syntax.Name) and node.name in self._known:
            return self._known[node.name]
        if isinstance(node, syntax.Negative):
            spec, value = self.evaluate(node.operand)
            if find_negative(spec):
                return spec, -value
        if isinstance(node, syntax.Binary) and node.sign in _COMPUTE:
            return self._binary(node)
        if isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name):
            return self._made(node, node.function.name)
        return self._refuse(node, "this must be known beforehand: write a literal or a constant, as 30 * DAY")

    def _binary(self, node: syntax.Binary) -> Known:
        (left_type, left), (right_type, right) = self.evaluate(node.left), self.evaluate(node.right)
        if UNKNOWN in (left_type, right_type):
            return _WRONG
        operation = find_binary(node.sign, left_type, right_type)
        if operation is None or type(left) is not int or type(right) is not int:
            return self._refuse(node, f"`{node.sign}` of {left_type} and {right_type} is not available here")
        if node.sign == "//" and right == 0:
            return self._refuse(node, "this divides by zero")
        value = _COMPUTE[node.sign](left, right)
        if abs(value) > (MS_MAX if operation.result == SPAN else INT_MAX):
            limit = "2^53 - 1 milliseconds" if operation.result == SPAN else "2^255 - 1"
            return self._refuse(node, f"the constant is larger than {limit}")
        return operation.result, value

    def _made(self, node: syntax.Call, name: str) -> Known:
        if not node.named and name in WRITTEN and len(node.arguments) == 1:
            return self._written(node.arguments[0], name)
        if not node.named and name == "Money" and len(node.arguments) == 2:
            (amount_type, amount), (_, currency) = map(self.evaluate, node.arguments)
            if amount_type == INT and type(currency) is str and _is_currency(currency):
                return MONEY, Money(amount, currency)
            return self._refuse(node, 'write Money(minor units, "currency"), as in Money(2500, "euro")')
        return self._refuse(
            node,
            'a constant is made by Money(5, "euro"), Percent("1.5"), Decimal("0.25") or Time("2026-05-31")',
        )

    def _written(self, node: syntax.Expression, name: str) -> Known:
        """A Decimal, Percent or Time, written as text."""
        spec, parse, example = WRITTEN[name]
        if isinstance(node, syntax.Literal) and isinstance(node.value, str):
            value = parse(node.value)
            if value is not None:
                return spec, value
        return self._refuse(node, f"write a {name} as text, as in {example}")

    def percent(self, node: syntax.Expression) -> Known:
        """A percentage that is written as text."""
        return self._written(node, "Percent")

    def _empty(self, node: syntax.Expression, wanted: TypeSpec) -> Value:
        if wanted.name == "list" and isinstance(node, syntax.ListDisplay) and not node.items:
            return []
        if wanted.name == "dict" and isinstance(node, syntax.DictDisplay) and not node.items:
            return {}
        empty = "[]" if wanted.name == "list" else "{}"
        return self._refuse(node, f"a stored {wanted.name} starts empty: write {empty}")[1]


def _is_currency(text: str) -> bool:
    return len(text) <= _CURRENCY_LENGTH_MAX and _CURRENCY.match(text) is not None
