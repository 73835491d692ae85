"""Canonical msgpack: every value has exactly one encoding, everything else is refused.

Values are nested arrays of unsigned integers, byte strings, text, booleans and nil; there are no
maps, floats, negative integers or extension types. A `Field` names the shape that a place in a
message must have; `record` makes the shape of a frozen dataclass from the shapes of its fields.

A decoder first bounds the input's length. Then each shape takes what it asks for out of the input, item by
item; another type, a length or count that does not fit, and any encoding but the shortest are refused before
anything is made of them. So what an input costs is bounded by what its shape allows: a few bytes never become
many objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgpack

from consensus.errors import DecodeError

T = TypeVar("T")
U = TypeVar("U")

UINT64_MAX = 2**64 - 1
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32

# The first bytes of items. Where a number follows: how many bytes it has, and the least that needs so many.
_NIL, _NEVER, _FALSE, _TRUE = 0xC0, 0xC1, 0xC2, 0xC3
_INTEGERS = {0xCC: (1, 128), 0xCD: (2, 2**8), 0xCE: (4, 2**16), 0xCF: (8, 2**32)}
_BLOBS = {0xC4: (1, 0), 0xC5: (2, 2**8), 0xC6: (4, 2**16)}
_TEXTS = {0xD9: (1, 32), 0xDA: (2, 2**8), 0xDB: (4, 2**16)}
_ARRAYS = {0xDC: (2, 16), 0xDD: (4, 2**16)}
_NO_NUMBER = (0, 1)


class Reader:
    """Takes canonical msgpack apart, item by item. Each method raises DecodeError, which names `path`."""

    __slots__ = ("_data", "_place")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def integer(self, limit: int, path: str) -> int:
        """An unsigned integer of at most `limit`."""
        value = self._number(_INTEGERS, 0, 128)
        if not 0 <= value <= limit:
            raise _unexpected(path, f"an integer from 0 to {limit}")
        return value

    def blob(self, minimum_bytes: int, maximum_bytes: int, path: str) -> bytes:
        """A byte string."""
        length = self._number(_BLOBS, 0, 0)
        if minimum_bytes <= length <= maximum_bytes:
            return self._take(length, path)
        raise _unexpected(path, f"{minimum_bytes} to {maximum_bytes} bytes")

    def text(self, maximum_bytes: int, path: str) -> str:
        """UTF-8 text."""
        length = self._number(_TEXTS, 0xA0, 32)
        if 0 <= length <= maximum_bytes:
            try:
                return self._take(length, path).decode()
            except UnicodeDecodeError:
                pass
        raise _unexpected(path, f"text of at most {maximum_bytes} bytes")

    def array(self, path: str) -> int:
        """The number of items of an array, which come next."""
        count = self._number(_ARRAYS, 0x90, 16)
        if count < 0:
            raise _unexpected(path, "an array")
        return count

    def boolean(self, path: str) -> bool:
        """True or false."""
        head = self._head()
        if head not in (_FALSE, _TRUE):
            raise _unexpected(path, "true or false")
        self._place += 1
        return head == _TRUE

    def nil(self) -> bool:
        """Takes nil and is true, if that comes next."""
        found = self._head() == _NIL
        self._place += found
        return found

    def item(self, path: str) -> Any:
        """Whatever comes next, also a negative integer or nested arrays; only for what we wrote ourselves."""
        unpacker = msgpack.Unpacker(max_map_len=0, max_ext_len=0, max_buffer_size=len(self._data))
        unpacker.feed(memoryview(self._data)[self._place :])
        try:
            raw = unpacker.unpack()
            if pack(raw) == self._take(unpacker.tell(), path):
                return raw
        except (ValueError, msgpack.UnpackException):
            pass
        raise _unexpected(path, "a value")

    def end(self, path: str) -> None:
        """Nothing comes next."""
        if self._place != len(self._data):
            raise _unexpected(path, "nothing after its end")

    def _head(self) -> int:
        return self._data[self._place] if self._place < len(self._data) else _NEVER

    def _number(self, heads: Mapping[int, tuple[int, int]], low: int, count: int) -> int:
        """The value, length or count that comes next: within its head, from `low` on, or after it.

        -1 where something else comes next, or a number that has a shorter form.
        """
        data, start = self._data, self._place + 1
        head = data[start - 1] if start <= len(data) else _NEVER
        if low <= head < low + count:
            self._place = start
            return head - low
        size, least = heads.get(head, _NO_NUMBER)
        end = start + size
        number = int.from_bytes(data[start:end], "big")
        if number < least or end > len(data):
            return -1
        self._place = end
        return number

    def _take(self, length: int, path: str) -> bytes:
        end = self._place + length
        if end > len(self._data):
            raise _unexpected(path, f"{length} bytes, as it says")
        taken = self._data[self._place : end]
        self._place = end
        return taken


def _unexpected(path: str, wanted: str) -> DecodeError:
    return DecodeError(f"{path}: expected {wanted}, in canonical form")


class Field(NamedTuple, Generic[T]):
    """How one place of a message is written and read.

    `dump` turns a value into what msgpack packs; `load` takes it from a reader, with the path of the place
    for the error's text, or raises DecodeError.
    """

    dump: Callable[[T], Any]
    load: Callable[[Reader, str], T]


def _same(value: T) -> T:
    return value


def uint(limit: int = UINT64_MAX) -> Field[int]:
    """An unsigned integer from 0 to `limit` inclusive."""
    return Field(_same, lambda reader, path: reader.integer(limit, path))


def blob(minimum_bytes: int, maximum_bytes: int) -> Field[bytes]:
    """A byte string of `minimum_bytes` to `maximum_bytes` bytes."""
    return Field(_same, lambda reader, path: reader.blob(minimum_bytes, maximum_bytes, path))


def text(maximum_bytes: int) -> Field[str]:
    """UTF-8 text of at most `maximum_bytes` bytes."""
    return Field(_same, lambda reader, path: reader.text(maximum_bytes, path))


def boolean() -> Field[bool]:
    """True or false."""
    return Field(_same, lambda reader, path: reader.boolean(path))


def optional(inner: Field[T]) -> Field[T | None]:
    """Nil or what `inner` accepts."""

    def dump(value: T | None) -> Any:
        return None if value is None else inner.dump(value)

    def load(reader: Reader, path: str) -> T | None:
        return None if reader.nil() else inner.load(reader, path)

    return Field(dump, load)


def sequence(inner: Field[T], maximum_items: int) -> Field[tuple[T, ...]]:
    """An array of at most `maximum_items` values of one shape."""

    def dump(value: Sequence[T]) -> Any:
        return [inner.dump(item) for item in value]

    def load(reader: Reader, path: str) -> tuple[T, ...]:
        count = reader.array(path)
        if count > maximum_items:
            raise _unexpected(path, f"an array of at most {maximum_items} items")
        items: list[T] = []
        try:
            for _ in range(count):
                items.append(inner.load(reader, ""))  # noqa: PERF401 - the error says how many went well
        except DecodeError as error:
            raise DecodeError(f"{path}[{len(items)}]{error}") from None
        return tuple(items)

    return Field(dump, load)


def record(cls: Callable[..., T], **fields: Field[Any]) -> Field[T]:
    """A dataclass, or any other function of these arguments, as an array of its fields in the order given."""
    shapes = tuple(fields.items())

    def dump(value: T) -> Any:
        return [shape.dump(getattr(value, name)) for name, shape in shapes]

    def load(reader: Reader, path: str) -> T:
        _expect_fields(reader, len(shapes), path)
        try:
            return cls(*[shape.load(reader, f"{path}.{name}") for name, shape in shapes])
        except ValueError as error:  # raised by a type's own __post_init__
            raise DecodeError(f"{path}: {error}") from None

    return Field(dump, load)


def pair(first: Field[T], second: Field[U]) -> Field[tuple[T, U]]:
    """A tuple of two as an array of two."""

    def load(reader: Reader, path: str) -> tuple[T, U]:
        _expect_fields(reader, 2, path)
        return first.load(reader, f"{path}[0]"), second.load(reader, f"{path}[1]")

    return Field(lambda value: [first.dump(value[0]), second.dump(value[1])], load)


def union(what: str, kinds: Sequence[tuple[int, type[Any], Field[Any]]]) -> Field[Any]:
    """One of several types, as an array of its kind and itself; `what` names them in an error."""
    by_kind = {kind: field for kind, _, field in kinds}
    by_type = {cls: (kind, field) for kind, cls, field in kinds}

    def dump(value: Any) -> Any:
        kind, field = by_type[type(value)]
        return [kind, field.dump(value)]

    def load(reader: Reader, path: str) -> Any:
        _expect_fields(reader, 2, path)
        field = by_kind.get(reader.integer(UINT64_MAX, path))
        if field is None:
            raise DecodeError(f"{path}: no such kind of {what}")
        return field.load(reader, path)

    return Field(dump, load)


def _expect_fields(reader: Reader, count: int, path: str) -> None:
    if reader.array(path) != count:
        raise _unexpected(path, f"an array of {count} fields")


DIGEST = blob(DIGEST_BYTES, DIGEST_BYTES)
SIGNATURE = blob(SIGNATURE_BYTES, SIGNATURE_BYTES)
PUBLIC_KEY = blob(PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)


def encode(field: Field[T], value: T) -> bytes:
    """The canonical bytes of `value`."""
    return pack(field.dump(value))


def decode(field: Field[T], data: bytes, what: str, bytes_max: int) -> T:
    """The value whose canonical encoding is `data`; `what` begins the path in an error.

    Raises: DecodeError, also where `data` is longer than `bytes_max` bytes.
    """
    _check_length(data, what, bytes_max)
    reader = Reader(data)
    value = field.load(reader, what)
    reader.end(what)
    return value


def pack(raw: Any) -> bytes:
    """Plain msgpack in its shortest form; `raw` holds only the types named in the module's text."""
    packed: bytes = msgpack.packb(raw, use_bin_type=True)
    return packed


def unpack(data: bytes, what: str, bytes_max: int) -> Any:
    """Plain msgpack without maps and extension types, canonical or not: only for what we wrote ourselves."""
    _check_length(data, what, bytes_max)
    try:
        return msgpack.unpackb(data, raw=False, use_list=True, max_map_len=0, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise DecodeError(f"{what}: not well-formed msgpack ({type(error).__name__})") from None


def _check_length(data: bytes, what: str, bytes_max: int) -> None:
    if len(data) > bytes_max:
        raise DecodeError(f"{what}: {len(data)} bytes, at most {bytes_max} are allowed")
