"""What generated code calls for integers, money, texts and time: what a plain operator would not check.

Values are of the declared types already; what can still be wrong is their size, range or currency. A
helper that makes something as large as its data takes the meter first, and pays before it works.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn, TypeVar

from contracts.errors import Revert
from contracts.gas import VALUE_BYTES, bytes_gas
from contracts.host import Host, Meter
from contracts.values import DAY, INT_MAX, MS_MAX, PERCENT_ONE, TEXT_BYTES_MAX, Money, escrow_account

T = TypeVar("T", str, bytes)
V = TypeVar("V")

HIGH, LOW = INT_MAX, -INT_MAX
REQUIRE_TEXT_MAX = 256
"""Characters of a `require` text that reach the receipt."""
_INT_BITS = 255


# ---------------------------------------------------------------- failing


def overflow() -> NoReturn:
    """Raises: Revert("overflow")."""
    raise Revert("overflow", "an integer leaves the range of 2^255 - 1 either way")


def no_time() -> NoReturn:
    """Raises: Revert("overflow")."""
    raise Revert("overflow", "a Time or Span leaves the range of 2^53 - 1 milliseconds either way")


def fail(text: str) -> NoReturn:
    """What a `require` that does not hold does. Raises: Revert("require")."""
    raise Revert("require", text[:REQUIRE_TEXT_MAX], consumes_all=False)


def ranged(value: int) -> int:
    """The value, if it is in the range of an int. Raises: Revert("overflow")."""
    return value if LOW <= value <= HIGH else overflow()


# ---------------------------------------------------------------- integers


def power(base: int, exponent: int) -> int:
    """base ** exponent, refused before it is computed where it must be too large."""
    if exponent < 0:
        raise Revert("overflow", "a power has a negative exponent")
    if abs(base) > 1 and (abs(base).bit_length() - 1) * exponent > _INT_BITS:
        overflow()
    if abs(base) <= 1 and exponent > 1:
        exponent = 2 + exponent % 2
    return ranged(base**exponent)


def muldiv(left: int, right: int, divisor: int) -> int:
    """left * right // divisor, rounded down, the product being of any size."""
    if not divisor:
        raise Revert("division", "muldiv divides by zero")
    return ranged(left * right // divisor)


def days_started(span: int) -> int:
    """Days that a span has begun: 0 up to nothing, 1 from the first millisecond to a full day."""
    return -(-span // DAY) if span > 0 else 0


def share_of_int(percent: int, whole: int) -> int:
    """`percent.of(whole)`, rounded down."""
    return ranged(percent * whole // PERCENT_ONE)


# ---------------------------------------------------------------- money


def money(amount: int, currency: str) -> Money:
    """`Money(amount, currency)`."""
    return Money(amount, currency)


def _one_currency(left: Money, right: Money) -> str:
    currency = left[1]
    if currency != right[1]:
        raise Revert("currency", f"{currency} and {right[1]} cannot be combined")
    return currency


def money_add(left: Money, right: Money) -> Money:
    """left + right, of one currency."""
    return Money(ranged(left[0] + right[0]), _one_currency(left, right))


def money_subtract(left: Money, right: Money) -> Money:
    """left - right, of one currency."""
    return Money(ranged(left[0] - right[0]), _one_currency(left, right))


def money_difference(left: Money, right: Money) -> int:
    """Below 0, 0 or above 0, as left is less than, equal to or more than right."""
    _one_currency(left, right)
    return left[0] - right[0]


def money_multiply(price: Money, factor: int) -> Money:
    """price * factor."""
    return Money(ranged(price[0] * factor), price[1])


def multiply_money(factor: int, price: Money) -> Money:
    """factor * price."""
    return Money(ranged(factor * price[0]), price[1])


def money_divide(price: Money, divisor: int) -> Money:
    """Rounded down to a whole minor unit."""
    if not divisor:
        raise Revert("division", "money is divided by zero")
    return Money(price[0] // divisor, price[1])


def some(value: V | None) -> V:
    """A value that was asked about before: it is not None. Raises: Revert("none")."""
    if value is None:
        raise Revert("none", "a value that may be None is None here")
    return value


def share_of_money(percent: int, whole: Money) -> Money:
    """Rounded down to a whole minor unit."""
    return Money(share_of_int(percent, whole[0]), whole[1])


def money_min(first: Money, *others: Money) -> Money:
    """The least; the first of equals."""
    for other in others:
        first = other if money_difference(other, first) < 0 else first
    return first


def money_max(first: Money, *others: Money) -> Money:
    """The most; the first of equals."""
    for other in others:
        first = other if money_difference(other, first) > 0 else first
    return first


def held(host: Host, currency: str) -> Money:
    """What the instance itself holds of a currency."""
    return Money(host.balance(currency, escrow_account(host.instance)), currency)


# ---------------------------------------------------------------- texts


def _text(meter: Meter, size: int) -> None:
    if size > TEXT_BYTES_MAX:
        raise Revert("size", f"a text of {size} bytes is larger than {TEXT_BYTES_MAX}")
    meter.spend(bytes_gas(size))
    meter.allocate(VALUE_BYTES + size)


def text_size(value: str | bytes) -> int:
    """Bytes, those of UTF-8 for a str."""
    return len(value) if isinstance(value, bytes) or value.isascii() else len(value.encode())


def join(meter: Meter, left: T, right: T) -> T:
    """left + right."""
    _text(meter, text_size(left) + text_size(right))
    return left + right


def sized_text(meter: Meter, text: str) -> str:
    """A text that was made, paid for and bounded."""
    _text(meter, text_size(text))
    return text


def text_of(meter: Meter, value: int | str) -> str:
    """`str(value)`."""
    return sized_text(meter, str(value))


def encode(meter: Meter, text: str) -> bytes:
    """The text's bytes in UTF-8."""
    _text(meter, text_size(text))
    return text.encode()


def to_hex(meter: Meter, value: bytes) -> str:
    """The bytes in hexadecimal digits."""
    _text(meter, 2 * len(value))
    return value.hex()


def sha256(meter: Meter, value: bytes) -> bytes:
    """32 bytes."""
    meter.spend(bytes_gas(len(value)))
    return hashlib.sha256(value).digest()


def part_of_text(meter: Meter, value: T, first: int | None, last: int | None) -> T:
    """`value[first:last]`."""
    _text(meter, text_size(value))
    return value[first:last]


# ---------------------------------------------------------------- time


def due(host: Host, wake: Callable[[int], None], time_ms: int) -> bool:
    """True from `time_ms` on; before it, asks to be woken then."""
    if host.now_ms >= time_ms:
        return True
    if time_ms <= MS_MAX:
        wake(time_ms)
    return False
