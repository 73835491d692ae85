"""What appending, looking up by id and starting cost with many blocks, against few.

    python -m tests.bench.bench_blocks [folder to keep the ledgers in] [--few 1000] [--many 1000000]

The two ledgers take turns, and processor time counts: of the whole process, LevelDB's own thread included.
Starting is that of real nodes, from the command to the answer, with the time on the clock beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from contracts.engine import Engine
from node.bench.usage import cpu_s, memory_mib_max
from node.clock import Clock
from node.reader import Reader
from node.store import Store
from tests.bench.big_ledger import BigLedger, hollow_heights, obtain
from tests.bench.hollow_blocks import Drawn
from tests.consortium.four import Consortium

FEW, MANY = 1_000, 1_000_000
TURNS = 30
LOOK_UPS = 200
APPENDS = 20
WARM_UP = 3_000
"""Look-ups before those that count: LevelDB opens each of its tables once, when it is first read."""
STARTS = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two ledgers, open."""

    blocks: int
    ledger: BigLedger
    store: Store
    draw: random.Random

    def append_us(self, count: int) -> float:
        """Processor time to store a block."""
        like, spent_ns = self.ledger.like_newest(self.store), 0
        for _ in range(count):
            block = self.ledger.next_transfer(self.store, like)
            began_ns = time.process_time_ns()
            self.store.commit(block)
            spent_ns += time.process_time_ns() - began_ns
        return spent_ns / count / 1000

    def answer_us(self, count: int) -> float:
        """Processor time to look a transaction up by its id, as the node of who asks does, in JSON."""
        genesis, heights = self.ledger._genesis, hollow_heights(self.blocks)
        engine = Engine(chain=genesis.chain, parameters=genesis.parameters)
        reader = Reader(engine, self.store, Clock(), genesis)
        wanted = [Drawn.transaction(self.draw.choice(heights)).hex() for _ in range(count)]

        async def answer_all() -> int:
            began_ns = time.process_time_ns()
            for identifier in wanted:
                orjson.dumps(await reader.transaction(identifier))
            return time.process_time_ns() - began_ns

        return asyncio.run(answer_all()) / count / 1000

    def look_up_us(self, count: int) -> float:
        """Processor time of the store's part: place, receipt, and the batch with the signed bytes."""
        heights = hollow_heights(self.blocks)
        wanted = [Drawn.transaction(self.draw.choice(heights)) for _ in range(count)]
        began_ns = time.process_time_ns()
        for identifier in wanted:
            with self.store.snapshot() as view:
                place = view.place(identifier)
                assert place is not None
                view.receipt(place.height, place.index)
                assert view.batch(place.batch) is not None
        return (time.process_time_ns() - began_ns) / count / 1000

    def miss_us(self, count: int) -> float:
        """Processor time to find that an id is new, as for every transaction that is posted."""
        wanted = [self.draw.randbytes(32) for _ in range(count)]
        began_ns = time.process_time_ns()
        for identifier in wanted:
            assert not self.store.has_place(identifier)
        return (time.process_time_ns() - began_ns) / count / 1000


@dataclass(frozen=True, slots=True)
class Start:
    """What it took a node from its command until it answered."""

    cpu_s: float
    took_s: float
    mib: float


def started(consortium: Consortium) -> Start:
    """The first node, which is stopped again."""
    began_s = time.monotonic()
    consortium.start(consortium.partners[:1])
    pid = consortium.bank.process.pid or 0
    taken = Start(cpu_s(pid), time.monotonic() - began_s, memory_mib_max(pid))
    consortium.bank.process.stop()
    return taken


def in_turns(turns: int, few: Callable[[], float], many: Callable[[], float]) -> list[tuple[float, float]]:
    """Both figures of each turn, who is first changing; the first turn warms up and does not count."""
    pairs = []
    for turn in range(turns + 1):
        if turn % 2:
            pairs.append((few(), many()))
        else:
            large = many()
            pairs.append((few(), large))
    return pairs[1:]


def say(name: str, pairs: list[tuple[float, float]]) -> float:
    """A line with the medians; that of the ratios."""
    few, many, ratio = (
        float(statistics.median(column))
        for column in ((a for a, _ in pairs), (b for _, b in pairs), (b / a for a, b in pairs))
    )
    print(f"{name:<44}{few:>12,.1f} {many:>12,.1f} {ratio:>13.2f}", flush=True)
    return ratio


@contextmanager
def opened(consortium: Consortium, blocks: int) -> Iterator[Side]:
    """Its ledger, while no node has it."""
    ledger = BigLedger(consortium)
    with closing(Store.open(ledger.ledger_dir)) as store:
        yield Side(blocks, ledger, store, random.Random(blocks))


def report(folder: Path, few: int, many: int, turns: int, starts: int) -> dict[str, float]:
    """Print the figures; the ratio of each."""
    consortia = [obtain(folder / f"blocks-{count}", blocks=count) for count in (few, many)]
    found = {}
    print(f"{'':44}{few:>12,} {many:>12,} blocks, ratio")
    with opened(consortia[0], few) as small, opened(consortia[1], many) as large:
        for side in (small, large):
            side.look_up_us(WARM_UP)
        for name, measure, count in (
            ("append a block, us", Side.append_us, APPENDS),
            ("look up an id and answer, us", Side.answer_us, LOOK_UPS),
            ("the store's part of it, us", Side.look_up_us, LOOK_UPS),
            ("look up an id that is new, us", Side.miss_us, LOOK_UPS),
        ):
            pairs = in_turns(turns, partial(measure, small, count), partial(measure, large, count))
            found[name] = say(name, pairs)
    if starts:
        found["start"] = _compare_starts(consortia, starts)
    for consortium in consortia:
        consortium.stop()
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return found


def _compare_starts(consortia: Sequence[Consortium], starts: int) -> float:
    seen: tuple[list[Start], list[Start]] = [], []

    def start(side: int) -> float:
        seen[side].append(started(consortia[side]))
        return seen[side][-1].cpu_s

    ratio = say("start, s of processor", in_turns(starts, partial(start, 0), partial(start, 1)))
    say("start, s on the clock", [(one.took_s, other.took_s) for one, other in zip(*seen, strict=True)])
    say("memory then, MiB", [(one.mib, other.mib) for one, other in zip(*seen, strict=True)])
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--few", type=int, default=FEW)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--starts", type=int, default=STARTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report(given.folder or Path(temporary), given.few, given.many, given.turns, given.starts)


if __name__ == "__main__":
    main()
