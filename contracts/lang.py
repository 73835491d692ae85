"""What an author of a contract imports: `from contracts import Contract, action, term, ...`.

These names make a contract a Python module that an editor, mypy and pytest understand. A node never runs
it: it reads the source, checks it and runs code of its own (`contracts.compiler`). So what reaches the
ledger (`now()`, `emit(...)`, `self.pay(...)`) only has a type here; values (Money, Span, ...) do compute,
because constants and defaults are made of them when the module is imported.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Generic, NoReturn, TypeVar, dataclass_transform, overload
from typing import Protocol as Interface

from contracts import calendar, values

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


# ---------------------------------------------------------------- values


class Party(str):
    """The name of an account: a person, an organisation or a part of one."""

    __slots__ = ()


class Oracle(Party):
    """An account that reports facts."""

    __slots__ = ()


class Instance(str):
    """The name of a contract's instance; a currency is the instance that mints it."""

    __slots__ = ()


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A length of time in milliseconds, made from units: `3 * DAY`."""

    ms: int

    def __add__(self, other: Span) -> Span:
        return Span(self.ms + other.ms)

    def __sub__(self, other: Span) -> Span:
        return Span(self.ms - other.ms)

    def __neg__(self) -> Span:
        return Span(-self.ms)

    def __abs__(self) -> Span:
        return Span(abs(self.ms))

    def __mul__(self, factor: int) -> Span:
        return Span(self.ms * factor)

    __rmul__ = __mul__

    @overload
    def __floordiv__(self, divisor: int) -> Span: ...
    @overload
    def __floordiv__(self, divisor: Span) -> int: ...
    def __floordiv__(self, divisor: int | Span) -> Span | int:
        return self.ms // divisor.ms if isinstance(divisor, Span) else Span(self.ms // divisor)

    def __mod__(self, divisor: Span) -> Span:
        return Span(self.ms % divisor.ms)


MILLISECOND = Span(1)
SECOND = Span(values.SECOND)
MINUTE = Span(values.MINUTE)
HOUR = Span(values.HOUR)
DAY = Span(values.DAY)
WEEK = 7 * DAY


class Rounding(IntEnum):
    """What becomes of what a whole unit, or a ninth decimal, can not say."""

    FLOOR = values.FLOOR
    CEILING = values.CEILING
    HALF_UP = values.HALF_UP
    HALF_EVEN = values.HALF_EVEN


FLOOR, CEILING, HALF_UP, HALF_EVEN = Rounding


def _divided(dividend: int, divisor: int, rounding: Rounding) -> int:
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    if rounding == FLOOR:
        return dividend // divisor
    if rounding == CEILING:
        return -(-dividend // divisor)
    nearest, rest = divmod(2 * abs(dividend) + divisor, 2 * divisor)  # halves away from 0
    if rounding == HALF_EVEN and rest == 0 and nearest % 2:
        nearest -= 1
    return nearest if dividend >= 0 else -nearest


@dataclass(frozen=True, order=True, slots=True, init=False)
class Time:
    """A moment, in milliseconds since 1970 UTC; as a constant `Time("2026-05-31")`."""

    ms: int

    def __init__(self, moment: int | str) -> None:
        known = calendar.parse_time(moment) if isinstance(moment, str) else moment
        if known is None:
            raise ValueError(f"{moment!r} is no time: write 2026-05-31 or 2026-05-31T12:00:00Z")
        object.__setattr__(self, "ms", known)

    @property
    def year(self) -> int:
        """The year, in UTC as all of these."""
        return calendar.date_of(self.ms)[0]

    @property
    def month(self) -> int:
        """1 to 12."""
        return calendar.date_of(self.ms)[1]

    @property
    def day(self) -> int:
        """1 to 31."""
        return calendar.date_of(self.ms)[2]

    @property
    def weekday(self) -> int:
        """1 on a Monday to 7 on a Sunday."""
        return calendar.weekday_of(self.ms)

    def start_of_day(self) -> Time:
        """Midnight, when the day began."""
        return Time(self.ms // values.DAY * values.DAY)

    def add_months(self, months: int) -> Time:
        """The same day and time of another month, or that month's last day."""
        return Time(calendar.add_months(self.ms, months))

    def __add__(self, span: Span) -> Time:
        return Time(self.ms + span.ms)

    __radd__ = __add__

    @overload
    def __sub__(self, other: Time) -> Span: ...
    @overload
    def __sub__(self, other: Span) -> Time: ...
    def __sub__(self, other: Time | Span) -> Span | Time:
        return Span(self.ms - other.ms) if isinstance(other, Time) else Time(self.ms - other.ms)

    def __bool__(self) -> bool:
        """True: a moment is one; a fact that is a Time is false as long as it is not reported."""
        return True


@dataclass(frozen=True, slots=True, init=False)
class Money:
    """An amount of a currency in whole minor units, such as cents; two currencies never mix."""

    amount: int
    currency: Instance

    def __init__(self, amount: int, currency: str) -> None:
        object.__setattr__(self, "amount", amount)
        object.__setattr__(self, "currency", Instance(currency))

    def _same(self, other: Money) -> int:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be combined")
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: int) -> Money:
        return Money(self.amount * factor, self.currency)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Money:
        """Rounded down to a whole minor unit."""
        return Money(self.amount // divisor, self.currency)

    def over(self, divisor: int, rounding: Rounding) -> Money:
        """Divided, to whole minor units."""
        return Money(_divided(self.amount, divisor, rounding), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)


@dataclass(frozen=True, order=True, slots=True, init=False)
class Percent:
    """A share in percent with at most four decimals: `Percent("1.5")`."""

    millionths: int

    def __init__(self, text: str) -> None:
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", text):
            raise ValueError(f"{text!r} is no percentage: write up to 4 decimals, as in 1 or 0.5")
        whole, _, decimals = text.partition(".")
        object.__setattr__(self, "millionths", int(whole + decimals.ljust(4, "0")))

    @overload
    def of(self, whole: Money, rounding: Rounding = FLOOR) -> Money: ...
    @overload
    def of(self, whole: int, rounding: Rounding = FLOOR) -> int: ...
    def of(self, whole: Money | int, rounding: Rounding = FLOOR) -> Money | int:
        """This share of a whole, to whole (minor) units; rounded down where nothing else is said."""
        if isinstance(whole, Money):
            return Money(self.of(whole.amount, rounding), whole.currency)
        return _divided(self.millionths * whole, values.PERCENT_ONE, rounding)

    def _like(self, millionths: int) -> Percent:
        made = object.__new__(Percent)
        object.__setattr__(made, "millionths", millionths)
        return made

    def __add__(self, other: Percent) -> Percent:
        return self._like(self.millionths + other.millionths)

    def __sub__(self, other: Percent) -> Percent:
        return self._like(self.millionths - other.millionths)

    def __mul__(self, factor: int) -> Percent:
        return self._like(self.millionths * factor)

    __rmul__ = __mul__


@dataclass(frozen=True, order=True, slots=True, init=False)
class Decimal:
    """A number with nine decimals: `Decimal("1.25")`; what can not be exact says how it is rounded."""

    billionths: int

    def __init__(self, number: int | str) -> None:
        match = re.fullmatch(r"(-?)([0-9]{1,78})(?:\.([0-9]{1,9}))?", str(number))
        if match is None:
            raise ValueError(f"{number!r} is no number: write up to 9 decimals, as in 1.25")
        billionths = int(match[2] + (match[3] or "").ljust(9, "0"))
        object.__setattr__(self, "billionths", -billionths if match[1] else billionths)

    def _like(self, billionths: int) -> Decimal:
        made = object.__new__(Decimal)
        object.__setattr__(made, "billionths", billionths)
        return made

    def __add__(self, other: Decimal) -> Decimal:
        return self._like(self.billionths + other.billionths)

    def __sub__(self, other: Decimal) -> Decimal:
        return self._like(self.billionths - other.billionths)

    def __neg__(self) -> Decimal:
        return self._like(-self.billionths)

    def __abs__(self) -> Decimal:
        return self._like(abs(self.billionths))

    def __mul__(self, factor: int) -> Decimal:
        return self._like(self.billionths * factor)

    __rmul__ = __mul__

    def times(self, other: Decimal, rounding: Rounding) -> Decimal:
        """self * other, to nine decimals."""
        return self._like(_divided(self.billionths * other.billionths, values.DECIMAL_ONE, rounding))

    def over(self, other: Decimal, rounding: Rounding) -> Decimal:
        """self / other, to nine decimals."""
        return self._like(_divided(self.billionths * values.DECIMAL_ONE, other.billionths, rounding))

    def rounded(self, rounding: Rounding) -> int:
        """To a whole number."""
        return _divided(self.billionths, values.DECIMAL_ONE, rounding)

    @overload
    def of(self, whole: Money, rounding: Rounding) -> Money: ...
    @overload
    def of(self, whole: int, rounding: Rounding) -> int: ...
    def of(self, whole: Money | int, rounding: Rounding) -> Money | int:
        """So many times a whole, to whole (minor) units."""
        if isinstance(whole, Money):
            return Money(self.of(whole.amount, rounding), whole.currency)
        return _divided(self.billionths * whole, values.DECIMAL_ONE, rounding)

    def __str__(self) -> str:
        whole, part = divmod(abs(self.billionths), values.DECIMAL_ONE)
        return f"{'-' if self.billionths < 0 else ''}{whole}" + f".{part:09d}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Call:
    """An action of an instance with its arguments, kept to be made later: see `perform`."""

    contract: Instance
    action: str


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
