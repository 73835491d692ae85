"""Makes an input from a seed, has it read, and judges what came of it.

Whatever the input is, a decoder gives a value that passes its own check (for canonical ones: its encoding is
the input), or raises one of the errors that it declares; nothing else, in bounded time and bounded memory.
"""

from __future__ import annotations

import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from node.simulator.chance import Chance
from tests.fuzz.mutations import Shape, noise, spoil_bytes

NOISE_BYTES_MAX = 256
CHANGES_MAX = 4
"""Changes made to one sample."""
TRACED_EVERY = 8
"""One input in so many is read once more to measure memory, which is slow; so is every long one."""
LONG_BYTES = 4 * 1024
HANG_S = 20
"""Processor time after which an execution is interrupted."""
ATTEMPTS = 3
"""An execution that took too much is repeated: other work on the machine may have been the reason."""
REFUSAL_LENGTH_MAX = 4_096
"""Characters of an error's text, beside the input with each byte as \\udcff: little must not fill a log."""


JSON_MEMORY_PER_BYTE = 250
"""What orjson asks for to read and write again; of what it writes into it touches a hundredth."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one execution may take: a constant, and so much for each byte of input."""

    seconds: float = 0.02
    ns_per_byte: int = 2_000
    memory_bytes: int = 384 * 1024
    memory_per_byte: int = 4


@dataclass(frozen=True)
class Decoder:
    """One way into a process. `name` is that of a function, or of a module and what it reads; `samples` are
    read without error."""

    name: str
    read: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    samples: Callable[[], Sequence[bytes]]
    shapes: tuple[Shape, ...] = ()
    check: Callable[[bytes, Any], object] = lambda data, value: None
    """Raises AssertionError where what was read from the bytes is not what they say."""
    bounds: Bounds = Bounds()
    executions: int = 600
    """In the short form."""


class Failure(AssertionError):
    """A decoder broke its promise on some input."""


class _Hang(BaseException):
    """Interrupts an execution; no `except Exception` stops it."""


def make_input(decoder: Decoder, seed: int) -> bytes:
    """The input of a seed: noise, or a sample changed in a few places."""
    chance = Chance(seed)
    if chance.happens(1 / 16):
        return noise(chance, NOISE_BYTES_MAX)
    samples = decoder.samples()
    data = sample = chance.pick(samples)
    shape = chance.pick((spoil_bytes, *decoder.shapes, *decoder.shapes))
    for _ in range(1 + chance.below(CHANGES_MAX)):
        data = shape(chance, data, chance.pick(samples))
        if len(data) >= len(sample) + LONG_BYTES:  # made to cost time and memory; it does already
            break
    return data


def execute(decoder: Decoder, data: bytes, *, traced: bool = True) -> bool:
    """Whether the input was accepted; time is measured, and memory where `traced`. Raises: Failure."""
    accepted = _within_time(decoder, data)
    if traced:
        _within_memory(decoder, data)
    return accepted


def run_seed(decoder: Decoder, seed: int) -> bool:
    """Whether the seed's input was accepted. Raises: Failure."""
    data = make_input(decoder, seed)
    return execute(decoder, data, traced=seed % TRACED_EVERY == 0 or len(data) >= LONG_BYTES)


def _judge(decoder: Decoder, data: bytes) -> bool:
    try:
        value = decoder.read(data)
    except decoder.refusals as refusal:
        text = str(refusal)
        if not 0 < len(text) <= REFUSAL_LENGTH_MAX + 8 * len(data):
            raise Failure(f"{type(refusal).__name__} says nothing, or {len(text)} characters") from refusal
        return False
    except (KeyboardInterrupt, _Hang):
        raise
    except BaseException as error:  # a panic of a library in another language is no Exception
        raise Failure(f"{type(error).__name__}: {str(error)[:300]}") from error
    try:
        decoder.check(data, value)
    except Exception as error:
        raise Failure(f"accepted, but {type(error).__name__}: {str(error)[:300]}") from error
    return True


def _within_time(decoder: Decoder, data: bytes) -> bool:
    allowed = decoder.bounds.seconds + decoder.bounds.ns_per_byte * len(data) / 1e9
    took = float("inf")
    for _ in range(ATTEMPTS):
        began = time.thread_time()
        with _interrupted():
            accepted = _judge(decoder, data)
        took = min(took, time.thread_time() - began)
        if took <= allowed:
            return accepted
    raise Failure(f"{took:.3f} s for an input of {len(data)} bytes, {allowed:.3f} s allowed")


def _within_memory(decoder: Decoder, data: bytes) -> None:
    allowed = decoder.bounds.memory_bytes + decoder.bounds.memory_per_byte * len(data)
    peaks = []
    for _ in range(ATTEMPTS):
        tracemalloc.start()
        try:
            with _interrupted():
                _judge(decoder, data)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        if peaks[-1] <= allowed:
            return
    raise Failure(f"{min(peaks)} bytes of memory for an input of {len(data)}, {allowed} allowed")


@contextmanager
def _interrupted() -> Iterator[None]:
    """Ends the block after HANG_S of processor time. Raises: Failure."""

    def hang(_signal: int, _frame: object) -> None:
        raise _Hang

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
    try:
        yield
    except _Hang:
        raise Failure(f"hangs: interrupted after {HANG_S} s of processor time") from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
