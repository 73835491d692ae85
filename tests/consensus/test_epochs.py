"""The committee changes while the chain goes on."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from consensus.committee import committee_digest
from consensus.delivery import AHEAD_MAX
from consensus.effects import ReportKind
from consensus.errors import InvalidMessage
from consensus.messages import Message, header_digest
from consensus.records import decode_record
from consensus.rules import filler
from consensus.types import Batch, FinalBlock, Status, Vote, VoteKind
from node.simulator.machine import Machine
from node.simulator.world import World
from tests.consensus.cluster import Cluster
from tests.consensus.support import CHAIN_ID, certificate, digest, vote
from tests.simulator.exhaustive import SHORT, CrashAt

Step = tuple[int, tuple[tuple[int, int], ...]]


def first(count: int) -> tuple[tuple[int, int], ...]:
    """The members 0 to `count` - 1 with their first keys."""
    return tuple((number, 0) for number in range(count))


def reach(cluster: Cluster, epoch: int, submit_to: Iterable[int] = (0,)) -> None:
    """Go on, under load, until every running member is in this epoch."""
    for _ in range(60):
        for number in submit_to:
            cluster[number].submit([cluster.world.transaction()])
        cluster.run(300)
        running = [machine for machine in cluster.world.machines if machine.replica is not None]
        if all(machine.replica and machine.replica.committee.epoch >= epoch for machine in running):
            return
    raise AssertionError(f"epoch {epoch} is not reached: {cluster.world.describe()}")


class TestGrowth:
    def test_from_one_to_four_to_seven_and_back(self) -> None:
        sizes = [2, 3, 4, 5, 6, 7, 6, 5, 4]
        plan: list[Step] = [(1, first(size)) for size in sizes]
        cluster = Cluster(size=1, candidates=6, plan=tuple(plan))
        reach(cluster, len(sizes) + 1, submit_to=range(7))
        assert [committee.size for committee in cluster.world.checks.committees.values()] == [1, *sizes]
        assert [machine.is_validator for machine in cluster.world.machines] == [True] * 4 + [False] * 3
        for number in range(4):
            cluster.commit(number)
        assert cluster.world.checks.all_committed(cluster.world.machines)


def plan(*sets: Iterable[tuple[int, int]]) -> tuple[Step, ...]:
    """The committees of epochs 2, 3, ..., each decided at the first chance."""
    return tuple((1, tuple(sorted(keys))) for keys in sets)


class TestBoundary:
    def test_it_is_the_first_header_that_names_the_deciding_execution(self) -> None:
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit()
        cluster.run(3_000)
        (boundary,) = [block.header for block, _ in blocks(cluster, 0) if block.header.next_set is not None]
        decided_height = 1  # the first block with a transaction
        before = [block.header for block, _ in blocks(cluster, 0) if block.header.height < boundary.height]
        assert boundary.exec_height >= decided_height
        assert all(header.exec_height < decided_height for header in before)
        assert boundary.next_set == committee_digest(CHAIN_ID, cluster.replica(0).committee)
        assert cluster.replica(4).is_validator

    def test_the_first_block_of_an_epoch_stands_on_the_boundary_and_heights_go_on(self) -> None:
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit()
        cluster.run(3_000)
        cluster.commit(4)
        headers = [block.header for block, _ in blocks(cluster, 0)]
        boundary = next(header for header in headers if header.next_set is not None)
        following = headers[boundary.height]
        assert (following.epoch, following.parent_view) == (2, 0)
        assert following.parent == header_digest(CHAIN_ID, boundary)
        assert [header.height for header in headers] == list(range(1, len(headers) + 1))

    def test_fillers_finish_a_boundary_whose_votes_were_lost_and_take_no_height(self) -> None:
        """Votes to finalise the boundary are lost, so that only a filler's make it final."""
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        lose = LoseFinalVotes(cluster)
        cluster.submit(0)
        assert cluster.world.run_until(
            60_000, lambda: all(machine.is_validator for machine in cluster.world.machines)
        )
        assert lose.lost > 0
        cluster.run(3_000)
        (ended,) = [block for block, _ in blocks(cluster, 0) if block.header.next_set is not None]
        (last,) = ended.descendants
        named = header_digest(CHAIN_ID, ended.header)
        assert last == replace(filler(ended.header, named, last.view), parent_view=last.parent_view)
        assert last.parent == named
        cluster.commit(4)
        assert blocks(cluster, 0)[ended.header.height][0].header.parent == header_digest(
            CHAIN_ID, ended.header
        )

    def test_many_fillers_keep_nobody_who_missed_the_boundary_from_passing_it(self) -> None:
        """One filler leads from the certificate to the boundary, however many there are."""
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit(1)
        cluster.world.part(0, 4)
        lose = LoseFinalVotes(cluster, fillers=20)
        assert cluster.world.run_until(
            3_600_000, lambda: all(cluster.replica(number).committee.epoch == 2 for number in (1, 2, 3))
        )
        assert len(lose.named) == 21
        (ended,) = [block for block, _ in blocks(cluster, 1) if block.header.next_set is not None]
        assert len(ended.descendants) == 1
        cluster.world.part()
        for number in (0, 4):
            cluster[number].connect_all()
        reach(cluster, 2)
        assert cluster[0].is_validator
        assert cluster[4].is_validator

    def test_a_scheduled_change_is_work_and_then_all_rests(self) -> None:
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit()
        cluster.run(20_000)
        heights = cluster.heights()
        cluster.run(600_000)
        assert cluster.heights() == heights
        assert all(
            machine.replica.committee.epoch == 2 for machine in cluster.world.machines if machine.replica
        )

    def test_no_vote_of_the_new_epoch_before_boundary_and_committee_are_durable(self) -> None:
        """Each member dies at every point around the boundary; `Checks` looks at every vote that leaves."""
        for member in range(3):
            for point in range(20, 60, 2):
                swarm = replace(SHORT, candidates=1, plan=plan(first(5)), heal_at_ms=2_000)
                World(swarm, CrashAt(member, point)).run()


class LoseFinalVotes:
    """Every F for a boundary, and for the first so many fillers after it, is lost."""

    def __init__(self, cluster: Cluster, fillers: int = 0) -> None:
        self.lost = 0
        self.named: set[bytes] = set()
        """Digests of the headers whose votes are lost."""
        self._fillers = fillers
        self._world = cluster.world
        self._send = cluster.world.send
        cluster.world.send = self.send  # type: ignore[method-assign]  # this world's network is worse

    def send(self, source: Machine, to: int, message: Message | bytes) -> None:
        votes = message.votes if isinstance(message, Status) else (message,)
        if any(isinstance(vote, Vote) and self._is_lost(source, vote) for vote in votes):
            self.lost += 1
        else:
            self._send(source, to, message)

    def _is_lost(self, source: Machine, vote: Vote) -> bool:
        state = source.replica._state if source.replica is not None else None
        header = state.chain.get(vote.digest or b"") if state is not None else None
        if vote.kind is not VoteKind.FINALISE or header is None or header.next_set is None:
            return False
        if len(self.named) <= self._fillers:
            self.named.add(vote.digest or b"")
        return vote.digest in self.named


def blocks(cluster: Cluster, number: int) -> list[tuple[FinalBlock, tuple[Batch, ...]]]:
    ledger = cluster[number].ledger
    return [ledger.block(height) for height in range(1, ledger.height + 1)]


class TestLeaving:
    def test_what_a_leaving_member_acknowledged_is_handed_over(self) -> None:
        """Its last batches reach nobody before the boundary: no block can order them any more."""
        cluster = Cluster(size=5, plan=plan(first(4)))
        cluster.commit()
        cluster.world.part(4)
        sent = [cluster.submit(4) for _ in range(3)]
        cluster.run(5_000)
        assert cluster.replica(0).committee.size == 4
        cluster.world.part()
        cluster[4].connect_all()
        cluster.run(10_000)
        assert cluster.world.counts["hand-over"] == 1
        assert not cluster.replica(4).is_validator
        assert all(cluster.has_executed(transaction) for transaction in sent)

    def test_hand_over_outlives_a_crash(self) -> None:
        cluster = Cluster(size=5, plan=plan(first(4)))
        cluster.commit()
        cluster.world.part(4)
        sent = cluster.submit(4)
        cluster.run(5_000)
        cluster.world.part()
        cluster[4].connect_all()
        while cluster.replica(4).is_validator:
            cluster.run(1)
        cluster[4].stop()
        cluster[4].start()
        cluster.run(10_000)
        assert cluster.world.counts["hand-over"] == 2
        assert cluster.has_executed(sent)

    def test_a_member_that_comes_back_goes_on_in_its_lane(self) -> None:
        """It must not sign a second batch for a place, which would be evidence against it."""
        cluster = Cluster(size=5, plan=plan(first(4), first(5)))
        cluster.commit()
        cluster.world.part(4)
        cluster.submit(4)
        cluster.run(5_000)
        cluster.world.part()
        cluster[4].connect_all()
        reach(cluster, 3)
        cluster.commit(4)
        assert cluster.reports(ReportKind.EQUIVOCATION) == []

    def test_it_takes_nothing_more_and_follows(self) -> None:
        cluster = Cluster(size=5, plan=plan(first(4)))
        cluster.commit()
        cluster.run(3_000)
        assert not cluster[4].submit([cluster.world.transaction()])
        cluster.commit(0)
        assert "observes" in cluster.why(4)
        cluster.run(3_000)
        assert "idle" in cluster.why(4)


class TestKeys:
    def test_a_new_key_takes_over_and_nothing_acknowledged_is_lost(self) -> None:
        cluster = Cluster(plan=plan([(0, 0), (1, 0), (2, 0), (3, 1)]))
        sent = [cluster.submit(3) for _ in range(2)]
        cluster.commit()
        cluster.run(6_000)
        assert cluster.replica(3).is_validator
        assert cluster.replica(3).committee.key_of(3) != cluster.world.membership.first.key_of(3)
        cluster.commit(3)
        assert all(cluster.has_executed(transaction) for transaction in sent)
        assert cluster.reports(ReportKind.BAD_MESSAGE) == []

    def test_a_lost_ledger_does_not_make_it_sign_a_place_of_its_lane_twice(self) -> None:
        """The new key's batches come out of the journal before the epoch that gave it begins again."""
        cluster = Cluster(plan=plan([(0, 0), (1, 0), (2, 0), (3, 1)]))
        reach(cluster, 2)
        cluster.run(6_000)
        cluster.world.part(3)
        cluster.submit(3)
        cluster.run(100)
        signed = cluster.replica(3)._state.lanes.of(3).tip
        assert signed.seq > 0
        cluster[3].disk.rotate(cluster.replica(3).snapshot_records())
        cluster[3].stop()
        cluster[3].ledger = cluster.world.application.ledger()
        cluster[3].start()
        assert cluster.replica(3).committee.epoch == 1
        cluster.world.part()
        cluster.run(30_000)
        assert cluster.replica(3).committee.epoch == 2
        cluster.commit(3)
        assert signed in [tip for block, _ in cluster.ledger(0).blocks.values() for tip in block.header.cut]
        assert cluster.reports(ReportKind.EQUIVOCATION) == []

    def test_a_key_without_its_journal_does_not_vote_until_the_members_replace_it(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster[3].stop()
        cluster[3].disk.erase()
        cluster[3].abstains = True
        cluster[3].start()
        assert not cluster.replica(3).is_validator
        assert not cluster[3].submit([cluster.world.transaction()])
        sent = len(cluster[3].disk.durable)
        for other in (0, 1, 2):
            cluster.commit(other)
        records = [decode_record(data) for data in cluster[3].disk.durable]
        assert sent < len(records)
        assert not any(isinstance(record, Vote) for record in records)
        assert cluster.why(3).startswith("does not vote: what its key may have signed before")


class TestFarBehind:
    @pytest.mark.parametrize("executes_ms", [(1, 3), (300, 300)])
    def test_a_member_several_epochs_behind_catches_up_through_all_of_them(
        self, executes_ms: tuple[int, int]
    ) -> None:
        sets = [first(5), first(6), first(5), first(4)]
        cluster = Cluster(size=4, candidates=2, plan=plan(*sets))
        cluster.world.part(3)
        for _ in range(200):
            cluster[0].submit([cluster.world.transaction()])
            cluster.run(200)
            if cluster.replica(0).committee.epoch == 5:
                break
        assert cluster.replica(3).committee.epoch == 1
        cluster[3].execution_ms = executes_ms
        cluster.world.part()
        cluster[3].connect_all()
        cluster.run(60_000)
        assert cluster.replica(3).committee.epoch == 5
        assert len(set(cluster.heights())) == 1
        cluster.commit(3)

    def test_a_lost_ledger_with_a_journal_of_a_later_epoch_votes_only_when_it_is_there_again(self) -> None:
        """Its votes of the later epoch are not forgotten, nor is what it signed in its lane."""
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit()
        cluster.run(3_000)
        for number in range(5):
            cluster.commit(number)
        cluster.run(3_000)
        cluster[2].disk.rotate(cluster.replica(2).snapshot_records())
        cluster[2].stop()
        cluster[2].ledger = cluster.world.application.ledger()
        cluster[2].start()
        assert cluster.replica(2).committee.epoch == 1
        cluster.submit(2)
        cluster.run(30_000)
        assert cluster.replica(2).committee.epoch == 2
        for number in range(5):
            cluster.commit(number)
        assert cluster.reports(ReportKind.EQUIVOCATION) == []

    def test_a_lost_ledger_is_rebuilt_from_a_journal_of_several_epochs(self) -> None:
        """The first epoch holds more blocks than may wait for execution, so the others' records wait too."""
        steps = ((AHEAD_MAX + 20, first(5)), *plan(first(4)))
        cluster = Cluster(candidates=1, plan=steps)
        while cluster.replica(0).committee.epoch < 3:
            cluster.commit()
        cluster.run(3_000)
        height = cluster[0].ledger.height
        cluster.world.part(0)
        cluster[0].stop()
        cluster[0].ledger = cluster.world.application.ledger()
        cluster[0].start()
        cluster.run(10_000)
        assert cluster[0].ledger.height == height
        assert cluster.replica(0).committee.epoch == 3
        cluster.world.part()
        cluster.commit()

    def test_a_certificate_of_another_epoch_counts_for_nothing(self) -> None:
        """Three of four are a quorum of epoch 1, and not of epoch 2 with five."""
        cluster = Cluster(candidates=1, plan=plan(first(5)))
        cluster.commit()
        cluster.run(3_000)
        replica = cluster.replica(0)
        before = replica._state.progress
        votes = certificate(VoteKind.FINALISE, 9, digest("h"), [0, 1, 2])
        for epoch in (1, 3):
            replica.on_message(1, replace(votes, epoch=epoch), cluster[0].now())
            replica.on_message(1, replace(vote(VoteKind.SKIP, 1, None, 1), epoch=epoch), cluster[0].now())
        replica.effects()
        assert replica._state.progress == before
        with pytest.raises(InvalidMessage):
            replica.on_message(1, replace(votes, epoch=2), cluster[0].now())
