"""Batches and lanes: what is held, what a block may order of it, and what an author may not do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.batches import CheckedBatch, InvalidBatch, check_batch, make_batch, open_batch
from consensus.errors import InvalidMessage
from consensus.lanes import SLACK, Lanes
from consensus.merkle_list import list_root
from consensus.messages import batch_payload
from consensus.outbox import Outbox
from consensus.parameters import Parameters
from consensus.transactions import Transaction
from consensus.types import NO_DIGEST, Batch, BatchRange, Cut, LaneTip
from node.simulator.keys import verify_hash
from tests.consensus.support import (
    CHAIN,
    CHAIN_ID,
    PARAMETERS,
    committee,
    digest,
    lane_of,
    signer,
    transaction,
)

MEMBERS = (0, 1, 2, 3)


def lanes_with(*lanes: list[CheckedBatch], parameters: Parameters = PARAMETERS) -> Lanes:
    lanes_held = Lanes(0, committee(4), parameters)
    for batches in lanes:
        for batch in batches:
            assert lanes_held.add(batch, named=False) is None
    return lanes_held


def all_have(lanes: Lanes, *tips: LaneTip, members: tuple[int, ...] = MEMBERS) -> None:
    for member in members:
        lanes.heard(member, tips)


class TestBatches:
    def check(self, batch: Batch, parameters: Parameters = PARAMETERS) -> CheckedBatch:
        key = signer(batch.header.lane).public_key
        return check_batch(
            batch, chain_id=CHAIN_ID, chain=CHAIN, key=key, verifier=verify_hash, parameters=parameters
        )

    def signed(self, batch: Batch, **changes: Any) -> Batch:
        """The batch with another header, signed by its author."""
        header = replace(batch.header, **changes)
        return Batch(header, signer(header.lane).sign(batch_payload(CHAIN_ID, header)), batch.envelopes)

    def test_what_is_made_is_accepted_by_all(self) -> None:
        made = lane_of(1, 1)[0]
        assert self.check(made.batch) == made

    def test_another_s_signature_is_the_sender_s_fault(self) -> None:
        batch = lane_of(1, 1)[0].batch
        with pytest.raises(InvalidMessage, match="not signed") as caught:
            self.check(replace(batch, header=replace(batch.header, lane=2)))
        assert not isinstance(caught.value, InvalidBatch)

    def test_content_changed_on_the_way_is_the_sender_s_fault(self) -> None:
        batch = lane_of(1, 1)[0].batch
        with pytest.raises(InvalidMessage, match="content") as caught:
            self.check(replace(batch, envelopes=(transaction("other").envelope,)))
        assert not isinstance(caught.value, InvalidBatch)

    def test_a_transaction_without_valid_signature_is_the_author_s_fault(self) -> None:
        good = transaction("t")
        key, _ = good.signatures[0]
        spoiled = good._replace(envelope=good.envelope[:-64] + bytes(64), signatures=((key, bytes(64)),))
        made = make_batch(CHAIN_ID, 1, LaneTip(1, 0, NO_DIGEST), [spoiled], signer(1))
        with pytest.raises(InvalidBatch, match="transaction 0"):
            self.check(made.batch)

    def test_bytes_that_are_no_transaction_are_the_author_s_fault(self) -> None:
        batch = Batch(lane_of(1, 1)[0].batch.header, b"", (b"nonsense",))
        root = list_root(batch.envelopes)
        with pytest.raises(InvalidBatch, match="malformed"):
            self.check(self.signed(batch, root=root, count=1, size_bytes=8))

    def test_a_wrong_sum_of_gas_is_the_author_s_fault(self) -> None:
        with pytest.raises(InvalidBatch, match="gas"):
            self.check(self.signed(lane_of(1, 1)[0].batch, gas=1))

    @pytest.mark.parametrize("limit", ["batch_count_max", "batch_bytes_max", "batch_gas_max"])
    def test_limits_hold_at_their_edge(self, limit: str) -> None:
        """A batch exactly at a genesis limit passes; one that claims one more does not."""
        batch = lane_of(1, 1)[0].batch
        field = {"batch_count_max": "count", "batch_bytes_max": "size_bytes", "batch_gas_max": "gas"}[limit]
        largest = getattr(PARAMETERS, limit)
        with pytest.raises(InvalidMessage) as at_edge:
            self.check(self.signed(batch, **{field: largest}))
        assert "limits" not in str(at_edge.value)
        with pytest.raises(InvalidBatch, match="limits"):
            self.check(self.signed(batch, **{field: largest + 1}))

    @pytest.mark.parametrize("wrong", [{"seq": 0}, {"count": 2}, {"size_bytes": 1}, {"root": NO_DIGEST}])
    def test_a_header_that_does_not_describe_its_content_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidMessage):
            open_batch(self.signed(lane_of(1, 1)[0].batch, **wrong), CHAIN_ID, CHAIN)

    def test_an_empty_batch_is_refused(self) -> None:
        empty = Batch(lane_of(1, 1)[0].batch.header, bytes(64), ())
        with pytest.raises(InvalidMessage, match="empty"):
            open_batch(self.signed(empty, count=0, size_bytes=0, gas=0, root=list_root(())), CHAIN_ID, CHAIN)


class TestHolding:
    @given(st.permutations(range(6)))
    def test_the_chain_grows_whatever_the_order_of_arrival(self, order: list[int]) -> None:
        batches = lane_of(0, 6)
        lanes = Lanes(0, committee(4), PARAMETERS)
        held: set[int] = set()
        for index in order:
            lanes.add(batches[index], named=False)
            held.add(index)
            longest = next(k for k in range(7) if k not in held)
            assert lanes.of(0).tip.seq == longest

    def test_a_rival_is_reported_and_not_held_and_freezes_the_lane(self) -> None:
        ours, rival = lane_of(0, 2), lane_of(0, 1, name="rival")
        lanes = lanes_with(ours)
        assert lanes.add(rival[0], named=False) == ours[0]
        assert lanes.get(rival[0].digest) is None
        assert lanes.of(0).frozen
        assert lanes.of(0).tip == ours[1].tip

    def test_a_named_rival_is_held_and_may_be_ordered(self) -> None:
        """The cut decides, not who came first."""
        ours, rivals = lane_of(0, 2), lane_of(0, 2, name="rival")
        lanes = lanes_with(ours)
        for rival in rivals:
            lanes.add(rival, named=True)
        span = lanes.span((), (rivals[1].tip,))
        assert span.complete
        assert [batch.digest for batch in span.batches[0]] == [rival.digest for rival in rivals]
        lanes.advance((rivals[1].tip,), [rival.digest for rival in rivals])
        assert lanes.of(0).final == lanes.of(0).tip == rivals[1].tip
        assert lanes.get(ours[0].digest) is None
        assert lanes.get(rivals[0].digest) == rivals[0]
        lanes.release([rival.digest for rival in rivals])
        assert lanes.all() == []

    def test_bounds_on_what_nobody_asked_for(self) -> None:
        lanes = Lanes(0, committee(4), PARAMETERS)
        header = lane_of(0, 1)[0].header
        furthest = SLACK * PARAMETERS.lane_ahead_batches_max
        assert lanes.fits(replace(header, seq=furthest))
        assert not lanes.fits(replace(header, seq=furthest + 1))
        assert not lanes.fits(replace(header, lane=9))
        room = SLACK * PARAMETERS.lane_ahead_bytes_max
        assert lanes.fits(replace(header, size_bytes=room))
        assert not lanes.fits(replace(header, size_bytes=room + 1))

    def test_what_is_final_is_not_taken_again(self) -> None:
        batches = lane_of(0, 2)
        lanes = lanes_with(batches)
        lanes.advance((batches[1].tip,), [])
        assert not lanes.fits(batches[0].header)
        assert lanes.add(batches[0], named=True) is None
        assert lanes.get(batches[0].digest) is None


class TestSpans:
    def test_what_is_missing_is_named_from_the_tip_down(self) -> None:
        batches = lane_of(0, 4)
        lanes = lanes_with(batches[:1])
        span = lanes.span((), (batches[3].tip,))
        assert span.missing == ((batches[3].tip, BatchRange(batches[3].digest, 1)),)
        lanes.add(batches[3], named=True)
        assert lanes.span((), (batches[3].tip,)).missing[0][0] == batches[2].tip

    def test_a_cut_that_does_not_chain_is_wrong_for_good(self) -> None:
        ours, rivals = lane_of(0, 2), lane_of(0, 1, name="rival")
        span = lanes_with(ours).span((rivals[0].tip,), (ours[1].tip,))
        assert span.fault is not None
        assert not span.complete

    def test_a_cut_that_names_a_batch_of_another_place_is_wrong_for_good(self) -> None:
        batches = lane_of(0, 2)
        lanes = lanes_with(batches)
        for tip in (replace(batches[1].tip, seq=3), replace(batches[1].tip, lane=1)):
            assert lanes.span((), (tip,)).fault is not None

    def test_execution_goes_lane_by_lane_in_turns(self) -> None:
        a, c = lane_of(0, 2), lane_of(2, 1)
        lanes = lanes_with(a, c)
        cut: Cut = (a[1].tip, c[0].tip)
        assert lanes.span((), cut).in_order(cut, 2) == (a[0].digest, a[1].digest, c[0].digest)
        assert lanes.span((), cut).in_order(cut, 3) == (c[0].digest, a[0].digest, a[1].digest)


class TestCutting:
    def cut(self, lanes: Lanes, base: Cut = (), height: int = 1) -> Cut:
        return lanes.cut(base, height)

    def test_a_lane_is_cut_where_a_quorum_has_it(self) -> None:
        """Itself and the author count; who announced another batch for the place does not."""
        batches = lane_of(1, 3)
        lanes = lanes_with(batches)
        assert self.cut(lanes) == ()
        lanes.heard(2, [batches[1].tip])
        assert self.cut(lanes) == (batches[1].tip,)
        lanes.heard(3, [LaneTip(1, 3, digest("another"))])
        assert self.cut(lanes) == (batches[1].tip,)
        lanes.heard(2, [LaneTip(1, 9, digest("further"))])
        assert self.cut(lanes) == (batches[2].tip,)

    def test_a_frozen_lane_is_not_extended_and_the_others_are(self) -> None:
        a, b, rival = lane_of(0, 1), lane_of(1, 1), lane_of(1, 1, name="rival")
        lanes = lanes_with(a, b)
        all_have(lanes, a[0].tip, b[0].tip)
        lanes.add(rival[0], named=False)
        assert self.cut(lanes) == (a[0].tip,)

    def test_lanes_share_a_full_block(self) -> None:
        """One lane with much to order cannot keep the others out."""
        a, b = lane_of(0, 6), lane_of(1, 2)
        size = a[0].header.size_bytes
        parameters = replace(PARAMETERS)
        object.__setattr__(parameters, "block_bytes_max", 4 * size + size // 2)
        lanes = lanes_with(a, b, parameters=parameters)
        all_have(lanes, a[-1].tip, b[-1].tip)
        assert self.cut(lanes) == (a[1].tip, b[1].tip)

    def test_gas_fills_a_block_too(self) -> None:
        a = lane_of(0, 6)
        parameters = replace(PARAMETERS)
        object.__setattr__(parameters, "block_gas_max", 2 * a[0].header.gas)
        lanes = lanes_with(a, parameters=parameters)
        all_have(lanes, a[-1].tip)
        assert self.cut(lanes) == (a[1].tip,)

    def test_no_lane_is_extended_beyond_a_base_on_another_branch(self) -> None:
        ours, rivals = lane_of(0, 3), lane_of(0, 1, name="rival")
        lanes = lanes_with(ours)
        all_have(lanes, ours[-1].tip)
        assert self.cut(lanes, base=(rivals[0].tip,)) == (rivals[0].tip,)

    def test_gaps_are_what_peers_have_and_we_do_not(self) -> None:
        batches = lane_of(1, 4)
        lanes = lanes_with(batches[:2])
        lanes.heard(2, [batches[3].tip])
        lanes.heard(3, [batches[1].tip])
        (gap,) = lanes.gaps()
        assert (gap[0].final.lane, gap[1], gap[2]) == (1, 2, BatchRange(batches[3].digest, 2))


class TestOutbox:
    """Back-pressure: a clear refusal at the limit that recovers by itself."""

    parameters = replace(PARAMETERS, batch_count_max=2, lane_ahead_batches_max=3)

    def some(self, count: int) -> list[Transaction]:
        return [transaction(str(index)) for index in range(count)]

    def test_a_batch_is_due_when_full_or_old(self) -> None:
        outbox = Outbox(self.parameters)
        assert outbox.due_ms() is None
        outbox.offer(self.some(1), 0, 0, 100)
        assert outbox.due_ms() == 100 + self.parameters.batch_interval_ms
        outbox.offer(self.some(1), 0, 0, 105)
        assert outbox.due_ms() == 100
        assert len(outbox.take()) == 2
        assert outbox.due_ms() is None

    def test_the_lane_s_room_limits_what_is_taken(self) -> None:
        outbox = Outbox(self.parameters)
        assert outbox.offer(self.some(9), 0, 0, 0) == 6
        assert outbox.offer(self.some(1), 0, 0, 0) == 0
        outbox.take()
        assert outbox.offer(self.some(9), 1, 0, 0) == 0
        assert outbox.offer(self.some(9), 0, 0, 0) == 2

    def test_nothing_is_taken_that_the_lane_has_no_place_for(self) -> None:
        """Its client would wait for an answer for as long as nothing becomes final."""
        outbox = Outbox(self.parameters)
        assert outbox.offer(self.some(9), 3, 0, 0) == 0
        assert outbox.offer(self.some(1), 2, 0, 0) == 1
        assert outbox.offer(self.some(9), 2, 0, 0) == 1, "the draft that has a place is filled"

    def test_gas_uses_up_places(self) -> None:
        outbox = Outbox(replace(self.parameters, batch_gas_max=20_000_000))
        heavy = [transaction(str(index), gas_limit=15_000_000) for index in range(9)]
        assert outbox.offer(heavy, 0, 0, 0) == 3

    def test_bytes_limit_too(self) -> None:
        outbox = Outbox(self.parameters)
        (one,) = self.some(1)
        room = self.parameters.lane_ahead_bytes_max
        assert outbox.offer([one], 0, room - len(one.envelope) + 1, 0) == 0
        assert outbox.offer([one], 0, room - len(one.envelope), 0) == 1

    def test_gas_divides_batches(self) -> None:
        outbox = Outbox(replace(self.parameters, batch_gas_max=20_000_000))
        heavy = [transaction(str(index), gas_limit=15_000_000) for index in range(2)]
        outbox.offer(heavy, 0, 0, 0)
        assert outbox.take() == (heavy[0],)
        assert outbox.take() == (heavy[1],)
