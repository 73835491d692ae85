"""What a block costs on disk: the journal's barrier, the store's commit, and checking it all again.

python -m tests.bench.bench_store [folder on the disk to measure]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from node.integrity import verify_integrity
from node.journal import Journal
from node.store import Store
from tests.proofs.minichain import MiniChain

TRANSACTIONS = 500
"""In a block; each changes two balances and writes its own receipt."""
ENVELOPE = b"x" * 500
BLOCKS = 30


def main(folder: Path) -> None:
    barrier(folder)
    commits(folder)


def barrier(folder: Path) -> None:
    journal, _ = Journal.open(folder / "journal")
    for name, records in (
        ("journal: a vote", [b"v" * 200]),
        ("journal: a batch of 250 KB", [ENVELOPE * TRANSACTIONS]),
    ):
        report(name, [timed(lambda records=records: journal.append(records)) for _ in range(100)])  # type: ignore[misc]
    report("journal: a fresh segment with 1 MB", [timed(lambda: journal.rotate([b"r" * 1_000_000]))])
    journal.close()


def commits(folder: Path) -> None:
    chain, store = MiniChain(), Store.open(folder / "store")
    blocks = [chain.grow([(b"balance/%d" % number, b"1000") for number in range(10_000)])]
    for number in range(BLOCKS):
        writes = [
            (b"balance/%d" % (number * 331 + n * 7 % 10_000), b"%d" % (number * n))
            for n in range(2 * TRANSACTIONS)
        ]
        blocks.append(
            chain.grow(
                sorted(dict(writes).items()),
                envelopes=[b"%d %d " % (number, n) + ENVELOPE[:20] for n in range(TRANSACTIONS)],
            )
        )
    times = [timed(lambda block=block: store.commit(block)) for block in blocks]  # type: ignore[misc]
    report(f"store: a block of {TRANSACTIONS} transactions", times[1:])
    keys = [b"balance/%d" % number for number in range(10_000)]
    report("store: 10,000 reads, cold", [timed(lambda: [store.state.get(key) for key in keys])])
    report("store: 10,000 reads, hot", [timed(lambda: [store.state.get(key) for key in keys])])
    report(
        f"store: check of {BLOCKS} blocks and {len(chain.state)} entries",
        [timed(lambda: verify_integrity(store, chain.chain_id))],
    )
    store.close()


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def report(name: str, times: Sequence[float]) -> None:
    print(f"{name:<45} median {statistics.median(times) * 1e3:>8.2f} ms   worst {max(times) * 1e3:>8.2f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as temporary:
        main(Path(temporary))
