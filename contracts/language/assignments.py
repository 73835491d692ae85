"""Checks what changes something: variables, stored variables, entries of tables, items, the phase."""

from __future__ import annotations

from contracts import gas
from contracts.language import syntax, tree
from contracts.language.calls import CallChecker
from contracts.language.operations import operation
from contracts.language.scope import not_none, wrong
from contracts.language.syntax import own_name
from contracts.language.tree import WRITES
from contracts.language.types import INT, NONE, UNKNOWN, fits, is_container, is_optional, is_scalar
from contracts.program import FieldSpec, TypeSpec


class AssignmentChecker(CallChecker):
    """Checks assignments and deletions of one method."""

    temporaries = 0

    def assign(self, node: syntax.Assign) -> list[tree.Step]:
        """`target = value` and `target += value`, whatever the target is."""
        target, own = node.target, own_name(node.target)
        if node.value is None:
            self.refuse(target, "give the variable a value")
            return []
        if isinstance(target, syntax.Name):
            return [self._variable(node, target, node.value)]
        if own is not None:
            return [tree.Run(self._set_member(node, own, node.value))]
        if isinstance(target, syntax.Subscript):
            table = self.table(target.owner)
            return (
                self._set_entry(node, target, table, node.value)
                if table
                else self._set_item(node, target, node.value)
            )
        self.refuse(target, "only a variable, self.name or an item can be assigned, one at a time")
        return []

    def _computed(self, node: syntax.Assign, old: tree.Value, value: syntax.Expression) -> tree.Value:
        """What is assigned: the value, or `old sign value`; it must be of the type of `old`."""
        if node.sign == "=":
            return self.fitting(value, old.type)
        new = self.binary(node.target, node.sign[:-1], old, self.value(value))
        if not fits(new.type, old.type):
            self.refuse(node.target, f"this would make {new.type} of {old.type}")
        return new

    def settled(self, value: tree.Value) -> tree.Value:
        """A list, dict or record that leaves the method is bounded and copied: nobody changes it later."""
        inner = value.type.items[0] if is_optional(value.type) else value.type
        if is_scalar(inner) or inner in (UNKNOWN, NONE):
            return value
        return self.apply(operation((value.type,), value.type, "settle(m, {0})"), value)

    # ------------------------------------------------------------ variables

    def _variable(self, node: syntax.Assign, target: syntax.Name, value: syntax.Expression) -> tree.Step:
        known = self.locals.get(target.name, UNKNOWN)
        spec = self.annotations.read(node.annotation) if node.annotation else known
        if node.annotation and spec is UNKNOWN:
            self.bind(target, UNKNOWN)
            return tree.Set(target.name, wrong())
        old = self.value(target) if node.sign != "=" else tree.Constant(spec, None)
        new = self._computed(node, old, value)
        self.bind(target, new.type if spec is UNKNOWN else spec)
        self._note_none(target.name, spec, new)
        return tree.Set(target.name, new)

    def _note_none(self, path: str, spec: TypeSpec, new: tree.Value) -> None:
        """What may be None is known not to be, once something else is assigned."""
        if is_optional(spec) and not is_optional(new.type) and new.type != NONE:
            self.learn(frozenset({not_none(path)}))

    def bind(self, target: syntax.Name, spec: TypeSpec) -> None:
        """Let a variable have a value from here on."""
        name = target.name
        if self.declared.has_meaning(name):
            self.refuse(target, f"`{name}` has a meaning already: choose another name")
        elif spec == NONE:
            self.refuse(target, "this gives no value")
        known = self.locals.get(name, UNKNOWN)
        if known is UNKNOWN:
            self.locals[name] = spec
        elif not fits(spec, known):
            self.refuse(target, f"`{name}` is {known} already, and cannot be {spec}")
        self.forget(name)
        self.learn(frozenset({name}))

    # ------------------------------------------------------------ what the contract has

    def _set_member(self, node: syntax.Assign, name: str, value: syntax.Expression) -> tree.Value:
        if name == "phase" and self.declared.has_phases:
            return self._set_phase(node, value)
        field = self.declared.fields.get(name)
        if field is None:
            return self.refuse(node.target, f"self.{name} is {self._kind_of(name)}: it cannot be set")
        if field.type.name == "Table":
            return self.refuse(node.target, f"set an entry: self.{name}[key] = ...")
        old = self.value(node.target) if node.sign != "=" else tree.Constant(field.type, None)
        new = self.settled(self._computed(node, old, value))
        self.forget(f"self.{name}")
        self._note_none(f"self.{name}", field.type, new)
        return self.apply(operation((field.type,), NONE, f"h.store({name!r}, {{0}})", gas.WRITE, WRITES), new)

    def _kind_of(self, name: str) -> str:
        return self.declared.member(name) or "not declared in the class"

    def _set_phase(self, node: syntax.Assign, value: syntax.Expression) -> tree.Value:
        if not isinstance(value, syntax.Literal) or not isinstance(value.value, str) or node.sign != "=":
            return self.refuse(value, f'name the phase: self.phase = "{self.declared.phases[-1]}"')
        self.check_phase_name(value)
        return self.apply(operation((), NONE, f"h.set_phase({value.value!r})", gas.WRITE, WRITES))

    # ------------------------------------------------------------ entries and items: the value comes first

    def _once(self, value: tree.Value, steps: list[tree.Step]) -> tree.Value:
        """A value that is needed twice, kept in a variable of ours so that it is computed once."""
        self.temporaries += 1
        name = str(self.temporaries)
        steps.append(tree.Set(name, value))
        return tree.Local(value.type, name)

    def _set_entry(
        self, node: syntax.Assign, target: syntax.Subscript, table: FieldSpec, value: syntax.Expression
    ) -> list[tree.Step]:
        steps: list[tree.Step] = []
        key_type, value_type = table.type.items
        key = self.key(target.index, key_type)
        old: tree.Value = tree.Constant(value_type, None)
        if node.sign != "=":
            key = self._once(key, steps)
            old = self.read(value_type, f"entry(h, {table.name!r}, {{0}})", gas.READ, key)
        new = self.settled(self._computed(node, old, value))
        text = f"set_entry(h, {table.name!r}, {{0}}, {{1}})"
        change = operation((value_type, key_type), NONE, text, gas.WRITE, WRITES)
        return [*steps, tree.Run(self.apply(change, new, key))]

    def _set_item(
        self, node: syntax.Assign, target: syntax.Subscript, value: syntax.Expression
    ) -> list[tree.Step]:
        steps: list[tree.Step] = []
        self.check_changeable(target.owner)
        owner = self.value(target.owner)
        spec = owner.type
        if not is_container(spec):
            self.refuse(target, f"items of a list, dict or table can be set, not of {spec}")
            return []
        index_type, item_type = spec.items[0] if spec.name == "dict" else INT, spec.items[-1]
        index = self.fitting(target.index, index_type)
        old: tree.Value = tree.Constant(item_type, None)
        if node.sign != "=":
            owner, index = self._once(owner, steps), self._once(index, steps)
            old = self.apply(operation((spec, index_type), item_type, "{0}[{1}]", 2), owner, index)
        new = self._computed(node, old, value)
        text = "set_key(m, {0}, {1}, {2})" if spec.name == "dict" else "set_item({0}, {1}, {2})"
        change = operation((item_type, spec, index_type), NONE, text)
        return [*steps, tree.Run(self.apply(change, new, owner, index))]

    def delete(self, node: syntax.Delete) -> tree.Step:
        """`del self.table[key]`."""
        target = node.target
        table = self.table(target.owner) if isinstance(target, syntax.Subscript) else None
        if not isinstance(target, syntax.Subscript) or table is None:
            return tree.Run(self.refuse(target, "only the entry of a table is deleted: del self.table[key]"))
        key = self.key(target.index, table.type.items[0])
        text = f"delete_entry(h, {table.name!r}, {{0}})"
        return tree.Run(self.apply(operation((key.type,), NONE, text, gas.READ + gas.WRITE, WRITES), key))
