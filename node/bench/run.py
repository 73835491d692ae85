"""One measurement from beginning to end: found, warm up, load, wait for all commits, read what it took."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

import orjson

from api.client import Client
from node.bench import usage
from node.bench.generator import Observation
from node.bench.network import CURRENCY, running
from node.bench.signing import Task
from node.bench.usage import Usage
from node.bench.watch import Watch
from node.demo.partner import Partner, execution_of_all
from node.errors import CommandFailed
from node.keystore import Role

AHEAD_S = 30.0
"""Of the load (of this machine's limit, where there is no rate), signed before it begins: see `signing`."""
AHEAD_MAX = 200_000
"""The same in transactions of all load generators together, which hold some 700 bytes for each."""
DRAIN_S = 60.0
"""Longest time without progress before what was accepted is given up."""
COUNT_PAUSE_S = 0.5
LEAD_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `rate` in transactions a second over all nodes; 0: as many as they take."""

    nodes: int
    rate: float
    batch: int
    seconds: float
    warm_up_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured between the end of the warm-up and the last request.

    `blocks` are (seconds since the start of that time, transactions) of each block in it; a block counts when
    every node was seen to have executed it. Latencies are in seconds, sorted.
    """

    plan: Plan
    limit: float
    """Transactions a second of this machine if it only checked signatures."""
    posted: int
    accepted: int
    overloaded: int
    failed: int
    committed: int
    """Of the whole run, warm-up included, all of them executed by every node."""
    steady: int
    """Of these, executed by every node in the measured time."""
    ordered: int
    """Of these, in blocks that were proposed in the measured time; what is ordered may wait for execution."""
    accepted_s: list[float]
    committed_s: list[float]
    blocks: list[tuple[float, int]]
    nodes: list[Usage]
    generators_cpu_s: float
    """Of posting."""
    signing_cpu_s: float
    """Of signing beside the load; not of what was signed before it."""
    elapsed_s: float
    """Of the whole run, to which processor times belong."""

    @property
    def rate(self) -> float:
        """Committed transactions a second in the measured time."""
        return self.steady / self.plan.seconds


def measure(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Result:
    """Run a plan in `folder`, which is made and should be thrown away. Raises: CommandFailed."""
    with running(folder, plan.nodes) as (stage, partners):
        limit = usage.signature_limit(plan.nodes)
        tasks = load_tasks(plan, stage.chain, partners, limit)
        ahead = sum(task.ahead for task in tasks)
        tell(f"{plan.nodes} nodes run; signing {ahead} transactions beforehand ...")
        with ExitStack() as stack:
            generators = []
            for task in tasks:
                generators.append(_Generator(task))
                stack.callback(generators[-1].end)
            return _measure(plan, partners, generators, limit, tell)


def load_tasks(plan: Plan, chain: str, partners: Sequence[Partner], limit: float) -> list[Task]:
    """What the load generator of each node does, `limit` being what the machine could do at most."""
    seconds, share = plan.warm_up_s + plan.seconds, plan.rate / len(partners)
    count = int(share * seconds) + plan.batch if share else None
    wanted = int((plan.rate or limit) * min(seconds, AHEAD_S))
    ahead = min(wanted, AHEAD_MAX) // len(partners) + plan.batch
    return [
        Task(
            url=partner.seat.api_url,
            chain=chain,
            sender=partner.name,
            seed=partner.seat.keys.private(Role.ADMINISTRATOR).seed.hex(),
            currency=CURRENCY,
            target=partners[place - 1].name,
            rate=share,
            batch=plan.batch,
            seconds=seconds,
            count=count,
            ahead=ahead,
        )
        for place, partner in enumerate(partners)
    ]


class _Generator:
    """The process that posts to one node."""

    def __init__(self, task: Task) -> None:
        command = [sys.executable, "-P", "-m", "node.bench.generator"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.say(orjson.dumps(asdict(task)))

    def say(self, line: bytes) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            pipe.write(line + b"\n")
            pipe.flush()

    def hear(self) -> bytes:
        """Its next line. Raises: CommandFailed."""
        pipe = self._process.stdout
        line = b"" if pipe is None else pipe.readline()
        if not line:
            raise CommandFailed("a load generator ended before its time")
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _measure(
    plan: Plan,
    partners: Sequence[Partner],
    generators: Sequence[_Generator],
    limit: float,
    tell: Callable[[str], None],
) -> Result:
    for generator in generators:
        generator.hear()
    height = partners[0].height()
    meters = [usage.meter(partner.process.pid or 0, partner.seat.home) for partner in partners]
    with Watch(partners) as watch:
        start_s, start_ms = time.monotonic() + LEAD_S, (time.time() + LEAD_S) * 1000
        for generator in generators:
            generator.say(f"{start_s}".encode())
        tell(f"warming up for {plan.warm_up_s:g} s, then measuring for {plan.seconds:g} s ...")
        seen = [Observation(**orjson.loads(generator.hear())) for generator in generators]
        accepted = sum(one.accepted for one in seen)
        tell(f"{accepted} transactions accepted; waiting until all nodes have executed them ...")
        committed = _await_all(partners, height, accepted)
    taken = [read() for read in meters]
    begin_s, begin_ms = start_s + plan.warm_up_s, start_ms + plan.warm_up_s * 1000
    blocks, ordered = [], 0
    for block in _blocks_after(partners[0].client, height):
        executed_s = watch.executed_s(block["height"])
        if executed_s is not None and 0 <= executed_s - begin_s < plan.seconds:
            blocks.append((executed_s - begin_s, block["transaction_count"]))
        if 0 <= block["time_ms"] - begin_ms < plan.seconds * 1000:
            ordered += block["transaction_count"]
    return Result(
        plan=plan,
        limit=limit,
        posted=sum(one.posted for one in seen),
        accepted=accepted,
        overloaded=sum(one.overloaded for one in seen),
        failed=sum(one.failed for one in seen),
        committed=committed,
        steady=sum(count for _, count in blocks),
        ordered=ordered,
        accepted_s=sorted(took for one in seen for took in one.accepted_s),
        committed_s=sorted(took for one in seen for due_s, took in one.samples if due_s >= plan.warm_up_s),
        blocks=sorted(blocks),
        nodes=taken,
        generators_cpu_s=sum(one.cpu_s for one in seen),
        signing_cpu_s=sum(one.signing_cpu_s for one in seen),
        elapsed_s=time.monotonic() - start_s,
    )


def _await_all(partners: Sequence[Partner], height: int, accepted: int) -> int:
    """Transactions committed after `height`, once that is all of them on every node, or time is up."""
    counted, end_s = 0, time.monotonic() + DRAIN_S
    while counted < accepted and time.monotonic() < end_s:
        if (found := _count(partners[0].client, height)) > counted:
            counted, end_s = found, time.monotonic() + DRAIN_S
        time.sleep(COUNT_PAUSE_S)
    executions = execution_of_all(list(partners), DRAIN_S)
    if len(set(executions.values())) != 1:
        raise CommandFailed(f"the nodes do not agree: {executions}")
    return counted


def _count(client: Client, height: int) -> int:
    return sum(block["transaction_count"] for block in _blocks_after(client, height))


def _blocks_after(client: Client, height: int) -> list[dict[str, int]]:
    newest_first = client.items("/v1/blocks", limit="200")
    return list(takewhile(lambda block: block["height"] > height, newest_first))
