"""The user's own contracts on the production core under a swarm of faults, and the least that breaks them.

A swarm is a set of faults with names. When a run fails, the run is repeated without some of them for as long
as it still fails: what is left is the least that brings the failure about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from consensus.errors import ConsensusError
from contracts.errors import StateCorruption
from node.errors import NodeError
from node.simulator.checks import Failed
from node.simulator.disk import Forgotten
from node.simulator.processors import processors
from node.simulator.real import RealApplication
from node.simulator.swarm import Swarm, draw
from node.simulator.world import World

FAILURES = (
    Failed,
    Forgotten,
    ConsensusError,
    StateCorruption,
    NodeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
"""What a broken core or engine may raise."""

WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "loss": {"loss": 0.0},
    "duplication": {"duplication": 0.0},
    "delays": {"delay_ms": (1, 10)},
    "late-delays": {"healed_delay_ms": (1, 50)},
    "crashes": {"crash": 0.0},
    "power-loss": {"power_loss": 0.0},
    "blackout": {"blackout_ms": 0},
    "disk-failures": {"disk": 0.0},
    "damaged-journal": {"damaged": None},
    "partitions": {"partition_every_ms": 0},
    "one-way": {"one_way": False},
    "slow-member": {"slow": None},
    "pauses": {"pause": None},
    "clocks": {"skews_ms": ()},
    "slow-execution": {"execution_ms": (1, 5)},
    "slow-turns": {"turn_ms": (0, 0)},
    "fresh-journals": {"rotate": 0.0},
    "lazy-sync": {"lazy_sync": False},
}
"""Faults that concern all, and the values that switch each off."""
END_MS_MIN = 500


@dataclass(frozen=True)
class Plan:
    """One run: which faults of which seed, for how long."""

    seed: int
    nodes: int
    byzantine: int
    only: tuple[str, ...] | None = None
    """Names of faults; None: all that the seed brings."""
    end_ms: int | None = None
    """When the faults end; None: when the seed says."""

    @property
    def swarm(self) -> Swarm:
        """The faults of this run."""
        full = draw(self.seed, size=self.nodes, liars=self.byzantine, changes=False)
        if self.end_ms is not None:
            full = replace(full, heal_at_ms=self.end_ms)
        return full if self.only is None else keep(full, self.only)

    @property
    def options(self) -> str:
        """With them `quorate chaos` repeats the run."""
        words = f"--nodes {self.nodes} --byzantine {self.byzantine} --seed {self.seed}"
        if self.only is not None:
            words += f" --only {','.join(self.only) or 'none'}"
        return words if self.end_ms is None else f"{words} --end-ms {self.end_ms}"


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    plan: Plan
    failure: str | None
    recovery_ms: int
    height: int
    trace: str


def faults(swarm: Swarm) -> tuple[str, ...]:
    """The names of a swarm's faults."""
    common = [name for name, off in WITHOUT.items() if any(getattr(swarm, key) != off[key] for key in off)]
    lies = [f"{behaviour}:{member}" for member, behaviour in swarm.behaviours]
    return (*common, *(f"twin:{member}" for member in swarm.twins), *lies)


def keep(swarm: Swarm, names: Iterable[str]) -> Swarm:
    """The swarm with these of its faults only."""
    kept = set(names)
    off = {
        key: value for name, without in WITHOUT.items() if name not in kept for key, value in without.items()
    }
    twins = tuple(member for member in swarm.twins if f"twin:{member}" in kept)
    behaviours = tuple(lie for lie in swarm.behaviours if f"{lie[1]}:{lie[0]}" in kept)
    return replace(swarm, **off, twins=twins, behaviours=behaviours)


def run(plan: Plan, sources: Sequence[str], show: Callable[[str], None] | None = None) -> Result:
    """One run, told step by step where `show` is given. Raises: ContractError."""
    swarm = plan.swarm
    application = RealApplication(swarm, sources)
    failure, recovery_ms, world = None, 0, None
    try:
        world = World(swarm, application=application)
        world.show = show
        recovery_ms = world.run()
    except FAILURES as error:
        failure = f"{type(error).__name__}: {error}"
    finally:
        height = max((ledger.height for ledger in application.ledgers), default=0)
        application.close()
    return Result(plan, failure, recovery_ms, height, "" if world is None else world.trace_hash)


def run_all(plans: Sequence[Plan], sources: Sequence[str], jobs: int | None = None) -> Iterator[Result]:
    """Results in the order of the plans, `jobs` at a time (None: on all processors; 1: in this process)."""
    if len(plans) == 1 or jobs == 1:
        yield from (run(plan, sources) for plan in plans)
        return
    with processors(jobs) as pool:
        yield from pool.map(partial(run, sources=sources), plans)


def shrink(failed: Result, sources: Sequence[str], say: Callable[[str], None]) -> Result:
    """The least faults and the shortest time that still fail, whatever the failure then is."""
    best = failed
    wanted = list(faults(failed.plan.swarm))
    step = max(1, len(wanted) // 2)
    while step:
        place = 0
        while place < len(wanted):
            fewer = wanted[:place] + wanted[place + step :]
            result = run(replace(best.plan, only=tuple(fewer)), sources)
            if result.failure is None:
                place += step
            else:
                best, wanted = result, fewer
                say(f"still fails with {', '.join(fewer) or 'no fault at all'}")
        step //= 2
    end_ms = best.plan.swarm.heal_at_ms
    while end_ms > END_MS_MIN:
        end_ms //= 2
        result = run(replace(best.plan, end_ms=end_ms), sources)
        if result.failure is None:
            break
        best = result
        say(f"still fails when the faults end after {end_ms} ms")
    return best
