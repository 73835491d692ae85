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
    """A declared type: `name` (int, bool, str, bytes, Money, Time, Span, Percent, Party, Oracle, Instance,
    list, dict, Table, tuple as a Table's key, None) and the types inside the brackets."""

    name: str
    items: tuple[TypeSpec, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.items))}]" if self.items else self.name


@dataclass(frozen=True, slots=True)
class TermSpec:
    """A term: fixed at creation; `signs` marks a party that must sign before the instance is active."""

    name: str
    type: TypeSpec
    signs: bool
    has_default: bool
    default: Value


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A stored variable with its initial value (None for a Table)."""

    name: str
    type: TypeSpec
    initial: Value


@dataclass(frozen=True, slots=True)
class FactSpec:
    """A fact that the account in term `by` reports once; `max_age_ms` bounds how old a Time fact may be."""

    name: str
    type: TypeSpec
    by: str
    max_age_ms: int | None


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter of an action or query."""

    name: str
    type: TypeSpec


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


@dataclass(frozen=True, slots=True)
class Branch:
    """One "if X then Y" of a rule: both sides as source text and in words."""

    condition: str
    consequence: tuple[str, ...]
    line: int


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
class EventSpec:
    """A kind of event that the contract emits, with its fields."""

    name: str
    fields: tuple[ParameterSpec, ...]
    text: str


@dataclass(frozen=True, slots=True)
class BranchState:
    """What a rule's branch looks like now: None where the condition was not reached or could not be read."""

    condition: str
    holds: bool | None


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
    events: tuple[EventSpec, ...]
    is_currency: bool
    """True where the contract may mint: the instance's name is then a currency."""

    def run_action(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        """Run an action whose caller, phase and argument types the engine has checked. Raises: Revert."""

    def run_rule(self, name: str, host: Host) -> int | None:
        """Run a rule: the branch that fired, or None; tells `host.wake` of times to try again."""

    def run_query(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        """Run a query; the host refuses writes. Raises: Revert."""

    def inspect_rule(self, name: str, host: Host) -> RuleState:
        """Evaluate a rule's conditions without effect."""
