"""Checks expressions: what they are, what type they have, whether every part has a value by then.

`known` is the flow of knowledge: the locals that have a value and the facts that are reported at this
point of the method. A condition adds to it in its branches; where two ways meet, what both know remains.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.annotations import Annotations
from contracts.language.declarations import Declarations, Signature
from contracts.language.operations import (
    ATTRIBUTES,
    find_binary,
    find_comparison,
    find_negative,
    operation,
)
from contracts.language.problems import Place, Problems
from contracts.language.types import (
    BOOL,
    BYTES,
    INT,
    KEYS,
    NEVER_FALSE,
    NONE,
    STR,
    TIME,
    UNKNOWN,
    dict_of,
    fits,
    is_container,
    is_scalar,
    list_of,
)
from contracts.program import FieldSpec, TypeSpec

Knowledge = frozenset[str]
NOTHING: Knowledge = frozenset()
_LITERAL_TYPES = {bool: BOOL, int: INT, str: STR, bytes: BYTES}


class Condition(NamedTuple):
    """A bool, and which facts are reported when it holds, and when it does not."""

    value: tree.Value
    when_true: Knowledge = NOTHING
    when_false: Knowledge = NOTHING


def wrong() -> tree.Value:
    """Stands for what is wrong and told already."""
    return tree.Constant(UNKNOWN, 0)


class ExpressionChecker(ABC):
    """Checks the expressions of one method."""

    def __init__(self, problems: Problems, declared: Declarations, signature: Signature) -> None:
        self.problems = problems
        self.declared = declared
        self.signature = signature
        self.annotations = Annotations(problems)
        self.locals = {parameter.name: parameter.type for parameter in signature.parameters}
        self.known: Knowledge | None = frozenset(self.locals)
        self.in_rule_condition = False
        self.effects: set[str] = set()

    @abstractmethod
    def call(self, node: syntax.Call) -> tree.Value:
        """A call of whatever kind."""

    def refuse(self, node: syntax.Expression, text: str) -> tree.Value:
        self.problems.add(node.place, text)
        return wrong()

    def knows(self, name: str) -> bool:
        return self.known is None or name in self.known

    def learn(self, names: Knowledge) -> None:
        if self.known is not None:
            self.known |= names

    # ------------------------------------------------------------ values

    def value(self, node: syntax.Expression, wanted: TypeSpec = UNKNOWN) -> tree.Value:
        """The value of an expression; `wanted` gives an empty list or dict its type."""
        match node:
            case syntax.Literal(value=literal):
                return self._literal(node, literal)
            case syntax.Name():
                return self._name(node)
            case syntax.Attribute():
                return self._attribute(node)
            case syntax.Subscript():
                return self._subscript(node)
            case syntax.Slice():
                return self._slice(node)
            case syntax.Call():
                return self.call(node)
            case syntax.Negative():
                return self._negative(node)
            case syntax.Binary():
                return self.binary(node, node.sign, self.value(node.left, wanted), self.value(node.right, wanted))
            case syntax.Logic() | syntax.Not() | syntax.Compare():
                return self.condition(node, None).value
            case syntax.Conditional():
                return self._conditional(node, wanted)
            case syntax.ListDisplay():
                return self._list(node, wanted)
            case syntax.DictDisplay():
                return self._dict(node, wanted)
        return self.refuse(node, "a pair stands only as the key of a table")

    def fitting(self, node: syntax.Expression, wanted: TypeSpec) -> tree.Value:
        """The value of an expression that must be of the wanted type."""
        value = self.value(node, wanted)
        if not fits(value.type, wanted):
            self.refuse(node, f"this is {value.type}, but {wanted} is needed")
        return value

    def apply(self, operation_: tree.Operation, *operands: tree.Value) -> tree.Value:
        self.effects |= operation_.effects
        return tree.Apply(operation_.result, operation_, operands)

    def host(self, result: TypeSpec, text: str, price: int, *operands: tree.Value) -> tree.Value:
        """Something that is read from the host; a list or dict is counted, as it is made for us."""
        if is_container(result):
            text = f"loaded(m, {text})"
        return self.apply(operation(tuple(o.type for o in operands), result, text, price), *operands)

    def _literal(self, node: syntax.Expression, literal: syntax.Constant) -> tree.Value:
        if literal is None:
            return self.refuse(node, "None is no value here: ask reported(self.fact), or `key in self.table`")
        return tree.Constant(_LITERAL_TYPES[type(literal)], literal)

    def _name(self, node: syntax.Name) -> tree.Value:
        if node.name in self.locals:
            if not self.knows(node.name):
                return self.refuse(node, f"`{node.name}` may have no value yet: set it on every way to here")
            return tree.Local(self.locals[node.name], node.name)
        if node.name in self.declared.constants:
            spec, value = self.declared.constants[node.name]
            return tree.Constant(spec, value)
        if self.declared.member(node.name):
            return self.refuse(node, f"write self.{node.name}")
        return self.refuse(node, f"`{node.name}` is not known here")

    def _attribute(self, node: syntax.Attribute) -> tree.Value:
        if is_self(node.owner):
            return self._member(node)
        owner = self.value(node.owner)
        found = ATTRIBUTES.get((owner.type, node.name))
        if found:
            return self.apply(found, owner)
        if owner.type is UNKNOWN:
            return owner
        return self.refuse(node, f"{owner.type} has no `{node.name}` to read")

    def _member(self, node: syntax.Attribute) -> tree.Value:
        name, declared = node.name, self.declared
        if name == "phase" and declared.has_phases:
            return self.host(STR, "h.get_phase()", gas.READ)
        if name in declared.terms:
            spec = declared.terms[name].type
            copied = f"settle(m, h.term({name!r}))" if is_container(spec) else f"h.term({name!r})"
            return self.apply(operation((), spec, copied, gas.READ))
        if name in declared.facts:
            if not self.knows(fact_key(name)):
                return self.refuse(
                    node, f"`{name}` may not be reported yet: ask first, as in `if reported(self.{name}) and ...`"
                )
            return self._fact(name)
        if name in declared.fields:
            if declared.fields[name].type.name == "Table":
                return self.refuse(node, f"read an entry: self.{name}[key], or self.{name}.get(key, default)")
            return self.host(declared.fields[name].type, f"h.load({name!r})", gas.READ)
        if name in declared.methods:
            return self.refuse(node, f"call the method: self.{name}(...)")
        return self.refuse(node, f"the contract has no `{name}`; declare it in the class")

    def _fact(self, name: str) -> tree.Value:
        return self.host(self.declared.facts[name].type, f"h.fact({name!r})", gas.READ)

    def _negative(self, node: syntax.Negative) -> tree.Value:
        operand = self.value(node.operand)
        found = find_negative(operand.type)
        if found:
            return self.apply(found, operand)
        return wrong() if operand.type is UNKNOWN else self.refuse(node, f"`-` of {operand.type} is not available")

    def binary(self, node: syntax.Expression, sign: str, left: tree.Value, right: tree.Value) -> tree.Value:
        if UNKNOWN in (left.type, right.type):
            return wrong()
        found = find_binary(sign, left.type, right.type)
        if found:
            return self.apply(found, left, right)
        advice = "; write str(...) to make a text of it" if STR in (left.type, right.type) else ""
        return self.refuse(node, f"`{sign}` of {left.type} and {right.type} is not available{advice}")

    def _conditional(self, node: syntax.Conditional, wanted: TypeSpec) -> tree.Value:
        test = self.condition(node.test, None)
        before = self.known
        self.learn(test.when_true)
        value = self.value(node.value, wanted)
        self.known = before
        self.learn(test.when_false)
        otherwise = self.value(node.otherwise, wanted)
        self.known = before
        if not fits(otherwise.type, value.type):
            return self.refuse(node, f"the two values differ: {value.type} and {otherwise.type}")
        return tree.Choose(value.type, test.value, value, otherwise)

    def _list(self, node: syntax.ListDisplay, wanted: TypeSpec) -> tree.Value:
        inner = wanted.items[0] if wanted.name == "list" else UNKNOWN
        values = tuple(self.value(item, inner) for item in node.items)
        spec = inner if inner is not UNKNOWN or not values else values[0].type
        if spec is UNKNOWN:
            return wrong() if values else self.refuse(node, "say what the list holds: `name: list[int] = []`")
        for item, value in zip(node.items, values, strict=True):
            if not fits(value.type, spec):
                self.refuse(item, f"this is {value.type} in a list of {spec}")
        if not is_scalar(spec) and not (spec.name == "list" and is_scalar(spec.items[0])):
            return self.refuse(node, "a list holds scalars, or lists of scalars, and nothing deeper")
        text = ", ".join(f"{{{index}}}" for index in range(len(values)))
        made = operation((spec,) * len(values), list_of(spec), f"make_list(m, [{text}])", _price_of(len(values)))
        return self.apply(made, *values)

    def _dict(self, node: syntax.DictDisplay, wanted: TypeSpec) -> tree.Value:
        key_type, value_type = wanted.items if wanted.name == "dict" else (UNKNOWN, UNKNOWN)
        pairs = [(self.value(key, key_type), self.value(value, value_type)) for key, value in node.items]
        if key_type is UNKNOWN and pairs:
            key_type, value_type = pairs[0][0].type, pairs[0][1].type
        if UNKNOWN in (key_type, value_type):
            return wrong() if pairs else self.refuse(node, "say what the dict holds: `name: dict[str, int] = {}`")
        for (key_node, value_node), (key, value) in zip(node.items, pairs, strict=True):
            if not fits(key.type, key_type):
                self.refuse(key_node, f"this is {key.type} in a dict keyed by {key_type}")
            if not fits(value.type, value_type):
                self.refuse(value_node, f"this is {value.type} in a dict of {value_type}")
        if key_type not in KEYS or not (is_scalar(value_type) or value_type.name == "list"):
            return self.refuse(node, "a dict has keys of int, str, bytes or a name, and scalars or lists as values")
        text = ", ".join(f"{{{2 * index}}}: {{{2 * index + 1}}}" for index in range(len(pairs)))
        operands = tuple(part for pair in pairs for part in pair)
        types = tuple(operand.type for operand in operands)
        price = _price_of(2 * len(pairs))
        return self.apply(
            operation(types, dict_of(key_type, value_type), f"make_dict(m, {{{{{text}}}}})", price), *operands
        )

    # ------------------------------------------------------------ parts of values

    def table(self, node: syntax.Expression) -> FieldSpec | None:
        """The table that `self.name` is."""
        if isinstance(node, syntax.Attribute) and is_self(node.owner):
            found = self.declared.fields.get(node.name)
            if found and found.type.name == "Table":
                return found
        return None

    def key(self, node: syntax.Expression, wanted: TypeSpec) -> tree.Value:
        """The key of a table's entry, which may be a pair."""
        if wanted.name == "tuple" and isinstance(node, syntax.TupleDisplay) and len(node.items) == 2:
            parts = tuple(self.fitting(item, spec) for item, spec in zip(node.items, wanted.items, strict=True))
            return self.apply(operation(wanted.items, wanted, "({0}, {1})", gas.ITEM), *parts)
        return self.fitting(node, wanted)

    def _subscript(self, node: syntax.Subscript) -> tree.Value:
        table = self.table(node.owner)
        if table:
            key_type, value_type = table.type.items
            return self.host(value_type, f"entry(h, {table.name!r}, {{0}})", gas.READ, self.key(node.index, key_type))
        return self.item(node, self.value(node.owner))

    def item(self, node: syntax.Subscript, owner: tree.Value) -> tree.Value:
        """`owner[index]` of a list, dict, str or pair."""
        spec = owner.type
        if spec.name == "tuple":
            index = node.index.value if isinstance(node.index, syntax.Literal) else None
            if type(index) is not int or index not in (0, 1):
                return self.refuse(node.index, "a pair has [0] and [1]")
            return self.apply(operation((spec,), spec.items[index], f"{{0}}[{index}]", 1), owner)
        if spec.name == "dict":
            key = self.fitting(node.index, spec.items[0])
            return self.apply(operation(spec.items, spec.items[1], "{0}[{1}]", 2), owner, key)
        if spec.name == "list" or spec == STR:
            index_value = self.fitting(node.index, INT)
            result = STR if spec == STR else spec.items[0]
            return self.apply(operation((spec, INT), result, "{0}[{1}]", 2), owner, index_value)
        return wrong() if spec is UNKNOWN else self.refuse(node, f"{spec} has no items")

    def _slice(self, node: syntax.Slice) -> tree.Value:
        owner = self.value(node.owner)
        ends = [self.fitting(end, INT) if end else tree.Constant(NONE, None) for end in (node.first, node.last)]
        if owner.type in (STR, BYTES):
            text = "part_of_text(m, {0}, {1}, {2})"
        elif owner.type.name == "list":
            text = "part_of_list(m, {0}, {1}, {2})"
        else:
            return wrong() if owner.type is UNKNOWN else self.refuse(node, f"{owner.type} has no parts")
        return self.apply(operation((owner.type, INT, INT), owner.type, text), owner, *ends)

    # ------------------------------------------------------------ conditions

    def condition(self, node: syntax.Expression, rising: bool | None) -> Condition:
        """A bool. In a rule, `rising` says which change of it can make the rule fire, None that it is unclear."""
        match node:
            case syntax.Not():
                inner = self.condition(node.operand, None if rising is None else not rising)
                negated = self.apply(operation((BOOL,), BOOL, "(not {0})", 0), inner.value)
                return Condition(negated, inner.when_false, inner.when_true)
            case syntax.Logic():
                return self._logic(node, rising)
            case syntax.Compare():
                return Condition(self._compare(node, rising))
            case syntax.Call(function=syntax.Name(name="reported")):
                return self._reported(node)
            case syntax.Attribute() if is_self(node.owner) and node.name in self.declared.facts:
                return self._fact_as_condition(node)
        value = self.value(node, BOOL)
        if value.type not in (BOOL, UNKNOWN):
            self.refuse(node, f"this is {value.type}, not a condition: compare it with something")
        return Condition(value)

    def _logic(self, node: syntax.Logic, rising: bool | None) -> Condition:
        before = self.known
        is_and = node.word == "and"
        values: list[tree.Value] = []
        gathered, shared = NOTHING, None
        for operand in node.operands:
            part = self.condition(operand, rising)
            on, off = (part.when_true, part.when_false) if is_and else (part.when_false, part.when_true)
            leaving = gathered | off
            shared = leaving if shared is None else shared & leaving
            gathered |= on
            self.learn(on)
            values.append(part.value)
        self.known = before
        value = tree.Logic(BOOL, node.word, tuple(values))
        shared = shared or NOTHING
        return Condition(value, gathered, shared) if is_and else Condition(value, shared, gathered)

    def _reported(self, node: syntax.Call) -> Condition:
        fact = node.arguments[0] if len(node.arguments) == 1 and not node.named else None
        if isinstance(fact, syntax.Attribute) and is_self(fact.owner) and fact.name in self.declared.facts:
            return self._is_reported(fact.name)
        return Condition(self.refuse(node, "write reported(self.fact) with a fact of this contract"))

    def _fact_as_condition(self, node: syntax.Attribute) -> Condition:
        spec = self.declared.facts[node.name].type
        if spec == BOOL and self.knows(fact_key(node.name)):
            return Condition(self._fact(node.name))
        if spec not in (*NEVER_FALSE, UNKNOWN):
            text = f"write reported(self.{node.name}): a {spec} that is reported can be 0, empty or False"
            return Condition(self.refuse(node, text))
        return self._is_reported(node.name)

    def _is_reported(self, name: str) -> Condition:
        value = self.apply(operation((), BOOL, f"(h.fact({name!r}) is not None)", gas.READ))
        return Condition(value, frozenset({fact_key(name)}))

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
        text = "{0}"
        for index, (sign, _) in enumerate(node.rest, 1):
            left, right = values[index - 1].type, values[index].type
            found = find_comparison(sign, left, right) if sign in _ORDER_AND_EQUALITY else None
            if UNKNOWN not in (left, right) and (found is None or found.text != f"({{0}} {sign} {{1}})"):
                return self.refuse(nodes[index], f"`{sign}` cannot stand in a chain here: use `and`")
            text += f" {sign} {{{index}}}"
        made = operation(tuple(value.type for value in values), BOOL, f"({text})", gas.HELPER)
        return self.apply(made, *values)

    def _compare_two(
        self, left_node: syntax.Expression, sign: str, right_node: syntax.Expression, rising: bool | None
    ) -> tree.Value:
        if sign in ("in", "not in"):
            return self._contains(left_node, sign, right_node)
        if self.in_rule_condition and (_is_now(left_node) or _is_now(right_node)):
            return self._compare_now(left_node, sign, right_node, rising)
        left = self.value(left_node)
        right = self.value(right_node, left.type)
        self._check_phase(left_node, right_node)
        self._check_phase(right_node, left_node)
        if UNKNOWN in (left.type, right.type):
            return tree.Constant(BOOL, False)
        found = find_comparison(sign, left.type, right.type)
        if found:
            return self.apply(found, left, right)
        return self.refuse(left_node, f"`{sign}` of {left.type} and {right.type} is not available")

    def _check_phase(self, phase: syntax.Expression, other: syntax.Expression) -> None:
        if isinstance(phase, syntax.Attribute) and is_self(phase.owner) and phase.name == "phase":
            self.check_phase_name(other)

    def check_phase_name(self, node: syntax.Expression) -> None:
        if isinstance(node, syntax.Literal) and node.value not in self.declared.phases:
            self.refuse(node, f"{node.value!r} is no phase: {', '.join(self.declared.phases)}")

    def _compare_now(
        self, left: syntax.Expression, sign: str, right: syntax.Expression, rising: bool | None
    ) -> tree.Value:
        """`now() >= E` in a rule's condition: the node must wake the contract when it becomes true."""
        if _is_now(right):
            left, right, sign = right, left, _MIRRORED.get(sign, sign)
        if sign not in _MIRRORED or rising is None:
            return self.refuse(left, "in a rule, now() stands in <, <=, > or >= joined by `and`, `or`, `not` only")
        moment = self.fitting(right, TIME)
        becomes_true = sign in (">", ">=")
        if becomes_true != rising:
            return self.apply(operation((TIME,), BOOL, f"(h.now_ms {sign} {{0}})", 1), moment)
        first_moment = "{0} + 1" if sign in (">", "<=") else "{0}"
        negation = "" if becomes_true else "not "
        return self.apply(operation((TIME,), BOOL, f"({negation}due(h, wake, {first_moment}))"), moment)

    def _contains(self, item: syntax.Expression, sign: str, owner: syntax.Expression) -> tree.Value:
        negation = "not " if sign == "not in" else ""
        table = self.table(owner)
        if table:
            key = self.key(item, table.type.items[0])
            test = "is None" if negation else "is not None"
            text = f"(h.table_get({table.name!r}, {{0}}) {test})"
            return self.apply(operation((key.type,), BOOL, text, gas.READ), key)
        container = self.value(owner)
        spec = container.type
        if not is_container(spec):
            return wrong() if spec is UNKNOWN else self.refuse(owner, f"`in` asks a list, dict or table, not {spec}")
        value = self.fitting(item, spec.items[0])
        if spec.name == "dict":
            return self.apply(operation((value.type, spec), BOOL, f"({{0}} {sign} {{1}})", 2), value, container)
        if not is_scalar(spec.items[0]):
            return self.refuse(owner, "`in` finds scalars only")
        return self.apply(operation((value.type, spec), BOOL, f"({negation}contains(m, {{0}}, {{1}}))"), value, container)


_ORDER_AND_EQUALITY = ("==", "!=", "<", "<=", ">", ">=")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def is_self(node: syntax.Expression) -> bool:
    return isinstance(node, syntax.Name) and node.name == "self"


def fact_key(name: str) -> str:
    """How a reported fact is named among what is known."""
    return f"self.{name}"


def _is_now(node: syntax.Expression) -> bool:
    return isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name) and node.function.name == "now"


def _price_of(items: int) -> int:
    return gas.DISPLAY + gas.ITEM * items


