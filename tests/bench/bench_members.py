"""What more members cost: real nodes on this machine, and more of them in simulated time.

    python -m tests.bench.bench_members [--nodes 1,4,7,10,16] [--seconds 15] [--simulated 4,16,50]

Real nodes share this machine's processors, so throughput must fall with their number; what should stay is
the processor time of a transaction on each node, in microseconds. Beyond what fits here, the ordering core of
all members runs in the simulator, with real signatures and every message encoded and decoded: simulated time
says how many blocks there are, and the processor time that this really takes, divided by the members, what
ordering a second of traffic costs each. Bookkeeping of the simulator is in it, so a node takes less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.parameters import Parameters
from node.bench.report import quantile
from node.bench.run import Plan, measure
from tests.consensus.cluster import Cluster

NODES = "1,4,7,10,16"
SIMULATED = "4,16,50"
SECONDS = 15.0
WARM_UP_S = 3.0
BATCH = 200
SIMULATED_MS = 2_000
SUBMIT_EVERY_MS = 50
TRANSACTIONS = 20
"""In each of these submissions, to one member after the other."""
TURN_MS = (1, 3)


@dataclass(frozen=True, slots=True)
class Ordering:
    """What a simulated consortium's ordering took, for each member."""

    blocks: int
    transactions: int
    cpu_s: float


def order(size: int, simulated_ms: int) -> Ordering:
    """Run a consortium under a steady load for so much simulated time."""
    parameters = Parameters(heartbeat_ms=0)
    cluster = Cluster(size, parameters=parameters, ed25519=True, turn_ms=TURN_MS)
    machines = cluster.world.machines
    cluster.commit()
    height, executed = cluster.heights()[0], len(cluster.ledger(0).executed)
    began_s = time.process_time()
    for turn in range(simulated_ms // SUBMIT_EVERY_MS):
        machines[turn % size].submit([cluster.world.transaction() for _ in range(TRANSACTIONS)])
        cluster.run(SUBMIT_EVERY_MS)
    spent_s = time.process_time() - began_s
    ordered = len(cluster.ledger(0).executed) - executed
    return Ordering(cluster.heights()[0] - height, ordered, spent_s / size)


def report_simulated(sizes: Sequence[int], simulated_ms: int = SIMULATED_MS) -> list[Ordering]:
    """Print the figures."""
    titles = ("members, simulated", 18), ("blocks/s", 10), ("tx/s", 8), ("ms of processor a block", 25)
    print("".join(f"{title:>{width}}" for title, width in (*titles, ("of one processor", 18))))
    found = []
    for size in sizes:
        one = order(size, simulated_ms)
        found.append(one)
        seconds = simulated_ms / 1000
        print(
            f"{size:>18}{one.blocks / seconds:>10.1f}{one.transactions / seconds:>8.0f}"
            f"{one.cpu_s / max(1, one.blocks) * 1000:>25.1f}{one.cpu_s / seconds:>18.0%}",
            flush=True,
        )
    return found


def report_real(sizes: Sequence[int], seconds: float) -> None:
    """Print the figures."""
    titles = ("nodes", 6), ("tx/s", 8), ("ordered/s", 11), ("of the limit", 14)
    more = ("us a transaction and node", 27), ("p50 ms", 8), ("p95 ms", 8)
    print("".join(f"{title:>{width}}" for title, width in (*titles, *more)))
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Plan(size, 0.0, BATCH, seconds, WARM_UP_S), Path(folder) / "n", lambda _: None)
        spent_us = sum(node.cpu_s for node in found.nodes) / size / max(1, found.committed) * 1e6
        took = "".join(f"{quantile(found.committed_s, each) * 1000:>8.0f}" for each in (50, 95))
        rates = f"{found.rate:>8.0f}{found.ordered / seconds:>11.0f}{found.rate / found.limit:>14.2f}"
        print(f"{size:>6}{rates}{spent_us:>27.0f}{took}", flush=True)


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",") if size]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=_sizes, default=_sizes(NODES))
    parser.add_argument("--simulated", type=_sizes, default=_sizes(SIMULATED))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.nodes:
        report_real(given.nodes, given.seconds)
    if given.simulated:
        report_simulated(given.simulated)
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")


if __name__ == "__main__":
    main()
