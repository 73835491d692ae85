"""Checks expressions: what they are, what type they have, whether every part has a value by then."""

from __future__ import annotations

from abc import ABC, abstractmethod

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.operations import ATTRIBUTES, find_binary, find_negative, operation
from contracts.language.scope import Scope, known_fact, not_none, path_of, slots, wrong
from contracts.language.syntax import own_name
from contracts.language.types import (
    BOOL,
    BYTES,
    INT,
    KEYS,
    NONE,
    STR,
    UNKNOWN,
    dict_of,
    fits,
    is_optional,
    is_record,
    is_scalar,
    list_of,
)
from contracts.program import TypeSpec

_LITERAL_TYPES = {bool: BOOL, int: INT, str: STR, bytes: BYTES}


class ExpressionChecker(Scope, ABC):
    """Checks values; conditions and calls are left to those who know them."""

    @abstractmethod
    def call(self, node: syntax.Call) -> tree.Value:
        """A call of whatever kind."""

    @abstractmethod
    def logical(self, node: syntax.Expression) -> tree.Value:
        """A bool made by `and`, `or`, `not` or a comparison."""

    @abstractmethod
    def chosen(self, node: syntax.Conditional, wanted: TypeSpec) -> tree.Value:
        """`value if test else otherwise`."""

    def value(self, node: syntax.Expression, wanted: TypeSpec = UNKNOWN) -> tree.Value:
        """The value of an expression; `wanted` gives an empty list or dict its type."""
        match node:
            case syntax.Literal():
                return self._literal(node, wanted)
            case syntax.Name():
                return self._if_not_none(node, self._name(node))
            case syntax.Attribute():
                return self._if_not_none(node, self._attribute(node))
            case syntax.Subscript() | syntax.Slice():
                return self._part(node)
            case syntax.Call():
                return self.call(node)
            case syntax.Negative():
                return self._negative(node)
            case syntax.Binary():
                return self.binary(node, node.sign, self.value(node.left), self.value(node.right))
            case syntax.Conditional():
                return self.chosen(node, wanted)
            case syntax.ListDisplay() | syntax.DictDisplay():
                return self._display(node, wanted)
            case syntax.TupleDisplay():
                return self.refuse(node, "a pair stands only as the key of a table")
        return self.logical(node)

    def fitting(self, node: syntax.Expression, wanted: TypeSpec) -> tree.Value:
        """The value of an expression that must be of the wanted type."""
        value = self.value(node, wanted)
        if not fits(value.type, wanted):
            self.refuse(node, f"this is {value.type}, but {wanted} is needed")
        return value

    def _if_not_none(self, node: syntax.Expression, value: tree.Value) -> tree.Value:
        """A value that may be None, as what it is where it is known not to be."""
        if not is_optional(value.type) or not self.knows(not_none(path_of(node) or "")):
            return value
        inner = value.type.items[0]
        return self.apply(operation((value.type,), inner, "some({0})", 2), value)

    def _literal(self, node: syntax.Literal, wanted: TypeSpec) -> tree.Value:
        if node.value is None and is_optional(wanted):
            return tree.Constant(wanted, None)
        if node.value is None:
            advice = "ask `is None`, reported(self.fact), or `key in self.table`"
            return self.refuse(node, f"None stands only where the type is `... | None`: {advice}")
        return tree.Constant(_LITERAL_TYPES[type(node.value)], node.value)

    def _name(self, node: syntax.Name) -> tree.Value:
        if node.name in self.locals:
            if not self.knows(node.name):
                return self.refuse(node, f"`{node.name}` may have no value yet: set it on every way to here")
            return tree.Local(self.locals[node.name], node.name)
        if node.name in self.declared.constants:
            return tree.Constant(*self.declared.constants[node.name])
        if self.declared.member(node.name):
            return self.refuse(node, f"write self.{node.name}")
        return self.refuse(node, f"`{node.name}` is not known here")

    # ------------------------------------------------------------ what the contract has

    def _attribute(self, node: syntax.Attribute) -> tree.Value:
        name = own_name(node)
        if name is not None:
            return self._member(node, name)
        owner = self.value(node.owner)
        found = ATTRIBUTES.get((owner.type, node.name))
        if found:
            return self.apply(found, owner)
        if node.name in owner.type.fields:
            place = owner.type.fields.index(node.name)
            return self.apply(operation((owner.type,), owner.type.items[place], f"{{0}}[{place}]", 1), owner)
        if is_optional(owner.type):
            return self.refuse(node, f"this may be None: ask `is not None` before you read .{node.name}")
        return wrong() if owner.type is UNKNOWN else self.refuse(node, f"{owner.type} has no `{node.name}`")

    def _member(self, node: syntax.Attribute, name: str) -> tree.Value:
        declared = self.declared
        if name == "phase" and declared.has_phases:
            return self.read(STR, "h.get_phase()", gas.TERM)
        if name in declared.terms:
            return self.read(declared.terms[name].type, f"h.term({name!r})", gas.TERM)
        if name in declared.facts:
            if self.knows(known_fact(name)):
                return self.fact(name)
            advice = f"ask first, as in `if reported(self.{name}) and ...`"
            return self.refuse(node, f"`{name}` may not be reported yet: {advice}")
        if self.table(node):
            return self.refuse(node, f"read an entry: self.{name}[key], or self.{name}.get(key, default)")
        if name in declared.fields:
            return self.read(declared.fields[name].type, f"h.load({name!r})", gas.READ)
        if name in declared.methods:
            return self.refuse(node, f"call the method: self.{name}(...)")
        return self.refuse(node, f"the contract has no `{name}`: declare it in the class")

    def fact(self, name: str) -> tree.Value:
        """A fact that is reported."""
        return self.read(self.declared.facts[name].type, f"some(h.fact({name!r}))", gas.READ)

    # ------------------------------------------------------------ arithmetic

    def _negative(self, node: syntax.Negative) -> tree.Value:
        operand = self.value(node.operand)
        found = find_negative(operand.type)
        if found:
            return self.apply(found, operand)
        return (
            wrong()
            if operand.type is UNKNOWN
            else self.refuse(node, f"`-` of {operand.type} is not available")
        )

    def binary(self, node: syntax.Expression, sign: str, left: tree.Value, right: tree.Value) -> tree.Value:
        """`left sign right`."""
        if UNKNOWN in (left.type, right.type):
            return wrong()
        found = find_binary(sign, left.type, right.type)
        if found:
            return self.apply(found, left, right)
        advice = "; write str(...) to make a text of it" if STR in (left.type, right.type) else ""
        if is_optional(left.type) or is_optional(right.type):
            advice = "; ask `is not None` first"
        return self.refuse(node, f"`{sign}` of {left.type} and {right.type} is not available{advice}")

    # ------------------------------------------------------------ lists and dicts

    def _display(self, node: syntax.ListDisplay | syntax.DictDisplay, wanted: TypeSpec) -> tree.Value:
        return self._list(node, wanted) if isinstance(node, syntax.ListDisplay) else self._dict(node, wanted)

    def _list(self, node: syntax.ListDisplay, wanted: TypeSpec) -> tree.Value:
        item = wanted.items[0] if wanted.name == "list" else UNKNOWN
        values = self._alike(node.items, item, "a list")
        if values:
            item = values[0].type if item is UNKNOWN else item
        elif item is UNKNOWN:
            return self.refuse(node, "say what the list holds: `name: list[int] = []`")
        if not _may_be_inside(item):
            return self.refuse(node, "a list holds scalars, records or lists of scalars, and nothing deeper")
        text = f"make_list(m, [{slots(len(values))}])"
        made = operation((item,) * len(values), list_of(item), text, gas.DISPLAY + gas.ITEM * len(values))
        return self.apply(made, *values)

    def _dict(self, node: syntax.DictDisplay, wanted: TypeSpec) -> tree.Value:
        key, item = wanted.items if wanted.name == "dict" else (UNKNOWN, UNKNOWN)
        keys = self._alike(tuple(pair[0] for pair in node.items), key, "keys")
        values = self._alike(tuple(pair[1] for pair in node.items), item, "values")
        if keys:
            key, item = (keys[0].type, values[0].type) if key is UNKNOWN else (key, item)
        elif key is UNKNOWN:
            return self.refuse(node, "say what the dict holds: `name: dict[str, int] = {}`")
        if (key is not UNKNOWN and key not in KEYS and key.name != "Instance") or not _may_be_inside(item):
            return self.refuse(
                node, "a dict has int, str, bytes or names as keys, and scalars or lists as values"
            )
        operands = tuple(part for pair in zip(keys, values, strict=True) for part in pair)
        pairs = ", ".join(f"{{{2 * index}}}: {{{2 * index + 1}}}" for index in range(len(keys)))
        text = f"make_dict(m, {{{{{pairs}}}}})"
        price = gas.DISPLAY + 2 * gas.ITEM * len(keys)
        return self.apply(operation((key, item) * len(keys), dict_of(key, item), text, price), *operands)

    def _alike(
        self, nodes: tuple[syntax.Expression, ...], wanted: TypeSpec, where: str
    ) -> tuple[tree.Value, ...]:
        """Values of one type: the one wanted, or else that of the first."""
        values = tuple(self.value(node, wanted) for node in nodes)
        spec = wanted if wanted is not UNKNOWN or not values else values[0].type
        for node, value in zip(nodes, values, strict=True):
            if not fits(value.type, spec):
                self.refuse(node, f"{where} of {spec} cannot hold {value.type}")
        return values

    # ------------------------------------------------------------ parts of values

    def key(self, node: syntax.Expression, wanted: TypeSpec) -> tree.Value:
        """The key of a table's entry, which may be a pair."""
        if wanted.name == "tuple" and isinstance(node, syntax.TupleDisplay) and len(node.items) == 2:
            pair = tuple(
                self.fitting(item, spec) for item, spec in zip(node.items, wanted.items, strict=True)
            )
            return self.apply(operation(wanted.items, wanted, "({0}, {1})", gas.ITEM), *pair)
        return self.fitting(node, wanted)

    def _part(self, node: syntax.Subscript | syntax.Slice) -> tree.Value:
        if isinstance(node, syntax.Slice):
            return self._slice(node, self.value(node.owner))
        table = self.table(node.owner)
        if table is None:
            return self.item(node, self.value(node.owner))
        key_type, value_type = table.type.items
        return self.read(
            value_type, f"entry(h, {table.name!r}, {{0}})", gas.READ, self.key(node.index, key_type)
        )

    def item(self, node: syntax.Subscript, owner: tree.Value) -> tree.Value:
        """`owner[index]` of a list, dict, str or pair."""
        spec = owner.type
        if spec.name == "tuple":
            index = node.index.value if isinstance(node.index, syntax.Literal) else None
            if type(index) is not int or index not in (0, 1):
                return self.refuse(node.index, "a pair has the parts [0] and [1]")
            return self.apply(operation((spec,), spec.items[index], f"{{0}}[{index}]", 1), owner)
        if spec.name == "dict":
            wanted, result = spec.items
        elif spec.name == "list" or spec == STR:
            wanted, result = INT, STR if spec == STR else spec.items[0]
        else:
            return wrong() if spec is UNKNOWN else self.refuse(node, f"{spec} has no items")
        return self.apply(
            operation((spec, wanted), result, "{0}[{1}]", 2), owner, self.fitting(node.index, wanted)
        )

    def _slice(self, node: syntax.Slice, owner: tree.Value) -> tree.Value:
        ends = [
            self.fitting(end, INT) if end else tree.Constant(NONE, None) for end in (node.first, node.last)
        ]
        if owner.type in (STR, BYTES):
            text = "part_of_text(m, {0}, {1}, {2})"
        elif owner.type.name == "list":
            text = "part_of_list(m, {0}, {1}, {2})"
        else:
            return wrong() if owner.type is UNKNOWN else self.refuse(node, f"{owner.type} has no parts")
        return self.apply(operation((owner.type, INT, INT), owner.type, text, gas.TEXT), owner, *ends)


def _may_be_inside(spec: TypeSpec) -> bool:
    """True for what a list or dict may hold: scalars, records, and lists of scalars."""
    return (
        spec is UNKNOWN
        or is_scalar(spec)
        or is_record(spec)
        or (spec.name == "list" and is_scalar(spec.items[0]))
    )
