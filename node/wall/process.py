"""A process behind the second wall, from the node's side."""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any, TypeVar

from consensus.errors import InvariantError
from consensus.parameters import Parameters
from contracts.errors import StateCorruption, UnsupportedVersion
from contracts.state import RowsReader, StateReader
from node.pipes import Malformed, Pipe
from node.wall.messages import EXIT_MEMORY, KEYS_MAX, pack, unpack

COMMAND = (sys.executable, "-P", "-m", "node.wall.child")
SCAN_ROWS_MAX = 1_000
"""Rows of one answer to a scan; what the engine asks for at most."""
GAS_NS_MAX = 250
"""Processor time that a gas may take before the process counts as stuck: some 25 times what it takes."""
FLOOR_S = 30
"""Processor time for what has no gas to speak of."""
STILL_S = 60
"""A process that says nothing and computes nothing for so long is stuck."""
END_S = 10
"""How long a process whose pipe is closed may take to end."""

T = TypeVar("T")

_FAULTS = {error.__name__: error for error in (InvariantError, StateCorruption, UnsupportedVersion)}
"""What the engine stops a node with, by name."""


class EngineFault(Exception):
    """The engine failed as it never should; the text is the traceback."""


class Died(Exception):
    """A process that is gone, or must go; the text says why."""


def block_s(parameters: Parameters) -> int:
    """Processor time that a block may take, in seconds."""
    gas = parameters.block_gas_max + 2 * parameters.batch_gas_max  # transactions, timers, events
    return FLOOR_S + gas * GAS_NS_MAX // 10**9


class Process:
    """A running process behind the wall, from the node's side. Raises: Died."""

    def __init__(self, command: Sequence[str], about: bytes) -> None:
        paths = os.pathsep.join(filter(None, sys.path))
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={"PYTHONPATH": paths},  # nothing of the node's own: it may hold a passphrase
            cwd="/",
            start_new_session=True,
        )
        streams = self._popen.stdin, self._popen.stdout
        to, back = (stream.fileno() for stream in streams if stream is not None)
        os.set_blocking(to, False)
        self._pipe = Pipe(back, to, self._wait)
        self.missing: tuple[str, ...] = ()
        try:
            self._send(about)
            found = self._receive()
        except Died:
            self.end()
            raise
        self.missing = found[1]

    def ask(
        self,
        rows: RowsReader,
        limit_s: int,
        read: Callable[[tuple[Any, ...]], T],
        *request: object,
        news: Iterator[object] | None = None,
        until_s: float = inf,
    ) -> T:
        """What the process makes of a request, taken apart by `read`; it reads the rows meanwhile.

        `limit_s` is the processor time it may take, and again with each of `news`, which it asks for one by
        one; `until_s` is when it must have ended, by the monotonic clock.

        Raises: whatever `read` and `news` do; EngineFault, and what else an engine stops with; Died.
        """
        self._allow(limit_s)
        self._send(pickle.dumps(request))
        while True:
            message = self._receive()
            try:
                match message:
                    case "done", *fields:
                        return read(tuple(fields))
                    case "failed", str(name), str(text), str(trace):
                        raise _fault(name, text, trace)
                    case ("next",) if news is not None:
                        found = next(news, None)
                        if found is None:
                            news = None  # it is told so once
                        else:
                            self._allow(limit_s)
                        self._send(pickle.dumps(found))
                    case _:
                        self._send(pack(answer(rows, message)))
            except Malformed as error:
                raise Died(f"({error})") from None
            if time.monotonic() > until_s:
                raise Died("(it took too long)")

    def kill(self) -> None:
        """Whoever waits for it, in another thread, is told that it died."""
        self._popen.kill()

    def end(self) -> None:
        """Leave nothing of it."""
        self.kill()
        with self._popen:  # closes the pipes, and waits
            pass

    def _send(self, message: bytes) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            raise Died(self._why()) from None

    def _receive(self) -> tuple[Any, ...]:
        try:
            return unpack(self._pipe.receive())
        except EOFError:
            raise Died(self._why()) from None
        except Malformed as error:
            raise Died(f"({error})") from None

    def _why(self) -> str:
        try:
            code = self._popen.wait(END_S)
        except subprocess.TimeoutExpired:
            return "(it closed the pipe)"
        if code == EXIT_MEMORY:
            return "(it wanted more memory than it may have)"
        if code == -signal.SIGXCPU:
            return "(it wanted more processor time than it may have)"
        return f"({signal.Signals(-code).name})" if code < 0 else f"(exit code {code})"

    def _allow(self, limit_s: int) -> None:
        """Let it have so much processor time from now on; only the node can raise what it may have."""
        try:
            _, hard = resource.prlimit(self._popen.pid, resource.RLIMIT_CPU)
            soft = self.used_ns() // 10**9 + 1 + limit_s
            if hard != resource.RLIM_INFINITY:
                soft = min(soft, hard)
            resource.prlimit(self._popen.pid, resource.RLIMIT_CPU, (soft, hard))
        except ProcessLookupError:
            raise Died(self._why()) from None

    def used_ns(self) -> int:
        """Its processor time. Source: `clock_getcpuclockid(3)`, how Linux numbers a process's clock."""
        try:
            return time.clock_gettime_ns(~self._popen.pid << 3 | 2)
        except OSError:
            return 0  # it has ended: the pipe will tell

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        used_ns = -1
        while not poll.poll(1000 * STILL_S):
            before_ns, used_ns = used_ns, self.used_ns()
            if used_ns == before_ns:
                raise Died(f"(it did nothing for {STILL_S} s)")


def answer(rows: RowsReader, message: tuple[Any, ...]) -> Any:
    """What the process asks for; it sees what any member sees, and nothing else. Raises: Malformed."""
    match message:
        case "get", "state" | "aux" as space, [*keys] if len(keys) <= KEYS_MAX and _all_bytes(keys):
            return [_space(rows, space).get(key) for key in keys]
        case "scan", "state" | "aux" as space, bytes(prefix), None | bytes() as after, int(limit) if (
            0 < limit <= SCAN_ROWS_MAX
        ):
            return _space(rows, space).scan(prefix, after, limit)
        case "last_before", "state" | "aux" as space, bytes(key):
            return _space(rows, space).last_before(key)
    verb = message[0] if type(message[0]) is str else "nothing"
    raise Malformed(f"it asked for {verb:.60}, which there is not")


def _space(rows: RowsReader, space: str) -> StateReader:
    return rows.state if space == "state" else rows.aux


def _all_bytes(keys: Sequence[object]) -> bool:
    return all(type(key) is bytes for key in keys)


def _fault(name: str, text: str, trace: str) -> Exception:
    kind = _FAULTS.get(name)
    return EngineFault(f"behind the second wall:\n{trace}") if kind is None else kind(text)
