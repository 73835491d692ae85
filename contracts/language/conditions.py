"""Checks conditions: what they teach about facts, and when time alone may change them."""

from __future__ import annotations

from typing import NamedTuple

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.expressions import ExpressionChecker
from contracts.language.operations import comparison_price, find_comparison, is_chainable, operation
from contracts.language.scope import NOTHING, Knowledge, known_fact, not_none, path_of, wrong
from contracts.language.syntax import called_name, own_name
from contracts.language.types import (
    BOOL,
    CALL,
    NEVER_FALSE,
    TIME,
    UNKNOWN,
    fits,
    is_container,
    is_optional,
    is_scalar,
)
from contracts.program import TypeSpec

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""`a < b` says the same as `b > a`."""


class Condition(NamedTuple):
    """A bool, and what is reported or not None when it holds, and when it does not."""

    value: tree.Value
    when_true: Knowledge = NOTHING
    when_false: Knowledge = NOTHING
    leaves: tuple[tree.Value, ...] = ()
    """Of a condition with `and` or `or`: what they join, those within them in their place."""


class ConditionChecker(ExpressionChecker):
    """Checks conditions.

    In a rule's condition every `now()` is compared directly, and `rising` tells which change of that
    comparison can make the rule fire: True when it becomes true, False within a `not`, None where it is not
    clear. Time only grows, so the node has to be woken for one change of one kind, and at a moment known.
    """

    def logical(self, node: syntax.Expression) -> tree.Value:
        return self.condition(node, None).value

    def chosen(self, node: syntax.Conditional, wanted: TypeSpec) -> tree.Value:
        test = self.condition(node.test, None)
        before = self.known
        self.learn(test.when_true)
        value = self.value(node.value, wanted)
        self.known = before
        self.learn(test.when_false)
        otherwise = self.value(node.otherwise, wanted)
        self.known = before
        if is_optional(wanted) and fits(value.type, wanted) and fits(otherwise.type, wanted):
            return tree.Choose(wanted, test.value, value, otherwise)
        if not fits(otherwise.type, value.type):
            return self.refuse(node, f"the two values differ: {value.type} and {otherwise.type}")
        return tree.Choose(value.type, test.value, value, otherwise)

    def condition(self, node: syntax.Expression, rising: bool | None) -> Condition:
        """A bool and what it teaches."""
        if isinstance(node, syntax.Not):
            inner = self.condition(node.operand, None if rising is None else not rising)
            negated = self.apply(operation((BOOL,), BOOL, "(not {0})", 0), inner.value)
            return Condition(negated, inner.when_false, inner.when_true)
        if isinstance(node, syntax.Logic):
            return self._logic(node, rising)
        if isinstance(node, syntax.IsNone):
            return self._is_none(node)
        if isinstance(node, syntax.Compare):
            return Condition(self._compare(node, rising))
        if isinstance(node, syntax.Call) and called_name(node) == "reported":
            return self._reported(node)
        if (fact := own_name(node)) is not None and fact in self.declared.facts:
            return self._fact_as_condition(node, fact)
        value = self.value(node, BOOL)
        if value.type not in (BOOL, UNKNOWN):
            self.refuse(node, f"this is {value.type}, not a condition: compare it with something")
        return Condition(value)

    def _logic(self, node: syntax.Logic, rising: bool | None) -> Condition:
        before = self.known
        values: list[tree.Value] = []
        gathered: Knowledge = NOTHING  # what all operands so far teach when the next one is looked at
        leaves: tuple[tree.Value, ...] = ()
        leaving: list[Knowledge] = []  # what is known where an operand decides alone
        for operand in node.operands:
            part = self.condition(operand, rising)
            on, off = part.when_true, part.when_false
            if node.word == "or":
                on, off = off, on
            leaving.append(gathered | off)
            gathered |= on
            self.learn(on)
            values.append(part.value)
            leaves += part.leaves if isinstance(operand, syntax.Logic) else (part.value,)
        self.known = before
        value = tree.Logic(BOOL, node.word, tuple(values))
        shared = leaving[0].intersection(*leaving[1:])
        if node.word == "and":
            return Condition(value, gathered, shared, leaves)
        return Condition(value, shared, gathered, leaves)

    def _is_none(self, node: syntax.IsNone) -> Condition:
        path = path_of(node.operand)
        before = self.known
        if path is not None:
            self.forget(path)
        value = self.value(node.operand)
        self.known = before
        if not is_optional(value.type):
            if value.type is UNKNOWN:
                return Condition(wrong())
            return Condition(self.refuse(node, f"this is {value.type}, which is never None"))
        test = "is not None" if node.negative else "is None"
        found = self.apply(operation((value.type,), BOOL, f"({{0}} {test})", 1), value)
        known = NOTHING if path is None else frozenset({not_none(path)})
        return Condition(found, known, NOTHING) if node.negative else Condition(found, NOTHING, known)

    # ------------------------------------------------------------ facts

    def _reported(self, node: syntax.Call) -> Condition:
        fact = own_name(node.arguments[0]) if len(node.arguments) == 1 and not node.named else None
        if fact is None or fact not in self.declared.facts:
            return Condition(self.refuse(node, "write reported(self.fact) with a fact of this contract"))
        return self._is_reported(fact)

    def _fact_as_condition(self, node: syntax.Expression, name: str) -> Condition:
        spec = self.declared.facts[name].type
        if spec == BOOL and self.knows(known_fact(name)):
            return Condition(self.fact(name))
        if spec not in (*NEVER_FALSE, UNKNOWN):
            advice = f"a {spec} that is reported can still be 0, empty or False"
            return Condition(self.refuse(node, f"write reported(self.{name}): {advice}"))
        return self._is_reported(name)

    def _is_reported(self, name: str) -> Condition:
        value = self.read(BOOL, f"(h.fact({name!r}) is not None)", gas.READ)
        return Condition(value, frozenset({known_fact(name)}))

    # ------------------------------------------------------------ comparisons

    def _compare(self, node: syntax.Compare, rising: bool | None) -> tree.Value:
        if len(node.rest) == 1:
            return self._compare_two(node.first, *node.rest[0], rising)
        (sign, middle), *others = node.rest
        if len(others) == 1 and _is_now(middle):
            left = self._compare_two(node.first, sign, middle, rising)
            return tree.Logic(BOOL, "and", (left, self._compare_two(middle, *others[0], rising)))
        return self._compare_chain(node)

    def _compare_chain(self, node: syntax.Compare) -> tree.Value:
        nodes = (node.first, *(operand for _, operand in node.rest))
        values = [self.value(part) for part in nodes]
        if UNKNOWN in [value.type for value in values]:
            return wrong()
        text = "{0}"
        for index, (sign, operand) in enumerate(node.rest, 1):
            if not is_chainable(sign, values[index - 1].type, values[index].type):
                return self.refuse(operand, f"`{sign}` cannot stand in a chain here: write `and`")
            text += f" {sign} {{{index}}}"
        types = tuple(value.type for value in values)
        price = comparison_price(types[0]) * len(node.rest)
        return self.apply(operation(types, BOOL, f"({text})", price), *values)

    def _compare_two(
        self, left_node: syntax.Expression, sign: str, right_node: syntax.Expression, rising: bool | None
    ) -> tree.Value:
        if sign in ("in", "not in"):
            return self._contains(left_node, sign == "in", right_node)
        if self.in_rule_condition and (_is_now(left_node) or _is_now(right_node)):
            return self._compare_now(left_node, sign, right_node, rising)
        left, right = self.value(left_node), self.value(right_node)
        for side, other in ((left_node, right_node), (right_node, left_node)):
            if own_name(side) == "phase":
                self.check_phase_name(other)
        if UNKNOWN in (left.type, right.type):
            return wrong()
        found = find_comparison(sign, left.type, right.type)
        if found:
            return self.apply(found, left, right)
        advice = "; ask `is not None` first" if is_optional(left.type) or is_optional(right.type) else ""
        return self.refuse(left_node, f"`{sign}` of {left.type} and {right.type} is not available{advice}")

    def check_phase_name(self, node: syntax.Expression) -> None:
        """A phase as written must be one of the contract's."""
        if isinstance(node, syntax.Literal) and node.value not in self.declared.phases:
            self.refuse(node, f"{node.value!a} is no phase: {', '.join(self.declared.phases)}")

    def _compare_now(
        self, left: syntax.Expression, sign: str, right: syntax.Expression, rising: bool | None
    ) -> tree.Value:
        if not _is_now(left):
            left, sign, right = right, _MIRRORED.get(sign, sign), left
        if sign not in _MIRRORED or rising is None:
            advice = "compare now() with <, <=, > or >=, joined by `and`, `or` and `not` only"
            return self.refuse(left, f"the node must know when to look again: {advice}")
        moment = self.fitting(right, TIME)
        becomes_true = sign in (">", ">=")
        if becomes_true != rising:
            return self.apply(operation((TIME,), BOOL, f"(h.now_ms {sign} {{0}})", 1), moment)
        first_moment = "{0} + 1" if sign in (">", "<=") else "{0}"
        negation = "" if becomes_true else "not "
        return self.apply(operation((TIME,), BOOL, f"({negation}due(h, wake, {first_moment}))"), moment)

    def _contains(self, item: syntax.Expression, positive: bool, owner: syntax.Expression) -> tree.Value:
        table = self.table(owner)
        if table:
            test = "is not None" if positive else "is None"
            text = f"(h.table_get({table.name!r}, {{0}}) {test})"
            return self.read(BOOL, text, gas.READ, self.key(item, table.type.items[0]))
        container = self.value(owner)
        spec = container.type
        if spec is UNKNOWN:
            return wrong()
        if not is_container(spec) or not is_scalar(spec.items[0]) or spec.items[0] == CALL:
            return self.refuse(owner, f"`in` looks into tables, dicts and lists of scalars, not into {spec}")
        value = self.fitting(item, spec.items[0])
        text = "{0} in {1}" if spec.name == "dict" else "contains(m, {0}, {1})"
        text = f"({text})" if positive else f"(not {text})"
        return self.apply(operation((value.type, spec), BOOL, text), value, container)


def _is_now(node: syntax.Expression) -> bool:
    return isinstance(node, syntax.Call) and called_name(node) == "now" and not (node.arguments or node.named)
