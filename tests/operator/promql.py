"""The part of PromQL that our alert rules and dashboard use: a parser that refuses everything else, and what
an expression gives over a short history of scrapes.

Not Prometheus: `rate` is the plain slope between the first and the last sample of the range, without its
extrapolation to the ends and without counter resets. What is tested with it does not depend on either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Scrape = tuple[float, dict[str, Vector]]
"""Seconds, and by sample name the values of its series."""
NAME = "__name__"

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w])|(?P<span>\d+(?:s|m|h|d))|(?P<name>[a-zA-Z_:][\w:]*)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<mark>=~|!~|==|!=|>=|<=|[-+*/><={}()\[\],]))"
)
_SPANS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("or",), ("and", "unless"), ("==", "!=", ">", "<", ">=", "<="), ("+", "-"), ("*", "/"),
)  # fmt: skip
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.nan,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, ">": lambda a, b: a > b,
    "<": lambda a, b: a < b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b,
}  # fmt: skip


class BadQuery(Exception):
    """Not an expression, or one that our pages do not use."""


@dataclass(frozen=True)
class Selector:
    """A metric with conditions on its labels; over a time where `span_s` is set."""

    name: str
    conditions: tuple[tuple[str, str, str], ...]
    span_s: int | None = None


@dataclass(frozen=True)
class Call:
    """A function or an aggregation, with the labels of `by`."""

    name: str
    arguments: tuple[Node, ...]
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binary:
    """Two sides; `on` are the labels that they are matched by, `many` the side with more series."""

    operator: str
    left: Node
    right: Node
    on: tuple[str, ...] | None = None
    many: str = ""


Node = float | Selector | Call | Binary
_ARGUMENTS = {
    "abs": 1, "floor": 1, "sum": 1, "rate": 1, "predict_linear": 2, "histogram_quantile": 2,
}  # fmt: skip


def parse(text: str) -> Node:
    """Raises: BadQuery."""
    parser = _Parser(text)
    node = parser.expression(0)
    if parser.kind:
        raise BadQuery(f"{text!r}: {parser.token!r} is too much")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind = self.token = ""
        self.advance()

    def advance(self) -> str:
        taken = self.token
        if not self._text[self._at :].strip():
            self.kind = self.token = ""
            return taken
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            raise BadQuery(f"{self._text!r}: cannot be read from {self._text[self._at :]!r} on")
        self._at = match.end()
        self.kind, self.token = match.lastgroup, match[match.lastgroup]
        return taken

    def expect(self, token: str) -> None:
        if self.token != token:
            raise BadQuery(f"{self._text!r}: {token!r} is missing before {self.token!r}")
        self.advance()

    def expression(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.operand()
        left = self.expression(level + 1)
        while self.token in _LEVELS[level] and self.kind in ("name", "mark"):
            operator, on, many = self.advance(), None, ""
            if self.token == "on":
                self.advance()
                on = self.names()
                if self.token in ("group_left", "group_right"):
                    many = self.advance().removeprefix("group_")
                    self.names()
            left = Binary(operator, left, self.expression(level + 1), on, many)
        return left

    def operand(self) -> Node:
        if self.kind == "number":
            return float(self.advance())
        if self.token == "(":
            self.advance()
            inner = self.expression(0)
            self.expect(")")
            return inner
        if self.kind != "name":
            raise BadQuery(f"{self._text!r}: {self.token!r} is no operand")
        name = self.advance()
        if self.token in ("(", "by"):
            return self.call(name)
        conditions: list[tuple[str, str, str]] = []
        if self.token == "{":
            self.advance()
            while self.token != "}":
                label, operator, value = self.advance(), self.advance(), self.advance()
                if operator not in ("=", "!=", "=~", "!~") or not value.startswith('"'):
                    raise BadQuery(f"{self._text!r}: {label} {operator} {value} is no condition")
                conditions.append((label, operator, value[1:-1]))
                if self.token == ",":
                    self.advance()
            self.advance()
        span_s = None
        if self.token == "[":
            self.advance()
            if self.kind != "span":
                raise BadQuery(f"{self._text!r}: {self.token!r} is no span of time")
            span = self.advance()
            span_s = int(span[:-1]) * _SPANS_S[span[-1]]
            self.expect("]")
        return Selector(name, tuple(conditions), span_s)

    def call(self, name: str) -> Call:
        if name not in _ARGUMENTS:
            raise BadQuery(f"{self._text!r}: {name} is not used in our pages")
        by: tuple[str, ...] = ()
        if self.token == "by":
            self.advance()
            by = self.names()
        self.expect("(")
        arguments = [self.expression(0)]
        while self.token == ",":
            self.advance()
            arguments.append(self.expression(0))
        self.expect(")")
        if len(arguments) != _ARGUMENTS[name]:
            raise BadQuery(f"{self._text!r}: {name} takes {_ARGUMENTS[name]} arguments")
        return Call(name, tuple(arguments), by)

    def names(self) -> tuple[str, ...]:
        self.expect("(")
        found = []
        while self.token != ")":
            found.append(self.advance())
            if self.token == ",":
                self.advance()
        self.advance()
        return tuple(found)


def selectors(node: Node) -> list[Selector]:
    """Every metric that an expression looks at."""
    match node:
        case Selector():
            return [node]
        case Call():
            return [found for argument in node.arguments for found in selectors(argument)]
        case Binary():
            return selectors(node.left) + selectors(node.right)
        case _:
            return []


def labels_of(node: Node) -> set[str]:
    """Every label that an expression groups or matches by."""
    match node:
        case Call():
            return set(node.by).union(*map(labels_of, node.arguments))
        case Binary():
            return set(node.on or ()) | labels_of(node.left) | labels_of(node.right)
        case _:
            return set()


# ---------------------------------------------------------------- what it gives


def scrape(at_s: float, text: str, labels: Mapping[str, str]) -> Scrape:
    """A node's /metrics as Prometheus keeps it, with the labels of the target."""
    found: dict[str, Vector] = {"up": {frozenset(labels.items()): 1.0}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = frozenset({**sample.labels, **labels}.items())
            found.setdefault(sample.name, {})[key] = sample.value
    return at_s, found


def evaluate(node: Node, history: Sequence[Scrape]) -> Vector | float:
    """What the expression gives at the time of the last scrape."""
    match node:
        case Selector():
            if node.span_s is not None:
                raise BadQuery(f"{node.name}: a range gives nothing by itself")
            return _chosen(node, history[-1])
        case Call():
            return _called(node, history)
        case Binary():
            return _joined(node, evaluate(node.left, history), evaluate(node.right, history))
        case _:
            return node


def _chosen(selector: Selector, scrape: Scrape) -> Vector:
    def fits(key: Labels) -> bool:
        labels = dict(key)
        return all(_holds(labels.get(label, ""), how, value) for label, how, value in selector.conditions)

    return {key: value for key, value in scrape[1].get(selector.name, {}).items() if fits(key)}


def _holds(have: str, how: str, value: str) -> bool:
    same = have == value if how in ("=", "!=") else re.fullmatch(value, have) is not None
    return same if how in ("=", "=~") else not same


def _called(call: Call, history: Sequence[Scrape]) -> Vector | float:
    if call.name in ("rate", "predict_linear"):
        ahead_s = call.arguments[1] if call.name == "predict_linear" else None
        return _sloped(call.arguments[0], ahead_s, history)
    if call.name == "histogram_quantile":
        return _quantile(call.arguments, history)
    inner = evaluate(call.arguments[0], history)
    if call.name == "sum":
        if not isinstance(inner, dict):
            raise BadQuery("sum takes a vector")
        summed: Vector = {}
        for key, value in inner.items():
            group = frozenset((label, have) for label, have in key if label in call.by)
            summed[group] = summed.get(group, 0.0) + value
        return summed
    apply = abs if call.name == "abs" else math.floor
    return {key: apply(value) for key, value in inner.items()} if isinstance(inner, dict) else apply(inner)


def _sloped(node: Node, ahead_s: Node | None, history: Sequence[Scrape]) -> Vector:
    if not isinstance(node, Selector) or node.span_s is None:
        raise BadQuery("rate and predict_linear take a range")
    now_s = history[-1][0]
    within = [item for item in history if item[0] >= now_s - node.span_s]
    (first_s, _), (last_s, _) = within[0], within[-1]
    if first_s == last_s:
        return {}
    first, last = _chosen(node, within[0]), _chosen(node, within[-1])
    slopes = {key: (value - first[key]) / (last_s - first_s) for key, value in last.items() if key in first}
    if not isinstance(ahead_s, float):
        return slopes
    return {key: last[key] + slope * ahead_s for key, slope in slopes.items()}


def _quantile(arguments: tuple[Node, ...], history: Sequence[Scrape]) -> Vector:
    wanted, buckets = arguments[0], evaluate(arguments[1], history)
    if not isinstance(wanted, float) or not isinstance(buckets, dict):
        raise BadQuery("histogram_quantile takes a number and buckets")
    grouped: dict[Labels, list[tuple[float, float]]] = {}
    for key, value in buckets.items():
        labels = dict(key)
        bound = float(labels.pop("le"))
        grouped.setdefault(frozenset(labels.items()), []).append((bound, value))
    found: Vector = {}
    for key, counts in grouped.items():
        counts.sort()
        total = counts[-1][1]
        if total > 0:
            found[key] = next(bound for bound, count in counts if count >= wanted * total)
    return found


def _joined(node: Binary, left: Vector | float, right: Vector | float) -> Vector | float:
    operator = node.operator
    if operator in ("and", "or", "unless"):
        if not isinstance(left, dict) or not isinstance(right, dict):
            raise BadQuery(f"{operator} takes vectors")
        if operator == "or":
            return right | left
        return {key: value for key, value in left.items() if (key in right) == (operator == "and")}
    if not isinstance(left, dict) and not isinstance(right, dict):
        if operator in _COMPARISONS:
            raise BadQuery("numbers are compared with vectors only")
        return _ARITHMETIC[operator](left, right)
    found: Vector = {}
    for key, a, b in _pairs(node, left, right):
        if operator in _ARITHMETIC:
            found[key] = _ARITHMETIC[operator](a, b)
        elif _COMPARISONS[operator](a, b):
            found[key] = a
    return found


def _pairs(node: Binary, left: Vector | float, right: Vector | float) -> list[tuple[Labels, float, float]]:
    if not isinstance(left, dict):
        return [(key, left, value) for key, value in right.items()] if isinstance(right, dict) else []
    if not isinstance(right, dict):
        return [(key, value, right) for key, value in left.items()]

    def matched(key: Labels) -> Labels:
        return key if node.on is None else frozenset(item for item in key if item[0] in (node.on or ()))

    many, one = (right, left) if node.many == "right" else (left, right)
    by_match = {matched(key): value for key, value in one.items()}
    if len(by_match) != len(one):
        raise BadQuery(f"{node.operator}: several series match one")
    pairs = []
    for key, value in many.items():
        other = by_match.get(matched(key))
        if other is not None:
            pairs.append((key, other, value) if node.many == "right" else (key, value, other))
    return pairs
