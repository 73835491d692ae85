"""Values that are known when the source is read: constants, defaults and initial values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from contracts.language import syntax
from contracts.language.operations import find_binary, find_negative
from contracts.language.problems import Problems
from contracts.language.types import BOOL, BYTES, INT, MONEY, PERCENT, SPAN, STR, UNKNOWN, fits, is_container
from contracts.program import TypeSpec, Value
from contracts.values import INT_MAX, MS_MAX, PERCENT_ONE, Money

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
_CURRENCY = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*\Z")
_CURRENCY_LENGTH_MAX = 64


def parse_percent(text: str) -> int | None:
    """Millionths of a whole from text such as "1" or "0.5", with at most 4 decimals; else None."""
    match = _PERCENT.match(text)
    if match is None:
        return None
    return int(match[1]) * (PERCENT_ONE // 100) + int((match[2] or "").ljust(4, "0"))


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
        if not node.named and name == "Percent" and len(node.arguments) == 1:
            return self.percent(node.arguments[0])
        if not node.named and name == "Money" and len(node.arguments) == 2:
            (amount_type, amount), (_, currency) = map(self.evaluate, node.arguments)
            if amount_type == INT and type(currency) is str and _is_currency(currency):
                return MONEY, Money(amount, currency)
            return self._refuse(node, 'write Money(minor units, "currency"), as in Money(2500, "euro")')
        return self._refuse(node, 'a constant is made by Percent("1.5") or Money(2500, "euro") only')

    def percent(self, node: syntax.Expression) -> Known:
        """A percentage that is written as text."""
        if isinstance(node, syntax.Literal) and isinstance(node.value, str):
            millionths = parse_percent(node.value)
            if millionths is not None:
                return PERCENT, millionths
        return self._refuse(node, 'write a percentage as text with at most 4 decimals, as in "1" or "0.5"')

    def _empty(self, node: syntax.Expression, wanted: TypeSpec) -> Value:
        if wanted.name == "list" and isinstance(node, syntax.ListDisplay) and not node.items:
            return []
        if wanted.name == "dict" and isinstance(node, syntax.DictDisplay) and not node.items:
            return {}
        empty = "[]" if wanted.name == "list" else "{}"
        return self._refuse(node, f"a stored {wanted.name} starts empty: write {empty}")[1]


def _is_currency(text: str) -> bool:
    return len(text) <= _CURRENCY_LENGTH_MAX and _CURRENCY.match(text) is not None
