"""What the chain must hold, in simulated time, which does not depend on the machine that simulates."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from consensus.parameters import Parameters
from consensus.replica import Replica
from tests.consensus.cluster import Cluster

PARAMETERS = Parameters(heartbeat_ms=0)
DELAY_MS_MAX = 5
"""Of a message in these clusters."""
LOAD_EVERY_MS = 100
LOAD_TRANSACTIONS = 20
LOAD_MS = 6_000
HOUR_MS = 3_600_000
RECOVERY_MS_MAX = 10_000


def cluster_of(size: int, **swarm: Any) -> Cluster:
    return Cluster(size, parameters=PARAMETERS, **swarm)


@pytest.mark.parametrize("size", [4, 7, 10])
def test_a_crashed_leader_adds_at_most_one_base_timeout(size: int) -> None:
    """And what a new view takes at the least: the votes' way and the interval between blocks."""
    healthy = max(cluster_of(size, seed=seed).commit() for seed in range(3))
    added_ms = PARAMETERS.base_timeout_ms + PARAMETERS.block_interval_ms + DELAY_MS_MAX
    for seed in range(3):
        cluster = cluster_of(size, seed=seed)
        cluster[1].stop()  # who leads the first view
        assert cluster.commit() <= healthy + added_ms


def committed(size: int, down: int | None) -> int:
    """Transactions executed everywhere under a steady load on all members that run."""
    cluster = cluster_of(size, seed=size)
    if down is not None:
        cluster[down].stop()
    running = [machine for machine in cluster.world.machines if machine.number != down]
    for turn in range(LOAD_MS // LOAD_EVERY_MS):
        machine = running[turn % len(running)]
        machine.submit([cluster.world.transaction() for _ in range(LOAD_TRANSACTIONS)])
        cluster.run(LOAD_EVERY_MS)
    return min(len(cluster.ledger(machine.number).executed) for machine in running)


@pytest.mark.parametrize("size", [4, 7, 10])
def test_with_one_member_down_at_least_60_percent_of_the_load_goes_through(size: int) -> None:
    healthy = committed(size, None)
    assert healthy >= LOAD_MS // LOAD_EVERY_MS * LOAD_TRANSACTIONS * 9 // 10
    assert committed(size, 1) >= healthy * 6 // 10


@pytest.mark.timeout(600)
def test_an_hour_without_a_quorum_takes_bounded_memory_and_ends_within_seconds() -> None:
    """Clients go on all the while: each lane takes what it may, and refuses the rest."""
    slow = replace(PARAMETERS, base_timeout_ms=5_000, lane_ahead_batches_max=8)  # fewer retries to simulate
    cluster = Cluster(4, parameters=slow)
    cluster.commit()
    cluster.world.part(0, 1)
    early: list[int] = []
    for minute in range(60):
        for machine in cluster.world.machines:
            machine.submit([cluster.world.transaction() for _ in range(20)])
        cluster.run(HOUR_MS // 60)
        if minute == 14:
            early = sizes(cluster)
    late = sizes(cluster)
    assert all(end <= 1.2 * begin for begin, end in zip(early, late, strict=True)), (early, late)
    cluster.world.part()
    before = max(cluster.heights())
    assert cluster.world.run_until(
        cluster.world.now_ms + RECOVERY_MS_MAX, lambda: min(cluster.heights()) > before
    )


def sizes(cluster: Cluster) -> list[int]:
    """Bytes of each replica in memory, and of each journal."""
    machines = cluster.world.machines
    return [
        *(deep_size(cluster.replica(machine.number)) for machine in machines),
        *(machine.disk.size_bytes for machine in machines),
    ]


def deep_size(replica: Replica) -> int:
    """All that can be reached from it and is nobody else's: no code, no ledger."""
    seen: set[int] = set()
    waiting: list[object] = [
        replica._state,
        replica._voting,
        replica._batches,
        replica._standing,
        replica._out,
    ]
    total = 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | FunctionType | MethodType | ModuleType):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting += gc.get_referents(thing)
    return total
