"""A compiled contract, as the engine and everyone who shows it to people see it.

`contracts.compiler.compile_contract(source)` makes one. The specifications say what the source declares,
in the order of the source; `run` executes one entry point against a `Host`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.host import Host

Value = Any
"""A contract value: bool, int, str, bytes, Money, list, dict or None; see `contracts.values`."""


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """A declared type: `name` (int, bool, str, bytes, Money, Time, Span, Percent, Decimal, Call, Party,
    Oracle, Instance, list, dict, Optional, Table, tuple as its key, None) and the types inside the brackets.

    An Instance may name in brackets the interface that it is used by. A record has its own name, and beside
    the types of its fields their names in `fields`.
    """

    name: str
    items: tuple[TypeSpec, ...] = ()
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "Optional":
            return f"{self.items[0]} | None"
        if self.fields:
            return self.name
        return f"{self.name}[{', '.join(map(str, self.items))}]" if self.items else self.name


def plain(spec: TypeSpec) -> TypeSpec:
    """The type without the names that only its source knows: an instance by whatever interface is one."""
    if spec.name == "Instance":
        return TypeSpec("Instance")
    return TypeSpec(spec.name, tuple(map(plain, spec.items)), spec.fields)


@dataclass(frozen=True, slots=True)
class TermSpec:
    """A term: fixed at creation; `signs` marks a party that must sign before the instance is active,
    `guards` one that may pause it."""

    name: str
    type: TypeSpec
    signs: bool
    has_default: bool
    default: Value
    guards: bool = False


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A stored variable with its initial value (None for a Table)."""

    name: str
    type: TypeSpec
    initial: Value


@dataclass(frozen=True, slots=True)
class FactSpec:
    """A fact that the account in term `by` reports once; `max_age_ms` bounds how old a Time fact may be.

    With a `quorum` (a number, or the term that holds it) so many of the accounts in `by` must report: `agree`
    says whether "equal" values, or any, of which the "median" counts.
    """

    name: str
    type: TypeSpec
    by: str
    max_age_ms: int | None
    quorum: int | str | None = None
    agree: str = "equal"


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter of an action or query."""

    name: str
    type: TypeSpec


def same_parameters(given: Sequence[ParameterSpec], wanted: Sequence[ParameterSpec]) -> bool:
    """True where two methods take the same by the same names, in whatever order."""
    return {spec.name: plain(spec.type) for spec in given} == {spec.name: plain(spec.type) for spec in wanted}


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """Something an account may do: `by` names terms (empty: anyone), `phases` where it may (empty: any)."""

    name: str
    by: tuple[str, ...]
    phases: tuple[str, ...]
    parameters: tuple[ParameterSpec, ...]
    text: str
    """The docstring's first line, or the name in words."""
    line: int
    is_exit: bool = False
    """True where it may be called while the instance is paused."""


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """What is done on an event of the instance in `term`: the fields of the event that it takes, by name."""

    name: str
    term: str
    event: str
    phases: tuple[str, ...]
    parameters: tuple[ParameterSpec, ...]
    text: str
    line: int

    def is_for(self, phase: str) -> bool:
        """True where it is done in this phase."""
        return not self.phases or phase in self.phases


@dataclass(frozen=True, slots=True)
class Part:
    """A condition as source text; where `word` is `and` or `or`, it is made of `parts`."""

    text: str
    word: str = ""
    parts: tuple[Part, ...] = ()

    def leaves(self) -> tuple[Part, ...]:
        """The parts that are not made of parts, in the order of the source."""
        return tuple(leaf for part in self.parts for leaf in part.leaves()) if self.word else (self,)


@dataclass(frozen=True, slots=True)
class Branch:
    """One "if X then Y" of a rule: both sides as source text, X also part by part."""

    condition: str
    consequence: tuple[str, ...]
    line: int
    part: Part


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """A rule that fires by itself, in the phases given (empty: any)."""

    name: str
    phases: tuple[str, ...]
    branches: tuple[Branch, ...]
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """A read-only function."""

    name: str
    parameters: tuple[ParameterSpec, ...]
    returns: TypeSpec
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class InterfaceSpec:
    """What a contract needs of another: actions and queries with their parameters and what they return."""

    name: str
    actions: tuple[QuerySpec, ...]
    queries: tuple[QuerySpec, ...]
    text: str

    def method(self, name: str) -> QuerySpec | None:
        """The action or query of this name."""
        return next((spec for spec in (*self.actions, *self.queries) if spec.name == name), None)


@dataclass(frozen=True, slots=True)
class MigrationSpec:
    """What is done once, when an instance of older code takes this code.

    `parameters` name variables of the older code with their types there; a table comes as a dict.
    """

    name: str
    parameters: tuple[ParameterSpec, ...]
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class EventSpec:
    """A kind of event that the contract emits, with its fields."""

    name: str
    fields: tuple[ParameterSpec, ...]
    text: str


@dataclass(frozen=True, slots=True)
class BranchState:
    """What a rule's branch looks like now: None where the condition was not reached or could not be read.

    `leaves` says the same of each leaf of its part, whether the condition was reached or not.
    """

    condition: str
    holds: bool | None
    leaves: tuple[bool | None, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule evaluated now without effect: which branch would fire, and when time alone may change it."""

    rule: str
    in_phase: bool
    branches: tuple[BranchState, ...]
    wake_ms: int | None


class Program(Protocol):
    """A checked contract, compiled to gas-instrumented code of ours.

    Invariant: the same source gives the same behaviour, gas and allocations on every supported Python.
    """

    code_hash: bytes
    """SHA-256 of the source's bytes, 32 bytes."""
    source: str
    name: str
    text: str
    """The class docstring, or the name in words."""
    phases: tuple[str, ...]
    """The first is the initial phase; ("active",) where the contract declares none."""
    terms: tuple[TermSpec, ...]
    fields: tuple[FieldSpec, ...]
    facts: tuple[FactSpec, ...]
    actions: tuple[ActionSpec, ...]
    rules: tuple[RuleSpec, ...]
    queries: tuple[QuerySpec, ...]
    handlers: tuple[HandlerSpec, ...]
    interfaces: tuple[InterfaceSpec, ...]
    events: tuple[EventSpec, ...]
    migration: MigrationSpec | None
    is_currency: bool
    """True where the contract may mint: the instance's name is then a currency."""

    def run_action(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        """Run an action whose caller, phase and argument types the engine has checked. Raises: Revert."""

    def run_rule(self, name: str, host: Host) -> int | None:
        """Run a rule: the branch that fired, or None; tells `host.wake` of times to try again."""

    def run_handler(self, name: str, host: Host, arguments: Sequence[Value]) -> None:
        """Run what is done on an event; the engine has checked phase and fields. Raises: Revert."""

    def run_query(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        """Run a query; the host refuses writes. Raises: Revert."""

    def run_migration(self, host: Host, arguments: Sequence[Value]) -> None:
        """Run the migration, which there must be. Raises: Revert."""

    def inspect_rule(self, name: str, host: Host) -> RuleState:
        """Evaluate a rule's conditions without effect."""
