"""Reads the methods of a contract from outside: decorators, parameters, what they return."""

from __future__ import annotations

from contracts.language import syntax
from contracts.language.declarations import Signature
from contracts.language.reader import Reader
from contracts.language.types import NONE
from contracts.language.vocabulary import DECORATORS, ENGINE_ACTIONS
from contracts.program import ParameterSpec

_ARGUMENTS = {"action": ("by", "phase"), "rule": ("phase",), "query": ()}


class SignatureReader(Reader):
    """Reads the signature of every method of a class."""

    def read(self, node: syntax.Class) -> None:
        for statement in node.body:
            if isinstance(statement, syntax.Function) and self.is_new_member(statement.place, statement.name):
                self.declared.methods[statement.name] = self._signature(statement)

    def _signature(self, node: syntax.Function) -> Signature:
        kind, named = self._decorator(node)
        by = tuple(self.account_term(place, name) for place, name in self.texts(named.get("by")))
        phases = tuple(self.phase(place, name) for place, name in self.texts(named.get("phase")))
        parameters = self._parameters(node)
        returns = self.annotations.returned(node.returns)
        if kind != "private":
            self.check_public(node.place, node.name)
        if kind == "action" and node.name in ENGINE_ACTIONS:
            self.problems.add(node.place, f"`{node.name}` is how oracles report facts: choose another name")
        if kind == "rule" and parameters:
            self.problems.add(node.place, "a rule fires by itself: it has no parameters but self")
        if kind in ("action", "rule") and returns != NONE:
            self.problems.add(node.place, f"this {kind} returns nothing: emit an event, or offer a @query")
        if kind == "query" and returns == NONE:
            self.problems.add(node.place, "say what the query returns, as in `-> int`")
        return Signature(node.name, kind, parameters, returns, by, phases, node)

    def _decorator(self, node: syntax.Function) -> tuple[str, dict[str, syntax.Expression]]:
        if not node.decorators:
            return "private", {}
        for extra in node.decorators[1:]:
            self.problems.add(extra.place, "a method has one decorator")
        decorator = node.decorators[0]
        called = decorator.function if isinstance(decorator, syntax.Call) else decorator
        if not isinstance(called, syntax.Name) or called.name not in DECORATORS:
            self.problems.add(
                decorator.place, "a method is an @action, a @query, a @rule, or has no decorator"
            )
            return "private", {}
        if not isinstance(decorator, syntax.Call):
            return called.name, {}
        if called.name == "query":
            self.problems.add(decorator.place, "write @query alone: anyone may ask, in every phase")
        return called.name, self.named_arguments(decorator, called.name, _ARGUMENTS[called.name])

    def _parameters(self, node: syntax.Function) -> tuple[ParameterSpec, ...]:
        first, *rest = node.parameters or (None,)
        if first is None or first.name != "self" or first.annotation:
            self.problems.add(node.place, f"the first parameter is self: `def {node.name}(self)`")
            return ()
        specs: dict[str, ParameterSpec] = {}
        for parameter in rest:
            name, place = parameter.name, parameter.place
            if self.declared.has_meaning(name) or name in specs:
                self.problems.add(place, f"`{name}` has a meaning already: choose another name")
            if node.decorators:
                self.check_public(place, name)
            if parameter.annotation is None:
                self.problems.add(place, f"give `{name}` a type, as in `{name}: int`")
                continue
            specs[name] = ParameterSpec(name, self.annotations.read(parameter.annotation))
        return tuple(specs.values())
