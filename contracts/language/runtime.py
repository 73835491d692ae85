"""What generated code calls: helpers that check what a plain operator would not, and charge by size.

Every helper that makes something as large as its data takes the meter first, and pays before it works.
Values are of the declared types already; what can still be wrong is their size, range or currency.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import Any, NoReturn, TypeVar

from contracts.errors import Revert
from contracts.gas import ITEM, VALUE_BYTES, bytes_gas
from contracts.host import Host, Meter
from contracts.values import DAY, INT_MAX, ITEMS_MAX, PERCENT_ONE, TEXT_BYTES_MAX, Money, escrow_account

T = TypeVar("T", str, bytes)

HIGH, LOW = INT_MAX, -INT_MAX
KEY_INT_MAX = 2**60 - 1
"""Largest magnitude of an int key of a dict: Python's hash is the number itself up to here, so no two collide."""
CONTAINER_BYTES_MAX = 64 * 1024
"""Largest list or dict that may be stored or returned, in bytes as counted by `settle`."""
WAKE_MS_MAX = 2**53 - 1
"""Times beyond it never come."""
REQUIRE_TEXT_MAX = 256
"""Characters of a `require` text that reach the receipt."""
_INT_BITS = 255


# ---------------------------------------------------------------- failing


def overflow() -> NoReturn:
    raise Revert("overflow", "an integer leaves the range of 2^255 - 1 either way")


def fail(text: str) -> NoReturn:
    raise Revert("require", text[:REQUIRE_TEXT_MAX], consumes_all=False)


def _ranged(value: int) -> int:
    return value if LOW <= value <= HIGH else overflow()


# ---------------------------------------------------------------- integers


def power(base: int, exponent: int) -> int:
    if exponent < 0:
        raise Revert("overflow", "a power has a negative exponent")
    if abs(base) > 1 and (abs(base).bit_length() - 1) * exponent > _INT_BITS:
        overflow()
    if abs(base) <= 1 and exponent > 1:
        exponent = 2 + exponent % 2
    return _ranged(base**exponent)


def muldiv(left: int, right: int, divisor: int) -> int:
    """left * right // divisor, rounded down, the product being of any size."""
    if not divisor:
        raise Revert("division", "muldiv divides by zero")
    return _ranged(left * right // divisor)


def days_started(span: int) -> int:
    """Days that a span has begun: 0 up to nothing, 1 from the first millisecond to a full day."""
    return -(-span // DAY) if span > 0 else 0


def share_of_int(percent: int, whole: int) -> int:
    return _ranged(percent * whole // PERCENT_ONE)


# ---------------------------------------------------------------- money


def money(amount: int, currency: str) -> Money:
    return Money(amount, currency)


def _one_currency(left: Money, right: Money) -> str:
    currency = left[1]
    if currency != right[1]:
        raise Revert("currency", f"{currency} and {right[1]} cannot be combined")
    return currency


def money_add(left: Money, right: Money) -> Money:
    return Money(_ranged(left[0] + right[0]), _one_currency(left, right))


def money_subtract(left: Money, right: Money) -> Money:
    return Money(_ranged(left[0] - right[0]), _one_currency(left, right))


def money_difference(left: Money, right: Money) -> int:
    """Below 0, 0 or above 0, as left is less than, equal to or more than right."""
    _one_currency(left, right)
    return left[0] - right[0]


def money_multiply(price: Money, factor: int) -> Money:
    return Money(_ranged(price[0] * factor), price[1])


def money_divide(price: Money, divisor: int) -> Money:
    """Rounded down to a whole minor unit."""
    if not divisor:
        raise Revert("division", "money is divided by zero")
    return Money(price[0] // divisor, price[1])


def share_of_money(percent: int, whole: Money) -> Money:
    """Rounded down to a whole minor unit."""
    return Money(share_of_int(percent, whole[0]), whole[1])


def money_min(first: Money, *others: Money) -> Money:
    for other in others:
        first = other if money_difference(other, first) < 0 else first
    return first


def money_max(first: Money, *others: Money) -> Money:
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


def _size(value: str | bytes) -> int:
    return len(value) if isinstance(value, bytes) or value.isascii() else len(value.encode())


def join(meter: Meter, left: T, right: T) -> T:
    _text(meter, _size(left) + _size(right))
    return left + right


def text_of(meter: Meter, value: int | str) -> str:
    text = str(value)
    _text(meter, len(text))
    return text


def encode(meter: Meter, text: str) -> bytes:
    _text(meter, _size(text))
    return text.encode()


def to_hex(meter: Meter, value: bytes) -> str:
    _text(meter, 2 * len(value))
    return value.hex()


def sha256(meter: Meter, value: bytes) -> bytes:
    meter.spend(bytes_gas(len(value)))
    return hashlib.sha256(value).digest()


def part_of_text(meter: Meter, value: T, first: int | None, last: int | None) -> T:
    _text(meter, _size(value))
    return value[first:last]


# ---------------------------------------------------------------- lists and dicts


def _items(meter: Meter, count: int) -> None:
    if count > ITEMS_MAX:
        raise Revert("size", f"a list or dict has more than {ITEMS_MAX} items")
    meter.spend(count * ITEM)
    meter.allocate(VALUE_BYTES * (1 + count))


def make_list(meter: Meter, items: list[Any]) -> list[Any]:
    meter.allocate(VALUE_BYTES * (1 + len(items)))
    return items


def make_dict(meter: Meter, items: dict[Any, Any]) -> dict[Any, Any]:
    for key in items:
        _key(key)
    meter.allocate(VALUE_BYTES * (1 + len(items)))
    return items


def _key(key: Any) -> None:
    if type(key) is int and not -KEY_INT_MAX <= key <= KEY_INT_MAX:
        raise Revert("key", "an int key of a dict is beyond 2^60 - 1")


def append(meter: Meter, items: list[Any], item: Any) -> None:
    if len(items) >= ITEMS_MAX:
        raise Revert("size", f"a list has at most {ITEMS_MAX} items")
    meter.allocate(VALUE_BYTES)
    items.append(item)


def pop(items: list[Any]) -> Any:
    if not items:
        raise Revert("index", "the list is empty")
    return items.pop()


def put(meter: Meter, items: dict[Any, Any], key: Any, value: Any) -> None:
    _key(key)
    if key not in items:
        if len(items) >= ITEMS_MAX:
            raise Revert("size", f"a dict has at most {ITEMS_MAX} items")
        meter.allocate(VALUE_BYTES)
    items[key] = value


def each(meter: Meter, items: list[Any]) -> tuple[Any, ...]:
    """The items as they are now: what the loop does to the list does not disturb the loop."""
    _items(meter, len(items))
    return tuple(items)


def each_key(meter: Meter, items: dict[Any, Any]) -> list[Any]:
    """The keys in order: a dict has the same order on every node, however it was filled."""
    _sorting(meter, items)
    return sorted(items)


def each_pair(meter: Meter, items: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return [(key, items[key]) for key in each_key(meter, items)]


def _weight(items: Collection[Any]) -> int:
    """Gas for comparing two of the items in the worst case."""
    first = next(iter(items), None)
    return ITEM + (bytes_gas(max(map(len, items))) if isinstance(first, str | bytes) else 0)


def _sorting(meter: Meter, items: Collection[Any]) -> None:
    count = len(items)
    _items(meter, count)
    meter.spend(count * count.bit_length() * _weight(items))


def in_order(meter: Meter, items: list[Any]) -> list[Any]:
    _sorting(meter, items)
    return sorted(items)


def part_of_list(meter: Meter, items: list[Any], first: int | None, last: int | None) -> list[Any]:
    part = items[first:last]
    _items(meter, len(part))
    return part


def contains(meter: Meter, item: Any, items: list[Any]) -> bool:
    meter.spend(len(items) * _weight(items))
    return item in items


def total(meter: Meter, items: list[int]) -> int:
    meter.spend(len(items) * ITEM)
    return _ranged(sum(items))


def _chosen(meter: Meter, items: list[Any], choose: Callable[[Any], Any], of_money: Callable[..., Money]) -> Any:
    if not items:
        raise Revert("index", "the list is empty")
    meter.spend(len(items) * _weight(items))
    return of_money(*items) if isinstance(items[0], Money) else choose(items)


def min_of(meter: Meter, items: list[Any]) -> Any:
    return _chosen(meter, items, min, money_min)


def max_of(meter: Meter, items: list[Any]) -> Any:
    return _chosen(meter, items, max, money_max)


def settle(meter: Meter, value: Any) -> Any:
    """A deep copy of a list or dict, paid for and bounded as it is made, for storing or returning it."""
    return _Settling(meter).copy(value)


class _Settling:
    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.left = CONTAINER_BYTES_MAX

    def copy(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            self._take(8)
            return [self.copy(item) for item in value]
        if kind is dict:
            self._take(8)
            return {self.copy(key): self.copy(item) for key, item in value.items()}
        self._take(8 + (_size(value) if kind is str or kind is bytes else 32))
        return value

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Revert("size", f"a list or dict is larger than {CONTAINER_BYTES_MAX} bytes in all")
        self.meter.spend(ITEM + bytes_gas(size))
        self.meter.allocate(VALUE_BYTES)


# ---------------------------------------------------------------- tables, time


def entry(host: Host, table: str, key: Any) -> Any:
    value = host.table_get(table, key)
    if value is None:
        raise Revert("key", f"{table} has no entry for {_shown(key)}")
    return value


def entry_or(host: Host, table: str, key: Any, default: Any) -> Any:
    value = host.table_get(table, key)
    return default if value is None else value


def delete_entry(host: Host, table: str, key: Any) -> None:
    entry(host, table, key)
    host.table_delete(table, key)


def rows(host: Host, table: str, after: Any, limit: int) -> list[tuple[Any, Any]]:
    """Entries in the order of keys as they are now, at most `limit`, strictly after the key `after`."""
    if not 1 <= limit <= ITEMS_MAX:
        raise Revert("size", f"the limit of {table}.items() must be 1 to {ITEMS_MAX}")
    return list(host.table_scan(table, after, limit))


def loaded(meter: Meter, value: Any) -> Any:
    """A list or dict that the host has just made for us."""
    meter.allocate(VALUE_BYTES * (1 + _count(value)))
    return value


def _count(value: Any) -> int:
    nested: Iterator[Any] = iter(value.values() if type(value) is dict else value)
    return len(value) + sum(_count(item) for item in nested if type(item) in (list, dict))


def due(host: Host, wake: Callable[[int], None], time_ms: int) -> bool:
    """True from `time_ms` on; before it, asks to be woken then."""
    if host.now_ms >= time_ms:
        return True
    if time_ms <= WAKE_MS_MAX:
        wake(time_ms)
    return False


def _shown(key: Any) -> str:
    text = key.hex() if isinstance(key, bytes) else str(key)
    return text[:64]
