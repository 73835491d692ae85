"""What a rule sheet says, whatever its language: declarations, conditions and steps.

`place` is where something stands in the sheet, or in the contract that a sheet was made from; two sheets that
say the same are equal, wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.language.problems import START, Place
from contracts.program import TypeSpec


@dataclass(frozen=True, slots=True)
class Part:
    """Root of what a sheet is made of."""

    place: Place = field(default=START, compare=False, kw_only=True)


# ---------------------------------------------------------------- values and conditions


@dataclass(frozen=True, slots=True)
class Phrase(Part):
    """Root of values and conditions."""


@dataclass(frozen=True, slots=True)
class Name(Phrase):
    """A term, variable, fact, given value, or what a step has named."""

    name: str


@dataclass(frozen=True, slots=True)
class Number(Phrase):
    """A whole number."""

    value: int


@dataclass(frozen=True, slots=True)
class Text(Phrase):
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Truth(Phrase):
    """Yes or no."""

    value: bool


@dataclass(frozen=True, slots=True)
class Length(Phrase):
    """A length of time, such as 3 days; `unit` is SECOND, MINUTE, HOUR, DAY or WEEK."""

    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Share(Phrase):
    """A percentage as it is written, without the sign; only where a default stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Word(Phrase):
    """The time of the block (`now`), or who acts (`caller`)."""

    word: str


@dataclass(frozen=True, slots=True)
class Operation(Phrase):
    """`left sign right` for + - * // and `of`, a percentage of something."""

    sign: str
    left: Phrase
    right: Phrase


@dataclass(frozen=True, slots=True)
class Function(Phrase):
    """`function(operands)`, one of `words.FUNCTIONS`."""

    function: str
    operands: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Compare(Phrase):
    """`left sign right` for == != < <= > >= and `in`, which is one of a list.

    `of_moments` says whether the words were those for moments; None where it was not written in words.
    """

    sign: str
    left: Phrase
    right: Phrase
    of_moments: bool | None = field(default=None, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Reported(Phrase):
    """A fact is reported."""

    fact: str


@dataclass(frozen=True, slots=True)
class Not(Phrase):
    """The opposite."""

    condition: Phrase


@dataclass(frozen=True, slots=True)
class Logic(Phrase):
    """Two or more conditions joined by `and` or by `or`."""

    word: str
    conditions: tuple[Phrase, ...]


# ---------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class Step(Part):
    """Root of what is done, one after the other."""


@dataclass(frozen=True, slots=True)
class Require(Step):
    """Refuse, with a text, unless a condition holds."""

    condition: Phrase
    otherwise: str


@dataclass(frozen=True, slots=True)
class Let(Step):
    """Name a value."""

    name: str
    value: Phrase


@dataclass(frozen=True, slots=True)
class Set(Step):
    """Give a variable a new value."""

    name: str
    value: Phrase


@dataclass(frozen=True, slots=True)
class Collect(Step):
    """Money of an account that signed goes into the agreement."""

    money: Phrase
    account: Phrase


@dataclass(frozen=True, slots=True)
class Pay(Step):
    """Money that the agreement holds goes to an account."""

    money: Phrase
    account: Phrase


@dataclass(frozen=True, slots=True)
class Become(Step):
    """The agreement enters a phase."""

    phase: str


@dataclass(frozen=True, slots=True)
class Tell(Step):
    """An event is told to the world."""

    event: str
    fields: tuple[tuple[str, Phrase], ...]


# ---------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Term(Part):
    """What is agreed; `default` is None where it must be given."""

    name: str
    type: TypeSpec
    signs: bool
    default: Phrase | None
    guards: bool = False
    """May pause the agreement."""


@dataclass(frozen=True, slots=True)
class Variable(Part):
    """What the agreement remembers."""

    name: str
    type: TypeSpec
    initial: Phrase


@dataclass(frozen=True, slots=True)
class Fact(Part):
    """What the account in the term `by` reports once; with a `quorum`, so many of several.

    `quorum` is a number, or the term that holds it; `agree` is equal or median.
    """

    name: str
    type: TypeSpec
    by: str
    max_age: Length | None
    quorum: int | str | None = None
    agree: str = "equal"


@dataclass(frozen=True, slots=True)
class Given(Part):
    """A value that comes with an action, question or event."""

    name: str
    type: TypeSpec


@dataclass(frozen=True, slots=True)
class Event(Part):
    """A kind of event with its fields."""

    name: str
    meaning: str
    fields: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Action(Part):
    """What accounts may do."""

    name: str
    meaning: str
    by: tuple[str, ...]
    phases: tuple[str, ...]
    given: tuple[Given, ...]
    steps: tuple[Step, ...]
    is_exit: bool = False
    """Also when the agreement is paused."""


@dataclass(frozen=True, slots=True)
class Case(Part):
    """If a condition holds then these steps are done."""

    condition: Phrase
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rule(Part):
    """What happens by itself: the first case that holds."""

    name: str
    meaning: str
    phases: tuple[str, ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Question(Part):
    """What anyone may ask."""

    name: str
    meaning: str
    given: tuple[Given, ...]
    answer: Phrase


@dataclass(frozen=True, slots=True)
class Sheet(Part):
    """A whole rule sheet."""

    name: str
    meaning: str
    terms: tuple[Term, ...]
    variables: tuple[Variable, ...]
    phases: tuple[str, ...]
    facts: tuple[Fact, ...]
    events: tuple[Event, ...]
    actions: tuple[Action, ...]
    rules: tuple[Rule, ...]
    questions: tuple[Question, ...]
