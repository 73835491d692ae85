"""Checks what the classes of a source are for: records are made and changed, other instances are called."""

from __future__ import annotations

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.conditions import ConditionChecker
from contracts.language.operations import operation
from contracts.language.scope import slots, wrong
from contracts.language.tree import WRITES
from contracts.language.types import UNKNOWN
from contracts.program import InterfaceSpec, TypeSpec


class RecordChecker(ConditionChecker):
    """Checks records, and calls of other instances by their interfaces."""

    def class_called(self, node: syntax.Call, name: str) -> tree.Value:
        """`Name(...)` of a class of the source, or `replace(...)`."""
        if name in self.declared.records:
            return self._make_record(node, self.declared.records[name])
        if name == "replace":
            return self._replace(node)
        if name in self.declared.interfaces:
            return self.refuse(node, f"{name} says what another contract offers: use it as a type")
        return self.refuse(node, f"an event is made where it is emitted: emit({name}(...))")

    def _make_record(self, node: syntax.Call, spec: TypeSpec) -> tree.Value:
        given = dict(node.named)
        if node.arguments or given.keys() != set(spec.fields):
            wanted = ", ".join(f"{name}=..." for name in spec.fields)
            return self.refuse(node, f"name every field of the record: {spec}({wanted})")
        places = tuple(spec.fields.index(name) for name, _ in node.named)
        values = self._fields(node, spec, places)
        text = f"make_record(m, ({slots(len(values))},))"
        if places != tuple(sorted(places)):
            text = f"make_record_in_order(m, {places!r}, ({slots(len(values))},))"
        return self._made(spec, text, values)

    def _replace(self, node: syntax.Call) -> tree.Value:
        if len(node.arguments) != 1 or not node.named:
            return self.refuse(node, "write replace(record, field=value, ...)")
        record = self.value(node.arguments[0])
        spec = record.type
        unknown = [name for name, _ in node.named if name not in spec.fields]
        if spec is UNKNOWN or not spec.fields or unknown:
            fields = ", ".join(spec.fields)
            advice = f"it has no field `{unknown[0]}` but {fields}" if fields else "this is no record"
            return wrong() if spec is UNKNOWN else self.refuse(node, f"replace() changes a record: {advice}")
        places = tuple(spec.fields.index(name) for name, _ in node.named)
        values = self._fields(node, spec, places)
        slots_of_values = ", ".join(f"{{{index + 1}}}" for index in range(len(values)))
        text = f"replaced(m, {{0}}, {places!r}, ({slots_of_values},))"
        return self._made(spec, text, (record, *values), gas.REPLACED)

    def _fields(self, node: syntax.Call, spec: TypeSpec, places: tuple[int, ...]) -> tuple[tree.Value, ...]:
        pairs = zip(node.named, places, strict=True)
        return tuple(self.fitting(value, spec.items[place]) for (_, value), place in pairs)

    def _made(
        self, spec: TypeSpec, text: str, values: tuple[tree.Value, ...], price: int = gas.DISPLAY
    ) -> tree.Value:
        price += 3 * gas.ITEM * (len(spec.fields) + len(values))
        return self.apply(operation(tuple(value.type for value in values), spec, text, price), *values)

    # ------------------------------------------------------------ other instances

    def other_method(self, node: syntax.Call, owner: tree.Value, interface: InterfaceSpec) -> tree.Value:
        """An action or a query of the instance that `owner` names."""
        name = node.function.name if isinstance(node.function, syntax.Attribute) else ""
        spec = interface.method(name)
        if spec is None:
            known = ", ".join(each.name for each in (*interface.actions, *interface.queries)) or "nothing"
            return self.refuse(node, f"the interface {interface.name} has no `{name}`; it has: {known}")
        wanted = {parameter.name: parameter.type for parameter in spec.parameters}
        by_place = tuple(zip(wanted, node.arguments, strict=False))
        given = (*by_place, *node.named)
        if len(node.arguments) > len(wanted) or sorted(name for name, _ in given) != sorted(wanted):
            shown = ", ".join(f"{parameter.name}: {parameter.type}" for parameter in spec.parameters)
            return self.refuse(node, f"`{name}` takes ({shown})")
        values = tuple(self.fitting(value, wanted[name]) for name, value in given)
        if spec in interface.actions and self.in_rule_condition:
            return self.refuse(
                node, "a rule's condition changes nothing: ask a @query, or call this in a branch"
            )
        entries = ", ".join(f"{name!r}: {{{place}}}" for place, (name, _) in enumerate(given, 1))
        verb = "call" if spec in interface.actions else "query"
        text = f"h.{verb}({{0}}, {name!r}, {{{{{entries}}}}}, {interface.name!r})"
        effects = (WRITES,) if verb == "call" else ()
        types = (owner.type, *(value.type for value in values))
        return self.apply(operation(types, spec.returns, text, gas.CROSS, *effects), owner, *values)
