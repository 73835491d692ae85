"""Many seeds of many decoders: how they are run, in this process or in others, and what is said of them."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from tests.fuzz.decoders import DECODERS
from tests.fuzz.harness import Failure, run_seed

BLOCK_S = 1.0
"""About how long one process works on one decoder before it is given another."""
BLOCK_SEEDS = 100
"""Seeds of a decoder's first block."""
REPORT_EVERY_S = 10.0
STUCK_S = 60.0
"""After so long without any result, what is under way is named."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive seeds of one decoder."""

    name: str
    first: int
    count: int

    @property
    def command(self) -> str:
        """What runs it again."""
        return f"python -m tests.fuzz replay {self.name} {self.first} --count {self.count}"


@dataclass(slots=True)
class Result:
    """What came of a block: how many inputs were accepted, and what failed, by seed."""

    block: Block
    accepted: int = 0
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)


def replay_command(name: str, seed: int) -> str:
    """The one command that shows a failure again."""
    return f"python -m tests.fuzz replay {name} {seed}"


def run_block(block: Block) -> Result:
    """Every seed of the block, whatever fails."""
    decoder, result, began = DECODERS[block.name], Result(block), time.monotonic()
    for seed in range(block.first, block.first + block.count):
        try:
            result.accepted += run_seed(decoder, seed)
        except Failure as failure:
            result.failures[seed] = str(failure)
    result.seconds = time.monotonic() - began
    return result


def run_long(names: Sequence[str], first: int, minutes: float, jobs: int | None) -> int:
    """Fresh seeds of all decoders in turn until time is up; the number of failures, which are printed."""
    end_s = time.monotonic() + 60 * minutes
    report = _Report()
    work = _Work(names, first)
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        running: dict[Future[Result], Block] = {}
        while running or time.monotonic() < end_s:
            while len(running) < 2 * (jobs or os.cpu_count() or 1) and time.monotonic() < end_s:
                block = next(work)
                running[pool.submit(run_block, block)] = block
            done, _ = wait(running, STUCK_S, FIRST_COMPLETED)
            if not done:
                print(
                    f"nothing done for {STUCK_S:.0f} s; under way or waiting:\n  {_commands(running)}",
                    flush=True,
                )
            for future in done:
                block = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    running[future] = block
                    print(f"FAILED a process died over one of\n  {_commands(running)}", flush=True)
                    return report.failures + 1
                work.took(result)
                report.add(result)
    report.print_summary()
    return report.failures


def _commands(running: dict[Future[Result], Block]) -> str:
    return "\n  ".join(block.command for block in running.values())


class _Work(Iterator[Block]):
    """Blocks of all decoders in turn, each as large as takes about BLOCK_S."""

    def __init__(self, names: Sequence[str], first: int) -> None:
        self._turns = itertools.cycle(names)
        self._next = dict.fromkeys(names, first)
        self._size = dict.fromkeys(names, BLOCK_SEEDS)

    def __next__(self) -> Block:
        name = next(self._turns)
        block = Block(name, self._next[name], self._size[name])
        self._next[name] += block.count
        return block

    def took(self, result: Result) -> None:
        """Learn from a block how long the decoder takes."""
        each_s = max(result.seconds, 1e-3) / result.block.count
        self._size[result.block.name] = max(1, int(BLOCK_S / each_s))


class _Report:
    """Prints failures at once, progress now and then, and a table at the end."""

    def __init__(self) -> None:
        self.failures = 0
        self._began_s = self._said_s = time.monotonic()
        self._executions: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        name = result.block.name
        self._executions[name] += result.block.count
        self._accepted[name] += result.accepted
        self._seconds[name] += result.seconds  # type: ignore[assignment]  # a counter of seconds
        for seed, failure in result.failures.items():
            self.failures += 1
            print(f"FAILED {name}: {failure}\n  {replay_command(name, seed)}", flush=True)
        if time.monotonic() - self._said_s > REPORT_EVERY_S:
            self._said_s = time.monotonic()
            print(self._line(), flush=True)

    def print_summary(self) -> None:
        for name, count in self._executions.items():
            rate, share = count / max(self._seconds[name], 1e-3), self._accepted[name] / count
            print(f"{name:44} {count:10,} inputs {rate:9,.0f}/s a process, {share:4.0%} accepted")
        print(self._line(), flush=True)

    def _line(self) -> str:
        elapsed_s = time.monotonic() - self._began_s
        total = self._executions.total()
        return (
            f"{elapsed_s:6.0f} s: {total:,} inputs, {total / elapsed_s:,.0f}/s, "
            f"{len(self._executions)} decoders, {self.failures} failures"
        )
