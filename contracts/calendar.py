"""The Gregorian calendar in UTC, computed on milliseconds since 1970 with integers alone.

Days count from 1 March of the year 0, so that a leap day ends its year; 400 years are 146,097 days.
Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (public domain), written anew.
"""

from __future__ import annotations

import re

from contracts.values import DAY, HOUR, MINUTE, SECOND

_MARCH_OF_0 = 719_468
"""Days from 1 March of the year 0 to 1 January 1970."""
_ERA_DAYS = 146_097
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?Z)?\Z",
    re.ASCII,
)


def days_of(year: int, month: int, day: int) -> int:
    """Days from 1 January 1970 to a date, which need not exist: 31 February is 3 March or 2 March."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _MARCH_OF_0


def date_of(time_ms: int) -> tuple[int, int, int]:
    """Year, month and day of a moment."""
    era, of_era = divmod(time_ms // DAY + _MARCH_OF_0, _ERA_DAYS)
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = (shifted + 2) % 12 + 1
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def weekday_of(time_ms: int) -> int:
    """1 on a Monday to 7 on a Sunday, as ISO 8601 counts."""
    return (time_ms // DAY + 3) % 7 + 1


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return days_of(year + month // 12, month % 12 + 1, 1) - days_of(year, month, 1)


def add_months(time_ms: int, months: int) -> int:
    """The same day and time some months later; the last day of the month where it has no such day."""
    year, month, day = date_of(time_ms)
    years, month0 = divmod(month - 1 + months, 12)
    year, month = year + years, month0 + 1
    return days_of(year, month, min(day, days_in_month(year, month))) * DAY + time_ms % DAY


def parse_time(text: str) -> int | None:
    """Milliseconds from "2026-05-31" or "2026-05-31T12:00:00Z", with up to 3 decimals; else None."""
    match = _TIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    if not (year and 1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    rest = hour * HOUR + minute * MINUTE + second * SECOND + int((match[7] or "").ljust(3, "0"))
    return days_of(year, month, day) * DAY + rest
