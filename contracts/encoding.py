"""Canonical bytes of contract values and of table keys; `docs/state.md` specifies both byte by byte.

A value says its own type, so it can be read without the contract that wrote it:

    nil, true and false, text, byte strings, integers from -2^63 to 2^64 - 1: as msgpack has them
    [0, bytes]             an integer beyond, two's complement, big-endian, shortest form
    [1, amount, currency]  Money
    [2, item, ...]         list
    [3, [key, value], ...] dict, sorted by the bytes of the keys
    [4, field, ...]        record, its fields in the order of its class
    [5, contract, action, arguments]    Call, the arguments as canonical JSON

A key keeps its order: keys compare as their bytes do, part by part, each part after a byte for its type.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Field, Reader, pack, unpack
from consensus.errors import DecodeError, ensure
from contracts.errors import StateCorruption
from contracts.values import Call, Money

VALUE_DEPTH_MAX = 64
"""Lists and dicts within each other, far more than a type can be written with."""

_KEYS = (int, str, bytes, bool)
_PLAIN = (*_KEYS, type(None))
_INT_BYTES_MAX = 33
"""Of the largest integer and its sign."""
_CONTAINERS = (list, dict, tuple)
_BIG_INT, _MONEY, _LIST, _DICT, _RECORD, _CALL = range(6)
_KEY_FALSE, _KEY_TRUE, _KEY_INT, _KEY_TEXT, _KEY_BYTES = (bytes([tag]) for tag in range(1, 6))
_INT_ZERO = 0x80
"""The length byte of the integer 0: longer positive numbers count up from here, longer negative ones down."""


def encode_value(value: Any) -> bytes:
    """The canonical bytes of a contract value."""
    return pack(to_packable(value))


def decode_value(data: bytes) -> Any:
    """The value whose canonical bytes these are. Raises: StateCorruption."""
    try:
        return from_packable(unpack(data, "value", len(data)))
    except DecodeError as error:
        raise StateCorruption(f"a stored value can not be read: {error}") from None


def to_packable(value: Any) -> Any:
    """What msgpack packs for a value."""
    kind = type(value)
    if kind is int:
        return value if -(2**63) <= value < 2**64 else [_BIG_INT, _int_bytes(value)]
    if kind is str or kind is bool or kind is bytes or value is None:
        return value
    if kind is Money:
        return [_MONEY, to_packable(value.amount), value.currency]
    if kind is list:
        return [_LIST, *map(to_packable, value)]
    if kind is tuple:
        return [_RECORD, *map(to_packable, value)]
    if kind is Call:
        return [_CALL, *value]
    ensure(kind is dict, f"{kind.__name__} is no contract value")
    return [_DICT, *([to_packable(key), to_packable(value[key])] for key in sorted(value, key=encode_key))]


def from_packable(raw: Any, depth: int = VALUE_DEPTH_MAX) -> Any:
    """The value that msgpack unpacked to `raw`, at most `depth` deep. Raises: DecodeError."""
    if type(raw) in _PLAIN:
        return raw
    if depth > 0:
        match raw:
            case [0, bytes() as data] if len(data) <= _INT_BYTES_MAX:
                return int.from_bytes(data, "big", signed=True)
            case [1, int() | [0, bytes()] as amount, str() as currency]:
                return Money(from_packable(amount, 1), currency)
            case [2, *items]:
                return [from_packable(item, depth - 1) for item in items]
            case [4, *fields]:
                return tuple(from_packable(field, depth - 1) for field in fields)
            case [5, str() as contract, str() as action, str() as arguments]:
                return Call(contract, action, arguments)
            case [3, *pairs] if all(type(pair) is list and len(pair) == 2 for pair in pairs):
                return {_key_from(key): from_packable(value, depth - 1) for key, value in pairs}
    raise DecodeError("a value of an unknown form")


def _key_from(raw: Any) -> Any:
    key = from_packable(raw, 1)
    if type(key) not in _KEYS:
        raise DecodeError("a dict with a key of an unknown form")
    return key


def _load_value(reader: Reader, path: str) -> Any:
    raw = reader.item(path)
    value = from_packable(raw)
    if pack(to_packable(value)) != pack(raw):  # not by `!=`, for which True is 1
        raise DecodeError(f"{path}: not the canonical form of a value")
    return value


VALUE_FIELD: Field[Any] = Field(to_packable, _load_value)
"""A contract value within a record."""


def encode_key(key: Any) -> bytes:
    """The order-keeping bytes of a table key: int, bool, str or bytes, or a tuple of two or more of them."""
    return b"".join(map(_encode_part, key)) if type(key) is tuple else _encode_part(key)


def decode_key(data: bytes) -> Any:
    """The table key whose bytes these are. Raises: StateCorruption."""
    parts: list[Any] = []
    place = 0
    while place < len(data):
        part, place = _decode_part(data, place)
        parts.append(part)
    if not parts:
        raise StateCorruption("a stored table key is empty")
    return parts[0] if len(parts) == 1 else tuple(parts)


def count_items(value: Any) -> int:
    """The elements of a list or record, the keys and elements of a dict, at any depth; 0 for other values."""
    if type(value) is list or type(value) is tuple:
        return len(value) + sum(count_items(item) for item in value if type(item) in _CONTAINERS)
    if type(value) is dict:
        return 2 * len(value) + sum(count_items(item) for item in value.values() if type(item) in _CONTAINERS)
    return 0


def size_bytes(value: Any) -> int:
    """About what a value takes to store, counted without encoding it."""
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else len(value.encode())
    if kind is int:
        return int(value.bit_length()) // 8 + 1
    if kind is bytes:
        return len(value)
    if kind is Money:
        return size_bytes(value.amount) + len(value.currency)
    if kind is list or kind is tuple:
        return 1 + sum(map(size_bytes, value))
    if kind is Call:
        return sum(map(len, value))
    if kind is dict:
        return 1 + sum(map(size_bytes, value)) + sum(map(size_bytes, value.values()))
    return 1


def copy_value(value: Any) -> Any:
    """A copy that shares nothing that can change."""
    if type(value) is list:
        return [copy_value(item) for item in value]
    if type(value) is dict:
        return {key: copy_value(item) for key, item in value.items()}
    if type(value) is tuple:
        return tuple(map(copy_value, value))
    return value


def _int_bytes(value: int) -> bytes:
    bits = (value if value >= 0 else ~value).bit_length()
    return value.to_bytes(bits // 8 + 1, "big", signed=True)


def _encode_part(part: Any) -> bytes:
    kind = type(part)
    if kind is int:
        number: int = part
        length = (number.bit_length() + 7) // 8
        if number >= 0:
            return _KEY_INT + bytes([_INT_ZERO + length]) + number.to_bytes(length, "big")
        return (
            _KEY_INT + bytes([_INT_ZERO - length]) + (number - 1 + (1 << 8 * length)).to_bytes(length, "big")
        )
    if kind is str:
        return _KEY_TEXT + _escaped(part.encode())
    if kind is bytes:
        return _KEY_BYTES + _escaped(part)
    ensure(kind is bool, f"{kind.__name__} can not be a table key")
    return _KEY_TRUE if part else _KEY_FALSE


def _escaped(data: bytes) -> bytes:
    """`data` with 0x00 written as 0x00 0xff, ended by 0x00 0x00: a prefix sorts before what it begins."""
    return data.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _decode_part(data: bytes, place: int) -> tuple[Any, int]:
    tag, start = data[place : place + 1], place + 1
    if tag in (_KEY_FALSE, _KEY_TRUE):
        return tag == _KEY_TRUE, start
    if tag == _KEY_INT and start < len(data):
        length = abs(data[start] - _INT_ZERO)
        end = start + 1 + length
        number = int.from_bytes(data[start + 1 : end], "big")
        if end <= len(data):
            return (number if data[start] >= _INT_ZERO else number - ((1 << 8 * length) - 1)), end
    if tag in (_KEY_TEXT, _KEY_BYTES):
        end = data.find(b"\x00\x00", start)  # within the part each zero is followed by 0xff
        if end >= 0:
            content = data[start:end].replace(b"\x00\xff", b"\x00")
            try:
                return (content.decode() if tag == _KEY_TEXT else content), end + 2
            except UnicodeDecodeError:
                pass
    raise StateCorruption("a stored table key has an unknown form")
