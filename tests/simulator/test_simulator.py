"""The ordering core under seeded faults, and whether the simulator can see."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from tests.interpreters import ROOT
from tests.simulator.mutants import MUTANTS
from tests.simulator.runs import (
    Outcome,
    crash_cases,
    hunt_in_parallel,
    in_parallel,
    kept_seeds,
    run_crash,
    run_crowd,
    run_full,
    run_seed,
    run_twins,
    stopwatch,
    summary,
)
from tests.simulator.twins import SCENARIOS, scenario

T = TypeVar("T")
EVERYTHING = {
    *("crash", "power loss", "disk failure", "damage found", "blackout", "epoch", "hand-over"),
    *("equivocation", "refused_proposal", "bad_message", "sync asked", "sync answered"),
}
"""What happens in a run of many schedules, or its faults are not what they seem."""


SEEDS = int(os.environ.get("QUORATE_SIM_SEEDS", "2100"))
"""Schedules of the core in each run of the tests; every 21st has real signatures and encoded messages."""
CROWD = 8
"""Schedules of the core among eight members."""
FULL = 42
"""Schedules of the whole node, two of them with real signatures."""
TWINS_STRIDE = 3
"""One in so many of the 4,096 Twins in each run of the tests; `make sim-all` runs them all."""
LONG_S = 3_600
"""No verdict may depend on how fast a machine simulates."""
SAYS_EVERY_S = 30


def all_well(
    title: str, run: Callable[[T], Outcome], cases: Sequence[T], capsys: pytest.CaptureFixture[str]
) -> list[Outcome]:
    """Run all cases on all processors, with progress; a failure comes with the command that repeats it."""
    begun = said = stopwatch()
    outcomes: list[Outcome] = []
    for outcome in in_parallel(run, cases):
        outcomes.append(outcome)
        if stopwatch() - said > SAYS_EVERY_S:
            said = stopwatch()
            with capsys.disabled():
                print(
                    f"\n{title}: {len(outcomes)} of {len(cases)}, {len(outcomes) / (said - begun):.1f}/s",
                    end="",
                )
    with capsys.disabled():
        print(f"\n{title}: {summary(outcomes, stopwatch() - begun)}")
    failures = [f"{outcome.failure}\n  replay: {outcome.replay}" for outcome in outcomes if outcome.failure]
    assert not failures, "\n".join(failures)
    return outcomes


@pytest.mark.timeout(LONG_S)
def test_seeded_faults_never_fork_and_never_stall_after_healing(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = all_well("schedules of the core", run_seed, range(SEEDS), capsys)
    seen = {what for outcome in outcomes for what in outcome.counts}
    assert seen >= EVERYTHING or len(outcomes) < 1_000, EVERYTHING - seen


@pytest.mark.timeout(LONG_S)
def test_a_crowd_never_forks_and_never_stalls_either(capsys: pytest.CaptureFixture[str]) -> None:
    all_well("schedules of eight members", run_crowd, range(CROWD), capsys)


@pytest.mark.timeout(LONG_S)
def test_the_whole_node_keeps_its_state_and_its_money(capsys: pytest.CaptureFixture[str]) -> None:
    all_well("schedules of the whole node", run_full, range(FULL), capsys)


@pytest.mark.timeout(LONG_S)
def test_no_cut_and_no_leader_lets_twins_do_harm(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = all_well("bounded Twins", run_twins, range(0, SCENARIOS, TWINS_STRIDE), capsys)
    assert sum(outcome.counts["equivocation"] for outcome in outcomes) > len(outcomes)


def test_twins_are_told_apart_by_their_number() -> None:
    assert SCENARIOS == 4_096
    assert len({scenario(number) for number in range(SCENARIOS)}) == SCENARIOS


def test_seeds_that_failed_once_do_not_fail_again(capsys: pytest.CaptureFixture[str]) -> None:
    all_well("seeds that failed once", run_seed, kept_seeds(), capsys)


@pytest.mark.timeout(LONG_S)
def test_a_crash_at_any_persist_or_send_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    all_well("crash points", run_crash, crash_cases(1), capsys)


@pytest.mark.timeout(LONG_S)
def test_every_planted_bug_is_found() -> None:
    missed = [mutant for mutant, found in hunt_in_parallel() if found is None]
    assert not missed, [f"{mutant.text}: not noticed within {mutant.seeds_max} seeds" for mutant in missed]


def test_the_mutants_leave_no_trace() -> None:
    """After a mutant the code is the real one again."""
    before = run_seed(1)
    with MUTANTS[1].planted():
        pass
    assert run_seed(1) == before


SAME = """
from tests.simulator.runs import run_crash, run_full, run_seed, run_twins
for outcome in (run_seed(2), run_seed(21), run_full(1), run_full(21), run_twins(777), run_crash((2, 30))):
    print(outcome.failure, outcome.trace)
"""


def same_told_by(python: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [python, "-c", SAME]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.timeout(LONG_S)
def test_a_run_gives_the_same_trace_under_any_hash_seed_and_python(other_python: str) -> None:
    here = same_told_by(sys.executable, "0")
    assert here.count("None ") == 6
    assert same_told_by(sys.executable, "4711") == here
    assert same_told_by(other_python, "1") == here
