"""The process behind the wall, `python -m node.wall.child`: the node starts it, and asks it."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from contracts.block import Effects
from contracts.engine import BlockInput, Engine
from contracts.errors import ContractError, Revert
from contracts.likely import likely_aux, likely_state
from contracts.merkle import Write
from contracts.recent import Recent, row_kept_bytes
from contracts.rehearsal import rehearse
from node.pipes import Pipe
from node.wall.confinement import confine
from node.wall.messages import ANSWER_BYTES_MAX, EXIT_MEMORY, KEYS_MAX, pack, plain, unpack

STATE_BYTES_MAX = 32 * 1024 * 1024
"""Rows of the state kept at hand, in bytes of memory."""
PROGRAMS_MAX = 1_024
"""Contracts kept compiled; the engine holds the running ones itself."""


class CompiledCode:
    """Compiled contracts in memory, a `contracts.programs.CodeCache`: the node's files are out of reach."""

    def __init__(self) -> None:
        self._code: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        """What was put under `key`, or None."""
        return self._code.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value` in place of what was kept first."""
        self._code[key] = value
        if len(self._code) > PROGRAMS_MAX:
            self._code.popitem(last=False)


class AskedRows:
    """One space of the node's store, by asking for it."""

    def __init__(self, pipe: Pipe, space: str, bytes_max: int) -> None:
        self._pipe = pipe
        self._space = space
        self.recent = Recent[bytes | None](bytes_max, row_kept_bytes)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        try:
            return self.recent.find(key)
        except KeyError:
            self.prefetch([key])
            return self.recent.find(key)

    def prefetch(self, keys: Iterable[bytes]) -> None:
        """Ask for many rows at once, in the order in which they are stored."""
        missing = iter(sorted({key for key in keys if key not in self.recent}))
        while wanted := list(islice(missing, KEYS_MAX)):
            for key, value in zip(wanted, self._ask("get", wanted), strict=True):
                self.recent.keep(key, value)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows whose keys begin with `prefix`, sorted, strictly after the key `after`."""
        rows: Sequence[tuple[bytes, bytes]] = self._ask("scan", prefix, after, limit)
        return rows

    def last_before(self, key: bytes) -> bytes | None:
        """The greatest key of a row that is less than `key`, or None."""
        found: bytes | None = self._ask("last_before", key)
        return found

    def _ask(self, verb: str, *operands: object) -> Any:
        self._pipe.send(pack(verb, self._space, *operands))
        return unpack(self._pipe.receive())[0]


class AskedLedger:
    """What execution reads, a `contracts.state.RowsReader`; the state's tree is the node's."""

    def __init__(self, pipe: Pipe) -> None:
        self.state = AskedRows(pipe, "state", STATE_BYTES_MAX)
        self.aux = AskedRows(pipe, "aux", STATE_BYTES_MAX)
        self._told: tuple[int, tuple[Write, ...]] | None = None

    def begin(self, block: BlockInput) -> None:
        """Bring what is at hand up to the block before this one, and ask for what this one likely needs."""
        self.aux.recent.clear()
        if self._told is not None and self._told[0] == block.height - 1:
            self.state.recent.changed(self._told[1])
        else:
            self.state.recent.clear()
        self.aux.prefetch(likely_aux(block.transactions))
        self.state.prefetch(likely_state(block.transactions))

    def end(self, block: BlockInput, effects: Effects) -> None:
        """What the block did, which is committed if another one follows it."""
        self._told = block.height, effects.writes


def main() -> None:
    """Serve the node until it closes the pipe."""
    for sent_to_the_group in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent_to_the_group, signal.SIG_IGN)
    pipe = Pipe(sys.stdin.fileno(), sys.stdout.fileno())
    chain, parameters = pickle.loads(pipe.receive())  # noqa: S301 - from the node
    engine = Engine(chain=chain, parameters=parameters, code_cache=CompiledCode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    os.closerange(sys.stderr.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    pipe.send(pack("ready", confine()))
    gc.freeze()
    serve(pipe, engine)


def serve(pipe: Pipe, engine: Engine) -> None:
    """Do what the node asks for."""
    ledger = AskedLedger(pipe)
    while True:
        verb, *operands = pickle.loads(pipe.receive())  # noqa: S301 - from the node
        try:
            found = do(pipe, engine, ledger, verb, operands)
        except MemoryError:
            raise  # its own limit: another one, which has nothing at hand yet, tries again
        except Exception as error:  # noqa: BLE001 - whatever it is, the node judges it
            pipe.send(pack("failed", type(error).__name__, str(error), traceback.format_exc()))
            return
        pipe.send(pack("done", *found))


def do(pipe: Pipe, engine: Engine, ledger: AskedLedger, verb: str, operands: list[Any]) -> tuple[Any, ...]:
    """What one request comes to, as plain values; `ledger` keeps rows from one block to the next."""
    if verb == "execute":
        (block,) = operands
        ledger.begin(block)
        effects = engine.perform(ledger, block)
        ledger.end(block, effects)
        return plain(effects)
    if verb == "rehearse":
        body, chain, parameters, trial, first = operands
        return _told(lambda: rehearse(body, chain, parameters, _news(pipe), trial, first))
    state = AskedLedger(pipe).state  # whatever block the node reads it at
    if verb == "simulate":
        receipt, events = engine.simulate(state, *operands)
        return receipt.encode(), [event.encode() for event in events]
    if verb == "query":
        return _told(lambda: engine.query(state, *operands))
    return _told(lambda: engine.describe_instance(state, *operands))


def _told(ask: Callable[[], Any]) -> tuple[Any, ...]:
    """What `node.wall.messages.json_of` takes."""
    try:
        text = orjson.dumps(ask())
    except Revert as revert:
        return "revert", revert.code, revert.text
    except ContractError as error:
        return "mistakes", [(each.line, each.column, each.text) for each in error.problems]
    if len(text) > ANSWER_BYTES_MAX:
        return "revert", "size", f"the answer has {len(text)} bytes; at most {ANSWER_BYTES_MAX} can be told"
    return "json", text


def _news(pipe: Pipe) -> Iterator[Any]:
    def ask() -> Any:
        pipe.send(pack("next"))
        return pickle.loads(pipe.receive())  # noqa: S301 - from the node

    return iter(ask, None)


if __name__ == "__main__":
    code = 1
    try:
        main()
        code = 0
    except (EOFError, ConnectionError):  # the node has gone
        code = 0
    except MemoryError:
        code = EXIT_MEMORY
    finally:
        os._exit(code)  # an orderly end would need what it gave up
