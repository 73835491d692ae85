"""How fast a node that was killed catches up, against the rate at which the chain grows meanwhile.

    python -m tests.bench.bench_catch_up [--rate 100] [--away 20]

Four nodes on this machine under a steady load; one is killed, comes back after a while and catches up, while
the load goes on. It shares the processors with the three others, which at a partner's home it does not; so
the processor time of a block is stated too: of a node that takes part, and of one that catches up.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from node.bench.usage import cpu_s
from node.demo.partner import Partner, wait_until
from tests.bench.big_ledger import obtain
from tests.bench.steady_load import SteadyLoad, prepare
from tests.consortium.four import Consortium

ACCOUNTS = 1_000
MEMBERS = 4
RATE = 100.0
AWAY_S = 20.0
BATCH = 5
LIFE_S = 580.0
LEVEL_S = 240.0
LEVEL_BLOCKS = 2
"""So near to the others is level: they do not stand still while one looks."""


def report(folder: Path, rate: float, away_s: float) -> float:
    """Print the figures; the ratio of the two rates."""
    consortium = obtain(folder / "four", accounts=ACCOUNTS, members=MEMBERS)
    partners, chain = consortium.partners, consortium.stage.chain
    try:
        consortium.start()
        count = int(rate * (away_s + LEVEL_S)) // (MEMBERS - 1)
        prepared = [prepare(partner, chain, ACCOUNTS, count, BATCH, LIFE_S) for partner in partners[:-1]]
        with SteadyLoad(prepared, chain, rate) as load:
            ratio = _come_back(consortium, partners[-1], away_s)
            load.stop()
        consortium.assert_equal_execution()
    finally:
        consortium.stop()
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return ratio


def _come_back(consortium: Consortium, back: Partner, away_s: float) -> float:
    bank = consortium.bank
    height = bank.height()
    assert wait_until(lambda: bank.height() > height + 2, LEVEL_S), "the load does not arrive"
    back.process.kill()
    gone_at, gone_s, gone_cpu_s = bank.height(), time.monotonic(), _cpu_s(bank)
    time.sleep(away_s)
    assert wait_until(lambda: bank.height() > gone_at, LEVEL_S), "the chain does not grow without it"
    grown, live_cpu_s = bank.height() - gone_at, _cpu_s(bank) - gone_cpu_s
    taken_s = time.monotonic() - gone_s
    consortium.start([back])
    began_at, others_at, began_s, began_cpu_s = back.height(), bank.height(), time.monotonic(), _cpu_s(back)

    def level() -> bool:
        return bank.height() - back.height() <= LEVEL_BLOCKS

    assert wait_until(level, LEVEL_S), back.look()
    took_s, back_cpu_s = max(time.monotonic() - began_s, 1e-3), _cpu_s(back) - began_cpu_s
    caught, meanwhile = back.height() - began_at, bank.height() - others_at
    growth, rate = grown / taken_s, caught / took_s
    print(f"while it was away the chain grew by {grown} blocks in {taken_s:.1f} s: {growth:.1f} a second")
    print(f"then it caught up {caught} blocks in {took_s:.1f} s: {rate:.1f} a second")
    print(f"that is {rate / growth:.1f} x as fast as the chain grew")
    print(f"meanwhile the chain grew by {meanwhile}: {meanwhile / took_s:.1f} a second")
    print(
        f"processor time a block: {live_cpu_s / max(1, grown) * 1000:.1f} ms of a node that takes part, "
        f"{back_cpu_s / max(1, caught) * 1000:.1f} ms of the one that catches up"
    )
    return rate / growth


def _cpu_s(partner: Partner) -> float:
    return cpu_s(partner.process.pid or 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--away", type=float, default=AWAY_S)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), given.rate, given.away)


if __name__ == "__main__":
    main()
