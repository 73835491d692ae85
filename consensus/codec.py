"""Canonical msgpack: every value has exactly one encoding, everything else is refused.

Values are nested arrays of unsigned integers, byte strings, text, booleans and nil; there are no
maps, floats, negative integers or extension types. A `Field` names the shape that a place in a
message must have; `record` makes the shape of a frozen dataclass from the shapes of its fields.

A decoder first bounds the input's length, then lets msgpack refuse any claimed length that the input
cannot hold (so nothing is allocated for a lie), then checks shape by shape, and last compares the
re-encoding with the input, which rules out every second encoding at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgpack

from consensus.errors import DecodeError

T = TypeVar("T")

UINT64_MAX = 2**64 - 1
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32


class Field(NamedTuple, Generic[T]):
    """How one place of a message is written and read.

    `dump` turns a value into what msgpack packs; `load` takes what msgpack unpacked and the path of
    the place (for the error text) and returns the value or raises DecodeError.
    """

    dump: Callable[[T], Any]
    load: Callable[[Any, str], T]


def _same(value: T) -> T:
    return value


def uint(limit: int = UINT64_MAX) -> Field[int]:
    """An unsigned integer from 0 to `limit` inclusive."""

    def load(raw: Any, path: str) -> int:
        if type(raw) is not int or not 0 <= raw <= limit:
            raise DecodeError(f"{path}: expected an integer from 0 to {limit}")
        return raw

    return Field(_same, load)


def blob(minimum_bytes: int, maximum_bytes: int) -> Field[bytes]:
    """A byte string of `minimum_bytes` to `maximum_bytes` bytes."""

    def load(raw: Any, path: str) -> bytes:
        if type(raw) is not bytes or not minimum_bytes <= len(raw) <= maximum_bytes:
            raise DecodeError(f"{path}: expected {minimum_bytes} to {maximum_bytes} bytes")
        return raw

    return Field(_same, load)


def text(maximum_bytes: int) -> Field[str]:
    """UTF-8 text of at most `maximum_bytes` bytes."""

    def load(raw: Any, path: str) -> str:
        if type(raw) is not str or len(raw.encode()) > maximum_bytes:
            raise DecodeError(f"{path}: expected text of at most {maximum_bytes} bytes")
        return raw

    return Field(_same, load)


def boolean() -> Field[bool]:
    """True or false."""

    def load(raw: Any, path: str) -> bool:
        if type(raw) is not bool:
            raise DecodeError(f"{path}: expected true or false")
        return raw

    return Field(_same, load)


def optional(inner: Field[T]) -> Field[T | None]:
    """Nil or what `inner` accepts."""

    def dump(value: T | None) -> Any:
        return None if value is None else inner.dump(value)

    def load(raw: Any, path: str) -> T | None:
        return None if raw is None else inner.load(raw, path)

    return Field(dump, load)


def sequence(inner: Field[T], maximum_items: int) -> Field[tuple[T, ...]]:
    """An array of at most `maximum_items` values of one shape."""

    def dump(value: Sequence[T]) -> Any:
        return [inner.dump(item) for item in value]

    def load(raw: Any, path: str) -> tuple[T, ...]:
        if type(raw) is not list or len(raw) > maximum_items:
            raise DecodeError(f"{path}: expected an array of at most {maximum_items} items")
        return tuple(inner.load(item, f"{path}[{index}]") for index, item in enumerate(raw))

    return Field(dump, load)


def record(cls: Callable[..., T], **fields: Field[Any]) -> Field[T]:
    """A dataclass as an array of its fields in the order given."""
    shapes = tuple(fields.items())

    def dump(value: T) -> Any:
        return [shape.dump(getattr(value, name)) for name, shape in shapes]

    def load(raw: Any, path: str) -> T:
        if type(raw) is not list or len(raw) != len(shapes):
            raise DecodeError(f"{path}: expected an array of {len(shapes)} fields")
        try:
            places = zip(raw, shapes, strict=True)
            return cls(*[shape.load(item, f"{path}.{name}") for item, (name, shape) in places])
        except ValueError as error:  # raised by a type's own __post_init__
            raise DecodeError(f"{path}: {error}") from None

    return Field(dump, load)


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
    raw = unpack(data, what, bytes_max)
    value = field.load(raw, what)
    if pack(raw) != data:
        raise DecodeError(f"{what}: not the canonical encoding")
    return value


def pack(raw: Any) -> bytes:
    """Plain msgpack in its shortest form; `raw` holds only the types named in the module's text."""
    packed: bytes = msgpack.packb(raw, use_bin_type=True)
    return packed


def unpack(data: bytes, what: str, bytes_max: int) -> Any:
    """Plain msgpack without maps and extension types; whether it is canonical is not yet checked."""
    if len(data) > bytes_max:
        raise DecodeError(f"{what}: {len(data)} bytes, at most {bytes_max} are allowed")
    try:
        return msgpack.unpackb(data, raw=False, use_list=True, max_map_len=0, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise DecodeError(f"{what}: not well-formed msgpack ({type(error).__name__})") from None
