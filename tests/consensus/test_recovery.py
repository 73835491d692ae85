"""After a crash a validator keeps its word, whatever journal it finds: the full one or a fresh one."""

import pytest

from consensus.chain import Chain, Link
from consensus.delivery import AHEAD_MAX
from consensus.errors import CorruptionError
from consensus.records import decode_record, encode_record
from consensus.types import Batch, Certificate, Digest, Header, Vote, VoteKind
from node.simulator.disk import Disk
from node.simulator.machine import Crashes, Machine
from tests.consensus.cluster import Cluster
from tests.consensus.support import digest, lane_of, vote

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE


def progress(cluster: Cluster, number: int) -> tuple[object, ...]:
    state = cluster.replica(number)._state
    tips = tuple(lane.tip for lane in state.lanes)
    return (*state.certificates.progress, state.chain.floor, state.ballot.votes(), tips)


def restart(cluster: Cluster, number: int) -> None:
    cluster[number].stop()
    cluster[number].start()


def headers(disk: Disk) -> list[Header]:
    return [record for record in map(decode_record, disk.records()) if isinstance(record, Header)]


class BeforeItsFirstProposalLeaves(Crashes):
    """Kills a leader once, when its first header is durable and nobody has seen it."""

    def __init__(self, leader: int) -> None:
        self.leader: int | None = leader

    def here(self, machine: Machine) -> bool:
        if machine.number != self.leader or not headers(machine.disk):
            return False
        self.leader = None
        return True

    def down_ms(self) -> int:
        return 300


class TestRestart:
    def busy(self) -> Cluster:
        """A cluster stopped in the middle of its work."""
        cluster = Cluster()
        for number in range(4):
            cluster.submit(number)
            cluster.run(35)
        return cluster

    def test_nothing_that_was_promised_is_forgotten(self) -> None:
        """Final view, floor, votes and lanes are those of before; none of them moves back."""
        cluster = self.busy()
        for number in range(4):
            before = progress(cluster, number)
            restart(cluster, number)
            assert progress(cluster, number) == before

    def test_a_fresh_journal_is_as_good_as_the_old_one(self) -> None:
        cluster = self.busy()
        for number in range(4):
            before = progress(cluster, number)
            cluster[number].disk.rotate(cluster.replica(number).snapshot_records())
            restart(cluster, number)
            assert progress(cluster, number) == before
        cluster.commit()

    def test_a_fresh_journal_does_not_grow_with_the_age_of_the_chain(self) -> None:
        cluster = Cluster()
        sizes = []
        for _ in range(3):
            for _ in range(10):
                cluster.commit()
            cluster.run(5_000)
            sizes.append(sum(map(len, cluster.replica(0).snapshot_records())))
        assert max(sizes) < 2_000
        assert sum(map(len, cluster[0].disk.records())) > 10 * max(sizes)

    def test_the_own_lane_goes_on_where_it_was_without_a_second_batch_for_a_place(self) -> None:
        cluster = Cluster()
        cluster.world.part(0)
        for _ in range(3):
            cluster.submit(0)
            cluster.run(50)
            cluster[0].disk.rotate(cluster.replica(0).snapshot_records())
            restart(cluster, 0)
        assert cluster.replica(0)._state.lanes.of(0).tip.seq == 3
        cluster.world.part()
        cluster.commit(0)
        last, _ = cluster.ledger(1).blocks[cluster[1].ledger.height]
        assert last.header.cut[0].seq == 4

    def test_a_restarted_leader_proposes_the_same_block_again(self) -> None:
        cluster = Cluster()
        cluster.world.crashes = BeforeItsFirstProposalLeaves(1)
        cluster.submit(1)
        cluster.run(200)
        (first,) = headers(cluster[1].disk)
        assert cluster[1].replica is None
        cluster.run(1_000)
        assert cluster.ledger(0).blocks[1][0].header == first

    def test_a_lost_ledger_is_rebuilt_from_the_journal_block_by_block(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thousands of final blocks wait for execution then: none is looked at before its turn."""
        cluster = Cluster()
        while cluster[0].ledger.height < AHEAD_MAX + 20:
            cluster.commit()
        height = cluster[0].ledger.height
        cluster[0].stop()
        cluster[0].ledger = cluster.world.application.ledger()
        walks: list[Digest] = []
        path = Chain.path

        def counted(chain: Chain, digest: Digest) -> list[Link] | None:
            walks.append(digest)
            return path(chain, digest)

        monkeypatch.setattr(Chain, "path", counted)
        cluster[0].start()
        assert len(walks) <= AHEAD_MAX + 2
        cluster.run(5_000)
        assert cluster[0].ledger.height >= height

    def test_the_store_may_be_ahead_of_the_journal_s_last_word(self) -> None:
        """The block is committed to the store, then the process dies before it could say so."""
        cluster = Cluster()
        cluster.commit()
        cluster.run(5_000)
        cluster[0].disk.erase()
        restart(cluster, 0)
        assert cluster.replica(0).status_snapshot()["final_height"] == 2
        cluster.commit(1)


class TestJournalThatCannotBe:
    def start_with(self, *records: bytes) -> None:
        cluster = Cluster()
        cluster[0].stop()
        cluster[0].disk.append(list(records))
        cluster[0].start()

    @pytest.mark.parametrize(
        "votes",
        [
            [vote(N, 1, digest("a"), 0), vote(N, 1, digest("b"), 0)],
            [vote(S, 1, None, 0), vote(F, 1, digest("a"), 0)],
            [vote(F, 1, digest("a"), 0), vote(S, 1, None, 0)],
            [vote(N, 1, digest("a"), 1)],
        ],
    )
    def test_contradicting_or_foreign_votes_stop_the_node(self, votes: list[Vote]) -> None:
        with pytest.raises(CorruptionError, match="cannot have cast"):
            self.start_with(*[encode_record(one) for one in votes])

    def test_a_record_that_cannot_be_read_stops_the_node(self) -> None:
        with pytest.raises(CorruptionError, match="cannot read"):
            self.start_with(b"\x92\x09\xc0")

    def test_a_batch_that_is_not_valid_stops_the_node(self) -> None:
        batch = lane_of(0, 1)[0].batch
        with pytest.raises(CorruptionError, match="batch"):
            self.start_with(encode_record(Batch(batch.header, batch.signature, (b"x",))))

    def test_two_certificates_that_contradict_stop_the_node(self) -> None:
        both = [Certificate(N, 1, 1, digest(name), ((0, bytes(64)),)) for name in "ab"]
        with pytest.raises(CorruptionError, match="contradicting"):
            self.start_with(*map(encode_record, both))

    def test_the_same_record_twice_is_harmless(self) -> None:
        self.start_with(*[encode_record(vote(S, 1, None, 0))] * 2)
