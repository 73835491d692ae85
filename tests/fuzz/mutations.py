"""Ways to spoil an input without knowing its format, or knowing no more than that it is text."""

from __future__ import annotations

import re
from collections.abc import Callable

from node.simulator.chance import Chance

Shape = Callable[[Chance, bytes, bytes], bytes]
"""Changes an input in one place; the last argument is another sample, to take parts from."""

BOMB_BYTES_MAX = 48 * 1024
"""About how long an input becomes that is made long to cost time and memory."""
EDGES = tuple(
    edge + near
    for edge in (0, 2**5, 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**53, 2**63, 2**64)
    for near in (-1, 0, 1)
)
"""Numbers at which encodings and checks change their mind."""

_TOKEN = re.compile(rb"\w+|\s+|.", re.DOTALL)
_LINES = (
    '( ) [ ] { } < > : ; , . .. ... = == := != -> \' " """ # \\ \\\\ / // | & ! ? * ** - -- + % @ $ ~ ^ `',
    "0 1 -1 00 0x0 1e9 1_0 9007199254740992 340282366920938463463374607431768211456 nan inf -----END",
    "true null None self not and or in if else for while lambda class def return import yield pass é € 😀",
    "\\ud800 \\x00 \\u0000 \x00 \udcff \x1b[2J \n \r\n \r \t",
)
_WORDS = (
    b" ",
    b"    ",
    *(word.encode("utf-8", "surrogatepass") for line in _LINES for word in line.split(" ")),
)


def noise(chance: Chance, bytes_max: int) -> bytes:
    """Random bytes; short ones more often than long ones."""
    length = chance.below(1 + chance.below(bytes_max + 1))
    return bytes(chance.below(256) for _ in range(length))


def slice_of(chance: Chance, data: bytes, bytes_max: int = 64) -> tuple[int, int]:
    """Where a random piece of `data` begins and ends."""
    start = chance.below(len(data) + 1)
    return start, min(len(data), start + chance.below(bytes_max + 1))


def spoil_bytes(chance: Chance, data: bytes, donor: bytes) -> bytes:
    """Spoil one place, whatever the bytes mean."""
    return chance.pick(_BYTE_CHANGES)(chance, data, donor)


def spoil_text(chance: Chance, data: bytes, donor: bytes) -> bytes:
    """Spoil one place between words and signs."""
    tokens, others = _TOKEN.findall(data), _TOKEN.findall(donor)
    place = chance.below(len(tokens) + 1)
    found = chance.pick(others) if others and chance.happens(0.5) else chance.pick(_WORDS)
    match chance.below(7):
        case 0:
            del tokens[place : place + 1 + chance.below(8)]
        case 1:
            tokens[place:place] = [found]
        case 2:
            tokens[place : place + 1] = [found]
        case 3:
            tokens[place:place] = tokens[place : place + 1 + chance.below(24)]
        case 4:
            start = chance.below(len(others) + 1)
            tokens[place:place] = others[start : start + 1 + chance.below(40)]
        case 5:
            other = chance.below(len(tokens) + 1)
            tokens[place : place + 1], tokens[other : other + 1] = (
                tokens[other : other + 1],
                tokens[place : place + 1],
            )
        case _:
            tokens[place:place] = [found * chance.below(1 + BOMB_BYTES_MAX // len(found))]
    return b"".join(tokens)


def inside(unwrap: Callable[[bytes], bytes], wrap: Callable[[bytes, bytes], bytes], shape: Shape) -> Shape:
    """Spoils what is in a wrapping: `unwrap` takes it out, `wrap` puts another one into the same wrapping.

    So a checksum, an armour or a signature does not end every attempt. What can not be unwrapped any more is
    spoilt as bytes.
    """

    def spoil(chance: Chance, data: bytes, donor: bytes) -> bytes:
        try:
            inner, other = unwrap(data), unwrap(donor)
        except (ValueError, LookupError, TypeError, RecursionError):
            return spoil_bytes(chance, data, donor)
        return wrap(data, shape(chance, inner, other))

    return spoil


def _flip(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    if not data:
        return data
    place = chance.below(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.below(8)]) + data[place + 1 :]


def _overwrite(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    start, end = slice_of(chance, data, 8)
    return data[:start] + bytes(chance.below(256) for _ in range(start, end)) + data[end:]


def _cut(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    return data[: chance.below(len(data) + 1)]


def _drop(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    start, end = slice_of(chance, data)
    return data[:start] + data[end:]


def _insert(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    start, _ = slice_of(chance, data)
    return data[:start] + noise(chance, 32) + data[start:]


def _repeat(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    start, end = slice_of(chance, data, 32)
    times = 2 if chance.happens(0.8) else chance.below(1 + BOMB_BYTES_MAX // max(1, end - start))
    return data[:start] + data[start:end] * times + data[end:]


def _splice(chance: Chance, data: bytes, donor: bytes) -> bytes:
    return data[: chance.below(len(data) + 1)] + donor[chance.below(len(donor) + 1) :]


def _graft(chance: Chance, data: bytes, donor: bytes) -> bytes:
    (start, end), (first, last) = slice_of(chance, data), slice_of(chance, donor)
    return data[:start] + donor[first:last] + data[end:]


def _number(chance: Chance, data: bytes, _donor: bytes) -> bytes:
    """What may be a length, a count or a version becomes another."""
    size = chance.pick((1, 2, 4, 8))
    start = chance.below(len(data) + 1)
    value = chance.pick(EDGES) if chance.happens(0.5) else chance.below(2 * len(data) + 1)
    written = (value % (1 << 8 * size)).to_bytes(size, "big")
    return data[:start] + written + data[start + size :]


_BYTE_CHANGES: tuple[Shape, ...] = (
    _flip, _flip, _overwrite, _cut, _drop, _insert, _repeat, _splice, _graft, _number, _number,
)  # fmt: skip
