"""The values a contract computes with, beside Python's own int, bool, str, bytes, list and dict.

Time and Span are integers of milliseconds; Percent is an integer of millionths of a whole (1 % = 10,000),
Decimal one of billionths; a record is a tuple of its fields; Party, Oracle and Instance are names. Only Money
and Call need a shape of their own.
"""

from __future__ import annotations

from typing import NamedTuple

INT_MAX = 2**255 - 1
"""Largest magnitude of a contract integer; beyond it the transaction reverts."""
MS_MAX = 2**53 - 1
"""Largest magnitude of a Time or Span, in milliseconds: as JSON has it as a number."""
TIME_MS_MAX = 253_402_300_799_999
"""Largest magnitude of a Time or Span that comes from outside: the end of the year 9999, so that whatever is
added to it once or twice is still a Time."""
TEXT_BYTES_MAX = 4096
"""Largest str or bytes value, in bytes of UTF-8."""
ITEMS_MAX = 4096
"""Most items of a list or dict."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERCENT_ONE = 1_000_000
"""A whole, in the unit of Percent."""
DECIMAL_ONE = 1_000_000_000
"""One, in the unit of Decimal, which has nine decimals."""
FLOOR, CEILING, HALF_UP, HALF_EVEN = range(4)
"""Ways of rounding: down, up, to the nearest with halves away from 0, or with halves to the even one."""


class Money(NamedTuple):
    """An amount in minor units of a currency, which is the name of the token instance that mints it."""

    amount: int
    currency: str


class Call(NamedTuple):
    """A call that is kept and made later: an action of an instance, and its arguments as canonical JSON."""

    contract: str
    action: str
    arguments: str


def escrow_account(instance: str) -> str:
    """The ledger account that holds an instance's money; `:` keeps it apart from every signing account."""
    return f"contract:{instance}"
