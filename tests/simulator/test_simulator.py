"""The ordering core under seeded faults, and whether the simulator can see."""

import os
import subprocess
import sys

import pytest

from tests.simulator.mutants import MUTANTS
from tests.simulator.runs import (
    Outcome,
    crash_cases,
    hunt_in_parallel,
    in_parallel,
    kept_seeds,
    run_crash,
    run_seed,
    stopwatch,
    summary,
)

SEEDS = 60
"""Schedules in each run of the tests; `python -m tests.simulator --seeds` and `--long` run more."""
CRASH_STRIDE = 5
"""One in so many crash points in each run of the tests; `--crashes` runs them all."""


def assert_all_well(outcomes: list[Outcome]) -> None:
    failures = [f"{outcome.failure}\n  replay: {outcome.replay}" for outcome in outcomes if outcome.failure]
    assert not failures, "\n".join(failures)


@pytest.mark.timeout(600)
def test_seeded_faults_never_fork_and_never_stall_after_healing(capsys: pytest.CaptureFixture[str]) -> None:
    begun = stopwatch()
    outcomes = list(in_parallel(run_seed, range(SEEDS)))
    with capsys.disabled():
        print("\nsimulator:", summary(outcomes, stopwatch() - begun))
    assert_all_well(outcomes)
    seen = {what for outcome in outcomes for what in outcome.counts}
    assert {"crash", "equivocation", "sync answered", "refused_proposal"} <= seen


def test_seeds_that_failed_once_do_not_fail_again() -> None:
    assert_all_well(list(in_parallel(run_seed, kept_seeds())) if kept_seeds() else [])


@pytest.mark.timeout(600)
def test_a_crash_at_any_persist_or_send_loses_nothing() -> None:
    assert_all_well(list(in_parallel(run_crash, crash_cases(CRASH_STRIDE))))


@pytest.mark.timeout(600)
def test_every_planted_bug_is_found() -> None:
    missed = [mutant for mutant, found in hunt_in_parallel() if found is None]
    assert not missed, [f"{mutant.text}: not noticed within {mutant.seeds_max} seeds" for mutant in missed]


def test_the_mutants_leave_no_trace() -> None:
    """After a mutant the code is the real one again."""
    before = run_seed(1)
    with MUTANTS[1].planted():
        pass
    assert run_seed(1) == before


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_gives_the_same_trace_in_any_process(hash_seed: str) -> None:
    code = "from tests.simulator.runs import run_seed; print(run_seed(2).trace, run_seed(20).trace)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout.split() == [run_seed(2).trace, run_seed(20).trace]
