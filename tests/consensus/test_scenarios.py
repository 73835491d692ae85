"""What a few validators do together when something particular happens."""

from collections import Counter
from dataclasses import replace

import pytest

from consensus.batches import CheckedBatch, open_batch
from consensus.codec import decode, encode
from consensus.delivery import AHEAD_MAX
from consensus.effects import Finalise, Persist, ReportKind
from consensus.errors import InvalidMessage
from consensus.messages import (
    DESCENDANTS_MAX,
    FINAL_BLOCK,
    MESSAGE_BYTES_MAX,
    Message,
    executed_payload,
    header_digest,
    vote_payload,
)
from consensus.rules import crowd, execution_order, lag_allows_content
from consensus.standing import TOLD_T0_MAX
from consensus.types import (
    Certificate,
    ExecutedTip,
    FinalBlock,
    Have,
    Header,
    Proposal,
    Status,
    Vote,
    VoteKind,
)
from node.simulator.machine import Machine
from tests.consensus.cluster import Cluster
from tests.consensus.support import (
    CHAIN,
    CHAIN_ID,
    GENESIS,
    PARAMETERS,
    certificate,
    child,
    digest,
    lane_of,
    vote,
)

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE
BASE_MS = PARAMETERS.base_timeout_ms


class TestRest:
    def test_an_idle_chain_does_not_grow(self) -> None:
        """One transaction makes two blocks, its own and one that certifies its execution; then all rests."""
        cluster = Cluster()
        cluster.commit()
        cluster.run(5_000)
        events = cluster.world.events
        cluster.run(600_000)
        assert cluster.heights() == [2, 2, 2, 2]
        assert cluster.world.events == events

    def test_before_the_first_transaction_nothing_happens(self) -> None:
        cluster = Cluster()
        cluster.run(600_000)
        assert cluster.heights() == [0, 0, 0, 0]

    def test_the_heartbeat_makes_a_block_now_and_then(self) -> None:
        cluster = Cluster(parameters=replace(PARAMETERS, heartbeat_ms=10_000))
        cluster.run(35_000)
        assert cluster.heights() == [3, 3, 3, 3]

    def test_a_contract_timer_wakes_the_chain_by_itself(self) -> None:
        cluster = Cluster()
        cluster.submit(1, wake_after_ms=30_000)
        cluster.run(29_000)
        before = cluster.heights()
        assert cluster.ledger(0).timers != []
        cluster.run(3_000)
        assert all(machine.ledger.next_wakeup_ms is None for machine in cluster.world.machines)
        assert [after - height for after, height in zip(cluster.heights(), before, strict=True)] == [
            2,
            2,
            2,
            2,
        ]

    def test_one_validator_alone_commits_at_once(self) -> None:
        cluster = Cluster(size=1, parameters=replace(PARAMETERS, block_interval_ms=0, batch_interval_ms=0))
        assert cluster.commit() <= 3


class TestLiveness:
    def test_a_commit_takes_a_few_message_delays(self) -> None:
        assert Cluster().commit() <= PARAMETERS.batch_interval_ms + PARAMETERS.block_interval_ms + 5 * 5 + 3

    def test_a_crashed_leader_costs_one_base_timeout(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.run(5_000)
        leader = cluster.replica(0).status_snapshot()["leader"]
        cluster[leader].stop()
        assert BASE_MS <= cluster.commit((leader + 1) % 4) <= BASE_MS + 200

    def test_with_more_than_f_down_nothing_commits_and_with_q_back_it_goes_on(self) -> None:
        cluster = Cluster()
        cluster[2].stop()
        cluster[3].stop()
        waiting = cluster.submit(0)
        cluster.run(120_000)
        assert cluster.heights() == [0, 0, 0, 0]
        cluster[2].start()
        cluster.run(70_000)
        assert cluster.has_executed(waiting)

    def test_all_killed_at_once_come_back_and_lose_nothing(self) -> None:
        cluster = Cluster()
        for round_number in range(5):
            sent = [cluster.submit(number) for number in range(4)]
            cluster.run(30 + 10 * round_number)
            for number in range(4):
                cluster[number].stop()
            for number in range(4):
                cluster[number].start()
            cluster.run(5_000)
            acknowledged = cluster.world.checks.all_committed(cluster.world.machines)
            assert acknowledged, cluster.world.describe()
            del sent

    def test_a_lost_minority_of_votes_is_asked_for_again(self) -> None:
        """A quarter of all messages is lost, for ever; the pull brings what is missing."""
        cluster = Cluster(loss=0.25)
        for number in range(4):
            cluster.commit(number, within_ms=120_000)


class TestCrowd:
    @pytest.mark.parametrize("size", [7, 8])
    def test_so_many_tell_less_often_how_far_they_are(self, size: int) -> None:
        cluster = Cluster(size)
        said: Counter[type] = Counter()
        carry = cluster.world.send

        def send(source: Machine, to: int, message: Message | bytes) -> None:
            if (source.number, to) == (0, 1):
                said[type(message)] += 1
            carry(source, to, message)

        cluster.world.send = send  # type: ignore[method-assign]
        for _ in range(100):
            cluster.submit(2)
            cluster.run(100)
        seconds = 100 * 100 // BASE_MS
        times = min(crowd(size) ** 2, TOLD_T0_MAX)
        assert seconds // times - 1 <= said[Status] <= seconds // times + 1

    @pytest.mark.parametrize(("size", "rarer"), [(7, False), (8, True)])
    def test_the_slower_they_vote_the_more_each_block_orders(self, size: int, rarer: bool) -> None:
        cluster = Cluster(size, delay_ms=(90, 100))
        for turn in range(100):
            cluster.submit(turn % size)
            cluster.run(100)
        quickest_ms = PARAMETERS.block_interval_ms + 2 * 90
        assert (cluster.heights()[0] < 100 * 100 // quickest_ms * 2 // 3) is rarer
        cluster.run(5_000)
        assert all(len(cluster.ledger(number).executed) == 100 for number in range(size))


class TestWhatIsUnderWay:
    def test_a_block_that_would_only_certify_waits_for_it(self) -> None:
        """Among many a batch is held by a quorum later than the next leader could propose."""
        cluster = Cluster(16)
        for turn in range(50):
            cluster.submit(turn % 16)
            cluster.run(50)
        blocks = [batches for _, batches in cluster.ledger(0).blocks.values()]
        assert sum(not batches for batches in blocks) <= len(blocks) // 10

    def test_but_not_for_long(self) -> None:
        """Batches that nobody says to hold delay a certificate by a quarter of T0."""
        cluster = Cluster()
        cluster.commit()
        carry = cluster.world.send

        def send(source: Machine, to: int, message: Message | bytes) -> None:
            if not isinstance(message, Have):
                carry(source, to, message)

        cluster.world.send = send  # type: ignore[method-assign]
        cluster.submit(1)
        cluster.run(BASE_MS // 5)
        assert cluster.heights() == [1, 1, 1, 1]
        cluster.run(BASE_MS // 5)
        assert cluster.heights() == [2, 2, 2, 2]
        assert not cluster.ledger(0).blocks[2][1]


class TestLostNews:
    @pytest.mark.parametrize(("size", "every_ms"), [(4, 450), (8, 700), (16, 900), (16, 1_500)])
    def test_what_is_held_is_said_again_whatever_else_is_new(self, size: int, every_ms: int) -> None:
        cluster = Cluster(size)
        cluster.commit()
        carry, lost_until_ms = cluster.world.send, cluster.world.now_ms + 150

        def send(source: Machine, to: int, message: Message | bytes) -> None:
            about_it = isinstance(message, Have) and any(tip.lane == 1 for tip in message.tips)
            if not about_it or cluster.world.now_ms > lost_until_ms:
                carry(source, to, message)

        cluster.world.send = send  # type: ignore[method-assign]
        lost = cluster.submit(1)
        for _ in range(5_000 // every_ms):
            cluster.submit(2)
            cluster.run(every_ms)
        assert cluster.has_executed(lost)


class TestBackPressure:
    def test_a_lane_that_may_not_grow_refuses_and_recovers(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.world.part(2, 3)
        taken = 0
        while taken < 1_000 and cluster[0].submit([cluster.world.transaction()]):
            taken += 1
            cluster.run(25)
        # Every batch cut meanwhile held one transaction; one more batch's worth waits.
        most = PARAMETERS.lane_ahead_batches_max + PARAMETERS.batch_count_max
        assert PARAMETERS.lane_ahead_batches_max <= taken <= most
        cluster.world.part()
        cluster.run(100_000)
        assert cluster.world.checks.all_committed(cluster.world.machines)
        cluster.commit()

    def test_a_silent_executor_stops_content_but_not_for_good(self) -> None:
        """Ordering runs at most the lag limit ahead of certified execution."""
        cluster = Cluster()
        for machine in cluster.world.machines:
            machine.execution_ms = (4_000, 4_000)
        sent = []
        for _ in range(40):
            sent.append(cluster.submit(0))
            cluster.run(500)
        cluster.run(400_000)
        assert all(cluster.has_executed(transaction) for transaction in sent)
        previous: Header | None = None
        for block, batches in cluster.ledger(0).blocks.values():
            header = block.header
            assert not batches or lag_allows_content(header.height, header.exec_height, PARAMETERS)
            assert previous is None or header.exec_height >= previous.exec_height
            previous = header


class TestLanes:
    def test_what_is_withheld_from_most_spreads_from_those_who_have_it(self) -> None:
        """The author gives its batch to f + 1 others only; they announce it and the rest pulls it."""
        cluster = Cluster(behaviours=((3, "withhold"),))
        cluster.commit(3)

    def test_every_batch_is_reported_available_once_and_in_order(self) -> None:
        cluster = Cluster()
        cluster.world.part(0)
        for _ in range(5):
            cluster.submit(0)
            cluster.run(30)
        assert cluster.available(0) == []
        cluster.world.part()
        cluster.run(2_000)
        assert cluster.available(0) == [1, 2, 3, 4, 5]

    def test_two_batches_for_one_place_freeze_the_lane_and_name_the_author(self) -> None:
        cluster = Cluster(twins=(3,))
        twins = [machine for machine in cluster.world.machines if machine.number == 3]
        for machine in twins:
            machine.submit([cluster.world.transaction()])
        cluster.run(3_000)
        accused = cluster.reports(ReportKind.EQUIVOCATION)
        assert {report.member for _, report in accused} == {3}
        assert {number for number, _ in accused} >= {0, 1, 2}
        cluster.commit(0)
        cluster.commit(1)

    def test_the_order_of_lanes_within_blocks_rotates(self) -> None:
        cluster = Cluster()
        for _ in range(12):
            for number in range(4):
                cluster.submit(number)
            cluster.run(400)
        first_lanes = set()
        for block, batches in cluster.ledger(0).blocks.values():
            lanes = [batch.header.lane for batch in batches]
            expected = execution_order(block.header.cut, block.header.height)
            assert lanes == [lane for lane in expected if lane in lanes]
            first_lanes |= set(lanes[:1] if len(lanes) > 1 else [])
        assert len(first_lanes) > 1


class TestTime:
    def test_a_leader_cannot_date_its_block_an_hour_off(self) -> None:
        cluster = Cluster(behaviours=((2, "misdate"),))
        for number in (0, 1, 3):
            cluster.commit(number)
        leaders = {block.header.view % 4 for block, _ in cluster.ledger(0).blocks.values()}
        assert 2 not in leaders
        assert cluster.reports(ReportKind.REFUSED_PROPOSAL) != []

    def test_f_wrong_clocks_do_not_stop_the_chain(self) -> None:
        cluster = Cluster(skews_ms=(0, 0, 0, 3_600_000))
        for number in range(3):
            cluster.commit(number)

    def test_more_than_f_wrong_clocks_stop_it_and_why_says_so(self) -> None:
        cluster = Cluster(skews_ms=(0, 0, 3_600_000, 3_600_000))
        cluster.submit(0)
        cluster.run(20_000)
        assert cluster.heights() == [0, 0, 0, 0]
        assert any("its time" in cluster.why(number) for number in range(4))


class TestDivergence:
    def test_the_diverged_node_stops_names_the_height_and_the_others_go_on(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.run(3_000)
        cluster[2].ledger.corrupt_from = cluster[2].ledger.height + 1
        wrong = cluster[2].ledger.height + 1
        sent = [cluster.submit(number) for number in (0, 1, 3)]
        cluster.run(10_000)
        ((number, alarm),) = cluster.reports(ReportKind.DIVERGED)
        assert number == 2
        assert dict(alarm.fields)["height"] == wrong
        assert "stopped" in cluster.why(2)
        for transaction in sent:
            assert all(transaction.id in cluster.ledger(other).executed for other in (0, 1, 3))

    @pytest.mark.parametrize("height", [1, 2])
    def test_f_plus_1_signed_words_stop_it_too_and_f_do_not(self, height: int) -> None:
        """Words on a height that is executed here, and on one that is executed later."""
        cluster = Cluster()
        cluster.commit()
        cluster[0].ledger.corrupt_from = 1_000  # its alarm is no false one: the others are said to disagree
        for peer in (1, 2):
            assert "stopped" not in cluster.why(0)
            signature = cluster.world.membership.signer(peer, 0).sign(
                executed_payload(CHAIN_ID, height, digest("x"))
            )
            status = Status(1, 1, 0, ExecutedTip(peer, height, digest("x"), signature), ())
            cluster[0].receive(peer, status)
        assert ("stopped" in cluster.why(0)) == (height == 1)
        cluster.run(500)
        assert "stopped" in cluster.why(0)
        assert f"the execution of bolt differs from ours at height {height}" in cluster.why(0)

    def test_a_liar_about_execution_stops_nobody(self) -> None:
        cluster = Cluster(behaviours=((1, "wrong-execution"),))
        for number in (0, 2, 3):
            cluster.commit(number)
        cluster.run(5_000)
        assert cluster.reports(ReportKind.DIVERGED) == []


class TestCatchUp:
    def away_for(self, cluster: Cluster, blocks: int) -> None:
        cluster.world.part(3)
        while cluster[0].ledger.height < blocks:
            transaction = cluster.submit(0)
            cluster.world.run_until(
                cluster.world.now_ms + 60_000,
                lambda: transaction.id in cluster.ledger(0).executed,  # noqa: B023
            )
        cluster.world.part()

    @pytest.mark.parametrize("blocks", [4, 60])
    def test_a_node_that_was_away_catches_up(self, blocks: int) -> None:
        """Near: header by header from its peers' memory; far: whole blocks from a peer's store."""
        cluster = Cluster()
        self.away_for(cluster, blocks)
        cluster[3].connect_all()
        cluster.run(30_000)
        assert len(set(cluster.heights())) == 1
        assert (cluster.world.counts["sync answered"] > 0) == (blocks > 16)

    def test_it_learns_of_its_absence_even_from_an_idle_network(self) -> None:
        cluster = Cluster()
        self.away_for(cluster, 4)
        cluster.run(10_000)
        cluster[3].stop()
        cluster[3].start()
        cluster.run(10_000)
        assert len(set(cluster.heights())) == 1

    def test_memory_stays_bounded_while_execution_waits(self) -> None:
        cluster = Cluster()
        self.away_for(cluster, 150)
        cluster[3].execution_ms = (10**9, 10**9)
        cluster[3].connect_all()
        cluster.run(120_000)
        snapshot = cluster.replica(3).status_snapshot()
        assert snapshot["final_height"] <= snapshot["executed_height"] + AHEAD_MAX

    def test_what_made_delivered_blocks_final_is_not_kept_again(self) -> None:
        """A member can send all of it at any time, as often as it likes."""
        cluster = Cluster()
        for _ in range(3):
            cluster.commit()
        cluster.run(3_000)
        replica = cluster.replica(0)
        replica.effects()
        for block, _ in cluster.ledger(0).blocks.values():
            replica.on_message(1, block.certificate, cluster[0].now())
        assert [effect for effect in replica.effects() if isinstance(effect, Persist)] == []
        assert len(replica._state.certificates.of_kind(F, above=0)) == 1

    def test_forged_final_blocks_are_refused(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.run(3_000)
        fresh = Cluster()
        block, _ = cluster.ledger(0).blocks[1]
        wrong_header = replace(block.header, time_ms=block.header.time_ms + 1)
        empty = Certificate(F, 1, block.header.view, header_digest(CHAIN_ID, block.header), ())
        for forged in (
            replace(block, header=wrong_header),
            replace(block, certificate=empty),
            replace(block, certificate=certificate(N, 1, empty.digest, [0, 1, 2])),
            FinalBlock(block.header, (block.header,), block.certificate),
        ):
            with pytest.raises(InvalidMessage):
                fresh.replica(0).on_synced(forged, (), fresh[0].now())

    def test_a_serving_peer_cannot_slip_in_batches_that_the_block_does_not_order(self) -> None:
        """Synced batches come unchecked, so only what the certificate vouches for may be held."""
        cluster = Cluster()
        cluster.commit()
        cluster.run(3_000)
        fresh = Cluster()
        block, batches = cluster.ledger(0).blocks[1]
        opened = [open_batch(batch, CHAIN_ID, CHAIN) for batch in batches]
        stowaway = lane_of(2, 1)[0]
        replica = fresh.replica(3)
        replica.on_synced(block, [*opened, stowaway], fresh[3].now())
        assert replica.batch(stowaway.digest) is None
        assert all(replica.batch(batch.digest) is not None for batch in opened)
        assert replica.status_snapshot()["final_height"] == 1


class TestBadMessages:
    """What no honest member sends is refused, named, and changes nothing."""

    def test_votes_of_others_and_malformed_ones(self) -> None:
        cluster = Cluster()
        replica, now = cluster.replica(0), cluster[0].now()
        wrong: list[Vote | Proposal | Certificate] = [
            vote(N, 1, digest("h"), 2),
            vote(N, 1, None, 1),
            certificate(F, 1, digest("h"), [1, 2]),
            replace(certificate(S, 1, None, [1, 2, 3]), view=2),
        ]
        for message in wrong:
            with pytest.raises(InvalidMessage):
                replica.on_message(1, message, now)
        with pytest.raises(InvalidMessage, match="not the sender's own"):
            replica.on_message(9, vote(S, 1, None, 9), now)
        with pytest.raises(InvalidMessage, match="not another member"):
            replica.on_message(0, vote(S, 1, None, 0), now)
        assert replica.status_snapshot()["view"] == 1

    def test_proposals_of_who_does_not_lead_or_sign(self) -> None:
        cluster = Cluster()
        replica, now = cluster.replica(0), cluster[0].now()
        cluster.commit()
        block, _ = cluster.ledger(1).blocks[1]
        leader = block.header.view % 4
        header = replace(block.header, view=block.header.view + 4)
        named = header_digest(CHAIN_ID, header)
        good = Proposal(header, vote(N, header.view, named, leader), ())
        for sender, proposal in (
            ((leader + 1) % 4 or 1, good),
            (leader, replace(good, vote=vote(N, header.view, digest("other"), leader))),
            (leader, replace(good, vote=replace(good.vote, signature=bytes(64)))),
        ):
            if sender != 0:
                with pytest.raises(InvalidMessage):
                    replica.on_message(sender, proposal, now)

    @pytest.mark.parametrize("behaviour", ["forge", "pick-and-choose", "old-parent"])
    def test_one_liar_of_four_stops_nothing(self, behaviour: str) -> None:
        cluster = Cluster(behaviours=((1, behaviour),))
        for number in (0, 2, 3):
            cluster.commit(number)


class TestWhy:
    """The sentence for the operator, against each fault."""

    def test_idle(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.run(5_000)
        assert cluster.why(0) == "idle at height 2: nothing to agree on"

    def test_a_silent_leader(self) -> None:
        cluster = Cluster()
        cluster[1].stop()
        cluster.submit(0)
        cluster.run(600)
        assert "view 1 waits for the proposal of bolt" in cluster.why(0)
        assert "next attempt in at most" in cluster.why(0)

    def test_a_minority_is_told_whom_it_misses(self) -> None:
        cluster = Cluster()
        cluster.commit()
        cluster.world.part(2, 3)
        cluster.submit(0)
        cluster.run(30_000)
        sentence = cluster.why(0)
        assert "waits for 1 vote to give up on" in sentence or "waits for 1 vote" in sentence
        assert "missing cargo (silent for" in sentence
        assert "and delta (silent for" in sentence

    def test_a_late_node_says_that_it_is_behind(self) -> None:
        cluster = Cluster()
        TestCatchUp().away_for(cluster, 60)
        cluster[3].execution_ms = (10**9, 10**9)
        cluster[3].connect_all()
        cluster.run(200)
        assert "behind" in cluster.why(3)


class TestHealing:
    """What a partition lost is asked for as soon as it heals, however long timeouts have grown."""

    def test_a_proposal_that_was_lost_comes_again_within_the_long_view(self) -> None:
        cluster = Cluster()
        for number in range(4):
            cluster.submit(number)
        states = [cluster.replica(number)._state for number in range(4)]

        def is_long() -> bool:
            """Every leader is cut off, one after the other, until one has proposed into a long view."""
            view = max(state.certificates.frontier for state in states)
            leader = states[0].committee.leader(view)
            cluster.world.part(leader)
            proposed = view in states[leader].proposals
            return proposed and states[leader].timeout_ms(view) > 8 * BASE_MS

        sent = cluster.submit(0)
        assert cluster.world.run_until(600_000, is_long)
        healed_ms = cluster.world.now_ms
        cluster.world.part()
        assert cluster.world.run_until(healed_ms + 60_000, lambda: cluster.has_executed(sent))
        assert cluster.world.now_ms - healed_ms <= 2 * BASE_MS


class TestDepth:
    def test_more_blocks_than_a_final_block_carries_become_final_at_once(self) -> None:
        """As when a member withholds F for a long time: all nodes go on, and a late one can still follow."""
        count = DESCENDANTS_MAX + 40
        parent, named = GENESIS, CHAIN_ID
        headers: list[Header] = []
        for _ in range(count):
            header = child(parent, named, time_ms=parent.time_ms + 1)
            headers.append(header)
            parent, named = header, header_digest(CHAIN_ID, header)
        final = cluster_certificate(F, count, named)
        cluster = Cluster()
        state = cluster.replica(0)._state
        for header in headers:
            state.chain.add(header)
        cluster.replica(0).on_message(1, final, cluster[0].now())
        blocks: list[FinalBlock] = []
        while len(blocks) < count:
            found = [item for item in cluster.replica(0).effects() if isinstance(item, Finalise)]
            assert found != []
            blocks += [item.block for item in found]
            for item in found:
                height, now = item.block.header.height, cluster[0].now()
                cluster.replica(0).on_executed(height, digest("exec"), False, None, None, now)
        assert max(len(block.descendants) for block in blocks) == DESCENDANTS_MAX
        for block in (blocks[0], blocks[-1]):
            assert decode(FINAL_BLOCK, encode(FINAL_BLOCK, block), "block", MESSAGE_BYTES_MAX) == block
        late = Cluster()
        for block in blocks:
            if late.replica(1).on_synced(block, (), late[1].now()):
                continue
            height = late.replica(1)._state.execution.height + 1
            while height <= late.replica(1).final_height:
                late.replica(1).on_executed(height, digest("exec"), False, None, None, late[1].now())
                height += 1
            assert late.replica(1).on_synced(block, (), late[1].now())
        assert late.replica(1).final_height >= AHEAD_MAX

    def forged(self, cluster: Cluster, salt: int, batch: CheckedBatch | None = None) -> FinalBlock:
        """As long as a block that leads on to what is certified, with a certificate of something else."""
        certified, _ = cluster.ledger(0).blocks[1]
        headers: list[Header] = []
        parent, named = GENESIS, CHAIN_ID
        for _ in range(DESCENDANTS_MAX + 1):
            cut = parent.cut if batch is None else (batch.tip,)
            headers.append(child(parent, named, time_ms=parent.time_ms + salt, cut=cut))
            parent, named = headers[-1], header_digest(CHAIN_ID, headers[-1])
        return FinalBlock(headers[0], tuple(headers[1:]), certified.certificate)

    @pytest.mark.parametrize("lane", [2, 99])
    def test_a_block_that_nothing_certifies_brings_no_batch(self, lane: int) -> None:
        """Nobody checked its batches: one would freeze an honest member's lane, another one is of no lane."""
        cluster = Cluster()
        cluster.commit()
        cluster.run(3_000)
        (unchecked,) = lane_of(lane, 1)
        fresh = Cluster()
        fresh.replica(3).on_synced(self.forged(cluster, 1, unchecked), [unchecked], fresh[3].now())
        assert fresh.replica(3).batch(unchecked.digest) is None

    def test_headers_that_lead_to_nothing_do_not_keep_out_what_is_certified(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("consensus.syncing.DEEP_HEADERS_MAX", 2 * DESCENDANTS_MAX)
        cluster = Cluster()
        cluster.commit()
        cluster.run(3_000)
        fresh = Cluster()
        replica = fresh.replica(3)
        refused = 0
        for salt in range(1, 9):
            try:
                replica.on_synced(self.forged(cluster, salt), (), fresh[3].now())
            except InvalidMessage:
                refused += 1
            assert replica._state.chain.loose <= 3 * (DESCENDANTS_MAX + 1)
            assert len(replica.snapshot_records()) <= 2
        assert refused > 0
        block, batches = cluster.ledger(0).blocks[1]
        opened = [open_batch(batch, CHAIN_ID, CHAIN) for batch in batches]
        assert replica.on_synced(block, opened, fresh[3].now())
        assert replica.final_height == 1


def cluster_certificate(kind: VoteKind, view: int, named: bytes) -> Certificate:
    """Of members 0 to 2 of a cluster, with the keys they have there."""
    payload = vote_payload(CHAIN_ID, kind, 1, view, named)
    members = Cluster().world.membership
    votes = tuple((number, members.signer(number, 0).sign(payload)) for number in range(3))
    return Certificate(kind, 1, view, named, votes)
