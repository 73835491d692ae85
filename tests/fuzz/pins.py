"""Inputs on which a decoder failed once: kept for good, and tried first in every run of the tests.

An input is named by its seed, or by itself after `z:` (zlib, base64): a seed means another input as soon as
samples or changes differ, so what is kept in `seeds.txt` is the input itself, made as short as it can be.
"""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

from tests.fuzz.harness import Decoder, Failure, execute, make_input

SEEDS_FILE = Path(__file__).with_name("seeds.txt")
ATTEMPTS_MAX = 2_000
"""Executions spent on making an input shorter."""

_ITSELF = "z:"


def kept() -> list[tuple[str, str]]:
    """Decoder and input of every line of seeds.txt."""
    lines = SEEDS_FILE.read_text().splitlines()
    found = [line.split()[:2] for line in lines if line and not line.startswith("#")]
    return [(name, named) for name, named in found]


def input_of(decoder: Decoder, named: str) -> bytes:
    """The input that a seed or a pin names."""
    if named.startswith(_ITSELF):
        return zlib.decompress(base64.b64decode(named.removeprefix(_ITSELF)))
    return make_input(decoder, int(named))


def pin(data: bytes) -> str:
    """How an input is named by itself."""
    return _ITSELF + base64.b64encode(zlib.compress(data, 9)).decode()


def shortened(decoder: Decoder, data: bytes, failure: str) -> bytes:
    """An input that fails in the same way, from which no piece could be taken."""
    attempts, size = 0, len(data) // 2
    while size > 0:
        start = 0
        while start < len(data) and attempts < ATTEMPTS_MAX:
            attempts += 1
            shorter = data[:start] + data[start + size :]
            if _kind(_failure_of(decoder, shorter)) == _kind(failure):
                data = shorter
            else:
                start += size
        size //= 2
    return data


def _failure_of(decoder: Decoder, data: bytes) -> str:
    try:
        execute(decoder, data)
    except Failure as failure:
        return str(failure)
    return ""


def _kind(failure: str) -> str:
    """What two failures of one cause have in common."""
    return re.sub("[0-9]+", "", failure.partition(":")[0])
