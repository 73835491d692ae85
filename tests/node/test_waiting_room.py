"""A node admits what it will have executed in a few seconds, a first burst, and no more than others check."""

from __future__ import annotations

import pytest

from node.waiting_room import (
    BURST_MAX,
    SPREAD_S_MAX,
    SPREADING_MIN,
    WAIT_S_MAX,
    WAITING_MAX,
    WaitingRoom,
)

NODES = 16
FIRST = BURST_MAX // NODES


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> WaitingRoom:
    return WaitingRoom(clock)


def most(room: WaitingRoom, validators: int = NODES) -> int:
    """How many may wait in all lanes."""
    bounds = [count for count in range(1, WAITING_MAX + 2) if room.is_full(count, 0, validators, None)]
    assert bounds == list(range(bounds[0], WAITING_MAX + 2)), "who finds no room finds none with more"
    return bounds[0]


def execute(room: WaitingRoom, clock: Clock, per_s: int, seconds: float = 2 * WAIT_S_MAX) -> None:
    """Ten blocks a second."""
    for _ in range(int(seconds * 10)):
        clock.now_s += 0.1
        room.executed(per_s // 10, 0)


@pytest.mark.parametrize("validators", [1, 4, 16])
def test_a_first_burst_is_taken_and_bounded_for_all_nodes_together(
    room: WaitingRoom, clock: Clock, validators: int
) -> None:
    assert most(room, validators) == BURST_MAX // validators
    execute(room, clock, 20)
    assert most(room, validators) == BURST_MAX // validators, "what little it executed says little"


@pytest.mark.parametrize("per_s", [200, 1_000, 1_900])
def test_as_much_may_wait_as_was_executed_in_the_last_seconds(
    room: WaitingRoom, clock: Clock, per_s: int
) -> None:
    execute(room, clock, per_s)
    assert most(room) == pytest.approx(per_s * WAIT_S_MAX, abs=per_s // 10)


def test_no_node_is_so_fast_that_it_takes_all(room: WaitingRoom, clock: Clock) -> None:
    execute(room, clock, WAITING_MAX)
    assert most(room) == WAITING_MAX


def test_what_was_executed_long_ago_does_not_count(room: WaitingRoom, clock: Clock) -> None:
    room.executed(FIRST + 1, 0)
    clock.now_s += WAIT_S_MAX - 0.001
    assert most(room) == FIRST + 1
    clock.now_s += 0.001
    assert most(room) == FIRST


def test_what_others_do_not_come_to_check_keeps_more_from_being_taken(
    room: WaitingRoom, clock: Clock
) -> None:
    since_s = clock.now_s
    clock.now_s += SPREAD_S_MAX - 0.001
    assert not room.is_full(SPREADING_MIN, 0, NODES, since_s)
    clock.now_s += 0.001
    assert room.is_full(SPREADING_MIN, 0, NODES, since_s)
    assert not room.is_full(SPREADING_MIN - 1, 0, NODES, since_s), "some is taken in any case"
    assert not room.is_full(SPREADING_MIN, 0, NODES, None)


def test_what_others_took_unheard_is_left_room_for(room: WaitingRoom) -> None:
    """All nodes take a burst at the same time; each knows of its own alone."""
    room.executed(WAITING_MAX, 0)
    assert not room.is_full(FIRST, FIRST - 1, NODES, None)
    assert room.is_full(FIRST, FIRST, NODES, None)


def test_of_the_own_as_many_may_wait_as_were_executed_in_the_last_seconds(
    room: WaitingRoom, clock: Clock
) -> None:
    room.executed(4 * FIRST, 2 * FIRST)
    assert not room.is_full(FIRST, 2 * FIRST - 1, NODES, None)
    assert room.is_full(FIRST, 2 * FIRST, NODES, None)
    clock.now_s += WAIT_S_MAX
    assert room.is_full(FIRST - 1, FIRST, NODES, None), "that was long ago"
