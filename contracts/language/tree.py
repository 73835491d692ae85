"""The checked tree: what a method does, typed and resolved, with nothing left to decide.

Everything computed is an `Operation` applied to operands. An operation carries the text that the generated
program has for it, so the tree holds no token of the author's.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.program import TypeSpec

WRITES, SIGNERS, CLOCK, MINTS = "writes", "signers", "clock", "mints"
"""Effects: changes state, needs someone who signed, depends on the time, makes money."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What it takes and gives, its text with {0}, {1} for operands, its price beside NODE, its effects."""

    parameters: tuple[TypeSpec, ...]
    result: TypeSpec
    text: str
    gas: int = 0
    effects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """Root of what can be computed."""

    type: TypeSpec


@dataclass(frozen=True, slots=True)
class Constant(Value):
    """An int, bool, str, bytes, Money or None."""

    value: object


@dataclass(frozen=True, slots=True)
class Local(Value):
    """A local variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply(Value):
    """An operation on operands, computed from left to right."""

    operation: Operation
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Logic(Value):
    """Operands joined by `and` or `or`, computed only as far as needed."""

    word: str
    operands: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Choose(Value):
    """One of two values."""

    test: Value
    value: Value
    otherwise: Value


@dataclass(frozen=True, slots=True)
class Step:
    """Root of statements."""


Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Set(Step):
    """Give a local variable a value."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Run(Step):
    """Compute a value for its effect."""

    value: Value


@dataclass(frozen=True, slots=True)
class Branches(Step):
    """The first block whose test holds, or `otherwise`."""

    tests: tuple[tuple[Value, Steps], ...]
    otherwise: Steps


@dataclass(frozen=True, slots=True)
class Each(Step):
    """A block for every item."""

    names: tuple[str, ...]
    items: Value
    body: Steps


@dataclass(frozen=True, slots=True)
class While(Step):
    """A block as long as the test holds."""

    test: Value
    body: Steps


@dataclass(frozen=True, slots=True)
class Give(Step):
    """Return a value, or nothing."""

    value: Value | None


@dataclass(frozen=True, slots=True)
class Leave(Step):
    """`break`, `continue`, or `pass`, which leaves nothing."""

    word: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method that can be called: action, query or private."""

    name: str
    parameters: tuple[str, ...]
    body: Steps


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its branches in the order of the source."""

    name: str
    branches: tuple[RuleBranch, ...]


@dataclass(frozen=True, slots=True)
class RuleBranch:
    """A condition, what follows from it, and the leaves of the `and` and `or` that it is made of."""

    condition: Value
    body: Steps
    leaves: tuple[Value, ...]
