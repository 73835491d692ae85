"""Posts signed transfers to one node when they are due, from a process of its own.

The load is *open*: every request has its time, whatever became of those before, and its latency counts from
that time. So a node that stands still shows in the latencies of all that should have come meanwhile. With a
rate of 0 it is closed instead: each connection posts as soon as its last request was answered.

`python -m node.bench.generator` reads a line of JSON, a Task, and says `ready` when so much is signed as the
task wants beforehand; then it reads a line with the time to begin (seconds of the monotonic clock), and at
the end writes an Observation.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import orjson

from api.gateway import JsonObject
from node.bench.signing import Request, Task, signer

CONNECTIONS = 32
"""For posting; those that wait for a commit are apart."""
CLOSED_FLOWS = 2
"""Batches under way at once where there is no rate."""
SAMPLES_PER_S = 25.0
"""Of how many transactions a second it is noted when they were committed."""
SAMPLES_MAX = 20_000
COMMIT_WAIT_S = 30.0
PAUSE_S = 0.5
"""Before a transaction that found its node overloaded is posted again."""
ANSWER_BYTES_MAX = 1 << 24
HTTP_ERROR = 400


@dataclass(slots=True)
class Observation:
    """What came of it. Latencies in seconds: `accepted_s` to the 202; `samples` to the commit, each after
    the seconds since the start at which it was due.
    """

    posted: int = 0
    accepted: int = 0
    overloaded: int = 0
    """Refusals for want of room; each was posted again."""
    failed: int = 0
    accepted_s: list[float] = field(default_factory=list)
    samples: list[tuple[float, float]] = field(default_factory=list)
    cpu_s: float = 0.0
    """Of posting, from the start on."""
    signing_cpu_s: float = 0.0
    """Of signing beside it."""


class Connection:
    """One kept HTTP connection, with no more of HTTP than this load needs: what it costs is in the way."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "127.0.0.1", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, JsonObject]:
        """Status and JSON. Raises: OSError, asyncio.IncompleteReadError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=ANSWER_BYTES_MAX)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        kind = "Content-Type: application/json\r\n" if body else ""
        writer.write(f"{head}{kind}\r\n".encode() + body)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
            return int(head[9:12]), orjson.loads(await reader.readexactly(length))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it; the next question opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


Take = Callable[[], Awaitable[Request | None]]
"""Gives the next request; None once there are no more."""


class Generator:
    """Posts signed requests and notes what happens to them."""

    def __init__(self, task: Task, take: Take, start_s: float) -> None:
        self._task = task
        self._take = take
        self._taken = 0
        self._start_s = start_s
        self._end_s = start_s + task.seconds
        self._next_sample_s = start_s
        self._samples: set[asyncio.Task[None]] = set()
        self._idle: list[Connection] = []
        self._seen = Observation()

    async def run(self) -> Observation:
        """Post until the time or the requests are over, then wait for what was sampled."""
        await asyncio.sleep(self._start_s - time.monotonic())
        flows = CONNECTIONS if self._task.rate or self._task.batch == 1 else CLOSED_FLOWS
        await asyncio.gather(*(self._post_all() for _ in range(flows)))
        await asyncio.gather(*self._samples)
        for connection in self._idle:
            connection.close()
        return self._seen

    async def _next(self) -> tuple[float, Request] | None:
        """The next request and when it is due; None where time or requests are over."""
        request = await self._take()
        if request is None:
            return None
        rate = self._task.rate
        due_s = self._start_s + self._taken * self._task.batch / rate if rate else time.monotonic()
        self._taken += 1
        return (due_s, request) if due_s < self._end_s else None

    async def _post_all(self) -> None:
        """Take the next request, wait until it is due, post it; as many at a time as there are flows."""
        connection = Connection(self._task.url)
        while (found := await self._next()) is not None:
            due_s, request = found
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            try:
                if await self._post(connection, due_s, request):
                    self._sample(due_s, request)
            except (OSError, asyncio.IncompleteReadError):
                self._seen.failed += len(request.ids)
        connection.close()

    async def _post(self, connection: Connection, due_s: float, request: Request) -> bool:
        """Whether all of it was accepted in the end."""
        seen, left = self._seen, list(zip(request.submissions, request.ids, strict=True))
        seen.posted += len(left)
        while True:
            refused = await _post_once(connection, left)
            taken = len(left) - len(refused)
            seen.accepted += taken
            seen.accepted_s += [time.monotonic() - due_s] * bool(taken)
            again = [item for item, code in refused if code == "overloaded"]
            seen.overloaded += len(again)
            seen.failed += len(refused) - len(again)
            if len(refused) > len(again) or not again:
                return not refused
            await asyncio.sleep(PAUSE_S)
            left = again

    def _sample(self, due_s: float, request: Request) -> None:
        if due_s >= self._next_sample_s and len(self._samples) < SAMPLES_MAX:
            self._next_sample_s = max(self._next_sample_s + 1 / SAMPLES_PER_S, due_s)
            self._samples.add(asyncio.create_task(self._await_commit(due_s, request.ids[-1])))

    async def _await_commit(self, due_s: float, identifier: str) -> None:
        connection = self._idle.pop() if self._idle else Connection(self._task.url)
        path = f"/v1/transactions/{identifier}?wait=committed&timeout={COMMIT_WAIT_S:g}"
        try:
            _, answer = await connection.ask("GET", path)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self._idle.append(connection)
        if answer.get("state") == "committed" and answer.get("outcome") == "ok":
            self._seen.samples.append((due_s - self._start_s, time.monotonic() - due_s))


Refused = tuple[tuple[bytes, str], str]
"""A submission with its id, and the code that says why."""


async def _post_once(connection: Connection, items: list[tuple[bytes, str]]) -> list[Refused]:
    bodies = [body for body, _ in items]
    if len(items) == 1:
        status, answer = await connection.ask("POST", "/v1/transactions", bodies[0])
        return [] if status < HTTP_ERROR else [(items[0], answer["code"])]
    body = b'{"transactions":[' + b",".join(bodies) + b"]}"
    status, answer = await connection.ask("POST", "/v1/transactions:batch", body)
    if status >= HTTP_ERROR:
        return [(item, answer["code"]) for item in items]
    results = zip(items, answer["items"], strict=True)
    return [(item, found["code"]) for item, found in results if found["state"] == "rejected"]


async def _run(task: Task) -> Observation:
    async with signer(task) as signing:
        await signing.filled()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        start_s = float(sys.stdin.readline())
        cpu_s, signing_cpu_s = time.process_time(), signing.cpu_s
        seen = await Generator(task, signing.take, start_s).run()
        seen.cpu_s, seen.signing_cpu_s = time.process_time() - cpu_s, signing.cpu_s - signing_cpu_s
        return seen


def main() -> None:
    """One task, from standard input to standard output."""
    seen = asyncio.run(_run(Task(**orjson.loads(sys.stdin.readline()))))
    sys.stdout.write(orjson.dumps(asdict(seen)).decode() + "\n")


if __name__ == "__main__":
    main()
