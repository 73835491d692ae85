"""Checks calls: functions of the language, methods of values, tables and the ledger, the contract's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.constants import WRITTEN, Constants
from contracts.language.operations import (
    FUNCTION_NAMES,
    LEDGER,
    find_currency,
    find_function,
    find_ledger,
    find_method,
    operation,
)
from contracts.language.records import RecordChecker
from contracts.language.scope import wrong
from contracts.language.syntax import called_name, own_name
from contracts.language.tree import WRITES
from contracts.language.types import (
    BOOL,
    INSTANCE,
    INT,
    NONE,
    STR,
    UNKNOWN,
    interface_of,
    is_record,
    is_scalar,
    optional_of,
)
from contracts.language.vocabulary import WORDS
from contracts.program import EventSpec, FieldSpec, TypeSpec

Find = Callable[[str, Sequence[TypeSpec]], tree.Operation | None]
"""Looks an operation up by its name and the types of its operands."""
Iteration = tuple[tree.Value, tuple[TypeSpec, ...]]
"""What a `for` goes through, and the types of its variables."""


class CallChecker(RecordChecker):
    """Checks the calls in one method, and what its loops go through."""

    def call(self, node: syntax.Call) -> tree.Value:
        function = node.function
        if isinstance(function, syntax.Name):
            return self._function(node, function.name)
        if not isinstance(function, syntax.Attribute):
            return self.refuse(node, "only functions and methods can be called")
        own, table = own_name(function), self.table(function.owner)
        if own is not None:
            return self._own_method(node, own)
        if own_name(function.owner) == "currency":
            return self._find(node, f"self.currency.{function.name}", self._arguments(node), find_currency)
        if table is not None:
            return self._table_method(node, function.name, table)
        return self._value_method(node, function)

    def _arguments(self, node: syntax.Call) -> tuple[tree.Value, ...]:
        for _, value in node.named:
            self.refuse(value, "give this argument by position")
        return tuple(self.value(argument) for argument in node.arguments)

    def _find(self, node: syntax.Call, shown: str, values: tuple[tree.Value, ...], find: Find) -> tree.Value:
        types = [value.type for value in values]
        found = find(shown.rpartition(".")[2], types)
        if UNKNOWN in types:
            return wrong()
        if found is None:
            given = ", ".join(map(str, types)) or "nothing"
            return self.refuse(node, f"`{shown}()` is not available for {given}")
        return self.apply(found, *values)

    # ------------------------------------------------------------ functions

    def _function(self, node: syntax.Call, name: str) -> tree.Value:
        if name == "require":
            return self._require(node)
        if name == "emit":
            return self._emit(node)
        if name == "reported":
            return self.logical(node)
        if name == "now" and self.in_rule_condition:
            return self.refuse(node, "in a condition compare now() directly, as in now() > self.deadline")
        if name in WRITTEN and len(node.arguments) == 1 and _is_text(node.arguments[0]):
            return tree.Constant(*Constants(self.problems, self.declared.constants).evaluate(node))
        if name in FUNCTION_NAMES:
            return self._find(node, name, self._arguments(node), find_function)
        if name == "replace" or self.declared.is_class(name):
            return self.class_called(node, name)
        if name == "range":
            return self.refuse(node, "range(...) stands after `in` of a `for` only")
        if name in WORDS:
            return self.refuse(node, f"{name}(...) stands outside of methods only: give it a name there")
        if name in self.declared.methods:
            return self.refuse(node, f"write self.{name}(...)")
        return self.refuse(node, f"there is no function `{name}`")

    def _require(self, node: syntax.Call) -> tree.Value:
        found = find_function("require", (BOOL, STR))
        if len(node.arguments) != 2 or node.named or found is None:
            return self.refuse(node, 'write require(condition, "what must hold")')
        condition = self.condition(node.arguments[0], None)
        text = self.fitting(node.arguments[1], STR)
        self.learn(condition.when_true)
        return self.apply(found, condition.value, text)

    def _emit(self, node: syntax.Call) -> tree.Value:
        made = node.arguments[0] if len(node.arguments) == 1 and not node.named else None
        event = self.declared.events.get(called_name(made) or "")
        if event is None or not isinstance(made, syntax.Call):
            return self.refuse(node, "write emit(Event(field=value, ...)) with an event class of this module")
        return self._emission(event, made)

    def _emission(self, event: EventSpec, made: syntax.Call) -> tree.Value:
        types = {field.name: field.type for field in event.fields}
        missing = [name for name in types if name not in dict(made.named)]
        if missing or made.arguments:
            wanted = ", ".join(f"{name}=..." for name in types)
            return self.refuse(made, f"name every field of the event: {event.name}({wanted})")
        for name, value in made.named:
            if name not in types:
                return self.refuse(value, f"the event {event.name} has no field `{name}`")
        values = tuple(self.fitting(value, types[name]) for name, value in made.named)
        given, order = tuple(name for name, _ in made.named), tuple(types)
        fields = "".join(f"({name!r}, {{{index}}}), " for index, name in enumerate(given))
        text = f"h.emit({event.name!r}, ({fields}))"
        if given != order:
            text = f"emit_in_order(h, {event.name!r}, {order!r}, ({fields}))"
        price = gas.EMIT + gas.EMIT_FIELD * len(types)
        return self.apply(operation(tuple(types[name] for name in given), NONE, text, price, WRITES), *values)

    # ------------------------------------------------------------ methods

    def _own_method(self, node: syntax.Call, name: str) -> tree.Value:
        if name in LEDGER:
            return self._find(node, f"self.{name}", self._arguments(node), find_ledger)
        method = self.declared.methods.get(name)
        if method is None:
            return self.refuse(node, f"the contract has no method `{name}`")
        if method.kind not in ("private", "query"):
            return self.refuse(node, f"`{name}` is called from outside: move what both need into a method")
        if len(node.arguments) != len(method.parameters) or node.named:
            wanted = ", ".join(f"{parameter.name}: {parameter.type}" for parameter in method.parameters)
            return self.refuse(node, f"`{name}` takes ({wanted}), by position")
        types = tuple(parameter.type for parameter in method.parameters)
        values = tuple(map(self.fitting, node.arguments, types))
        if method.kind == "private":
            for field in self.declared.fields:
                self.forget(f"self.{field}")
        self.calls.append((node.place, name, self.in_rule_condition))
        text = f"f_{name}(h, m{''.join(f', {{{index}}}' for index in range(len(values)))})"
        return self.apply(operation(types, method.returns, text, gas.CALL), *values)

    def _table_method(self, node: syntax.Call, name: str, table: FieldSpec) -> tree.Value:
        key_type, value_type = table.type.items
        if name != "get" or len(node.arguments) not in (1, 2) or node.named:
            advice = "get(key), get(key, default), and items(limit=...) after `in` of a `for`"
            return self.refuse(node, f"a table has {advice}")
        if len(node.arguments) == 1:
            if not is_scalar(value_type) and not is_record(value_type):
                return self.refuse(node, "say what stands for no entry: get(key, [])")
            key = self.key(node.arguments[0], key_type)
            text = f"entry_if(h, {table.name!r}, {{0}})"
            return self.read(optional_of(value_type), text, gas.READ, key)
        key, default = self.key(node.arguments[0], key_type), self.fitting(node.arguments[1], value_type)
        return self.read(value_type, f"entry_or(h, {table.name!r}, {{0}}, {{1}})", gas.READ, key, default)

    def _value_method(self, node: syntax.Call, function: syntax.Attribute) -> tree.Value:
        owner = self.value(function.owner)
        interface = self.declared.interfaces.get(interface_of(owner.type) or "")
        if interface is not None:
            return self.other_method(node, owner, interface)
        if owner.type == INSTANCE:
            advice = "declare its interface: `class Shop(Interface):`, and `shop: Shop = term()`"
            return self.refuse(node, f"what this instance offers is not known: {advice}")
        values = (owner, *self._arguments(node))
        if owner.type.name == "list" and function.name in ("append", "pop"):
            self.check_changeable(function.owner)
        return self._find(node, f"{owner.type}.{function.name}", values, find_method)

    def check_changeable(self, node: syntax.Expression) -> None:
        """Only what a variable holds is changed in place: what is read from the state is a copy."""
        root = node
        while isinstance(root, syntax.Subscript):
            root = root.owner
        if not isinstance(root, syntax.Name):
            advice = "put it into a variable, change that, and store it again"
            self.refuse(node, f"this is a copy of what is stored: {advice}")

    # ------------------------------------------------------------ what a `for` goes through

    def iterable(self, node: syntax.Expression) -> Iteration:
        """The items of a `for`, and the types of its one or two variables."""
        if isinstance(node, syntax.Call):
            if called_name(node) == "range":
                return self._range(node), (INT,)
            if isinstance(node.function, syntax.Attribute) and node.function.name == "items":
                return self._items(node, node.function.owner)
        value = self.value(node)
        spec = value.type
        if spec.name == "list":
            return self.apply(operation((spec,), spec, "each(m, {0})"), value), spec.items
        if spec.name == "dict":
            return self.apply(operation((spec,), spec, "each_key(m, {0})"), value), spec.items[:1]
        if spec is not UNKNOWN:
            advice = "range(...), a list, a dict, or the items of a table"
            self.refuse(node, f"a `for` goes through {advice}, not through {spec}")
        return wrong(), (UNKNOWN,)

    def _range(self, node: syntax.Call) -> tree.Value:
        if not 1 <= len(node.arguments) <= 2 or node.named:
            return self.refuse(node, "write range(count) or range(first, end)")
        values = [self.fitting(argument, INT) for argument in node.arguments]
        first, end = values if len(values) == 2 else (tree.Constant(INT, 0), values[0])
        return self.apply(operation((INT, INT), INT, "turns({0}, {1})"), first, end)

    def _items(self, node: syntax.Call, owner_node: syntax.Expression) -> Iteration:
        table = self.table(owner_node)
        if table:
            key, value = table.type.items
            within = any(name == "of" for name, _ in node.named) and key.name == "tuple"
            return self._rows(node, table), (key.items[1] if within else key, value)
        owner = self.value(owner_node)
        if owner.type.name != "dict" or node.arguments or node.named:
            refused = self.refuse(node, "items() is for a dict, items(limit=...) for a table")
            return refused, (UNKNOWN, UNKNOWN)
        return self.apply(operation((owner.type,), owner.type, "each_pair(m, {0})"), owner), owner.type.items

    def _rows(self, node: syntax.Call, table: FieldSpec) -> tree.Value:
        named = dict(node.named)
        if node.arguments or "limit" not in named or named.keys() - {"limit", "after", "of"}:
            advice = f"self.{table.name}.items(limit=100), with after=key to go on behind a key"
            return self.refuse(node, f"say how many entries at most: {advice}")
        key_type = table.type.items[0]
        if "of" in named and key_type.name != "tuple":
            return self.refuse(named["of"], "of=... is for tables that are keyed by a pair: its first part")
        limit = self.fitting(named["limit"], INT)
        after: tree.Value = tree.Constant(NONE, None)
        if "of" not in named:
            if "after" in named:
                after = self.key(named["after"], key_type)
            return self.read(table.type, f"rows(h, {table.name!r}, {{0}}, {{1}})", gas.SCAN, limit, after)
        if "after" in named:
            after = self.fitting(named["after"], key_type.items[1])
        first = self.fitting(named["of"], key_type.items[0])
        text = f"rows_of(h, {table.name!r}, {{0}}, {{1}}, {{2}})"
        return self.read(table.type, text, gas.SCAN, limit, after, first)


def _is_text(node: syntax.Expression) -> bool:
    return isinstance(node, syntax.Literal) and isinstance(node.value, str)
