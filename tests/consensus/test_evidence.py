"""Evidence: what proves a fault, what does not, and its way onto the chain."""

from dataclasses import replace

import pytest

from consensus.committee import (
    Committee,
    Validator,
    change_fault,
    committee_digest,
    decode_committee,
    encode_committee,
)
from consensus.effects import ReportKind
from consensus.errors import DecodeError, InvalidMessage
from consensus.evidence import (
    Accusation,
    bad_batch,
    check_evidence,
    decode_evidence,
    encode_evidence,
    two_batches,
    two_votes,
)
from consensus.merkle_list import list_root
from consensus.messages import MEMBERS_MAX, batch_payload, vote_payload
from consensus.replica import Replica
from consensus.types import BadBatch, Batch, Evidence, FinalBlock, Vote, VoteKind
from node.simulator.keys import verify_hash
from tests.consensus.cluster import Cluster
from tests.consensus.support import CHAIN, CHAIN_ID, PARAMETERS, committee, digest, lane_of, signer, vote

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE


def check(evidence: Evidence, of: Committee | None = None) -> Accusation:
    return check_evidence(evidence, of or committee(4), CHAIN_ID, CHAIN, verify_hash, PARAMETERS)


def signed(batch: Batch, **changes: object) -> Batch:
    """The batch with another header, signed by its author."""
    header = replace(batch.header, **changes)  # type: ignore[arg-type]  # the tests name the fields
    return replace(batch, header=header, signature=signer(header.lane).sign(batch_payload(CHAIN_ID, header)))


def spoilt(number: int) -> Batch:
    """A batch of two envelopes of which the second is no transaction."""
    batch = lane_of(number, 1)[0].batch
    envelopes = (batch.envelopes[0], b"no transaction")
    size_bytes = sum(map(len, envelopes))
    changed = replace(batch, envelopes=envelopes)
    return signed(changed, root=list_root(envelopes), count=2, size_bytes=size_bytes)


class TestProof:
    @pytest.mark.parametrize(
        ("one", "other", "kind"),
        [
            (vote(N, 3, digest("a"), 1), vote(N, 3, digest("b"), 1), "two notarise votes"),
            (vote(F, 3, digest("a"), 1), vote(F, 3, digest("b"), 1), "two finalise votes"),
            (vote(F, 3, digest("a"), 1), vote(S, 3, None, 1), "skip and finalise"),
        ],
    )
    def test_contradicting_votes_in_either_order(self, one: object, other: object, kind: str) -> None:
        for pair in ((one, other), (other, one)):
            evidence = two_votes(*pair)  # type: ignore[arg-type]  # votes
            assert check(evidence) == Accusation(1, 1, kind, 3, None)
            assert decode_evidence(encode_evidence(evidence)) == evidence

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (vote(N, 3, digest("a"), 1), vote(N, 3, digest("a"), 1)),
            (vote(N, 3, digest("a"), 1), vote(N, 4, digest("b"), 1)),
            (vote(N, 3, digest("a"), 1), vote(N, 3, digest("b"), 2)),
            (vote(N, 3, digest("a"), 1), vote(S, 3, None, 1)),
            (vote(N, 3, digest("a"), 1), vote(F, 3, digest("b"), 1)),
            (vote(N, 3, digest("a"), 1), replace(vote(N, 3, digest("b"), 1), signature=bytes(64))),
            (replace(vote(N, 3, digest("a"), 1), voter=2), replace(vote(N, 3, digest("b"), 1), voter=2)),
            (vote(N, 3, digest("a"), 9), vote(N, 3, digest("b"), 9)),
        ],
    )
    def test_what_an_honest_validator_may_sign_proves_nothing(self, one: object, other: object) -> None:
        with pytest.raises(InvalidMessage):
            check(two_votes(one, other))  # type: ignore[arg-type]  # votes

    def test_it_counts_in_its_own_epoch_alone(self) -> None:
        evidence = two_votes(vote(N, 3, digest("a"), 1), vote(N, 3, digest("b"), 1))
        later = replace(committee(4), epoch=2)
        with pytest.raises(InvalidMessage, match="not of a validator of epoch 2"):
            check(evidence, later)
        with pytest.raises(InvalidMessage, match="nothing that an honest"):
            check(replace(evidence, epoch=2), later)

    def test_two_batches_for_one_place(self) -> None:
        (one,), (other,) = lane_of(2, 1), lane_of(2, 1, name="rival")
        expected = Accusation(2, 1, "two batches", None, 1)
        assert check(two_batches(1, one.batch, other.batch)) == expected
        assert check(two_batches(1, other.batch, one.batch)) == expected
        second = lane_of(2, 2)[1]
        for wrong in (
            two_batches(1, one.batch, one.batch),
            two_batches(1, one.batch, second.batch),
            two_batches(1, one.batch, replace(other.batch, signature=bytes(64))),
        ):
            with pytest.raises(InvalidMessage):
                check(wrong)

    def test_a_batch_with_an_envelope_that_is_no_transaction(self) -> None:
        evidence = bad_batch(1, spoilt(2), CHAIN, verify_hash, PARAMETERS)
        assert evidence is not None
        assert check(evidence) == Accusation(2, 1, "invalid batch", None, 1)
        assert decode_evidence(encode_evidence(evidence)) == evidence

    def test_a_batch_beyond_the_limits_is_shown_by_its_header(self) -> None:
        batch = signed(lane_of(2, 1)[0].batch, gas=PARAMETERS.batch_gas_max + 1)
        evidence = bad_batch(1, batch, CHAIN, verify_hash, PARAMETERS)
        assert evidence is not None
        assert check(evidence).kind == "invalid batch"

    def test_a_valid_batch_is_no_evidence_and_a_wrong_sum_cannot_be_shown(self) -> None:
        good = lane_of(2, 1)[0].batch
        assert bad_batch(1, good, CHAIN, verify_hash, PARAMETERS) is None
        assert bad_batch(1, signed(good, gas=1), CHAIN, verify_hash, PARAMETERS) is None

    def test_no_part_of_it_can_be_changed(self) -> None:
        evidence = bad_batch(1, spoilt(2), CHAIN, verify_hash, PARAMETERS)
        assert evidence is not None
        assert isinstance(evidence.proof, BadBatch)
        good = lane_of(2, 1)[0].batch.envelopes[0]
        for wrong in (
            replace(evidence.proof, index=0),
            replace(evidence.proof, envelope=good),
            replace(evidence.proof, envelope=None),
            replace(evidence.proof, path=()),
        ):
            with pytest.raises(InvalidMessage):
                check(replace(evidence, proof=wrong))


class TestOnTheChain:
    def test_one_member_s_evidence_goes_there_once_and_everybody_knows(self) -> None:
        cluster = Cluster(twins=(3,))
        for _ in range(6):
            for machine in cluster.world.machines:
                machine.submit([cluster.world.transaction()])
            cluster.run(500)
        carrying = [block for block, _ in blocks(cluster) if block.header.evidence]
        assert len(carrying) == 1
        assert [replica._state.accused for replica in honest(cluster)] == [{3}] * 3
        assert all(replica._state.evidence == {} for replica in honest(cluster))
        assert {report.member for _, report in cluster.reports(ReportKind.EQUIVOCATION)} == {3}

    def test_evidence_is_work_and_outlives_a_crash(self) -> None:
        """One node alone has it and dies; what it persisted still comes onto the chain, without a client."""
        cluster = Cluster()
        cluster.world.checks._swarm = replace(cluster.world.swarm, twins=(1,))  # it did sign both
        cluster.world.part(0)
        evidence = two_votes(*(signed_vote(cluster, name) for name in "ab"))
        cluster[0].receive(1, evidence)
        cluster.run(50)
        cluster[0].stop()
        cluster[0].start()
        assert cluster.replica(0)._state.evidence == {1: evidence}
        cluster[0].disk.rotate(cluster.replica(0).snapshot_records())
        cluster[0].stop()
        cluster[0].start()
        cluster.world.part()
        cluster.run(10_000)
        assert [block.header.evidence for block, _ in blocks(cluster)] == [(encode_evidence(evidence),)]

    def test_what_outlasts_its_epoch_outlives_a_crash_in_the_next(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its record then names the new epoch: that of the old one would be passed over."""
        monkeypatch.setattr("consensus.work.accusing.fresh", lambda *_: ())  # no leader takes it up in time
        cluster = Cluster(candidates=1, plan=((1, tuple((number, 0) for number in range(5))),))
        cluster.world.checks._swarm = replace(cluster.world.swarm, twins=(2,))  # it did sign both
        (one,), (other,) = lane_of(2, 1), lane_of(2, 1, name="rival")
        key = cluster.world.membership.signer(2, 0)
        batches = [
            replace(batch.batch, signature=key.sign(batch_payload(CHAIN_ID, batch.batch.header)))
            for batch in (one, other)
        ]
        cluster[0].receive(2, two_batches(1, *batches))
        cluster.submit(0)
        assert cluster.world.run_until(60_000, lambda: cluster.ledger(0).committee.epoch == 2)
        for _ in range(2):
            (evidence,) = cluster.replica(0)._state.evidence.values()
            assert evidence.epoch == 2
            cluster[0].stop()
            cluster[0].start()

    def test_slander_is_refused_and_costs_its_author_its_turn(self) -> None:
        cluster = Cluster(behaviours=((2, "slander"),))
        for number in (0, 1, 3):
            cluster.commit(number)
        assert {block.header.view % 4 for block, _ in blocks(cluster)}.isdisjoint({2})
        assert cluster.reports(ReportKind.EQUIVOCATION) == []

    def test_an_invalid_batch_is_never_ordered_and_accuses_its_author(self) -> None:
        cluster = Cluster(behaviours=((2, "bad-batch"),))
        for _ in range(12):
            cluster[2].submit([cluster.world.transaction()])
            cluster.commit(0)
        cluster.run(3_000)
        assert any(replica._state.accused == {2} for replica in honest(cluster))


def blocks(cluster: Cluster) -> list[tuple[FinalBlock, tuple[Batch, ...]]]:
    ledger = cluster[0].ledger
    return [ledger.block(height) for height in range(1, ledger.height + 1)]


def honest(cluster: Cluster) -> list[Replica]:
    return [machine.replica for machine in cluster.world.honest if machine.replica is not None]


def signed_vote(cluster: Cluster, name: str) -> Vote:
    """Member 1 votes for a header of this name, in a view far away."""
    payload = vote_payload(CHAIN_ID, N, 1, 40, digest(name))
    return Vote(N, 1, 40, digest(name), 1, cluster.world.membership.signer(1, 0).sign(payload))


class TestCommittees:
    def test_at_most_max_1_f_may_change(self) -> None:
        four, seven = committee(4), committee(7)

        def after(old: Committee, *numbers: int, rekeyed: int | None = None) -> Committee:
            keys = {n: signer(n if n != rekeyed else 77).public_key for n in numbers}
            return Committee(old.epoch + 1, tuple(Validator(n, keys[n]) for n in sorted(keys)))

        for allowed in (
            after(four, 0, 1, 2),
            after(four, 0, 1, 2, 3, 4),
            after(four, 0, 1, 2, 3, rekeyed=3),
        ):
            assert change_fault(four, allowed) is None
        for wrong in (
            after(four, 0, 1, 2, 3),
            after(four, 0, 1),
            after(four, 0, 1, 2, 4),
            after(four, 0, 1, 2, 3, 4, rekeyed=3),
            replace(after(four, 0, 1, 2), epoch=3),
        ):
            assert change_fault(four, wrong) is not None
        assert change_fault(seven, after(seven, *range(1, 8))) is None
        assert change_fault(seven, after(seven, *range(2, 8))) is not None

    def test_the_encoding(self) -> None:
        largest = committee(MEMBERS_MAX)
        assert decode_committee(encode_committee(largest)) == largest
        assert committee_digest(CHAIN_ID, largest) != committee_digest(digest("chain"), largest)
        nobody = b"\x92\x01\x90"
        with pytest.raises(DecodeError, match="1 to 128 validators"):
            decode_committee(nobody)
