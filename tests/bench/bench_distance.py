"""What distance costs: the latency of a commit when every message between nodes takes a while.

    python -m tests.bench.bench_distance [--round-trip 100] [--samples 20]

Four nodes whose TCP connections run through a relay. Transfers are posted one by one, to one node after the
other, with no delay and with the delay in turns. Two latencies count: from the post to the answer that it is
committed, and from the time of the block's header, when its leader proposed it, to that answer. They are
also given in one-way delays, after what the same takes without a delay is taken off.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.consortium.four import Consortium
from tests.faults.relayed import RelayedConsortium, relayed

ROUND_TRIP_MS = 100.0
SAMPLES = 20
TURN_SAMPLES = 4
"""One from each node."""
SETTLE_S = 1.0
MINTED = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one transfer, in ms."""

    posted_ms: float
    proposed_ms: float


def transfer(consortium: Consortium, place: int) -> Sample:
    """One, from a partner to the next, at the first's node."""
    partners = consortium.partners
    source, target = partners[place], partners[(place + 1) % len(partners)]
    began_s = time.perf_counter()
    status = consortium.transfer(source, target.name, 1)
    ended_ms, took_ms = time.time() * 1000, (time.perf_counter() - began_s) * 1000
    block = source.client.get(f"/v1/blocks/{status.height}")
    return Sample(took_ms, ended_ms - block["time_ms"])


def measure(consortium: RelayedConsortium, delay_s: float, near: list[Sample], far: list[Sample]) -> None:
    """One turn without the delay and one with it."""
    for late_s, found in ((0.0, near), (delay_s, far)):
        consortium.relay.slow_down(late_s, stalls=0.0)
        time.sleep(SETTLE_S)
        found += [transfer(consortium, place) for place in range(TURN_SAMPLES)]


def report(folder: Path, round_trip_ms: float, samples: int) -> tuple[float, float]:
    """Print the figures; one-way delays from the post, and from the proposal, to the commit."""
    near: list[Sample] = []
    far: list[Sample] = []
    one_way_ms = round_trip_ms / 2
    with relayed(folder / "four") as consortium:
        consortium.open_currency(MINTED)
        for place in range(TURN_SAMPLES):
            transfer(consortium, place)
        while len(far) < samples:
            measure(consortium, one_way_ms / 1000, near, far)
        consortium.relay.heal()
        consortium.assert_equal_execution()
    print(f"one way {one_way_ms:g} ms; medians of {len(far)} samples each")
    delays = []
    for name, read in (
        ("from the post to the commit", lambda one: one.posted_ms),
        ("from the proposal to the commit", lambda one: one.proposed_ms),
    ):
        without, late = (statistics.median(map(read, side)) for side in (near, far))
        delays.append((late - without) / one_way_ms)
        print(
            f"{name:<34}{without:7.0f} ms without, {late:7.0f} ms with: {delays[-1]:.1f} one-way delays more"
        )
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return delays[0], delays[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--round-trip", type=float, default=ROUND_TRIP_MS)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), given.round_trip, given.samples)


if __name__ == "__main__":
    main()
