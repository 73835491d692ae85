"""What generated code calls for lists, dicts and tables.

Every helper that looks at or makes many items takes the meter and pays before it works.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from contracts.errors import Revert
from contracts.gas import HELPER, ITEM, SETTLED_ITEM, VALUE_BYTES, bytes_gas
from contracts.host import Host, Meter
from contracts.language.runtime_values import money_max, money_min, ranged, text_size
from contracts.values import ITEMS_MAX, Call, Money

KEY_INT_MAX = 2**60 - 1
"""Largest magnitude of a dict's int key: Python's hash of it is the number, so none are made to collide."""
RANGE_MAX = 2**62
"""Largest magnitude of an end of a range."""
CONTAINER_BYTES_MAX = 64 * 1024
"""Largest list or dict that may be stored or returned, in bytes as `settle` counts."""


# ---------------------------------------------------------------- lists and dicts


def _items(meter: Meter, count: int) -> None:
    if count > ITEMS_MAX:
        raise Revert("size", f"a list or dict has more than {ITEMS_MAX} items")
    meter.spend(count * ITEM)
    meter.allocate(VALUE_BYTES * (1 + count))


def make_list(meter: Meter, items: list[Any]) -> list[Any]:
    """A list as written."""
    meter.allocate(VALUE_BYTES * (1 + len(items)))
    return items


def make_dict(meter: Meter, items: dict[Any, Any]) -> dict[Any, Any]:
    """A dict as written."""
    for key in items:
        _key(key)
    meter.allocate(VALUE_BYTES * (1 + len(items)))
    return items


def make_record(meter: Meter, fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """A record whose fields were computed in the order of its class."""
    meter.allocate(VALUE_BYTES * (1 + len(fields)))
    return fields


def make_record_in_order(meter: Meter, places: tuple[int, ...], fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """A record whose fields were computed in another order: the place of each in the class is told."""
    by_place = dict(zip(places, fields, strict=True))
    return make_record(meter, tuple(by_place[place] for place in range(len(fields))))


def replaced(
    meter: Meter, record: tuple[Any, ...], places: tuple[int, ...], values: tuple[Any, ...]
) -> tuple[Any, ...]:
    """`replace(record, name=value)`: a record with other values in these places."""
    changed = dict(zip(places, values, strict=True))
    return make_record(meter, tuple(changed.get(place, old) for place, old in enumerate(record)))


def _key(key: Any) -> None:
    if type(key) is int and not -KEY_INT_MAX <= key <= KEY_INT_MAX:
        raise Revert("key", "an int key of a dict is beyond 2^60 - 1")


def append(meter: Meter, items: list[Any], item: Any) -> None:
    """`items.append(item)`."""
    if len(items) >= ITEMS_MAX:
        raise Revert("size", f"a list has at most {ITEMS_MAX} items")
    meter.allocate(VALUE_BYTES)
    items.append(item)


def pop(items: list[Any]) -> Any:
    """`items.pop()`."""
    if not items:
        raise Revert("index", "the list is empty")
    return items.pop()


def set_item(item: Any, items: list[Any], index: int) -> None:
    """`items[index] = item` of a list; the item comes first, as Python computes it first."""
    if not -len(items) <= index < len(items):
        raise Revert("index", f"the list has no item {index}")
    items[index] = item


def set_key(meter: Meter, item: Any, items: dict[Any, Any], key: Any) -> None:
    """`items[key] = item` of a dict."""
    _key(key)
    if key not in items:
        if len(items) >= ITEMS_MAX:
            raise Revert("size", f"a dict has at most {ITEMS_MAX} items")
        meter.allocate(VALUE_BYTES)
    items[key] = item


def turns(first: int, end: int) -> range:
    """`range(first, end)`, as long as Python counts it in a machine word."""
    if max(abs(first), abs(end)) > RANGE_MAX:
        raise Revert("size", "a range goes beyond 2^62")
    return range(first, end)


def each(meter: Meter, items: list[Any]) -> tuple[Any, ...]:
    """The items as they are now: what the loop does to the list does not disturb the loop."""
    _items(meter, len(items))
    return tuple(items)


def each_key(meter: Meter, items: dict[Any, Any]) -> list[Any]:
    """The keys in order: a dict has the same order on every node, however it was filled."""
    _sorting(meter, items)
    return sorted(items)


def each_pair(meter: Meter, items: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Keys in order, with their values."""
    return [(key, items[key]) for key in each_key(meter, items)]


def _weight(items: Collection[Any]) -> int:
    """Gas for comparing two of the items in the worst case."""
    first = next(iter(items), None)
    if isinstance(first, str | bytes):
        return 4 * ITEM + bytes_gas(max(map(len, items)))
    return HELPER if isinstance(first, Money) else ITEM


def _sorting(meter: Meter, items: Collection[Any]) -> None:
    count = len(items)
    _items(meter, count)
    meter.spend(count * count.bit_length() * _weight(items))


def in_order(meter: Meter, items: list[Any]) -> list[Any]:
    """`sorted(items)`."""
    _sorting(meter, items)
    return sorted(items)


def part_of_list(meter: Meter, items: list[Any], first: int | None, last: int | None) -> list[Any]:
    """`items[first:last]`."""
    part = items[first:last]
    _items(meter, len(part))
    return part


def contains(meter: Meter, item: Any, items: list[Any]) -> bool:
    """`item in items`."""
    meter.spend(len(items) * _weight(items))
    return item in items


def total(meter: Meter, items: list[int]) -> int:
    """`sum(items)`."""
    meter.spend(len(items) * ITEM)
    return ranged(sum(items))


def _chosen(
    meter: Meter, items: list[Any], choose: Callable[[Any], Any], of_money: Callable[..., Money]
) -> Any:
    if not items:
        raise Revert("index", "the list is empty")
    meter.spend(len(items) * _weight(items))
    return of_money(*items) if isinstance(items[0], Money) else choose(items)


def min_of(meter: Meter, items: list[Any]) -> Any:
    """The least item of a list."""
    return _chosen(meter, items, min, money_min)


def max_of(meter: Meter, items: list[Any]) -> Any:
    """The most of a list's items."""
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
        if kind is tuple:
            self._take(8)
            return tuple(self.copy(item) for item in value)
        if kind is dict:
            self._take(8)
            return {self.copy(key): self.copy(item) for key, item in value.items()}
        self._take(8 + _size(value))
        return value

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Revert("size", f"a list or dict is larger than {CONTAINER_BYTES_MAX} bytes in all")
        self.meter.spend(SETTLED_ITEM + bytes_gas(size))
        self.meter.allocate(VALUE_BYTES)


def _size(value: Any) -> int:
    if isinstance(value, Call):
        return 2 * 32 + text_size(value.arguments)
    return text_size(value) if isinstance(value, str | bytes) else 32


# ---------------------------------------------------------------- tables and events


def entry(host: Host, table: str, key: Any) -> Any:
    """`table[key]`. Raises: Revert("key")."""
    value = host.table_get(table, key)
    if value is None:
        raise Revert("key", f"{table} has no entry for {_shown(key)}")
    return value


def entry_or(host: Host, table: str, key: Any, default: Any) -> Any:
    """`table.get(key, default)`."""
    value = host.table_get(table, key)
    return default if value is None else value


def set_entry(host: Host, table: str, value: Any, key: Any) -> None:
    """`table[key] = value`."""
    host.table_set(table, key, value)


def entry_if(host: Host, table: str, key: Any) -> Any:
    """`table.get(key)`: None where there is none."""
    return host.table_get(table, key)


def delete_entry(host: Host, table: str, key: Any) -> None:
    """`del table[key]`. Raises: Revert("key")."""
    entry(host, table, key)
    host.table_delete(table, key)


def rows(host: Host, table: str, limit: int, after: Any) -> list[tuple[Any, Any]]:
    """Entries in the order of keys as they are now, at most `limit`, strictly after the key `after`."""
    _check_limit(table, limit)
    return list(host.table_scan(table, after, limit))


def rows_of(host: Host, table: str, limit: int, after: Any, first: Any) -> list[tuple[Any, Any]]:
    """The same among the entries whose key begins with `first`; `after` and the keys are the other part."""
    _check_limit(table, limit)
    start = None if after is None else (first, after)
    return [(key[1], value) for key, value in host.table_scan(table, start, limit, first)]


def _check_limit(table: str, limit: int) -> None:
    if not 1 <= limit <= ITEMS_MAX:
        raise Revert("size", f"the limit of {table}.items() must be 1 to {ITEMS_MAX}")


def emit_in_order(host: Host, name: str, order: tuple[str, ...], fields: tuple[tuple[str, Any], ...]) -> None:
    """Emit an event whose fields were computed in another order than that of its class."""
    values = dict(fields)
    host.emit(name, tuple((field, values[field]) for field in order))


def _shown(key: Any) -> str:
    return ascii(key)[:64]  # never repr: what is printable differs between Pythons
