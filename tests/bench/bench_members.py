"""What more members cost: real nodes on this machine, and more of them in simulated time.

    python -m tests.bench.bench_members [--nodes 1,4,7,10,16] [--seconds 15] [--rate 200 | --fit]
        [--simulated 4,16,50]

Real nodes share this machine's processors, so throughput must fall with their number: no faster than that
demands where `of the first` is no less than `by number`. What should stay is the processor time of a
transaction on each node, in microseconds; `processors` is how much of them went into what was executed. Under
more load than is executed, as many transactions are under way whatever the number of nodes. `--fit` looks, in
a few runs, for a rate that is executed as it is posted, within FIT_P95_S. Beyond what fits here, the ordering
core of all members runs in the simulator, with real signatures and every message encoded and decoded:
simulated time says how many blocks there are, and the processor time that this really takes, divided by the
members, what ordering a second of traffic costs each. Bookkeeping of the simulator is in it, so a node takes
less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.parameters import Parameters
from node.bench.report import quantile
from node.bench.run import Plan, Result, measure
from tests.consensus.cluster import Cluster

NODES = "1,4,7,10,16"
SIMULATED = "4,16,50"
SECONDS = 15.0
WARM_UP_S = 3.0
BATCH = 200
BATCH_NODES = 4
"""Of more nodes each is posted smaller requests."""
FIT_RUNS = 4
FIT_P95_S = 3.0
FIT_EXECUTED = 0.9
"""Of what is posted in the measured time, executed in it."""
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


def run(size: int, rate: float, seconds: float) -> Result:
    """A run of real nodes; with a rate of 0 under more load than they execute."""
    batch = max(1, BATCH * BATCH_NODES // max(BATCH_NODES, size))
    with tempfile.TemporaryDirectory() as folder:
        return measure(Plan(size, rate, batch, seconds, WARM_UP_S), Path(folder) / "n", lambda _: None)


def fit(size: int, seconds: float) -> Iterator[Result]:
    """Runs that come closer to the rate that is executed as it is posted, from what the processors allow."""
    rate, low, high = 0.0, 0.0, 0.0
    for _ in range(FIT_RUNS):
        found = run(size, rate, seconds)
        yield found
        if not rate:
            rate = (os.cpu_count() or 1) / sum(node.cpu_s for node in found.nodes) * max(1, found.committed)
        elif found.rate >= FIT_EXECUTED * rate and quantile(found.committed_s, 95) <= FIT_P95_S:
            low = rate
        else:
            high = rate
        rate = (low + high) / 2 if low and high else rate * (1.3 if low else 0.75)


def report_real(sizes: Sequence[int], seconds: float, rate: float, *, fitting: bool) -> None:
    """Print the figures."""
    titles = ("nodes", 6), ("posted/s", 10), ("tx/s", 8), ("ordered/s", 11), ("of the limit", 14)
    more = ("of the first", 14), ("by number", 11), ("us a transaction and node", 27), ("processors", 12)
    last = ("p50 ms", 8), ("p95 ms", 8)
    print("".join(f"{title:>{width}}" for title, width in (*titles, *more, *last)))
    first = 0.0
    for size in sizes:
        for found in fit(size, seconds) if fitting else [run(size, rate, seconds)]:
            first = first or found.rate
            spent_s = sum(node.cpu_s for node in found.nodes) / max(1, found.committed)
            took = "".join(f"{quantile(found.committed_s, each) * 1000:>8.0f}" for each in (50, 95))
            posted = f"{found.plan.rate:>10.0f}" if found.plan.rate else f"{'all':>10}"
            rates = f"{found.rate:>8.0f}{found.ordered / seconds:>11.0f}{found.rate / found.limit:>14.2f}"
            falls = f"{found.rate / max(1.0, first):>14.2f}{sizes[0] / size:>11.2f}"
            spent = f"{spent_s / size * 1e6:>27.0f}{found.rate * spent_s / (os.cpu_count() or 1):>12.0%}"
            print(f"{size:>6}{posted}{rates}{falls}{spent}{took}", flush=True)


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",") if size]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=_sizes, default=_sizes(NODES))
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--simulated", type=_sizes, default=_sizes(SIMULATED))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.nodes:
        report_real(given.nodes, given.seconds, given.rate, fitting=given.fit)
    if given.simulated:
        report_simulated(given.simulated)
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")


if __name__ == "__main__":
    main()
