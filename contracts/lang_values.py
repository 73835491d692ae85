"""The values that an author computes with, as plain Python has them: Money, Time and the like.

They mean to Python what the compiled contract means by them; constants and defaults are made of them when a
contract is imported, and the differential tests run whole programs with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import overload

from contracts import calendar, values


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
