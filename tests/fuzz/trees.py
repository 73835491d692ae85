"""Ways to spoil an input whose structure is known: msgpack and JSON, taken apart and put together again.

What is put together need not be sound: a length may lie, a number may be longer than it must, a key may
appear twice, and something huge or deep may stand where something small belongs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from node.simulator.chance import Chance
from tests.fuzz.mutations import BOMB_BYTES_MAX, EDGES, Shape, noise, spoil_bytes, spoil_text

Writer = Callable[[Chance, Any], bytes]
Pair = tuple[Any, Any]


class Raw(NamedTuple):
    """Stands in a tree for bytes that are written as they are."""

    data: bytes


class Object(list[Any]):
    """A JSON object or msgpack map as its pairs, so that a key can appear twice."""


class Format(NamedTuple):
    """How a tree is read and written, and what is put into it."""

    parse: Callable[[bytes], Any]
    write: Writer
    leaves: tuple[Any, ...]
    bomb: Callable[[Chance], Raw]


def shape_of(format_: Format) -> Shape:
    """Spoils one place of a tree; what is no tree any more is spoilt as bytes."""

    def spoil(chance: Chance, data: bytes, donor: bytes) -> bytes:
        try:
            tree, other = [format_.parse(data)], [format_.parse(donor)]
            _spoil_place(chance, format_, *chance.pick(_places(tree)), _places(other))
            return b"".join(format_.write(chance, item) for item in tree)
        except (ValueError, msgpack.UnpackException, RecursionError):
            return spoil_bytes(chance, data, donor)

    return spoil


def _places(tree: list[Any]) -> list[tuple[list[Any], int]]:
    """Every place in a tree, as a list and an index into it."""
    found = []
    lists = [tree]
    while lists:
        current = lists.pop()
        for index, item in enumerate(current):
            found.append((current, index))
            if isinstance(item, list):
                lists.append(item)
    return found


def _spoil_place(
    chance: Chance, format_: Format, container: list[Any], place: int, donors: list[tuple[list[Any], int]]
) -> None:
    value = container[place]
    match chance.below(8):
        case 0:
            container[place] = chance.pick(format_.leaves)
        case 1:
            source, index = chance.pick(donors)
            container[place] = source[index]
        case 2:
            container[place] = [value] if chance.happens(0.5) else Object([("a", value)])
        case 3 if chance.happens(0.3):
            container[place] = format_.bomb(chance)
        case 4 if isinstance(value, list) and value:
            del value[chance.below(len(value))]
        case 5 if isinstance(value, list) and value:
            value.insert(chance.below(len(value) + 1), chance.pick(value))
        case 6 if isinstance(value, list) and value:
            one, other = chance.below(len(value)), chance.below(len(value))
            value[one], value[other] = value[other], value[one]
        case _:
            container[place] = _near(chance, value)


def _near(chance: Chance, value: Any) -> Any:
    """Something like `value`."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + chance.pick((-1, 1, 2**8, -(2**8), 2**32, -value - 1))
    if isinstance(value, bytes):
        return spoil_bytes(chance, value, value)
    if isinstance(value, str):
        spoil = chance.pick((spoil_bytes, spoil_text))
        return spoil(chance, value.encode("utf-8", "surrogatepass"), b"").decode("utf-8", "replace")
    if isinstance(value, list):
        return type(value)(value[::-1])
    return value


def _pairs(value: Object) -> list[Pair]:
    """The pairs, also where something else has come among them."""
    return [
        tuple(pair) if isinstance(pair, list | tuple) and len(pair) == 2 else ("a", pair) for pair in value
    ]


def _bomb_length(chance: Chance, unit: bytes) -> int:
    return chance.below(BOMB_BYTES_MAX // len(unit))


# ---------------------------------------------------------------- msgpack


def _parse_msgpack(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, strict_map_key=False, object_pairs_hook=Object)


def write_msgpack(chance: Chance, value: Any) -> bytes:
    """Mostly canonical; one input in eight has longer forms than it needs."""
    return _pack(value, chance, 0.2 if chance.happens(0.125) else 0.0)


def _pack(value: Any, chance: Chance, longer: float) -> bytes:
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Object):
        items = [item for pair in _pairs(value) for item in pair]
        return _head(0x80, 16, (0xDE, 0xDF), len(value), chance, longer) + b"".join(
            _pack(item, chance, longer) for item in items
        )
    if isinstance(value, list | tuple):
        return _head(0x90, 16, (0xDC, 0xDD), len(value), chance, longer) + b"".join(
            _pack(item, chance, longer) for item in value
        )
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        return _head(0xA0, 32, (0xD9, 0xDA, 0xDB), len(data), chance, longer) + data
    if isinstance(value, bytes):
        return _head(None, 0, (0xC4, 0xC5, 0xC6), len(value), chance, longer) + value
    if isinstance(value, int) and not isinstance(value, bool):
        if chance.happens(longer):
            return chance.pick((b"\xd3", b"\xcf")) + (value % 2**64).to_bytes(8, "big")
        value = min(max(value, -(2**63)), 2**64 - 1)
    packed: bytes = msgpack.packb(value)
    return packed


def _head(
    fixed: int | None, below: int, wider: tuple[int, ...], length: int, chance: Chance, longer: float
) -> bytes:
    """The type and length of something with a length."""
    sizes = [1 << place + (3 - len(wider)) for place in range(len(wider))]
    fits = [(mark, size) for mark, size in zip(wider, sizes, strict=True) if length < 256**size]
    if fixed is not None and length < below and not chance.happens(longer):
        return bytes([fixed + length])
    mark, size = chance.pick(fits) if chance.happens(longer) else fits[0]
    return bytes([mark]) + length.to_bytes(size, "big")


_MSGPACK_UNITS = (
    b"\x90", b"\x91\xc0", b"\xc0", b"\xe0", b"\xa0", b"\xa2ab", b"\xc4\x00", b"\xc4\x02ab", b"\x92\x02\xc0",
    b"\xcd\x01\x00", b"\xcb" + bytes(8), b"\x80", b"\x93\x01\x01\xa4euro",
)  # fmt: skip


def _msgpack_bomb(chance: Chance) -> Raw:
    """Many small things, many levels, or a length that is a lie."""
    unit = chance.pick(_MSGPACK_UNITS)
    count = _bomb_length(chance, unit)
    match chance.below(3):
        case 0:
            return Raw(b"\xdd" + count.to_bytes(4, "big") + unit * count)
        case 1:
            opening = chance.pick((b"\x91", b"\x92\x02", b"\x93\x00\x01"))
            return Raw(opening * chance.below(2_000) + unit)
        case _:
            mark = chance.pick((0xC6, 0xC9, 0xDB, 0xDD, 0xDF))
            return Raw(bytes([mark]) + (chance.pick(EDGES) % 2**32).to_bytes(4, "big") + noise(chance, 32))


MSGPACK = shape_of(
    Format(
        _parse_msgpack,
        write_msgpack,
        (None, True, False, "", "a", b"", bytes(32), bytes(64), [], Object(), 1.5, float("nan"), Raw(b"\xc1"),
         Raw(b"\xd4\x01a"), Raw(b"\xa1\xff"), Raw(b"\xa3\xed\xa0\x80"), *EDGES),
        _msgpack_bomb,
    )
)  # fmt: skip

# ---------------------------------------------------------------- JSON


def _parse_json(data: bytes) -> Any:
    def pairs(found: list[Pair]) -> Object:
        return Object([list(pair) for pair in found])

    return json.loads(data, object_pairs_hook=pairs)


def write_json(chance: Chance, value: Any) -> bytes:
    """Mostly as sorted and short as canonical JSON; one input in four is not."""
    plain = chance.happens(0.25)
    return _json(value, (b", ", b": ") if plain else (b",", b":"), chance.happens(0.5) if plain else False)


def _json(value: Any, signs: tuple[bytes, bytes], escaped: bool) -> bytes:
    comma, colon = signs
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Object):
        items = [
            _json(name if isinstance(name, str) else "b", signs, escaped)
            + colon
            + _json(item, signs, escaped)
            for name, item in _pairs(value)
        ]
        return b"{%s}" % comma.join(items)
    if isinstance(value, list | tuple):
        return b"[" + comma.join(_json(item, signs, escaped) for item in value) + b"]"
    return json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


_JSON_UNITS = (b"[]", b"{}", b"0", b'""', b'"a"', b"null", b'{"a":0}', b'["a",1]', b"-1", b'"\xc3\xa9"')


def _json_bomb(chance: Chance) -> Raw:
    """Many small things, many levels, or one long number or text."""
    unit = chance.pick(_JSON_UNITS)
    match chance.below(5):
        case 0:
            return Raw(b"[" + b",".join([unit] * _bomb_length(chance, unit)) + b"]")
        case 1:
            depth = chance.below(2_000)
            return Raw(b"[" * depth + unit + b"]" * depth)
        case 2:
            depth = chance.below(1_000)
            return Raw(b'{"a":' * depth + unit + b"}" * depth)
        case 3:
            return Raw(b"1" + chance.pick((b"0", b"9", b"7")) * chance.below(BOMB_BYTES_MAX))
        case _:
            character = chance.pick((b"a", b"0", b"f", b"\\u00e9", b"\\n", "€".encode()))
            return Raw(b'"' + character * _bomb_length(chance, character) + b'"')


JSON = shape_of(
    Format(
        _parse_json,
        write_json,
        (None, True, False, "", "a", "0", "-1", "é", "\x00", "\x1b[2J\n", "0" * 64, "00" * 64, [], Object(),
         1.0, 1.5, float("nan"), float("inf"), Raw(b'"\\ud800"'), Raw(b"-0"), Raw(b"1e400"), Raw(b"01"),
         Raw(b'"\xed\xa0\x80"'), *EDGES, *(str(edge) for edge in EDGES)),
        _json_bomb,
    )
)  # fmt: skip
