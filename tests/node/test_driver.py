"""The driver's own bounds, with a real replica and a real journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from api.gateway import TransactionState
from consensus.batches import CheckedBatch
from consensus.dissemination import HAVE_INTERVAL_MS
from consensus.effects import Finalise, Report
from consensus.messages import Message, encode_message, executed_payload, header_digest
from consensus.replica import Anchor, Now, Replica
from consensus.types import Batch, BatchRange, ExecutedTip, Get, Header, MemberNumber, Status
from node import driver as driver_module
from node.clock import Clock
from node.driver import Diverged, Driver, Submission
from node.journal import Journal
from node.pending import PendingTransactions
from node.simulator.keys import verify_hash
from node.wire import StreamClass
from tests.consensus.support import (
    CHAIN,
    CHAIN_ID,
    EXEC_HASH,
    PARAMETERS,
    child,
    committee,
    digest,
    lane_of,
    signer,
    transaction,
)
from tests.durability.disks import HastyDisk
from tests.network.support import until

JOURNAL_BYTES = 2_000
"""In place of JOURNAL_BYTES_MAX."""


class CountingJournal(Journal):
    """Counts how often it was written, and written anew."""

    appends = 0
    rotations = 0

    def append(self, records: Sequence[bytes]) -> None:
        self.appends += 1
        super().append(records)

    def rotate(self, initial_records: object) -> None:
        self.rotations += 1
        super().rotate(initial_records)  # type: ignore[arg-type]


class StoppedClock(Clock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.at = super().now()

    def now(self) -> Now:
        return self.at

    def move(self, by_ms: int) -> None:
        self.at = Now(self.at.wall_ms + by_ms, self.at.mono_ms + by_ms)


async def unexplained(report: Report) -> str:
    return report.text


def lonely(
    journal: Journal,
    records: list[bytes],
    *,
    size: int = 2,
    clock: Clock | None = None,
    on_diverged: Callable[[Report], Awaitable[str]] = unexplained,
) -> Driver:
    """The driver of one of some validators, whose partners never come: nothing becomes final."""
    clock, both = clock or Clock(), committee(size)
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
        on_diverged=on_diverged,
    )


async def submit(driver: Driver, salt: str) -> TransactionState:
    one, done = transaction(salt), trio.Event()
    answers: list[dict[bytes, TransactionState]] = []

    def resolve(answer: dict[bytes, TransactionState]) -> None:
        answers.append(answer)
        done.set()

    driver.submit([one], Submission({one.id}, resolve))
    with trio.fail_after(30):
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


def test_a_batch_that_two_members_send_at_once_is_checked_once(tmp_path: Path) -> None:
    """As when a pull overlaps with the push."""

    async def run() -> None:
        journal, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        driver = lonely(journal, records, size=4)
        batches = lane_of(1, 20)
        for batch in batches:
            for sender in (1, 2, 3):
                driver.on_message(sender, StreamClass.BATCHES, encode_message(batch.batch))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            await until(lambda: len(driver.replica.held_batches()) == len(batches), 20)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        assert driver.checks.checked == len(batches)
        assert driver.bad_messages == 0

    trio.run(run)


def test_a_bad_copy_does_not_keep_a_good_one_out(tmp_path: Path) -> None:
    """Both have one digest, which covers neither signature nor content."""

    async def run() -> None:
        journal, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        driver = lonely(journal, records, size=4)
        (good,) = lane_of(1, 1)
        bad = replace(good.batch, signature=bytes(64))
        driver.on_message(2, StreamClass.BATCHES, encode_message(bad))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            await until(lambda: driver.checks.checked == 1, 20)
            driver.on_message(3, StreamClass.BATCHES, encode_message(good.batch))
            await until(driver.replica.held_batches, 20)
            nursery.cancel_scope.cancel()
        assert (driver.checks.checked, driver.bad_messages) == (2, 1)

    trio.run(run)


@pytest.mark.parametrize("at_once", [False, True], ids=["turn_by_turn", "at_once"])
@pytest.mark.parametrize("wanted", ["header", "batch"])
def test_who_pulled_more_than_its_share_waits_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, at_once: bool
) -> None:
    """However many questions come in one turn; and nobody else does."""
    share = 3
    monkeypatch.setattr(driver_module, "SERVED_BYTES_BURST", share * driver_module.SERVED_ITEM_BYTES)
    monkeypatch.setattr(driver_module, "SERVED_BYTES_PER_S", driver_module.SERVED_ITEM_BYTES)

    async def run() -> None:
        journal, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        clock = StoppedClock()
        driver = lonely(journal, records, size=4, clock=clock)
        header = child(driver.replica._state.chain.floor.header, CHAIN_ID)
        driver.replica._state.chain.add(header)
        (batch,) = lane_of(1, 1)
        get = Get((header_digest(CHAIN_ID, header),), ())
        if wanted == "batch":
            driver.on_message(1, StreamClass.BATCHES, encode_message(batch.batch))
            get = Get((), (BatchRange(batch.digest, 0),))
        served: Counter[MemberNumber] = Counter()

        def send(members: Sequence[MemberNumber] | None, message: Message) -> None:
            if isinstance(message, Header | Batch):
                served.update(members or ())

        monkeypatch.setattr(driver, "_send", send)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)

            async def turn() -> None:
                """Until the driver took what was put, and acted on what it took before."""
                done = trio.Event()
                driver.put(lambda _: done.set())
                with trio.fail_after(60):
                    await done.wait()

            async def ask(member: MemberNumber) -> int:
                """How often it is served now."""
                before = served[member]
                for _ in range(4 * share):
                    driver.put_message(member, get)
                    if not at_once:
                        await turn()
                await turn()
                await turn()
                return served[member] - before

            await until(lambda: wanted == "header" or driver.replica.held_batches() != [], 30)
            assert share <= await ask(2) <= share + 1
            assert await ask(2) == 0
            assert await ask(3) > 0
            clock.move(10_000)
            assert await ask(2) > 0
            nursery.cancel_scope.cancel()

    trio.run(run)


def test_what_promises_nothing_yet_is_synced_with_what_does(tmp_path: Path) -> None:
    """Others' batches are on disk when this node says that it has them, and not once for each before."""

    async def run() -> None:
        clock = StoppedClock()
        journal, records = CountingJournal.open(tmp_path / "journal", disk=HastyDisk())
        assert isinstance(journal, CountingJournal)
        driver = lonely(journal, records, size=4, clock=clock)
        batches = lane_of(1, 10)

        async def come(batch: CheckedBatch) -> None:
            held = len(driver.replica.held_batches())
            driver.on_message(1, StreamClass.BATCHES, encode_message(batch.batch))
            await until(lambda: len(driver.replica.held_batches()) > held, 20)
            await trio.testing.wait_all_tasks_blocked(0.005)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.run)
            await come(batches[0])
            await until(lambda: journal.appends > 0, 60)  # the first is announced at once
            told = journal.appends
            for batch in batches[1:]:
                await come(batch)
            assert journal.appends == told
            clock.move(by_ms=HAVE_INTERVAL_MS)
            driver.put(driver.replica.on_timer)
            await until(lambda: journal.appends > told, 20)
            nursery.cancel_scope.cancel()
        assert journal.appends == told + 1
        journal.close()
        again, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        assert len(lonely(again, records, size=4).replica.held_batches()) == len(batches)
        again.close()

    trio.run(run)


def test_a_diverged_node_stops_with_what_is_found_out_about_it(tmp_path: Path) -> None:
    """The partner's signed word is more than may be faulty among two."""
    told: list[Report] = []

    async def explain(report: Report) -> str:
        told.append(report)
        await trio.sleep(0.01)
        return f"{report.text}; and where"

    async def run() -> None:
        journal, records = Journal.open(tmp_path / "journal", disk=HastyDisk())
        driver = lonely(journal, records, on_diverged=explain)
        other = digest("other")
        tip = ExecutedTip(1, 0, other, signer(1).sign(executed_payload(CHAIN_ID, 0, other)))
        driver.on_message(1, StreamClass.VOTES, encode_message(Status(1, 1, 0, tip, ())))
        with trio.fail_after(30):
            await driver.run()

    with pytest.RaisesGroup(pytest.RaisesExc(Diverged, match="otherwise than the others.*; and where")):
        trio.run(run)
    assert [dict(report.fields)["height"] for report in told] == [0]
