"""What catch-up asks of whom, with peers that are slow, dead, behind, lying or few; time is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from consensus.errors import InvalidMessage
from consensus.types import NO_DIGEST, Batch, BatchHeader, Certificate, FinalBlock, Header, VoteKind
from node.sync_messages import BlocksAnswer, SyncedBlock, block_bytes
from node.sync_plan import AHEAD_BYTES_MAX, ANSWERS_AT_ONCE, HELP_AFTER_S, SPAN_BLOCKS, Plan

TIP = 1_000
STEP_S = 0.05


def block(height: int, size_bytes: int = 100) -> SyncedBlock:
    header = Header(1, height, height, height - 1, NO_DIGEST, height, (), 0, NO_DIGEST, (), None)
    content = Batch(
        BatchHeader(0, height, NO_DIGEST, NO_DIGEST, 1, size_bytes, 1), bytes(64), (bytes(size_bytes),)
    )
    final = FinalBlock(header, (), Certificate(VoteKind.FINALISE, 1, height, NO_DIGEST, ()))
    return SyncedBlock(final, (content,))


def honest(
    first: int, last: int, tip: int = TIP, size_bytes: int = 100, count: int = SPAN_BLOCKS
) -> BlocksAnswer:
    last = min(last, tip, first + count - 1)
    return BlocksAnswer(tip, tuple(block(height, size_bytes) for height in range(first, last + 1)))


@dataclass
class Peer:
    """`answer` None: none comes within `delay_s`."""

    delay_s: float = 0.1
    answer: Callable[[int, int], BlocksAnswer | None] = honest


class World:
    """Plays the part of `CatchUp`: asks, answers when it is time, and takes what is next."""

    def __init__(self, peers: dict[int, Peer], next_height: int = 1) -> None:
        self.plan = Plan(next_height)
        self.plan.add_peers(peers)
        self.peers = peers
        self.now_s = 0.0
        self.under_way: list[tuple[float, int, tuple[int, int]]] = []
        self.taken: list[int] = []
        self.held_bytes_most = 0
        self.asked_at_once_most = 0
        self.takes = True

    def step(self) -> None:
        self.now_s += STEP_S
        for one in sorted(self.under_way):
            if one[0] <= self.now_s:
                self.under_way.remove(one)
                self._come(*one[1:])
        for number in self.plan.peers:
            span = self.plan.assign(number, self.now_s)
            if span is not None:
                self.under_way.append((self.now_s + self.peers[number].delay_s, number, span))
        self.asked_at_once_most = max(self.asked_at_once_most, len(self.under_way))
        self.held_bytes_most = max(self.held_bytes_most, self.plan.held_bytes)
        if self.takes:
            self.taken += [received.height for received in self.plan.take(256, 2**23)]

    def _come(self, number: int, span: tuple[int, int]) -> None:
        answer = self.peers[number].answer(*span)
        if answer is None:
            self.plan.failed(number, self.now_s)
            return
        try:
            self.plan.answered(number, span, answer, self.now_s)
        except InvalidMessage:
            self.plan.bar(number, self.plan.next_height)

    def run(self, at_most_s: float = 60.0) -> float:
        """Until it is done; how long it took."""
        while not self.plan.is_done(self.now_s):
            self.step()
            assert self.now_s < at_most_s, (self.plan.next_height, self.plan.peers)
        return self.now_s


def test_all_blocks_come_once_in_order_from_several_peers() -> None:
    world = World({1: Peer(), 2: Peer(), 3: Peer()})
    alone = World({1: Peer()}).run()
    assert world.run() < alone / 1.5, "several at once are faster"
    assert world.taken == list(range(1, TIP + 1))


def test_a_peer_that_never_answers_costs_little() -> None:
    world = World({1: Peer(15.0, lambda *_: None), 2: Peer(), 3: Peer()})
    assert world.run() < 15.0, "it was not waited for"
    assert world.taken == list(range(1, TIP + 1))


def test_a_peer_that_is_slow_for_every_answer_does_not_set_the_pace() -> None:
    slow = World({1: Peer(10.0), 2: Peer(), 3: Peer()})
    assert slow.run() < 2 * World({2: Peer(), 3: Peer()}).run() + 10 * HELP_AFTER_S
    assert slow.taken == list(range(1, TIP + 1))


def test_all_but_one_dead() -> None:
    peers = {number: Peer(6.0, lambda *_: None) for number in range(1, 6)} | {9: Peer()}
    world = World(peers)
    world.run(at_most_s=60)
    assert world.taken == list(range(1, TIP + 1))


def test_a_peer_that_comes_back_helps_again() -> None:
    dead_until_s = 4.0
    world = World({1: Peer()})
    world.peers[1] = Peer(0.1, lambda *span: honest(*span) if world.now_s > dead_until_s else None)
    assert world.run() < 12
    assert world.taken == list(range(1, TIP + 1))


def test_who_is_behind_does_not_end_it() -> None:
    behind = Peer(0.05, lambda first, last: honest(first, last, tip=500))
    world = World({1: behind, 2: Peer(0.3)})
    world.run()
    assert world.taken == list(range(1, TIP + 1))


def test_level_at_once_where_nothing_is_missing() -> None:
    world = World({1: Peer(), 2: Peer()}, next_height=TIP + 1)
    assert world.run() < 1
    assert world.taken == []


def test_it_follows_a_chain_that_grows() -> None:
    tip = TIP

    def growing(first: int, last: int) -> BlocksAnswer:
        nonlocal tip
        tip += 3
        return honest(first, last, tip=tip)

    world = World({1: Peer(0.1, growing), 2: Peer(0.1, growing)})
    for _ in range(2_000):
        world.step()
    assert world.taken == list(range(1, len(world.taken) + 1))
    assert world.plan.next_height > tip - 2 * SPAN_BLOCKS


@pytest.mark.parametrize(
    "lie",
    [
        lambda first, last: honest(first + 1, last),
        lambda first, last: honest(first, last + 1, count=SPAN_BLOCKS + 1),
        lambda first, last: BlocksAnswer(2**60, ()),
        lambda first, last: replace(honest(first, last), blocks=(block(first), block(first))),
    ],
    ids=["others", "more", "none", "twice"],
)
def test_a_peer_whose_answer_is_wrong_in_itself_is_barred(lie: Callable[[int, int], BlocksAnswer]) -> None:
    world = World({1: Peer(0.1, lie), 2: Peer()})
    world.run()
    assert world.plan.peers == [2]
    assert world.taken == list(range(1, TIP + 1))
    world.plan.add_peers([1, 2, 3])
    assert world.plan.peers == [2, 3], "a liar is not asked again"


def test_wrong_blocks_are_fetched_anew_from_others() -> None:
    """What the replica finds out only when the blocks before are there."""
    world = World({1: Peer(), 2: Peer(), 3: Peer()})
    while len(world.taken) < 100:
        world.step()
    wrong = world.taken[-5]
    world.plan.bar(1, wrong)
    del world.taken[-5:]
    world.run()
    assert world.plan.peers == [2, 3]
    assert world.taken == list(range(1, TIP + 1))


def test_nobody_left_to_ask_is_an_end() -> None:
    world = World({1: Peer(0.1, lambda *_: BlocksAnswer(9, ()))})
    assert world.run() < 1


def test_memory_is_bounded_while_nothing_is_taken() -> None:
    """Blocks of 1 MiB, and execution that stands still."""
    big = 1024 * 1024
    peers = {
        number: Peer(0.1, lambda first, last: honest(first, last, size_bytes=big, count=7))
        for number in range(6)
    }
    world = World(peers)
    world.takes = False
    for _ in range(200):
        world.step()
    answer_bytes = 7 * block_bytes(block(1, big))
    assert world.held_bytes_most <= AHEAD_BYTES_MAX + ANSWERS_AT_ONCE * answer_bytes
    assert world.held_bytes_most >= AHEAD_BYTES_MAX
    assert world.asked_at_once_most <= ANSWERS_AT_ONCE
    world.takes = True
    for _ in range(50):
        world.step()
    assert world.taken == list(range(1, len(world.taken) + 1))
    assert world.taken


def test_what_came_another_way_is_not_asked_for() -> None:
    world = World({1: Peer(), 2: Peer()})
    while len(world.taken) < 50:
        world.step()
    world.plan.skip_through(700)
    world.taken.clear()
    world.run()
    assert world.taken == list(range(701, TIP + 1))


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_with_one_honest_peer_comes_to_the_end(seed: int) -> None:
    chance = random.Random(seed)
    world: World

    def mood(first: int, last: int) -> BlocksAnswer | None:
        return None if chance.random() < 0.5 else honest(first, last, count=chance.randint(1, SPAN_BLOCKS))

    peers = {number: Peer(chance.uniform(0.05, 8), mood) for number in range(chance.randint(1, 5))}
    world = World(peers | {9: Peer(chance.uniform(0.05, 0.5))})
    world.run(at_most_s=200)
    assert world.taken == list(range(1, TIP + 1))
