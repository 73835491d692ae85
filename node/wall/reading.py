"""The engine that answers who reads: what runs contract code is done behind the second wall."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import structlog

from consensus.parameters import Parameters
from consensus.transactions import Json, Transaction
from contracts.engine import BlockInput, Engine
from contracts.errors import ContractError, Revert
from contracts.programs import CodeCache
from contracts.receipts import Event, Receipt
from contracts.state import NO_ROWS, StateReader
from contracts.system.upgrading import Trial
from node.errors import NodeError
from node.wall.messages import json_of, simulated_of
from node.wall.process import COMMAND, Died, Process, block_s

log = structlog.get_logger("wall")

READ_CPU_S = 15
"""Processor time of one answer; the dearest simulation takes some two seconds."""
READ_S_MAX = 60
"""How long one answer may take by the clock."""
WAITING_MAX = 64
"""Questions that may wait for their turn."""

T = TypeVar("T")


class NotAnswered(NodeError):
    """The process behind the second wall did not answer, or is not asked now; nothing else came of it."""


class _Rows(NamedTuple):
    """The state, and nothing else of a ledger."""

    state: StateReader
    aux: StateReader = NO_ROWS


class ReadingEngine(Engine):
    """Has a process behind the second wall simulate, query and look at rules; says all else itself.

    The process starts with the first question, and again with the next one after it died. Whoever asks it
    does so in one thread, by `in_turn`; a rehearsal has a process of its own.
    """

    def __init__(
        self,
        *,
        chain: str,
        parameters: Parameters,
        code_cache: CodeCache | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        super().__init__(chain=chain, parameters=parameters, code_cache=code_cache)
        self._command = command
        self._thread = ThreadPoolExecutor(1, "reads")
        self._waiting = 0
        self._process: Process | None = None
        self._rehearsing: Process | None = None
        self._closed = False

    async def in_turn(self, read: Callable[..., T], *operands: Any) -> T:
        """Read in the one thread that may ask the process. Raises: NotAnswered where too many wait."""
        if self._waiting >= WAITING_MAX:
            raise NotAnswered(f"{WAITING_MAX} questions wait for an answer of contracts, the most that may")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, read, *operands)
        finally:
            self._waiting -= 1

    def simulate(
        self, state: StateReader, transaction: Transaction, height: int, time_ms: int
    ) -> tuple[Receipt, tuple[Event, ...]]:
        """As the engine does. Raises: NotAnswered."""
        return self._ask(simulated_of, state, "simulate", transaction, height, time_ms)

    def query(
        self,
        state: StateReader,
        instance: str,
        query: str,
        arguments: Mapping[str, Json],
        height: int,
        time_ms: int,
    ) -> Json:
        """As the engine does. Raises: Revert, NotAnswered."""
        value: Json = self._ask(json_of, state, "query", instance, query, dict(arguments), height, time_ms)
        return value

    def describe_instance(
        self, state: StateReader, name: str, height: int, time_ms: int
    ) -> dict[str, Any] | None:
        """As the engine does. Raises: NotAnswered."""
        try:
            found: dict[str, Any] | None = self._ask(json_of, state, "instance", name, height, time_ms)
            return found
        except Revert as revert:
            raise NotAnswered(revert.text) from None

    def rehearse(
        self,
        body: Mapping[str, Any],
        chain: str,
        parameters: Parameters,
        blocks: Iterable[BlockInput],
        trial: Trial,
        from_height: int,
    ) -> dict[str, Any]:
        """As `contracts.rehearsal.rehearse`, in any thread. Raises: ContractError, NotAnswered."""
        try:
            self._rehearsing = process = self._start()
        except Died as why:
            raise _not_answered(why) from None
        try:
            request = "rehearse", body, chain, parameters, trial, from_height
            limit_s = 2 * block_s(parameters)
            return process.ask(_Rows(NO_ROWS), limit_s, json_of, *request, news=iter(blocks))
        except (Died, Revert) as why:
            raise _not_answered(why) from None
        finally:
            self._rehearsing = None
            process.end()

    def end_rehearsal(self) -> None:
        """Break off the rehearsal that runs, if one does. In any thread."""
        _kill(self._rehearsing)

    def close(self) -> None:
        """End the process and the thread; whoever waits is told."""
        self._closed = True
        _kill(self._process)
        self._thread.shutdown(cancel_futures=True)
        self._drop()

    def _ask(self, read: Callable[[tuple[Any, ...]], T], state: StateReader, *request: object) -> T:
        try:
            if self._process is None:
                self._process = self._start()
            until_s = time.monotonic() + READ_S_MAX
            return self._process.ask(_Rows(state), READ_CPU_S, read, *request, until_s=until_s)
        except (Revert, ContractError):
            raise
        except Died as why:
            self._drop()
            raise _not_answered(why) from None
        except BaseException:
            self._drop()  # it still waits for an answer
            raise

    def _start(self) -> Process:
        if self._closed:
            raise Died("(the node is stopping)")
        return Process(self._command, pickle.dumps((self.chain, self._parameters)))

    def _drop(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def _kill(process: Process | None) -> None:
    if process is not None:
        process.kill()


def _not_answered(why: Exception) -> NotAnswered:
    log.warning("the process that answers who reads died", reason=str(why))
    return NotAnswered(f"the process behind the second wall, which was asked, died {why}; another one starts")
