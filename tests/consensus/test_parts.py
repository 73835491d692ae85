"""The smaller parts: the tree of headers, fetching, execution claims, timers of a view."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from consensus.catchup import BATCHES_PER_ANSWER, answer_get
from consensus.certificates import Certificates
from consensus.chain import GAP_MAX, RECENT_MAX, Chain, Link
from consensus.delivery import next_undelivered
from consensus.execution import Claim, Execution
from consensus.fetching import Fetches, Need
from consensus.messages import GET_BATCHES_MAX, header_digest
from consensus.pacemaker import Pacemaker
from consensus.types import BatchRange, ExecutedTip, Get, Header, VoteKind
from tests.consensus.cluster import Cluster
from tests.consensus.support import CHAIN_ID, GENESIS, certificate, child, digest, lane_of


def headers(count: int) -> list[Link]:
    """A chain on genesis."""
    parent = Link(CHAIN_ID, GENESIS)
    found: list[Link] = []
    for _ in range(count):
        header = child(parent.header, parent.digest)
        parent = Link(header_digest(CHAIN_ID, header), header)
        found.append(parent)
    return found


class TestChain:
    def chain(self, *held: Header) -> Chain:
        chain = Chain(CHAIN_ID, Link(CHAIN_ID, GENESIS))
        for header in held:
            chain.add(header)
        return chain

    def test_a_path_leads_from_the_floor(self) -> None:
        links = headers(3)
        chain = self.chain(*(link.header for link in links))
        assert chain.path(links[2].digest) == links
        chain.advance(links[0])
        assert chain.path(links[2].digest) == links[1:]
        assert chain.path(links[0].digest) == []

    def test_the_next_final_block_is_looked_for_once_however_many_are_final_above_it(self) -> None:
        """Guards catch-up beside a chain that goes on: each look walked the way to every final block."""
        links = headers(200)
        walks = 0

        class Counted(Chain):
            def path(self, digest: bytes) -> list[Link] | None:
                nonlocal walks
                walks += 1
                return super().path(digest)

        chain = Counted(CHAIN_ID, Link(CHAIN_ID, GENESIS))
        certificates = Certificates(CHAIN_ID)
        for link in links[1:]:
            chain.add(link.header)
            certificates.add(certificate(VoteKind.FINALISE, link.header.view, link.digest, [0, 1, 2]))
        state: Any = SimpleNamespace(chain=chain, certificates=certificates, floor_view=0)
        assert next_undelivered(state) is None, "the first header is missing"
        assert walks == 1
        assert chain.wanted() == [links[0].digest]
        chain.add(links[0].header)
        assert next_undelivered(state) == links[0]

    def test_a_missing_header_is_asked_for_and_only_then_taken(self) -> None:
        links = headers(3)
        chain = self.chain(links[2].header)
        assert not chain.is_wanted(links[1].header)
        assert chain.path(links[2].digest) is None
        assert chain.wanted() == [links[1].digest]
        assert chain.is_wanted(links[1].header)
        assert not chain.is_wanted(links[0].header)

    def test_a_wide_gap_is_left_to_catch_up(self) -> None:
        links = headers(GAP_MAX + 2)
        near = self.chain(links[GAP_MAX - 1].header)
        assert near.path(links[GAP_MAX - 1].digest) is None
        assert near.wanted() == [links[GAP_MAX - 2].digest]
        far = self.chain(links[-1].header)
        assert far.path(links[-1].digest) is None
        assert far.wanted() == []

    def test_a_branch_that_the_floor_cut_off_leads_nowhere(self) -> None:
        links = headers(2)
        branch = child(GENESIS, CHAIN_ID, time_ms=GENESIS.time_ms + 7)
        chain = self.chain(*(link.header for link in links), branch)
        chain.advance(links[0])
        assert chain.path(header_digest(CHAIN_ID, branch)) is None
        chain.prune()
        assert chain.get(header_digest(CHAIN_ID, branch)) is None

    def test_a_leader_cannot_leave_headers_behind_by_claiming_heights(self) -> None:
        """A proposal is held before its height can be judged; it goes once its view is behind."""
        links = headers(2)
        claimed = child(GENESIS, CHAIN_ID, height=2**60, time_ms=GENESIS.time_ms + 7)
        chain = self.chain(*(link.header for link in links), claimed)
        chain.advance(links[0])
        chain.prune()
        assert [link.digest for link in chain.above(0)] == [link.digest for link in links]

    def test_large_headers_on_a_serving_peer_s_word_count_for_several(self) -> None:
        small, large = headers(2)
        evidence = replace(large.header, evidence=(bytes(40 * 1024),))
        chain = self.chain()
        chain.add(small.header, loose=True)
        chain.add(evidence, loose=True)
        assert chain.loose == 42
        chain.add(evidence)
        assert chain.loose == 1
        chain.drop_loose()
        assert (chain.loose, chain.get(small.digest)) == (0, None)
        assert chain.get(header_digest(CHAIN_ID, evidence)) == evidence

    def test_memory_is_bounded(self) -> None:
        links = headers(RECENT_MAX + 20)
        chain = self.chain(*(link.header for link in links))
        for link in links:
            chain.advance(link)
        chain.prune()
        assert chain.get(links[-1].digest) is not None
        assert sum(chain.get(link.digest) is not None for link in links) == RECENT_MAX


class TestFetches:
    def test_sources_are_asked_in_turn(self) -> None:
        fetches = Fetches(250)
        need = Need(digest("batch"), BatchRange(digest("batch"), 3), (2, 1))
        assert fetches.requests([need], 0) == [(2, Get((), (BatchRange(digest("batch"), 3),)))]
        assert fetches.requests([need], 249) == []
        assert [peer for peer, _ in fetches.requests([need], 250)] == [1]
        assert [peer for peer, _ in fetches.requests([need], 500)] == [2]

    def test_patience_before_the_first_request(self) -> None:
        fetches = Fetches(250)
        need = Need(digest("batch"), BatchRange(digest("batch"), 3), (2,), named=False, patience_ms=100)
        assert fetches.requests([need], 0) == []
        assert fetches.next_ms() == 100
        assert len(fetches.requests([need], 100)) == 1

    def test_what_is_no_longer_needed_is_forgotten(self) -> None:
        fetches = Fetches(250)
        fetches.requests([Need(digest("header"), None, (1,))], 0)
        assert fetches.requests([], 250) == []
        assert fetches.next_ms() is None

    def test_needs_of_one_peer_travel_together(self) -> None:
        needs = [
            Need(digest("header"), None, (1,)),
            Need(digest("batch"), BatchRange(digest("batch"), 0), (1,)),
        ]
        ((peer, get),) = Fetches(250).requests(needs, 0)
        assert peer == 1
        assert get == Get((digest("header"),), (BatchRange(digest("batch"), 0),))


class TestAnswers:
    def test_an_answer_has_one_bound_however_much_is_asked_for(self) -> None:
        """Sixteen ranges in a message of 700 bytes must not make this node send sixteen answers."""
        state = Cluster(size=4).replica(0)._state
        stored = {batch.digest: batch.batch for batch in lane_of(1, BATCHES_PER_ANSWER + 10)}
        newest = list(stored)[-1]
        asked = Get((), (BatchRange(newest, 0),) * GET_BATCHES_MAX)
        answer = answer_get(state, asked, stored.get)
        assert answer == list(stored.values())[10:]


class TestExecution:
    def execution(self) -> Execution:
        return Execution([(3, digest("3")), (4, digest("4"))], changed_height=4, next_wakeup_ms=None)

    def tip(self, voter: int, height: int, name: str) -> ExecutedTip:
        return ExecutedTip(voter, height, digest(name), bytes(64))

    def test_claims(self) -> None:
        execution = self.execution()
        assert execution.compare(4, digest("4")) is Claim.EQUAL
        assert execution.compare(4, digest("x")) is Claim.CONTRADICTS
        assert execution.compare(5, digest("5")) is Claim.UNKNOWN
        assert execution.compare(2, digest("2")) is Claim.UNKNOWN

    def test_a_header_names_the_newest_execution_and_never_falls_back(self) -> None:
        execution = self.execution()
        parent = child(GENESIS, CHAIN_ID, height=9, exec_height=3, exec_hash=digest("3"))
        assert execution.name_for(parent) == (4, digest("4"))
        ahead = child(GENESIS, CHAIN_ID, height=9, exec_height=7, exec_hash=digest("7"))
        assert execution.name_for(ahead) == (7, digest("7"))

    def test_only_a_peer_s_newest_word_counts(self) -> None:
        execution = self.execution()
        execution.heard(self.tip(1, 4, "x"))
        assert [tip.voter for tip in execution.contradictions()] == [1]
        execution.heard(self.tip(1, 3, "3"))
        assert [tip.voter for tip in execution.contradictions()] == [1]
        execution.heard(self.tip(1, 5, "5"))
        assert execution.contradictions() == []
        execution.advance(digest("mine"), changed=True, next_wakeup_ms=7)
        assert [tip.voter for tip in execution.contradictions()] == [1]

    def test_who_is_ahead_comes_furthest_first(self) -> None:
        execution = self.execution()
        for voter, height in ((1, 5), (2, 9), (3, 4)):
            execution.heard(self.tip(voter, height, "x"))
        assert execution.ahead_of(4) == [2, 1]


class TestPacemaker:
    def test_the_deadline_runs_only_while_it_is_wanted(self) -> None:
        pace = Pacemaker(1_000)
        pace.enter(1, 0)
        pace.run(wanted=False, given_up=False, timeout_ms=1_000, now_ms=0)
        assert not pace.expired(10**9)
        pace.run(wanted=True, given_up=False, timeout_ms=1_000, now_ms=500)
        pace.run(wanted=True, given_up=False, timeout_ms=1_000, now_ms=900)
        assert not pace.expired(1_499)
        assert pace.expired(1_500)
        pace.run(wanted=False, given_up=False, timeout_ms=1_000, now_ms=1_600)
        assert not pace.expired(10**9)

    def test_retries_follow_giving_up_and_end_with_the_view(self) -> None:
        pace = Pacemaker(1_000)
        pace.enter(1, 0)
        pace.run(wanted=True, given_up=True, timeout_ms=1_000, now_ms=0)
        assert [pace.take_retry(now) for now in (999, 1_000, 1_500, 2_000)] == [False, True, False, True]
        pace.enter(2, 2_100)
        assert not pace.take_retry(10_000)

    def test_among_many_a_leader_gathers_as_long_as_the_last_vote_took(self) -> None:
        pace = Pacemaker(1_000, gathers=True)
        pace.enter(1, 0)
        assert pace.opens_ms == 0
        pace.proposed(5_000)
        pace.proposed(5_200)
        pace.enter(2, 5_225)
        assert (pace.slack_ms, pace.opens_ms) == (450, 5_675)
        pace.run(wanted=True, given_up=False, timeout_ms=1_000, now_ms=5_225)
        assert (pace.deadline_ms, pace.retry_at_ms) == (6_675, 6_675)
        pace.proposed(5_700)
        pace.enter(3, 7_000, skipped=True)
        assert pace.slack_ms == 450  # that view says nothing of a vote
        pace.enter(4, 7_000)
        assert pace.slack_ms == 450  # nor does one that was never voted in here
        pace.proposed(7_000)
        pace.enter(5, 9_000)
        assert pace.slack_ms == 500

    def test_among_few_it_does_not(self) -> None:
        pace = Pacemaker(1_000)
        pace.enter(1, 0)
        pace.proposed(0)
        pace.enter(2, 600)
        assert (pace.slack_ms, pace.opens_ms) == (0, 600)
