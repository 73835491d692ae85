"""The engine of a node whose blocks are executed behind the second wall."""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import structlog

from consensus.errors import InvariantError
from consensus.parameters import Parameters
from contracts.engine import BlockInput, Engine, Outcome
from contracts.errors import StateCorruption, UnsupportedVersion
from contracts.programs import CodeCache
from contracts.receipts import ExecLink
from contracts.state import LedgerReader, StateReader
from contracts.system.upgrading import Trial
from node.errors import NodeError
from node.wall.messages import EXIT_MEMORY, KEYS_MAX, Malformed, Pipe, outcome_of, pack, unpack

log = structlog.get_logger("wall")

COMMAND = (sys.executable, "-P", "-m", "node.wall.child")
SCAN_ROWS_MAX = 1_000
"""Rows of one answer to a scan; what the engine asks for at most."""
GAS_NS_MAX = 250
"""Processor time that a gas may take before the process counts as stuck: some 25 times what it takes."""
FLOOR_S = 30
"""Processor time for a block that has no gas to speak of."""
STILL_S = 60
"""A process that says nothing and computes nothing for so long is stuck."""
END_S = 10
"""How long a process whose pipe is closed may take to end."""
ATTEMPTS = 2
"""Processes that may die over one block, before the node stops."""

_FAULTS = {error.__name__: error for error in (InvariantError, StateCorruption, UnsupportedVersion)}
"""What the engine stops a node with, by name."""


class WallFailed(NodeError):
    """The process that executes died over a block twice: the node must not guess what it came to."""


class EngineFault(Exception):
    """The engine failed as it never should; the text is the traceback."""


class Died(Exception):
    """A process that is gone, or must go; the text says why."""


class WalledEngine(Engine):
    """Executes blocks in a process behind the second wall, one at a time; answers all else itself."""

    def __init__(
        self,
        *,
        chain: str,
        parameters: Parameters,
        code_cache: CodeCache | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts the process. Raises: WallFailed."""
        super().__init__(chain=chain, parameters=parameters, code_cache=code_cache)
        self._command = command
        gas = parameters.block_gas_max + 2 * parameters.batch_gas_max  # transactions, timers, events
        self._block_s = FLOOR_S + gas * GAS_NS_MAX // 10**9
        try:
            self._process: _Process | None = self._start()
        except Died as why:
            raise WallFailed(f"the process that executes contracts does not start: {why}") from None
        self.missing = self._process.missing
        """What this system does not offer, so that the wall stands without it."""

    @property
    def where(self) -> str:
        """Where blocks are executed, in words."""
        gaps = f", with gaps: {'; '.join(self.missing)}" if self.missing else ""
        return f"in a confined process{gaps}"

    def execute(
        self, ledger: LedgerReader, block: BlockInput, previous: ExecLink, trial: Trial | None = None
    ) -> Outcome:
        """As the engine does. Raises: WallFailed, EngineFault."""
        if trial is not None:
            return super().execute(ledger, block, previous, trial)
        reasons = []
        for _ in range(ATTEMPTS):
            try:
                if self._process is None:
                    self._process = self._start()
                return self._process.execute(ledger, block, previous, self._block_s)
            except Died as why:
                reasons.append(str(why))
                log.error("the process that executes contracts died", height=block.height, reason=str(why))
                self.close()
            except BaseException:
                self.close()  # it still waits for an answer
                raise
        raise WallFailed(
            f"block {block.height} can not be executed behind the second wall: the process died "
            f"{' and again '.join(reasons)}; nothing of the block was stored, see docs/operators.md"
        )

    def close(self) -> None:
        """End the process; another one starts when it is needed."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _start(self) -> _Process:
        return _Process(self._command, pickle.dumps((self.chain, self._parameters)))


class _Process:
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

    def execute(self, ledger: LedgerReader, block: BlockInput, previous: ExecLink, limit_s: int) -> Outcome:
        """What the block after `previous` comes to. Raises: as `Engine.execute`; EngineFault; Died."""
        self._allow(limit_s)
        self._send(pickle.dumps((block, previous)))
        while True:
            message = self._receive()
            try:
                match message:
                    case "done", *fields:
                        return outcome_of(tuple(fields), previous)
                    case "failed", str(name), str(text), str(trace):
                        raise _fault(name, text, trace)
                    case _:
                        answer = _answer(ledger, message)
            except Malformed as error:
                raise Died(f"({error})") from None
            self._send(pack(answer))

    def end(self) -> None:
        """Leave nothing of it."""
        self._popen.kill()
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


def _answer(ledger: LedgerReader, message: tuple[Any, ...]) -> Any:
    """What the process asks for; it sees what any member sees, and nothing else. Raises: Malformed."""
    match message:
        case "get", "tree", [bytes(key)]:
            return [ledger.tree.get_page(key)]
        case "get", "state" | "aux" as space, [*keys] if len(keys) <= KEYS_MAX and _all_bytes(keys):
            return [_rows(ledger, space).get(key) for key in keys]
        case "scan", "state" | "aux" as space, bytes(prefix), None | bytes() as after, int(limit) if (
            0 < limit <= SCAN_ROWS_MAX
        ):
            return _rows(ledger, space).scan(prefix, after, limit)
        case "last_before", "state" | "aux" as space, bytes(key):
            return _rows(ledger, space).last_before(key)
    verb = message[0] if type(message[0]) is str else "nothing"
    raise Malformed(f"it asked for {verb:.60}, which there is not")


def _rows(ledger: LedgerReader, space: str) -> StateReader:
    return ledger.state if space == "state" else ledger.aux


def _all_bytes(keys: Sequence[object]) -> bool:
    return all(type(key) is bytes for key in keys)


def _fault(name: str, text: str, trace: str) -> Exception:
    kind = _FAULTS.get(name)
    return EngineFault(f"behind the second wall:\n{trace}") if kind is None else kind(text)
