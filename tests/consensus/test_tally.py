"""Votes to certificates: when, with what checks, and what is evidence against whom."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.certificates import Certificates, check_certificate
from consensus.errors import CorruptionError, InvalidMessage
from consensus.tally import Tally
from consensus.types import Certificate, Vote, VoteKind
from node.simulator.keys import verify_hash
from tests.consensus.support import CHAIN_ID, GENESIS, certificate, child, committee, digest, vote

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE
A, B = digest("a"), digest("b")


class Counting:
    """A verifier that says how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        self.calls += 1
        return verify_hash(public_key, message, signature)


def forged(kind: VoteKind, view: int, header: bytes | None, voter: int) -> Vote:
    return replace(vote(kind, view, header, voter), signature=bytes(64))


class TestTally:
    def tally(self, size: int = 4) -> tuple[Tally, Counting]:
        verifier = Counting()
        return Tally(committee(size), CHAIN_ID, verifier), verifier

    def test_signatures_are_checked_only_at_the_quorum(self) -> None:
        tally, verifier = self.tally()
        assert tally.add(vote(N, 1, A, 0)).certificate is None
        assert tally.add(vote(N, 1, A, 1)).certificate is None
        assert verifier.calls == 0
        found = tally.add(vote(N, 1, A, 2)).certificate
        assert found == certificate(N, 1, A, [0, 1, 2])
        assert verifier.calls == 3

    def test_votes_for_different_headers_do_not_add_up(self) -> None:
        tally, _ = self.tally()
        for voter, header in enumerate([A, B, A, B]):
            assert tally.add(vote(N, 1, header, voter)).certificate is None

    def test_a_forged_vote_is_found_named_and_replaced(self) -> None:
        tally, _ = self.tally()
        tally.add(forged(N, 1, A, 0))
        tally.add(vote(N, 1, A, 1))
        counted = tally.add(vote(N, 1, A, 2))
        assert (counted.forgers, counted.certificate) == ((0,), None)
        assert tally.add(vote(N, 1, A, 0)).certificate == certificate(N, 1, A, [0, 1, 2])

    @pytest.mark.parametrize(
        ("first", "second"),
        [(vote(N, 1, A, 0), vote(N, 1, B, 0)), (vote(F, 1, A, 0), vote(F, 1, B, 0)),
         (vote(S, 1, None, 0), vote(F, 1, A, 0)), (vote(F, 1, A, 0), vote(S, 1, None, 0))],
    )  # fmt: skip
    def test_contradicting_votes_are_evidence_and_the_first_one_counts(
        self, first: Vote, second: Vote
    ) -> None:
        tally, _ = self.tally()
        tally.add(first)
        assert tally.add(second).equivocation == (first, second)
        assert tally.voters(1, first.kind) == [0]

    def test_of_who_contradicts_itself_for_ever_one_proof_is_kept(self) -> None:
        """A flood of valid votes for ever new headers costs neither memory nor checks of signatures."""
        tally, verifier = self.tally()
        proofs = [tally.add(vote(N, 1, digest(str(number)), 0)).equivocation for number in range(100)]
        assert [proof is not None for proof in proofs].count(True) == 1
        assert verifier.calls == 2
        assert sum(map(len, tally._valid.values())) == 2
        for voter in (1, 2):
            tally.add(vote(S, 1, None, voter))
        skip = tally.add(vote(S, 1, None, 0)).certificate
        assert skip == certificate(S, 1, None, [0, 1, 2]), "what contradicts nothing still counts"

    def test_a_contradiction_with_a_forged_vote_is_no_evidence(self) -> None:
        tally, _ = self.tally()
        tally.add(vote(N, 1, A, 0))
        assert tally.add(forged(N, 1, B, 0)).forgers == (0,)
        tally.add(forged(N, 2, A, 0))
        assert tally.add(vote(N, 2, B, 0)).equivocation is None
        assert tally.voters(2, N) == [0]

    def test_what_is_no_contradiction(self) -> None:
        tally, _ = self.tally()
        for harmless in (vote(N, 1, A, 0), vote(F, 1, B, 0), vote(S, 2, None, 0), vote(N, 2, A, 0)):
            assert tally.add(harmless).equivocation is None

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(VoteKind),
                st.integers(1, 2),
                st.sampled_from([A, B]),
                st.integers(0, 3),
                st.booleans(),
            ),
            max_size=40,
        )
    )
    def test_certificates_hold_and_evidence_is_true(
        self, cast: list[tuple[VoteKind, int, bytes, int, bool]]
    ) -> None:
        """Whatever arrives: a certificate verifies, and only who really contradicted himself is accused."""
        tally, _ = self.tally()
        said: set[Vote] = set()
        for kind, view, header, voter, honest in cast:
            make = vote if honest else forged
            given_vote = make(kind, view, None if kind is S else header, voter)
            if honest:
                said.add(given_vote)
            counted = tally.add(given_vote)
            if counted.certificate is not None:
                check_certificate(counted.certificate, committee(4), CHAIN_ID, verify_hash)
            if counted.equivocation is not None:
                assert set(counted.equivocation) <= said


class TestChecking:
    def check(self, found: Certificate) -> None:
        check_certificate(found, committee(4), CHAIN_ID, verify_hash)

    def test_a_quorum_of_valid_votes(self) -> None:
        self.check(certificate(N, 1, A, [0, 2, 3]))
        self.check(certificate(S, 1, None, [0, 1, 2, 3]))

    @pytest.mark.parametrize(
        "wrong",
        [
            certificate(N, 1, A, [0, 1]),
            certificate(N, 1, None, [0, 1, 2]),
            certificate(S, 1, A, [0, 1, 2]),
            certificate(N, 0, A, [0, 1, 2]),
            certificate(N, 1, A, [0, 1, 7]),
            certificate(N, 1, A, [0, 1, 1]),
            certificate(N, 1, A, [2, 1, 0]),
            replace(certificate(N, 1, A, [0, 1, 2]), view=2),
            replace(certificate(N, 1, A, [0, 1, 2]), kind=F),
            replace(certificate(N, 1, A, [0, 1, 2]), digest=B),
            replace(certificate(N, 1, A, [0, 1, 2]), epoch=2),
        ],
    )
    def test_anything_else_is_refused(self, wrong: Certificate) -> None:
        with pytest.raises(InvalidMessage):
            self.check(wrong)


class TestCertificates:
    """The frontier and what may be built on."""

    def held(self, *found: Certificate) -> Certificates:
        certificates = Certificates(CHAIN_ID)
        for one in found:
            certificates.add(one)
        return certificates

    def test_skips_lead_on_one_by_one(self) -> None:
        assert self.held(certificate(S, 1, None, [0, 1, 2])).frontier == 2
        assert self.held(certificate(S, 2, None, [0, 1, 2])).frontier == 1
        both = self.held(certificate(S, 2, None, [0, 1, 2]), certificate(S, 1, None, [0, 1, 2]))
        assert (both.frontier, both.top_view) == (3, 0)

    def test_a_notarisation_clears_all_below(self) -> None:
        found = self.held(certificate(N, 7, A, [0, 1, 2]), certificate(S, 8, None, [0, 1, 2]))
        assert (found.frontier, found.top_view, found.top_digest, found.final_view) == (9, 7, A, 0)

    def test_a_final_view_never_falls_back(self) -> None:
        found = self.held(certificate(F, 7, A, [0, 1, 2]), certificate(F, 3, B, [0, 1, 2]))
        assert (found.final_view, found.frontier) == (7, 8)

    def test_a_parent_needs_its_certificate_and_all_skips_between(self) -> None:
        parent = child(GENESIS, CHAIN_ID, view=2)
        header = child(parent, A, view=5)
        notarised = certificate(N, 2, A, [0, 1, 2])
        skips = [certificate(S, view, None, [0, 1, 2]) for view in (3, 4)]
        assert self.held(notarised, *skips).justify(header, header.parent) == [notarised, *skips]
        assert self.held(notarised, skips[0]).justify(header, header.parent) is None
        assert self.held(*skips).justify(header, header.parent) is None
        assert self.held(certificate(N, 2, B, [0, 1, 2]), *skips).justify(header, header.parent) is None

    @pytest.mark.parametrize(
        ("one", "other"),
        [(certificate(N, 1, A, [0, 1, 2]), certificate(N, 1, B, [1, 2, 3])),
         (certificate(N, 1, A, [0, 1, 2]), certificate(F, 1, B, [1, 2, 3])),
         (certificate(S, 1, None, [0, 1, 2]), certificate(F, 1, B, [1, 2, 3])),
         (certificate(F, 1, B, [1, 2, 3]), certificate(S, 1, None, [0, 1, 2]))],
    )  # fmt: skip
    def test_a_proven_fork_stops_the_node(self, one: Certificate, other: Certificate) -> None:
        with pytest.raises(CorruptionError, match="more than f"):
            self.held(one, other)

    def test_a_view_may_be_both_skipped_and_notarised(self) -> None:
        assert self.held(certificate(S, 1, None, [0, 1, 2]), certificate(N, 1, A, [0, 1, 2])).top_view == 1
