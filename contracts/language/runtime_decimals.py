"""What generated code calls for Decimal, for shares with a stated rounding, and for the calendar.

A Decimal is an integer of billionths. Whatever can not be exact is told how to round.
"""

from __future__ import annotations

from contracts.calendar import add_months as _add_months
from contracts.calendar import date_of, weekday_of
from contracts.errors import Revert
from contracts.host import Meter
from contracts.language.runtime_values import no_time, ranged, sized_text
from contracts.values import (
    CEILING,
    DAY,
    DECIMAL_ONE,
    FLOOR,
    HALF_EVEN,
    MS_MAX,
    PERCENT_ONE,
    Money,
)

_MONTHS_MAX = 120_000
_DECIMALS = 9


def divided(dividend: int, divisor: int, rounding: int) -> int:
    """dividend / divisor as an integer, rounded as told."""
    if not divisor:
        raise Revert("division", "a number is divided by zero")
    if divisor < 0:
        dividend, divisor = -dividend, -divisor
    if rounding == FLOOR:
        return dividend // divisor
    if rounding == CEILING:
        return -(-dividend // divisor)
    quotient, rest = divmod(dividend, divisor)
    over = 2 * rest - divisor
    if over == 0:  # a half: up means away from 0
        return quotient + (quotient % 2 if rounding == HALF_EVEN else quotient >= 0)
    return quotient + (over > 0)


def decimal_of(number: int) -> int:
    """`Decimal(number)`."""
    return ranged(number * DECIMAL_ONE)


def decimal_times(left: int, right: int, rounding: int) -> int:
    """`left.times(right, rounding)`."""
    return ranged(divided(left * right, DECIMAL_ONE, rounding))


def decimal_over(left: int, right: int, rounding: int) -> int:
    """`left.over(right, rounding)`."""
    return ranged(divided(left * DECIMAL_ONE, right, rounding))


def decimal_of_int(share: int, whole: int, rounding: int) -> int:
    """`share.of(whole, rounding)`, a whole number."""
    return ranged(divided(share * whole, DECIMAL_ONE, rounding))


def decimal_of_money(share: int, whole: Money, rounding: int) -> Money:
    """`share.of(whole, rounding)`, in whole minor units."""
    return Money(decimal_of_int(share, whole[0], rounding), whole[1])


def decimal_rounded(number: int, rounding: int) -> int:
    """`number.rounded(rounding)`, a whole number."""
    return divided(number, DECIMAL_ONE, rounding)


def decimal_text(meter: Meter, number: int) -> str:
    """`str(number)`."""
    whole, part = divmod(abs(number), DECIMAL_ONE)
    decimals = f".{part:0{_DECIMALS}d}".rstrip("0").rstrip(".")
    return sized_text(meter, f"{'-' if number < 0 else ''}{whole}{decimals}")


def percent_of_int(percent: int, whole: int, rounding: int) -> int:
    """`percent.of(whole, rounding)`."""
    return ranged(divided(percent * whole, PERCENT_ONE, rounding))


def percent_of_money(percent: int, whole: Money, rounding: int) -> Money:
    """`percent.of(whole, rounding)`, in whole minor units."""
    return Money(percent_of_int(percent, whole[0], rounding), whole[1])


def money_over(whole: Money, divisor: int, rounding: int) -> Money:
    """`whole.over(divisor, rounding)`, in whole minor units."""
    return Money(divided(whole[0], divisor, rounding), whole[1])


# ---------------------------------------------------------------- calendar


def year_of(time_ms: int) -> int:
    """`time.year`."""
    return date_of(time_ms)[0]


def month_of(time_ms: int) -> int:
    """`time.month`, 1 to 12."""
    return date_of(time_ms)[1]


def day_of(time_ms: int) -> int:
    """`time.day`, of the month."""
    return date_of(time_ms)[2]


def weekday(time_ms: int) -> int:
    """`time.weekday`, 1 on a Monday to 7 on a Sunday."""
    return weekday_of(time_ms)


def start_of_day(time_ms: int) -> int:
    """`time.start_of_day()`."""
    return time_ms // DAY * DAY


def add_months(time_ms: int, months: int) -> int:
    """`time.add_months(months)`."""
    if abs(months) > _MONTHS_MAX:
        no_time()
    moved = _add_months(time_ms, months)
    return moved if -MS_MAX <= moved <= MS_MAX else no_time()
