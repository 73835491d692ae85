"""What the state tree costs per changed key, in small and in large states, in processor time.

python -m tests.bench.bench_tree [keys ...]
"""

from __future__ import annotations

import random
import statistics
import sys
import time

from contracts.merkle import Tree, check_proof
from contracts.tree_pages import NO_STATE, PageCache
from tests.proofs.minichain import Pages

WRITES = 500
"""Keys that a block changes."""
BLOCKS = 12
LOAD = 20_000
"""Keys in one write while the state is filled."""


def main(sizes: list[int]) -> None:
    print("     keys   update µs/key   pages/key   bytes/key      forks   prove µs   check µs")
    for size in sizes:
        measure(size)


def measure(size: int) -> None:
    pages, cache, top = Pages(), PageCache(), NO_STATE
    keys = [b"balance/euro/account-%d" % number for number in range(size)]
    for start in range(0, size, LOAD):
        top, writes = Tree(pages, top, cache).update((key, b"0") for key in keys[start : start + LOAD])
        pages.write(writes)
    draw = random.Random(size)
    changes: list[tuple[bytes, bytes]] = []
    updates, written = [], []
    for block in range(BLOCKS):
        changes = [(draw.choice(keys), b"%d %d" % (block, number)) for number in range(WRITES)]
        began = time.process_time()
        top, writes = Tree(pages, top, cache).update(changes)
        updates.append(time.process_time() - began)
        pages.write(writes)
        written.append((len(writes), sum(len(page or b"") for _, page in writes)))
    began = time.process_time()
    proofs = [Tree(pages, top, cache).prove(key) for key, _ in changes]
    proved = time.process_time()
    last = dict(changes)
    assert all(
        check_proof(top.root, key, last[key], proof) for (key, _), proof in zip(changes, proofs, strict=True)
    )
    checked = time.process_time()
    page_count, size_bytes = (statistics.median(column) / WRITES for column in zip(*written, strict=True))
    forks = statistics.mean(len(proof.forks) for proof in proofs)
    update, prove, check = (
        seconds / WRITES * 1e6 for seconds in (statistics.median(updates), proved - began, checked - proved)
    )
    print(
        f"{size:>9} {update:>15.1f} {page_count:>11.2f} {size_bytes:>11.0f} {forks:>10.1f}"
        f" {prove:>10.1f} {check:>10.1f}"
    )


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1_000, 10_000, 100_000, 1_000_000])
