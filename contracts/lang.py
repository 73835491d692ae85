"""What an author of a contract imports: `from contracts import Contract, action, term, ...`.

These names make a contract a Python module that an editor, mypy and pytest understand. A node never runs
it: it reads the source, checks it and runs code of its own (`contracts.compiler`). So what reaches the
ledger (`now()`, `emit(...)`, `self.pay(...)`) only has a type here; values (Money, Span, ...) do compute,
because constants and defaults are made of them when the module is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NoReturn, TypeVar, dataclass_transform, overload
from typing import Protocol as Interface

from contracts import values
from contracts.lang_values import (
    CEILING,
    DAY,
    FLOOR,
    HALF_EVEN,
    HALF_UP,
    HOUR,
    MILLISECOND,
    MINUTE,
    SECOND,
    WEEK,
    Call,
    Decimal,
    Instance,
    Money,
    Oracle,
    Party,
    Percent,
    Span,
    Time,
)

__all__ = [
    "CEILING",
    "DAY",
    "FLOOR",
    "HALF_EVEN",
    "HALF_UP",
    "HOUR",
    "MILLISECOND",
    "MINUTE",
    "SECOND",
    "WEEK",
    "Call",
    "Contract",
    "Decimal",
    "Event",
    "Instance",
    "Interface",
    "Money",
    "Oracle",
    "Party",
    "Percent",
    "Record",
    "Span",
    "Table",
    "Time",
    "account_of",
    "action",
    "days_started",
    "emit",
    "fact",
    "migrate",
    "muldiv",
    "now",
    "on",
    "perform",
    "phases",
    "query",
    "replace",
    "reported",
    "require",
    "rule",
    "sender",
    "sha256",
    "signed",
    "table",
    "term",
    "this",
    "verify",
]

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K")
V = TypeVar("V")
Method = TypeVar("Method", bound=Callable[..., Any])


def _on_a_node() -> NoReturn:
    raise RuntimeError(
        "contract code runs on a node, compiled from its source; a module of it is for reading"
    )


# ---------------------------------------------------------------- a contract's parts


class Table(Generic[K, V]):
    """A stored map in the order of its keys, as large as needed: `scores: Table[Party, int] = table()`."""

    def __getitem__(self, key: K) -> V:
        """The entry of a key, which must be there."""
        _on_a_node()

    def __setitem__(self, key: K, value: V) -> None:
        _on_a_node()

    def __delitem__(self, key: K) -> None:
        _on_a_node()

    def __contains__(self, key: K) -> bool:
        _on_a_node()

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V) -> V: ...
    def get(self, key: K, default: V | None = None) -> V | None:
        """The entry of a key, or the default, or None."""
        _on_a_node()

    @overload
    def items(self, *, limit: int, after: K | None = None) -> Iterator[tuple[K, V]]: ...
    @overload
    def items(
        self: Table[tuple[A, B], V], *, of: A, limit: int, after: B | None = None
    ) -> Iterator[tuple[B, V]]: ...
    def items(self, *, limit: int, after: object = None, of: object = None) -> Any:
        """At most `limit` entries in the order of their keys, from the first on or behind a key.

        With `of`, those whose key is a pair that begins with it; what is given and taken is its other part.
        """
        _on_a_node()


class Currency:
    """The money that a contract itself makes; its name is that of the instance."""

    def mint(self, account: Party, amount: int) -> None:
        """Make new money for an account."""
        _on_a_node()

    def burn(self, account: Party, amount: int) -> None:
        """Destroy money of an account that signed the transaction."""
        _on_a_node()

    def move(self, source: Party, target: Party, amount: int) -> None:
        """Transfer money of an account that signed the transaction."""
        _on_a_node()

    def balance(self, account: Party) -> int:
        """What an account holds."""
        _on_a_node()

    def supply(self) -> int:
        """All that there is."""
        _on_a_node()


class Contract:
    """Base of a contract's class."""

    phase: str
    currency: Currency

    def take(self, account: Party, money: Money) -> None:
        """Move money of an account that signed the transaction into this instance."""
        _on_a_node()

    def pay(self, account: Party, money: Money) -> None:
        """Move money that this instance holds to an account."""
        _on_a_node()

    def held(self, currency: Instance) -> Money:
        """What this instance holds of a currency."""
        _on_a_node()


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Event:
    """Base of what a contract tells the world: a class of typed fields, given by name to `emit`."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Record:
    """Base of a record: typed fields, given by name; `replace(record, field=value)` makes a changed one."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)


def term(*, signs: bool = False, guards: bool = False, default: object = None) -> Any:
    """A term: given when an instance is created and fixed from then on.

    `signs` marks who must agree, `guards` who may pause the instance for a while.
    """
    return default


def phases(*names: str) -> str:
    """The phases of an instance; the first is where it starts."""
    return names[0]


def fact(
    *, by: str, max_age: Span | None = None, quorum: int | str | None = None, agree: str = "equal"
) -> Any:
    """Something that the account in the term `by` reports once, not older than `max_age`.

    With a `quorum`, a number or the name of a term, it is known once so many of the accounts in `by` have
    reported: the same value, or any values, of which it is the median.
    """
    return None


def table() -> Any:
    """An empty table."""
    return Table()


@overload
def action(method: Method, /) -> Method: ...
@overload
def action(
    *, by: str | tuple[str, ...] = (), phase: str | tuple[str, ...] = (), exit: bool = False
) -> Callable[[Method], Method]: ...
def action(
    method: Any = None,
    /,
    *,
    by: object = (),
    phase: object = (),
    exit: bool = False,  # noqa: A002 - the word that authors write
) -> Any:
    """An action: what the accounts in the terms `by` may do (anyone, when empty) in the phases named.

    One that is an `exit` may be called while the instance is paused.
    """
    return method if method is not None else _as_it_is


def migrate(method: Method, /) -> Method:
    """What is done once when an instance takes this code; parameters are variables of the older code."""
    return method


def query(method: Method, /) -> Method:
    """A question that anyone may ask and that changes nothing."""
    return method


@overload
def rule(method: Method, /) -> Method: ...
@overload
def rule(*, phase: str | tuple[str, ...] = ()) -> Callable[[Method], Method]: ...
def rule(method: Any = None, /, *, phase: object = ()) -> Any:
    """A rule: `if X` then Y, tried after every change and when its time comes, in the phases named."""
    return method if method is not None else _as_it_is


def on(instance: str, event: str, /, *, phase: str | tuple[str, ...] = ()) -> Callable[[Method], Method]:
    """What is done when the instance in a term emits an event; the parameters are fields of the event."""
    return _as_it_is


def _as_it_is(method: Method) -> Method:
    return method


# ---------------------------------------------------------------- what a contract may ask and do


def now() -> Time:
    """The agreed time of the block."""
    _on_a_node()


def sender() -> Party:
    """Who sent the transaction."""
    _on_a_node()


def signed(account: Party) -> bool:
    """True when the account signed the transaction."""
    _on_a_node()


def this() -> Instance:
    """The name of the running instance."""
    _on_a_node()


def reported(fact: object) -> bool:
    """True when the fact of this contract has been reported."""
    return fact is not None


def require(condition: bool, text: str) -> None:
    """Undo the whole transaction with this text unless the condition holds."""
    if not condition:
        raise ValueError(text)


def account_of(instance: object) -> Party:
    """The account that holds an instance's money, and in whose name it calls others."""
    _on_a_node()


def perform(call: Call) -> None:
    """Make a kept call in the name of this instance, as soon as what runs now has ended."""
    _on_a_node()


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True when an Ed25519 signature (64 bytes) over the message is by this key (32 bytes)."""
    _on_a_node()


def emit(event: Event) -> None:
    """Tell the world."""
    _on_a_node()


def days_started(span: Span) -> int:
    """The days that a span has begun: 0 up to nothing, 1 from the first millisecond to one full day."""
    return max(0, -(-span.ms // values.DAY))


def muldiv(left: int, right: int, divisor: int) -> int:
    """left * right // divisor, rounded down, where the product may be larger than any int of a contract."""
    return left * right // divisor


def sha256(data: bytes) -> bytes:
    """The SHA-256 of the data, 32 bytes."""
    return hashlib.sha256(data).digest()
