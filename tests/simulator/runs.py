"""Running seeds, one or many, and saying what came out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from consensus.errors import ConsensusError
from consensus.rules import QUIET_VALIDATORS
from node.simulator.checks import Failed
from node.simulator.disk import Forgotten
from node.simulator.processors import processors
from node.simulator.real import RealApplication
from node.simulator.swarm import Swarm, draw
from node.simulator.world import World
from tests.simulator import exhaustive
from tests.simulator.mutants import MUTANTS
from tests.simulator.planting import Mutant
from tests.simulator.twins import TwinsWorld

T = TypeVar("T")

ED25519_EVERY = 21
"""Every so many seeds one runs with real signatures and with every message encoded and decoded."""
SEEDS_FILE = Path(__file__).with_name("seeds.txt")


FAULTS = (
    Failed,
    Forgotten,
    ConsensusError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
"""What a broken core may raise."""


@dataclass(frozen=True)
class Outcome:
    """What one run came to."""

    options: str
    """With them `python -m tests.simulator` repeats the run."""
    failure: str | None
    recovery_ms: int = 0
    events: int = 0
    trace: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def replay(self) -> str:
        """The command that shows the failure again."""
        return f"python -m tests.simulator {self.options}"


def run_seed(seed: int, *, show: bool = False) -> Outcome:
    """One run of the ordering core, shown step by step or not."""
    return _run(World(_faults(seed)), f"--seeds {seed} {seed + 1}", show=show)


def _faults(seed: int) -> Swarm:
    return draw(seed, ed25519=seed % ED25519_EVERY == 0)


def run_crowd(seed: int, *, show: bool = False) -> Outcome:
    """One run of the ordering core among so many that they are sparing with what all hear."""
    return _run(World(draw(seed, size=QUIET_VALIDATORS)), f"--crowd {seed} {seed + 1}", show=show)


def run_full(seed: int, *, show: bool = False) -> Outcome:
    """One run of the whole node: contracts, executor and store besides the core."""
    swarm = draw(seed, ed25519=seed % ED25519_EVERY == 0, changes=False)
    application = RealApplication(swarm)
    try:
        return _run(World(swarm, application=application), f"--full {seed} {seed + 1}", show=show)
    finally:
        application.close()


def _run(world: World, options: str, *, show: bool = False) -> Outcome:
    """Whatever the code under test raises is a failure of this run."""
    world.show = print if show else None
    failure, recovery_ms = None, 0
    try:
        recovery_ms = world.run()
    except FAULTS as error:
        failure = f"{type(error).__name__}: {error}"
    return Outcome(options, failure, recovery_ms, world.events, world.trace_hash, world.counts)


def run_crash(case: tuple[int, int]) -> Outcome:
    """One run with one crash: (member, point)."""
    return _run(exhaustive.world(*case), "--crash {} {}".format(*case))


def run_twins(number: int, *, show: bool = False) -> Outcome:
    """One of the bounded Twins."""
    return _run(TwinsWorld(number), f"--twins {number} {number + 1}", show=show)


def crash_cases(stride: int) -> list[tuple[int, int]]:
    """Every `stride`-th crash point of every member of the short run."""
    return [
        (member, index)
        for member in range(exhaustive.SHORT.size)
        for index in range(member % stride, exhaustive.points(member), stride)
    ]


def in_parallel(
    run: Callable[[T], Outcome], cases: Iterable[T], jobs: int | None = None
) -> Iterator[Outcome]:
    """Outcomes in the order of the cases, on all processors."""
    with processors(jobs) as pool:
        yield from pool.map(run, cases, chunksize=4)


def kept_seeds() -> list[int]:
    """Seeds that failed once and must never fail again."""
    lines = SEEDS_FILE.read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def find(name: str) -> tuple[Mutant, Outcome | None]:
    """The first seed that notices a planted bug, within its budget."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.planted():
        for seed in range(mutant.first_seed, mutant.first_seed + mutant.seeds_max):
            outcome = _run(World((mutant.faults or _faults)(seed)), f"seed {seed}")
            if outcome.failure is not None:
                return mutant, outcome
    return mutant, None


def hunt_in_parallel(jobs: int | None = None) -> Iterator[tuple[Mutant, Outcome | None]]:
    """Look for every planted bug."""
    with processors(jobs) as pool:
        yield from pool.map(find, [mutant.name for mutant in MUTANTS])


def summary(outcomes: list[Outcome], seconds: float) -> str:
    """A line on many runs."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    times = sorted(outcome.recovery_ms for outcome in outcomes if outcome.failure is None) or [0]
    seen = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    return (
        f"{len(outcomes)} schedules, {len(outcomes) / max(seconds, 0.001):.1f}/s; "
        f"simulated recovery after healing: median {times[len(times) // 2]} ms, "
        f"99% {times[len(times) * 99 // 100]} ms, worst {times[-1]} ms; {seen}"
    )


def stopwatch() -> float:
    """Seconds of a clock that never jumps."""
    return time.monotonic()
