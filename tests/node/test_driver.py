"""The driver's own bounds, with a real replica and a real journal."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from api.gateway import TransactionState
from consensus.effects import Finalise
from consensus.replica import Anchor, Replica
from node import driver as driver_module
from node.clock import Clock
from node.driver import Driver, Submission
from node.journal import Journal
from node.pending import PendingTransactions
from node.simulator.keys import verify_hash
from tests.consensus.support import CHAIN, CHAIN_ID, EXEC_HASH, PARAMETERS, committee, signer, transaction
from tests.durability.disks import HastyDisk

JOURNAL_BYTES = 2_000
"""In place of JOURNAL_BYTES_MAX."""


class CountingJournal(Journal):
    """Counts how often it was written anew."""

    rotations = 0

    def rotate(self, initial_records: object) -> None:
        self.rotations += 1
        super().rotate(initial_records)  # type: ignore[arg-type]


def lonely(journal: Journal, records: list[bytes]) -> Driver:
    """The driver of one of two validators, whose partner never comes: nothing becomes final."""
    clock, both = Clock(), committee(2)
    now = clock.now()
    replica = Replica(
        chain_id=CHAIN_ID,
        chain=CHAIN,
        me=0,
        signer=signer(0),
        verifier=verify_hash,
        parameters=PARAMETERS,
        genesis_time_ms=now.wall_ms - 1,
        batch_source=lambda _: None,
        records=records,
        anchor=Anchor(None, ((0, EXEC_HASH),), 0, None, both),
        now=now,
    )
    finalised, _ = trio.open_memory_channel[Finalise](1)
    return Driver(
        replica=replica,
        journal=journal,
        clock=clock,
        committee=both,
        chain_id=CHAIN_ID,
        chain=CHAIN,
        parameters=PARAMETERS,
        verifier=verify_hash,
        pending=PendingTransactions(0),
        finalised=finalised,
        on_sync_needed=lambda _: None,
        on_transactions=lambda *_: None,
    )


async def submit(driver: Driver, salt: str) -> TransactionState:
    one, done = transaction(salt), trio.Event()
    answers: list[dict[bytes, TransactionState]] = []

    def resolve(answer: dict[bytes, TransactionState]) -> None:
        answers.append(answer)
        done.set()

    driver.submit([one], Submission({one.id}, resolve))
    with trio.fail_after(5):
        await done.wait()
    return answers[0][one.id]


def test_a_journal_whose_contents_are_still_needed_is_not_written_anew_at_every_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a quorum is away all batches stay; to write all of them for each new one would stop the node."""
    monkeypatch.setattr(driver_module, "JOURNAL_BYTES_MAX", JOURNAL_BYTES)

    async def run() -> None:
        journal, records = CountingJournal.open(tmp_path / "journal", disk=HastyDisk())
        assert isinstance(journal, CountingJournal)
        driver = lonely(journal, records)
        batches = PARAMETERS.lane_ahead_batches_max
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            states = [await submit(driver, str(number)) for number in range(batches + 1)]
            nursery.cancel_scope.cancel()
        assert states == [TransactionState.PENDING] * batches + [TransactionState.REJECTED]
        assert journal.size_bytes > 2 * JOURNAL_BYTES
        assert journal.rotations <= 5, "as its size doubles, not with every batch"
        kept = driver.replica.held_batches()
        journal.close()
        _, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        assert lonely(journal, records).replica.held_batches() == kept

    trio.run(run)
