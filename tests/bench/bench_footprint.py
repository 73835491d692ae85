"""Memory and disk of four nodes with many accounts, under load.

    python -m tests.bench.bench_footprint [folder to keep the ledger in] [--accounts 1000000] [--rate 200]

Memory is what a node's process holds of its own, when it has started and at the end of the load, and what it
sees of files that LevelDB maps: the system takes that back when it needs it. Disk is the rows of what was
ordered, by what they are for, each as a multiple of the signed bytes: of the envelopes that clients signed.
What stands in the state, and its tree, is apart.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import closing
from pathlib import Path

from node.bench.usage import disk_bytes
from node.demo.partner import Partner
from node.demo.processes import stop_all
from node.store import Rows, Store, layout
from tests.bench.big_ledger import obtain
from tests.bench.steady_load import SteadyLoad, prepare
from tests.consortium.four import Consortium

ACCOUNTS = 1_000_000
MEMBERS = 4
RATE = 200.0
SECONDS = 20.0
BATCH = 50
LIFE_S = 580.0
PURPOSES = (
    ("batches: what was signed", (layout.BATCH,)),
    ("blocks, certificates, links", (layout.BLOCK, layout.ORDER, layout.LINK, layout.EPOCH)),
    ("history: receipts and events", (layout.RECEIPT, layout.EVENT)),
    ("history: indexes", (layout.TRANSACTION, layout.LISTED, layout.MENTION)),
)


def memory_mib(pid: int) -> tuple[float, float]:
    """What a process holds now: of its own, and of files that LevelDB maps, which the system takes back."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    own, files = (
        next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024
        for name in ("RssAnon:", "RssFile:")
    )
    return own, files


def row_bytes(partner: Partner) -> list[int]:
    """Keys and values of each purpose, of a node that does not run."""
    with closing(Store.open(partner.seat.home / "ledger")) as store:
        return [
            sum(1 + len(key) + len(row) for space in spaces for key, row in Rows(store._source, space).each())
            for _, spaces in PURPOSES
        ]


def report(folder: Path, accounts: int, rate: float, seconds: float, members: int = MEMBERS) -> list[float]:
    """Print the figures; what each node holds of its own at the end, in MiB."""
    consortium = obtain(folder / f"accounts-{accounts}-members-{members}", accounts=accounts, members=members)
    try:
        return _report(consortium, accounts, rate, seconds)
    finally:
        consortium.stop()


def _report(consortium: Consortium, accounts: int, rate: float, seconds: float) -> list[float]:
    partners, chain = consortium.partners, consortium.stage.chain
    before = row_bytes(consortium.bank)
    consortium.start()
    at_start = [memory_mib(partner.process.pid or 0) for partner in partners]
    count = max(1, int(rate * seconds) // len(partners))
    prepared = [prepare(partner, chain, accounts, count, BATCH, LIFE_S) for partner in partners]
    with SteadyLoad(prepared, chain, rate) as load:
        pass
    accepted = sum(seen.accepted for seen in load.seen)
    height, _ = consortium.assert_equal_execution()
    at_end = [memory_mib(partner.process.pid or 0) for partner in partners]
    stop_all([partner.process for partner in partners])
    signed_bytes = sum(one.signed_bytes for one in prepared)
    print(
        f"{accounts:,} accounts, {len(partners)} nodes, {rate:g} transfers/s for {seconds:g} s: "
        f"{accepted:,} of {count * len(partners):,} accepted, height {height}"
    )
    for partner, (early, _), (own, files) in zip(partners, at_start, at_end, strict=True):
        took = (
            f"{own:.0f} of its own, {early:.0f} when it had started, and {files:.0f} of files that are mapped"
        )
        print(f"{partner.seat.label}: MiB of memory {took}")
    grown = [late - early for late, early in zip(row_bytes(consortium.bank), before, strict=True)]
    print(f"disk, as a multiple of the {signed_bytes:,} signed bytes:")
    for (name, _), size in zip(PURPOSES, grown, strict=True):
        print(f"  {name:<34}{size / signed_bytes:6.2f}")
    size_mb = disk_bytes(consortium.bank.seat.home / "ledger") / 1e6
    print(f"the ledger's files, state and tree included: {size_mb:.0f} MB")
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return [own for own, _ in at_end]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report(given.folder or Path(temporary), given.accounts, given.rate, given.seconds)


if __name__ == "__main__":
    main()
