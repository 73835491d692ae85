"""What a contract declares: constants, events, terms, phases, stored variables, tables, facts, methods."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from contracts.language import syntax
from contracts.language.constants import Known
from contracts.language.vocabulary import WORDS
from contracts.program import (
    ActionSpec,
    EventSpec,
    FactSpec,
    FieldSpec,
    HandlerSpec,
    InterfaceSpec,
    MigrationSpec,
    ParameterSpec,
    QuerySpec,
    TermSpec,
    TypeSpec,
)

NO_PHASES = ("active",)
"""The phases of a contract that declares none."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A method as others see it; `kind` is action, query, rule, on, migrate or private.

    `on` is the term and the event that it waits for, where there is one.
    """

    name: str
    kind: str
    parameters: tuple[ParameterSpec, ...]
    returns: TypeSpec
    by: tuple[str, ...]
    phases: tuple[str, ...]
    node: syntax.Function
    on: tuple[str, str] = ("", "")
    is_exit: bool = False


@dataclass(slots=True)
class Declarations:
    """Everything declared so far, by name and in the order of the source."""

    name: str = ""
    text: str = ""
    phases: tuple[str, ...] = NO_PHASES
    has_phases: bool = False
    constants: dict[str, Known] = field(default_factory=dict)
    events: dict[str, EventSpec] = field(default_factory=dict)
    records: dict[str, TypeSpec] = field(default_factory=dict)
    interfaces: dict[str, InterfaceSpec] = field(default_factory=dict)
    terms: dict[str, TermSpec] = field(default_factory=dict)
    fields: dict[str, FieldSpec] = field(default_factory=dict)
    facts: dict[str, FactSpec] = field(default_factory=dict)
    methods: dict[str, Signature] = field(default_factory=dict)

    def action_specs(self) -> tuple[ActionSpec, ...]:
        return tuple(
            ActionSpec(m.name, m.by, m.phases, m.parameters, first_line(m.node), m.node.place.line, m.is_exit)
            for m in self.of_kind("action")
        )

    def query_specs(self) -> tuple[QuerySpec, ...]:
        return tuple(
            QuerySpec(m.name, m.parameters, m.returns, first_line(m.node), m.node.place.line)
            for m in self.of_kind("query")
        )

    def handler_specs(self) -> tuple[HandlerSpec, ...]:
        return tuple(
            HandlerSpec(m.name, *m.on, m.phases, m.parameters, first_line(m.node), m.node.place.line)
            for m in self.of_kind("on")
        )

    def migration_spec(self) -> MigrationSpec | None:
        for m in self.of_kind("migrate"):
            return MigrationSpec(m.name, m.parameters, first_line(m.node), m.node.place.line)
        return None

    def of_kind(self, kind: str) -> tuple[Signature, ...]:
        return tuple(method for method in self.methods.values() if method.kind == kind)

    def has_meaning(self, name: str) -> bool:
        """True for a bare name that no variable, parameter or class can have."""
        return name in WORDS or name == "self" or self.is_class(name) or name in self.constants

    def is_class(self, name: str) -> bool:
        """True for an event, a record or an interface."""
        return name in self.events or name in self.records or name in self.interfaces

    def member(self, name: str) -> str | None:
        """What `self.name` is, in words; None when it is nothing yet."""
        for members, word in (
            (self.terms, "a term"),
            (self.fields, "a stored variable"),
            (self.facts, "a fact"),
            (self.methods, "a method"),
        ):
            if name in members:
                return word
        return None


def in_words(name: str) -> str:
    """`take_over` or `TakeOver` as "take over"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("_", " ").strip().lower()


def first_line(node: syntax.Function | syntax.Class) -> str:
    """The first line of the documentation, or the name in words."""
    text = documentation(node.body).partition("\n")[0].strip()
    return text or in_words(node.name)


def documentation(body: syntax.Block) -> str:
    """The text that opens a block, its lines stripped of indentation; empty when there is none."""
    first = body[0]
    if not isinstance(first, syntax.Documentation):
        return ""
    return "\n".join(line.strip() for line in first.value.strip().splitlines())
