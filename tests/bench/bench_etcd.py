"""Small writes to etcd and to quorate by the same clients, in turns.

    python -m tests.bench.bench_etcd [--clients 500] [--seconds 5] [--turns 3]

Three members of etcd, which go on without one, against four nodes, which also go on with one that cheats.
Every client is one HTTP connection that writes again as soon as its last write is committed: into etcd 256
bytes under a key of its own, through etcd's JSON gateway; into quorate a signed transfer through a contract,
which each node checks. The last line is what quorate is built for: many transactions in a request.
Processor time is that of all members together; that of the clients, one process, is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from node.bench.generator import Connection
from node.bench.network import CURRENCY, running
from node.bench.report import quantile
from node.bench.signing import Request, Task, requests
from node.bench.usage import cpu_s
from node.demo.partner import Partner, wait_until
from node.keystore import Role
from node.ports import free_ports

ABSENT = (
    "etcd is not on this machine, and without it there is nothing to compare: apt-get install etcd-server"
)
CLIENTS, SECONDS, TURNS = 500, 5.0, 3
ETCD_MEMBERS, NODES = 3, 4
VALUE_BYTES = 256
BATCH = 200
BATCH_CLIENTS = 8
SIGNED_PER_S = 3_000
"""Single transactions a second that are signed for; batches get twice as many."""
START_S = 60.0
STOP_S = 15.0
COMMITTED = "wait=committed&timeout=30"
OVERLOADED = 429
RETRY_S = 0.2
"""Before a client posts again what a node had no room for; its latency goes on."""

Write = Callable[[Connection], Awaitable[int]]
"""Makes the next write on a connection; how many were committed by it, 0 when there is nothing left."""


@dataclass(slots=True)
class Found:
    """Of all turns of one system."""

    rates: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Of all members, for each write."""


async def hammer(urls: Sequence[str], clients: int, seconds: float, write: Write) -> tuple[int, list[float]]:
    """Writes that were committed, and the latency of each request."""
    latencies: list[float] = []
    end_s = time.monotonic() + seconds

    async def client(url: str) -> int:
        connection, committed = Connection(url), 0
        while (began_s := time.monotonic()) < end_s:
            done = await write(connection)
            if not done:
                break
            committed += done
            latencies.append(time.monotonic() - began_s)
        connection.close()
        return committed

    counts = await asyncio.gather(*(client(url) for url in itertools.islice(itertools.cycle(urls), clients)))
    return sum(counts), latencies


def take_turn(
    found: Found, urls: Sequence[str], pids: Sequence[int], clients: int, seconds: float, write: Write
) -> None:
    """One turn of one system."""
    began_s, began_cpu_s = time.monotonic(), sum(map(cpu_s, pids))
    committed, latencies = asyncio.run(hammer(urls, clients, seconds, write))
    found.rates.append(committed / (time.monotonic() - began_s))
    found.cpu_us.append((sum(map(cpu_s, pids)) - began_cpu_s) / max(1, committed) * 1e6)
    found.latencies_s += latencies


# -- etcd -------------------------------------------------------------------------------------------
@contextmanager
def etcd(folder: Path) -> Iterator[tuple[list[str], list[int]]]:
    """Three members: the addresses for clients, and the processes' ids."""
    clients, peers = free_ports(ETCD_MEMBERS), free_ports(ETCD_MEMBERS)
    cluster = ",".join(f"e{place}=http://127.0.0.1:{port}" for place, port in enumerate(peers))
    urls = [f"http://127.0.0.1:{port}" for port in clients]
    with ExitStack() as stack:
        processes = []
        for place, (url, port) in enumerate(zip(urls, peers, strict=True)):
            peer = f"http://127.0.0.1:{port}"
            command = ["etcd", "--name", f"e{place}", "--data-dir", str(folder / f"e{place}")]
            command += ["--listen-client-urls", url, "--advertise-client-urls", url]
            command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            command += ["--initial-cluster", cluster, "--initial-cluster-state", "new"]
            command += ["--logger", "zap", "--log-level", "error"]
            log = stack.enter_context((folder / f"e{place}.log").open("wb"))
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
            stack.callback(_end, processes[-1])
        if not wait_until(lambda: all(map(_is_healthy, urls)), START_S):
            raise SystemExit(f"etcd did not start: {(folder / 'e0.log').read_text()[-500:]}")
        yield urls, [process.pid for process in processes]


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(orjson.loads(answer.read()).get("health") == "true")
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def puts() -> Write:
    """Each under another key."""
    numbers = itertools.count()

    async def write(connection: Connection) -> int:
        key, value = b"key-%d" % next(numbers), os.urandom(VALUE_BYTES)
        body = {"key": base64.b64encode(key).decode(), "value": base64.b64encode(value).decode()}
        status, answer = await connection.ask("POST", "/v3/kv/put", orjson.dumps(body))
        assert status == 200, answer
        return 1

    return write


# -- quorate ----------------------------------------------------------------------------------------
def signed(partners: Sequence[Partner], chain: str, count: int, batch: int) -> list[Request]:
    """Transfers of the first partner to the last."""
    bank = partners[0]
    seed = bank.seat.keys.private(Role.ADMINISTRATOR).seed.hex()
    target = partners[-1].name
    url, name = bank.seat.api_url, bank.name
    return list(requests(Task(url, chain, name, seed, CURRENCY, target, 0, batch, 0, count, count)))


def transfers(prepared: Iterator[Request]) -> Write:
    """One request each, which is committed when it is answered."""

    async def write(connection: Connection) -> int:
        request = next(prepared, None)
        if request is None:
            return 0
        if len(request.ids) == 1:
            path, body = f"/v1/transactions?{COMMITTED}", request.submissions[0]
        else:
            path, body = (
                "/v1/transactions:batch",
                b'{"transactions":[' + b",".join(request.submissions) + b"]}",
            )
        while (status := (told := await connection.ask("POST", path, body))[0]) == OVERLOADED:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)
        answer = told[1]
        if len(request.ids) > 1:
            assert status < 400, answer
            status, answer = await connection.ask("GET", f"/v1/transactions/{request.ids[-1]}?{COMMITTED}")
        assert status < 400, answer
        assert answer["state"] == "committed", answer
        return len(request.ids)

    return write


def report(folder: Path, clients: int, seconds: float, turns: int) -> dict[str, Found]:
    """Print the figures."""
    if shutil.which("etcd") is None:
        raise SystemExit(ABSENT)
    names = ("etcd, one write a request", "quorate, one a request", f"quorate, {BATCH} a request")
    found = {name: Found() for name in names}
    single, batch = int(SIGNED_PER_S * seconds * turns) + clients, int(2 * SIGNED_PER_S * seconds * turns)
    with etcd(folder) as (etcd_urls, etcd_pids), running(folder / "nodes", NODES) as (stage, partners):
        urls = [partner.seat.api_url for partner in partners]
        pids = [partner.process.pid or 0 for partner in partners]
        ones, many = (iter(signed(partners, stage.chain, *plan)) for plan in ((single, 1), (batch, BATCH)))
        for _ in range(turns):
            take_turn(found[names[0]], etcd_urls, etcd_pids, clients, seconds, puts())
            take_turn(found[names[1]], urls, pids, clients, seconds, transfers(ones))
            take_turn(found[names[2]], urls, pids, BATCH_CLIENTS, seconds, transfers(many))
    print(f"{'':30}{'writes/s':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'us of processor a write':>28}")
    for name, one in found.items():
        print(describe(name, one))
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return found


def describe(name: str, found: Found) -> str:
    """A line: medians of the turns, and quantiles over all of them."""
    ranked = sorted(found.latencies_s)
    took = "".join(f"{quantile(ranked, each) * 1000:10,.0f}" for each in (50, 95, 99))
    rate, spent = statistics.median(found.rates), statistics.median(found.cpu_us)
    return f"{name:30}{rate:10,.0f}{took}{spent:28,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--turns", type=int, default=TURNS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), given.clients, given.seconds, given.turns)


if __name__ == "__main__":
    main()
