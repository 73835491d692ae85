"""Signs what a load generator posts, in a process of its own, so that a run may last as long as one likes.

So much as the task says is signed before the load begins; once half of that is used, as much is signed again
as is taken. A run that posts less than half of it has nothing signed beside it, and what is held in memory is
bounded either way.

`python -m node.bench.signing` reads a line of JSON, a Task, and writes a line for each signed transaction:
its id and its JSON. An empty line is the last; then it waits to be ended, so that its processor time can be
read.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count, islice

import orjson

from api.client import Account, Call
from api.signing import build_transaction, id_of, sign_transaction
from node.bench import usage
from node.errors import CommandFailed

EXPIRY_S = 840.0
"""From the signature on; a chain's parameters allow 15 minutes."""
GAS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Task:
    """What to post: `rate` transactions a second (0: as many as are taken), `batch` in one request."""

    url: str
    chain: str
    sender: str
    seed: str
    """Of the sender's key, 32 bytes in hex."""
    currency: str
    target: str
    rate: float
    batch: int
    seconds: float
    count: int | None
    """Transactions to sign; it ends early when none is left. None: as many as are wanted."""
    ahead: int
    """Transactions that are signed before the load begins; never more of them wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """Some transactions to post at once, as JSON, and their ids in hex."""

    submissions: tuple[bytes, ...]
    ids: tuple[str, ...]


def signed(task: Task) -> Iterator[tuple[str, bytes]]:
    """Each transaction of the task: its id, and its JSON with the signature."""
    account = Account.from_seed(task.sender, bytes.fromhex(task.seed))
    call = Call(task.currency, "transfer", {"to": task.target, "amount": "1"})
    for _ in islice(count(), task.count):
        expires_ms = time.time_ns() // 1_000_000 + int(EXPIRY_S * 1000)
        transaction = build_transaction(task.chain, task.sender, [call], expires_ms, gas_limit=GAS_LIMIT)
        yield id_of(transaction), orjson.dumps(sign_transaction(transaction, [account.signer]))


def requests(task: Task) -> Iterator[Request]:
    """Every request of the task, signed here and now."""
    transactions = signed(task)
    while part := list(islice(transactions, task.batch)):
        yield _request(part)


def _request(part: list[tuple[str, bytes]]) -> Request:
    ids, submissions = zip(*part, strict=True)
    return Request(submissions, ids)


class Signer:
    """The process that signs, and what of it waits to be posted. Made by `signer`."""

    def __init__(self, task: Task, process: asyncio.subprocess.Process) -> None:
        self._batch = task.batch
        self._process = process
        self._ahead = max(1, task.ahead // task.batch)
        self._room = asyncio.Semaphore(self._ahead)
        self._ready: asyncio.Queue[Request | None] = asyncio.Queue()
        self._taken = 0
        self._filled = asyncio.Event()

    @property
    def cpu_s(self) -> float:
        """Processor time that signing took so far."""
        return usage.cpu_s(self._process.pid)

    @property
    def waiting(self) -> int:
        """Requests that are signed and not taken."""
        return self._ready.qsize()

    async def filled(self) -> None:
        """Until so much is signed as the task wants before the load begins."""
        await self._filled.wait()

    async def take(self) -> Request | None:
        """The next request; None once there are no more."""
        request = await self._ready.get()
        if request is None:
            self._ready.put_nowait(None)  # for the next who asks
            return None
        self._taken += 1
        if self._taken > self._ahead // 2:
            self._room.release()
        return request

    async def fill(self) -> None:
        """Take in what is signed, until the end of it. Raises: CommandFailed."""
        is_last = False
        try:
            while not is_last:
                part = await self._read()
                is_last = len(part) < self._batch
                if part:
                    await self._room.acquire()
                    self._ready.put_nowait(_request(part))
                if self._room.locked():
                    self._filled.set()
        finally:
            self._ready.put_nowait(None)
            self._filled.set()

    async def _read(self) -> list[tuple[str, bytes]]:
        pipe, part = self._process.stdout, list[tuple[str, bytes]]()
        while pipe is not None and len(part) < self._batch and (line := await pipe.readline()) != b"\n":
            if not line:
                raise CommandFailed("the process that signs for the load ended before its time")
            name, _, submission = line.rstrip(b"\n").partition(b" ")
            part.append((name.decode(), submission))
        return part


@asynccontextmanager
async def signer(task: Task) -> AsyncIterator[Signer]:
    """A process that signs for the task, until the end of the `async with`. Raises: CommandFailed."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-P", "-m", "node.bench.signing"]
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    made = Signer(task, process)
    filling = asyncio.create_task(made.fill())
    try:
        if process.stdin is not None:
            process.stdin.write(orjson.dumps(asdict(task)) + b"\n")
        yield made
        if filling.done():
            await filling
    finally:
        filling.cancel()
        await asyncio.wait([filling])
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def main() -> None:
    """One task, from standard input to standard output."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads any more: the load is over
    task = Task(**orjson.loads(sys.stdin.readline()))
    for name, submission in signed(task):
        sys.stdout.buffer.write(name.encode() + b" " + submission + b"\n")
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
