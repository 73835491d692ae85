"""The rules of voting: quorums, timeouts, what a header must be, and that a ballot keeps to them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.ballot import Ballot
from consensus.codec import UINT64_MAX
from consensus.committee import Committee, Validator
from consensus.errors import InvariantError
from consensus.messages import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_PER_BLOCK_MAX,
    LANES_MAX,
    MEMBERS_MAX,
    MESSAGE_BYTES_MAX,
    header_digest,
)
from consensus.parameters import Parameters
from consensus.records import Succession, decode_record, encode_record
from consensus.rules import (
    QUIET_VALIDATORS,
    age_max_ms,
    crowd,
    execution_order,
    filler,
    header_fault,
    is_filler,
    lag_allows_content,
    timeout_ms,
)
from consensus.types import Certificate, FinalBlock, Header, LaneTip, VoteKind
from tests.consensus.support import CHAIN_ID, GENESIS, PARAMETERS, child, committee, digest, signer

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE
LANES = frozenset(range(4))
TIPS = (LaneTip(0, 3, digest("a3")), LaneTip(2, 1, digest("c1")))
PARENT = child(GENESIS, CHAIN_ID, cut=TIPS, height=5, view=9, exec_height=3, exec_hash=digest("exec 3"))
PARENT_DIGEST = digest("parent")


@pytest.mark.parametrize(
    ("size", "faults", "quorum"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 1, 3), (5, 1, 4), (6, 1, 5), (7, 2, 5)],
)
def test_quorums(size: int, faults: int, quorum: int) -> None:
    """q = n - f; 2f + 1 would be 3 at n = 5 and 6, and fork."""
    found = committee(size)
    assert (found.faults_max, found.quorum) == (faults, quorum)
    assert 2 * found.quorum - size > found.faults_max  # two quorums share an honest validator


def test_every_validator_leads_in_turn() -> None:
    found = committee(5)
    assert [found.leader(view) for view in range(5, 10)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("numbers", [[], [1, 0], [0, 0]])
def test_a_committee_is_sorted_and_of_different_validators(numbers: list[int]) -> None:
    with pytest.raises(InvariantError):
        Committee(1, tuple(Validator(number, signer(number).public_key) for number in numbers))


class TestTimeouts:
    def test_they_grow_only_after_f_plus_2_failed_views(self) -> None:
        waits = [timeout_ms(view, 10, 1, PARAMETERS) for view in range(11, 17)]
        assert waits == [1000, 1000, 1000, 1300, 1690, 2197]

    def test_they_are_capped(self) -> None:
        assert timeout_ms(10**6, 0, 1, PARAMETERS) == 64_000

    @given(st.integers(0, 10**9), st.integers(0, 200))
    def test_they_never_fall_while_nothing_becomes_final(self, final: int, failed: int) -> None:
        assert timeout_ms(final + failed, final, 1, PARAMETERS) <= timeout_ms(
            final + failed + 1, final, 1, PARAMETERS
        )

    def test_a_header_may_be_older_the_longer_views_take_up_to_a_cap(self) -> None:
        assert age_max_ms(1_300, PARAMETERS) == PARAMETERS.precision_ms + 1_300
        assert age_max_ms(64_000, PARAMETERS) == PARAMETERS.precision_ms + PARAMETERS.delay_ms_max


class TestHeaders:
    def fault(self, **changes: Any) -> str | None:
        return header_fault(child(PARENT, PARENT_DIGEST, **changes), PARENT, PARENT_DIGEST, LANES, PARAMETERS)

    def test_a_valid_one(self) -> None:
        assert self.fault() is None
        assert self.fault(cut=(LaneTip(0, 4, digest("a4")), LaneTip(1, 1, digest("b1")), TIPS[1])) is None
        assert self.fault(exec_height=5, exec_hash=digest("exec 5")) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"epoch": 2},
            {"next_set": digest("set")},
            {"height": 5},
            {"height": 7},
            {"parent_view": 8},
            {"parent": digest("another")},
            {"view": 9},
            {"time_ms": PARENT.time_ms},
            {"exec_height": 2},
            {"exec_height": 6},
            {"exec_hash": digest("another exec 3")},
            {"cut": TIPS[:1]},
            {"cut": (replace(TIPS[0], seq=2), TIPS[1])},
            {"cut": (replace(TIPS[0], digest=digest("rival")), TIPS[1])},
            {"cut": (*TIPS, LaneTip(4, 1, digest("stranger")))},
            {"cut": (*TIPS, LaneTip(3, 0, digest("nothing")))},
        ],
    )
    def test_each_way_to_be_wrong(self, changes: dict[str, Any]) -> None:
        assert self.fault(**changes) is not None

    def test_content_only_while_execution_keeps_up(self) -> None:
        """At the edge of the lag a block may order batches, one beyond it must be empty."""
        longer = (LaneTip(0, 4, digest("a4")), TIPS[1])
        for height, fine in ((3 + PARAMETERS.exec_lag_max, True), (4 + PARAMETERS.exec_lag_max, False)):
            parent = replace(PARENT, height=height - 1)
            header = child(parent, PARENT_DIGEST, cut=longer)
            assert (header_fault(header, parent, PARENT_DIGEST, LANES, PARAMETERS) is None) == fine
            assert lag_allows_content(height, 3, PARAMETERS) == fine
            assert (
                header_fault(child(parent, PARENT_DIGEST), parent, PARENT_DIGEST, LANES, PARAMETERS) is None
            )


class TestFillers:
    BOUNDARY = replace(PARENT, next_set=digest("next"), evidence=(b"e",))

    def fault(self, header: Header, parent: Header = BOUNDARY) -> str | None:
        return header_fault(header, parent, PARENT_DIGEST, LANES, PARAMETERS)

    def test_one_stands_on_the_boundary_whatever_it_follows(self) -> None:
        """So one header leads from the last of them to the boundary, after any number of others."""
        last, named = self.BOUNDARY, PARENT_DIGEST
        for view in range(self.BOUNDARY.view + 1, self.BOUNDARY.view + 2_000, 3):
            last = filler(last, named, view)
            named = header_digest(CHAIN_ID, last)
            assert last.parent == PARENT_DIGEST
        assert self.fault(last) is None
        assert is_filler(last)
        assert not is_filler(self.BOUNDARY)

    @pytest.mark.parametrize(
        "wrong",
        [{"time_ms": 1}, {"height": 6}, {"evidence": (b"e",)}, {"next_set": digest("other")},
         {"exec_height": 4}, {"parent_view": 8}, {"parent_view": 10}, {"parent": digest("x")}, {"cut": ()}],
    )  # fmt: skip
    def test_it_adds_views_and_nothing_else(self, wrong: dict[str, Any]) -> None:
        header = filler(self.BOUNDARY, PARENT_DIGEST, 10)
        assert self.fault(header) is None
        assert self.fault(replace(header, **wrong)) is not None

    def test_it_stands_on_no_filler(self) -> None:
        first = filler(self.BOUNDARY, digest("boundary"), 10)
        assert self.fault(filler(self.BOUNDARY, PARENT_DIGEST, 11), first) is not None
        assert self.fault(filler(first, PARENT_DIGEST, 11), first) is not None

    def test_no_block_passes_for_one(self) -> None:
        """A boundary without a time would be taken for a filler."""
        parent = replace(PARENT, exec_height=2)
        boundary = child(parent, PARENT_DIGEST, exec_height=4, next_set=digest("next"))
        assert self.fault(boundary, parent) is None
        assert self.fault(replace(boundary, time_ms=0), parent) is not None


def test_what_ends_an_epoch_fits_into_a_record() -> None:
    """With as many lanes, validators, votes and as much evidence as there may be."""
    cut = tuple(LaneTip(lane, UINT64_MAX, digest("tip")) for lane in range(LANES_MAX))
    evidence = (bytes(EVIDENCE_BYTES_MAX),) * EVIDENCE_PER_BLOCK_MAX
    boundary = child(GENESIS, CHAIN_ID, cut=cut, evidence=evidence, next_set=digest("next"))
    last = filler(boundary, PARENT_DIGEST, UINT64_MAX)
    keys = [Validator(number, signer(number).public_key) for number in range(MEMBERS_MAX)]
    votes = tuple((number, bytes(64)) for number in range(MEMBERS_MAX))
    named = header_digest(CHAIN_ID, last)
    block = FinalBlock(boundary, (last,), Certificate(F, 1, last.view, named, votes))
    succession = Succession(Committee(1, tuple(keys)), block, Committee(2, tuple(keys)))
    data = encode_record(succession)
    assert len(data) <= MESSAGE_BYTES_MAX
    assert decode_record(data) == succession


def test_lanes_take_turns_in_going_first() -> None:
    cut = tuple(LaneTip(lane, 1, digest(str(lane))) for lane in (0, 2, 5))
    assert [execution_order(cut, height) for height in (3, 4, 5)] == [[0, 2, 5], [2, 5, 0], [5, 0, 2]]
    assert execution_order((), 7) == []


class TestBallot:
    def ballot(self) -> Ballot:
        return Ballot(CHAIN_ID, 1, 0, signer(0))

    @pytest.mark.parametrize(
        ("first", "second", "fine"),
        [(N, N, False), (N, S, True), (N, F, True), (S, N, False), (S, S, False), (S, F, False),
         (F, S, False), (F, F, False), (F, N, True)],
    )  # fmt: skip
    def test_what_may_follow_what_in_a_view(self, first: VoteKind, second: VoteKind, fine: bool) -> None:
        ballot = self.ballot()
        ballot.cast(first, 1, None if first is S else digest("h"))
        assert ballot.may(second, 1) == fine
        assert ballot.may(second, 2)
        if not fine:
            with pytest.raises(InvariantError, match="against the rules"):
                ballot.cast(second, 1, None if second is S else digest("h"))

    def test_nothing_is_voted_in_a_final_view_or_below(self) -> None:
        ballot = self.ballot()
        ballot.cast(N, 3, digest("h"))
        ballot.forget_through(5)
        assert ballot.votes() == []
        assert not any(ballot.may(kind, view) for kind in VoteKind for view in (1, 3, 5))
        assert ballot.may(N, 6)

    @given(st.lists(st.tuples(st.sampled_from(VoteKind), st.integers(1, 3), st.integers(0, 1)), max_size=20))
    def test_no_sequence_of_wishes_breaks_rules_1_and_2(
        self, wishes: list[tuple[VoteKind, int, int]]
    ) -> None:
        ballot = self.ballot()
        for kind, view, header in wishes:
            if ballot.may(kind, view):
                ballot.cast(kind, view, None if kind is S else digest(str(header)))
        for view in (1, 2, 3):
            kinds = [vote.kind for vote in ballot.of(view).all()]
            assert len(kinds) == len(set(kinds))
            assert not {S, F} <= set(kinds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_bytes_max": 1_000},
        {"batch_gas_max": 1},
        {"batch_count_max": 0},
        {"batch_count_max": 5_000},
        {"batch_bytes_max": 3 * 1024 * 1024},
        {"block_bytes_max": 100_000},
        {"block_gas_max": 1},
        {"lane_ahead_batches_max": 0},
        {"lane_ahead_bytes_max": 1},
        {"base_timeout_ms": 7},
        {"exec_lag_max": 1},
        {"timeout_factor_max": 0},
    ],
)
def test_parameters_that_would_trap_an_honest_node_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|at most"):
        Parameters(**wrong)


@pytest.mark.parametrize(
    ("validators", "times"),
    [(1, 1), (4, 1), (QUIET_VALIDATORS - 1, 1), (QUIET_VALIDATORS, 2), (16, 4), (50, 12)],
)
def test_many_validators_say_less_often_what_all_hear(validators: int, times: int) -> None:
    assert crowd(validators) == times
