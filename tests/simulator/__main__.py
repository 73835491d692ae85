"""The simulator from the command line.

python -m tests.simulator --seeds 0 1000      a thousand schedules; a failing one with its replay command
python -m tests.simulator --seeds 7 8         one schedule again; with --show step by step
python -m tests.simulator --crowd 0 40        schedules of eight members
python -m tests.simulator --full 0 40         schedules of the whole node, contracts included
python -m tests.simulator --twins 0 4096      bounded Twins: every cut and leader of two views
python -m tests.simulator --long              from a new seed on until interrupted, a line a minute
python -m tests.simulator --crashes           a crash at every persist and send point
python -m tests.simulator --crash 2 17        member 2's crash at its point 17 again
python -m tests.simulator --mutants           whether every planted bug is found
python -m tests.simulator --table             the planted bugs, as docs/simulator.md shows them
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable

from tests.simulator.mutants import table
from tests.simulator.runs import (
    Outcome,
    crash_cases,
    hunt_in_parallel,
    in_parallel,
    run_crash,
    run_crowd,
    run_full,
    run_seed,
    run_twins,
    stopwatch,
    summary,
)

REPORT_EVERY_S = 60
LONG_BLOCK = 2_048
"""Seeds between two summaries of a long run."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs=2, type=int, metavar=("FROM", "TO"), default=(0, 200))
    parser.add_argument("--crowd", nargs=2, type=int, metavar=("FROM", "TO"), help="of eight members")
    parser.add_argument("--full", nargs=2, type=int, metavar=("FROM", "TO"), help="of the whole node")
    parser.add_argument("--twins", nargs=2, type=int, metavar=("FROM", "TO"), help="of the 4,096 Twins")
    parser.add_argument("--show", action="store_true", help="print every step")
    parser.add_argument("--long", action="store_true", help="go on from FROM until interrupted")
    parser.add_argument("--crashes", action="store_true", help="a crash at every persist and send point")
    parser.add_argument("--crash", nargs=2, type=int, metavar=("MEMBER", "POINT"), help="one of these again")
    parser.add_argument("--mutants", action="store_true", help="look for the planted bugs")
    parser.add_argument("--table", action="store_true", help="the planted bugs in Markdown")
    parser.add_argument("--jobs", type=int, default=None, help="processes; default: one for each processor")
    options = parser.parse_args()
    if options.table:
        print(table())
        return 0
    if options.mutants:
        return _mutants(options.jobs)
    if options.crashes:
        return _watch(in_parallel(run_crash, crash_cases(1), options.jobs))
    if options.crash:
        return _watch([run_crash(options.crash)])
    run = run_full if options.full else run_twins if options.twins else run_seed
    run = run_crowd if options.crowd else run
    first, last = options.full or options.twins or options.crowd or options.seeds
    if options.show:
        return _watch(run(seed, show=True) for seed in range(first, last))
    if not options.long:
        return _watch(in_parallel(run, range(first, last), options.jobs))
    blocks = itertools.count(first, LONG_BLOCK)
    failed = any(_watch(in_parallel(run, range(start, start + LONG_BLOCK), options.jobs)) for start in blocks)
    return 1 if failed else 0


def _watch(outcomes: Iterable[Outcome]) -> int:
    """Print progress, every failure with its replay, and a summary; the exit code."""
    begun = said = stopwatch()
    seen: list[Outcome] = []
    for outcome in outcomes:
        seen.append(outcome)
        if outcome.failure is not None:
            print(f"FAILED {outcome.failure}\n  {outcome.replay}", flush=True)
        if stopwatch() - said > REPORT_EVERY_S:
            said = stopwatch()
            print(f"{len(seen)} schedules, {len(seen) / (said - begun):.1f}/s", flush=True)
    print(summary(seen, stopwatch() - begun), flush=True)
    return 1 if any(outcome.failure is not None for outcome in seen) else 0


def _mutants(jobs: int | None) -> int:
    missed = 0
    for mutant, outcome in hunt_in_parallel(jobs):
        verdict = f"NOT FOUND within {mutant.seeds_max} seeds"
        if outcome is not None:
            verdict = f"{outcome.options}: {(outcome.failure or '')[:100]}"
        print(f"{mutant.name:26} {verdict}", flush=True)
        missed += outcome is None
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
