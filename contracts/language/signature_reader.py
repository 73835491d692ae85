"""Reads the methods of a contract from outside: decorators, parameters, what they return."""

from __future__ import annotations

import re
from dataclasses import replace

from contracts.language import syntax
from contracts.language.declarations import Signature, first_line
from contracts.language.reader import Reader
from contracts.language.types import NONE
from contracts.language.vocabulary import DECORATORS, ENGINE_ACTIONS
from contracts.program import InterfaceSpec, ParameterSpec, QuerySpec

_ARGUMENTS = {
    "action": ("by", "phase", "exit"),
    "rule": ("phase",),
    "query": (),
    "on": ("phase",),
    "migrate": (),
}
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


class SignatureReader(Reader):
    """Reads the signature of every method of a class."""

    def read_interface(self, node: syntax.Class) -> None:
        """What another contract must offer: methods without a body."""
        found: dict[str, tuple[str, QuerySpec]] = {}
        for method in node.body:
            if isinstance(method, syntax.Documentation | syntax.Pass):
                continue
            if not isinstance(method, syntax.Function):
                self.problems.add(method.place, "an interface has only methods, each an @action or a @query")
                continue
            if method.name in found:
                self.problems.add(method.place, f"`{method.name}` is there twice: choose another name")
            signature = self._signature(method)
            if signature.kind not in ("action", "query") or signature.by or signature.phases:
                advice = "@action or @query, which alone says who may and when"
                self.problems.add(method.place, f"a method of an interface is {advice}")
            if not all(isinstance(line, syntax.Documentation | syntax.Pass) for line in method.body):
                advice = "describe it in a text"
                self.problems.add(method.body[0].place, f"the other contract says what is done: {advice}")
            spec = QuerySpec(
                method.name, signature.parameters, signature.returns, first_line(method), method.place.line
            )
            found[method.name] = signature.kind, spec
        kinds = {
            wanted: tuple(spec for kind, spec in found.values() if kind == wanted)
            for wanted in ("action", "query")
        }
        self.declared.interfaces[node.name] = InterfaceSpec(
            node.name, kinds["action"], kinds["query"], first_line(node)
        )

    def read(self, node: syntax.Class) -> None:
        for statement in node.body:
            if isinstance(statement, syntax.Function) and self.is_new_member(statement.place, statement.name):
                self.declared.methods[statement.name] = self._signature(statement)

    def _signature(self, node: syntax.Function) -> Signature:
        kind, named, on = self._decorator(node)
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
        if kind == "migrate" and any(m.kind == kind for m in self.declared.methods.values()):
            self.problems.add(node.place, "a contract has one @migrate: do all of it there")
        if kind in ("action", "rule", "on", "migrate") and returns != NONE:
            self.problems.add(node.place, f"this {kind} returns nothing: emit an event, or offer a @query")
        if kind == "query" and returns == NONE:
            self.problems.add(node.place, "say what the query returns, as in `-> int`")
        return Signature(node.name, kind, parameters, returns, by, phases, node, on, self.flag(named, "exit"))

    def _decorator(self, node: syntax.Function) -> tuple[str, dict[str, syntax.Expression], tuple[str, str]]:
        no_event = ("", "")
        if not node.decorators:
            return "private", {}, no_event
        for extra in node.decorators[1:]:
            self.problems.add(extra.place, "a method has one decorator")
        decorator = node.decorators[0]
        called = decorator.function if isinstance(decorator, syntax.Call) else decorator
        if not isinstance(called, syntax.Name) or called.name not in DECORATORS:
            self.problems.add(
                decorator.place, "a method is an @action, a @query, a @rule, an @on(...), or has no decorator"
            )
            return "private", {}, no_event
        if called.name == "on":
            return self._on(decorator)
        if not isinstance(decorator, syntax.Call):
            return called.name, {}, no_event
        if called.name == "query":
            self.problems.add(decorator.place, "write @query alone: anyone may ask, in every phase")
        if called.name == "migrate":
            self.problems.add(decorator.place, "write @migrate alone: it is done once, by the chain")
        return called.name, self.named_arguments(decorator, called.name, _ARGUMENTS[called.name]), no_event

    def _on(self, node: syntax.Expression) -> tuple[str, dict[str, syntax.Expression], tuple[str, str]]:
        """`@on("term", "Event")`: the instance in a term emits an event of this name."""
        if not isinstance(node, syntax.Call) or len(node.arguments) != 2:
            advice = '@on("shipment", "Delivered"): a term that is an instance, and the name of its event'
            self.problems.add(node.place, f"say whose event is meant: {advice}")
            return "on", {}, ("", "")
        named = self.named_arguments(replace(node, arguments=()), "on", _ARGUMENTS["on"])
        (term_node, event_node), (term, event) = node.arguments, map(self.text, node.arguments)
        spec = self.declared.terms.get(term)
        if spec is None or spec.type.name != "Instance":
            self.problems.add(term_node.place, f"`{term}` is no term of this contract that is an Instance")
        if not _EVENT.match(event):
            self.problems.add(event_node.place, 'name the event, as in "Delivered"')
        return "on", named, (term, event)

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
