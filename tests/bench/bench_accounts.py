"""What a transaction costs in a ledger of many accounts, against one of few.

    python -m tests.bench.bench_accounts [folder to keep the ledgers in] [--few 1000] [--many 1000000]

Transfers between accounts drawn at random, signed by keys of their own, through the real executor: contract
engine, receipts and events, authenticated state, one synced write a block. The two ledgers take turns, block
by block, and processor time counts. LevelDB merges tables in a thread of its own, now and then a lot at once;
so each block waits until it rests, and the mean counts, of blocks enough that what they write is merged as it
is in the long run. Making the larger ledger takes minutes; what is in the folder is used again.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from api.client import Call
from api.signing import build_transaction, sign_transaction
from consensus.effects import Finalise
from consensus.keys import verify_ed25519
from consensus.transactions import Transaction, envelope_from_json, parse_transaction, verify
from node.runtime import GARBAGE_THRESHOLDS
from node.store import Store
from tests.bench.big_ledger import BigLedger, holder, holder_key, obtain
from tests.consortium.four import CURRENCY, Consortium

FEW, MANY = 1_000, 1_000_000
BLOCK_TRANSACTIONS = 500
PAIRS = 200
WARM_UP = 12
"""Pairs before those that count, for the caches."""
NODE_US = 215
"""What one of four nodes takes for a transfer in a small state, all in all: docs/benchmarks.md."""
REST_S = 0.02
REST_SHARE = 0.05
"""LevelDB rests when the process takes less than this share of a processor for REST_S."""
GAS_LIMIT = 20_000
LIFE_MS = 600_000


def transfer(chain: str, accounts: int, draw: random.Random, salt: str, expires_ms: int) -> Transaction:
    """Of 1, between two of the first so many accounts."""
    source, target = draw.randrange(accounts), draw.randrange(accounts)
    call = Call(CURRENCY, "transfer", {"to": holder(target), "amount": "1"})
    body = build_transaction(chain, holder(source), [call], expires_ms, gas_limit=GAS_LIMIT, salt=salt)
    signed = sign_transaction(body, [holder_key(source)])
    signatures = [
        (bytes.fromhex(one["key"]), bytes.fromhex(one["signature"])) for one in signed["signatures"]
    ]
    return parse_transaction(envelope_from_json(body, signatures), chain)


class Side(BigLedger):
    """One of the two ledgers, with an executor over it."""

    def __init__(self, consortium: Consortium, accounts: int) -> None:
        super().__init__(consortium)
        self.accounts = accounts
        self.store = Store.open(self.ledger_dir)
        self._executor = self.executor(self.store)
        self.store.top(self.store.link(self.store.height()).state_root)
        self._draw = random.Random(accounts)

    def prepare(self, number: int, transactions: int) -> list[Transaction]:
        """What a block will order."""
        salts = (f"{os.getpid()}.{number}.{each}" for each in range(transactions))
        assert self._last is not None
        expires_ms = self._last.time_ms + LIFE_MS
        return [transfer(self._genesis.chain, self.accounts, self._draw, salt, expires_ms) for salt in salts]

    def execute(self, transactions: Sequence[Transaction]) -> tuple[float, float]:
        """One block; microseconds a transaction: to execute and store it, and to merge tables after that."""
        height = self.store.height() + 1
        batch = self._batch(height, transactions)
        header = self._header(self.store)
        ((final, ordered),) = self._finals(header, batch, is_last=True)
        began_ns = time.process_time_ns()
        outcome = self._executor.execute(
            Finalise(final, (ordered.digest,)), [(ordered.digest, ordered.batch, ordered.transactions)]
        )
        stored_ns = time.process_time_ns()
        merged_ns = resting_ns()
        assert all(receipt.status == "ok" for receipt in outcome.receipts), outcome.receipts[0]
        per_us = 1000 * len(transactions)
        return (stored_ns - began_ns) / per_us, (merged_ns - stored_ns) / per_us


Times = list[tuple[float, float]]


def resting_ns() -> int:
    """The process's processor time, once LevelDB's thread has nothing to do."""
    before_ns = time.process_time_ns()
    while True:
        time.sleep(REST_S)
        now_ns = time.process_time_ns()
        if now_ns - before_ns < REST_SHARE * REST_S * 1e9:
            return now_ns
        before_ns = now_ns


def compare(few: Side, many: Side, pairs: int, transactions: int) -> tuple[Times, Times]:
    """Microseconds a transaction in each ledger, block by block in turns."""
    found: tuple[Times, Times] = [], []
    for number in range(pairs):
        sides = [(few, found[0]), (many, found[1])]
        for side, times in sides if number % 2 else reversed(sides):
            block = side.prepare(number, transactions)
            gc.collect()
            times.append(side.execute(block))
    return found


def check_us(side: Side) -> float:
    """Processor time of one transaction's signature check."""
    block = side.prepare(-1, BLOCK_TRANSACTIONS)
    began_ns = time.process_time_ns()
    assert all(verify(transaction, verify_ed25519) for transaction in block)
    return (time.process_time_ns() - began_ns) / len(block) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--few", type=int, default=FEW)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--node-us", type=float, default=NODE_US)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        report(folder, given.few, given.many, given.pairs, node_us=given.node_us)


def report(
    folder: Path,
    few: int,
    many: int,
    pairs: int,
    transactions: int = BLOCK_TRANSACTIONS,
    node_us: float = NODE_US,
) -> float:
    """Print the figures; the ratio of all that a node takes for a transaction."""
    sides = [Side(obtain(folder / f"accounts-{count}", accounts=count), count) for count in (few, many)]
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.collect()
    gc.freeze()  # as a node does
    with closing(sides[0].store), closing(sides[1].store):
        found = compare(sides[0], sides[1], WARM_UP + pairs, transactions)
        checked_us = check_us(sides[0])
    counted = [times[WARM_UP:] for times in found]
    totals: list[float] = []
    for side, times in zip(sides, counted, strict=True):
        stored, merged = (statistics.mean(column) for column in zip(*times, strict=True))
        totals.append(stored + merged)
        print(
            f"{side.accounts:>9,} accounts: {totals[-1]:6.1f} us of processor a transaction, {merged:.1f} of"
            " it to merge tables in the background"
        )
    small, large = totals
    print(f"executed and stored: ratio {large / small:.2f}, {pairs} pairs of blocks of {transactions}")
    with_check = (large + checked_us) / (small + checked_us)
    print(f"with the check of its signature, {checked_us:.0f} us more: ratio {with_check:.2f}")
    ratio = (node_us + large - small) / node_us
    print(f"with all else that a node does, {node_us:.0f} us in the small state: ratio {ratio:.2f}")
    print(f"load of the machine: {os.getloadavg()[0]:.0f} processes")
    return ratio


if __name__ == "__main__":
    main()
