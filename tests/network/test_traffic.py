"""What is sent arrives, in order, within bounds; and what is said when it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
import trio.lowlevel

from consensus.errors import InvalidMessage
from node.network import RequestFailed, RequestRefused
from node.network.outbox import COALESCED_BYTES_MAX, Outbox
from node.wire import (
    FRAME_BYTES_MAX,
    FRAME_HEADER_BYTES,
    SYNC_REQUEST_BYTES_MAX,
    SYNC_RESPONSE_BYTES_MAX,
    StreamClass,
)
from tests.network.support import (
    QUICK,
    Node,
    all_connected,
    channel_to,
    consortium,
    introduce,
    peer,
    run,
    started,
    until,
)

VOTES, BATCHES, SYNC = StreamClass


@asynccontextmanager
async def two(a: Node | None = None, b: Node | None = None) -> AsyncIterator[tuple[Node, Node]]:
    nodes = a or Node(0), b or Node(1)
    async with consortium(*nodes):
        yield nodes


def test_messages_arrive_in_order_from_the_member_that_sent_them() -> None:
    async def main() -> None:
        nodes = [Node(member) for member in range(3)]
        async with consortium(*nodes):
            for number in range(1_000):
                for node in nodes:
                    node.network.broadcast(VOTES, b"vote %d of %d" % (number, node.member))
                    if number % 10 == 0:
                        node.network.broadcast(BATCHES, b"batch %d" % number + bytes(10_000))
                if number % 100 == 0:
                    await trio.lowlevel.checkpoint()
            for node in nodes:
                for other in (other.member for other in nodes if other is not node):
                    await node.until_received(1_000, other, VOTES)
                    await node.until_received(100, other, BATCHES)
                    assert node.bodies(other, VOTES) == [b"vote %d of %d" % (n, other) for n in range(1_000)]
                    assert [body[:-10_000] for body in node.bodies(other, BATCHES)] == [
                        b"batch %d" % number for number in range(0, 1_000, 10)
                    ]

    run(main)


def test_the_longest_message_of_each_class_passes_and_a_longer_one_is_our_fault() -> None:
    async def main() -> None:
        async with two() as (a, b):
            for stream_class in (VOTES, BATCHES):
                longest = bytes(FRAME_BYTES_MAX[stream_class])
                assert a.network.send(1, stream_class, longest)
                await b.until_received(1, 0, stream_class)
                assert b.bodies(0, stream_class) == [longest]
                for body in (longest + b"x", b""):
                    with pytest.raises(ValueError, match="bytes"):
                        a.network.send(1, stream_class, body)
            with pytest.raises(ValueError, match="request"):
                a.network.send(1, SYNC, b"x")

    run(main)


def test_an_unknown_member_is_sent_nothing() -> None:
    async def main() -> None:
        async with two() as (a, _):
            assert not a.network.send(7, VOTES, b"x")
            assert not a.network.send(0, VOTES, b"to myself")
            assert a.network.queue_bytes(7) == 0
            with pytest.raises(RequestFailed, match="unknown"):
                await a.network.request(7, b"x", 1_000)

    run(main)


def test_while_a_member_is_away_the_newest_votes_wait_and_batches_are_refused() -> None:
    async def main() -> None:
        a, b = Node(0), Node(1)
        queue_bytes_max = QUICK.votes_queue_bytes_max
        async with started(a, b):
            a.network.set_peers([peer(1, b.address)])  # b does not know a yet, and refuses it
            count = 2 * queue_bytes_max // 1_000
            for number in range(count):
                assert a.network.send(1, VOTES, b"%04d" % number * 250)
                assert not a.network.send(1, BATCHES, b"batch")
            assert queue_bytes_max - 1_000 - FRAME_HEADER_BYTES < a.network.queue_bytes(1) <= queue_bytes_max
            b.network.set_peers([peer(0, a.address)])
            await until(lambda: b.bodies() and b.bodies()[-1] == b"%04d" % (count - 1) * 250)
            kept = queue_bytes_max // (1_000 + FRAME_HEADER_BYTES)
            assert b.bodies() == [b"%04d" % number * 250 for number in range(count - kept, count)]
            assert a.status_of(1).dropped == count + count - kept

    run(main)


def test_a_member_that_reads_nothing_fills_only_its_own_queues() -> None:
    async def main() -> None:
        a, honest = Node(1, replace(QUICK, stale_after_ms=60_000)), Node(2)
        async with started(a, honest):
            a.network.set_peers([peer(0, "/ip4/127.0.0.1/tcp/1"), peer(2, honest.address)])
            honest.network.set_peers([peer(1, a.address)])
            async with channel_to(a, as_member=0):
                await until(lambda: a.connected() == [0, 2])
                body = bytes(1_000_000)
                queued = 0
                while a.network.send(0, BATCHES, body):
                    queued += 1
                    await trio.lowlevel.checkpoint()
                assert QUICK.batches_queue_bytes_max // len(body) - 1 <= queued < 40
                for _ in range(20):
                    assert a.network.send(0, VOTES, bytes(100_000))
                bound = QUICK.batches_queue_bytes_max + QUICK.votes_queue_bytes_max
                assert len(body) * 10 < a.network.queue_bytes(0) <= bound
                assert a.network.send(2, BATCHES, b"others are served")
                await honest.until_received(1)
            await until(lambda: a.connected() == [2])
            assert a.network.queue_bytes(0) <= QUICK.votes_queue_bytes_max  # batches for nobody are let go

    run(main)


def test_votes_overtake_batches_on_the_wire() -> None:
    async def main() -> None:
        async with two() as (a, b):
            while a.network.send(1, BATCHES, bytes(4_000_000)):
                pass
            await trio.sleep(0.01)
            assert a.network.send(1, VOTES, b"urgent")
            await b.until_received(1, 0, VOTES)
            assert len(b.bodies(0, BATCHES)) < 2

    run(main)


def test_small_messages_share_a_write() -> None:
    async def main() -> None:
        outbox = Outbox(VOTES, 1 << 20)
        for number in range(2_000):
            outbox.put(b"%04d" % number * 25)
        frame_bytes = 100 + FRAME_HEADER_BYTES
        sizes = [len(await outbox.take()) for _ in range(4)]
        per_write = COALESCED_BYTES_MAX // frame_bytes
        assert sizes == [per_write * frame_bytes] * 3 + [(2_000 - 3 * per_write) * frame_bytes]
        assert outbox.bytes_queued == 0

    run(main)


class Responder(Node):
    """Answers requests as their bodies say."""

    async def on_request(self, member: int, body: bytes) -> bytes:
        match body.split(b" "):
            case [b"bytes", count]:
                return bytes(int(count))
            case [b"sleep", milliseconds]:
                await trio.sleep(int(milliseconds) / 1000)
                return b"slept"
            case [b"decline"]:
                raise RequestRefused("not today")
            case [b"junk"]:
                raise InvalidMessage("a height below zero")
        return await super().on_request(member, body)


def test_requests_are_answered_whatever_their_size() -> None:
    async def main() -> None:
        async with two(b=Responder(1)) as (a, _):
            for count in (0, 1, 65_536, SYNC_RESPONSE_BYTES_MAX):
                assert await a.network.request(1, b"bytes %d" % count, 30_000) == bytes(count)
            longest = b"?" * SYNC_REQUEST_BYTES_MAX
            assert await a.network.request(1, longest, 30_000) == b"0:" + longest
            with pytest.raises(ValueError, match="request"):
                await a.network.request(1, longest + b"?", 30_000)

    run(main)


def test_requests_of_many_callers_get_their_own_answers() -> None:
    async def main() -> None:
        answers: dict[int, bytes] = {}
        waiting: list[int] = []

        async def ask(number: int) -> None:
            answers[number] = await a.network.request(1, b"%d" % number, 30_000)
            waiting.append(len(a.network._supervisors[1].state.requester._pending))

        async with two() as (a, _):
            async with trio.open_nursery() as nursery:
                for number in range(5 * QUICK.requests_in_flight_max):
                    nursery.start_soon(ask, number)
            assert answers == {number: b"0:%d" % number for number in answers}
            assert len(answers) == 5 * QUICK.requests_in_flight_max
            assert 1 < max(waiting) <= QUICK.requests_in_flight_max

    run(main)


@pytest.mark.parametrize(
    ("body", "timeout_ms", "reason"),
    [
        (b"decline", 30_000, "not today"),
        (b"junk", 30_000, "a height below zero"),
        (b"bytes %d" % (SYNC_RESPONSE_BYTES_MAX + 1), 30_000, "too long"),
        (b"sleep 400", 200, "no answer within 200 ms"),
    ],
)
def test_a_request_that_fails_says_why_and_the_next_one_works(
    body: bytes, timeout_ms: int, reason: str
) -> None:
    async def main() -> None:
        async with two(b=Responder(1)) as (a, b):
            with pytest.raises(RequestFailed, match=reason):
                await a.network.request(1, body, timeout_ms)
            assert await a.network.request(1, b"next", 30_000) == b"0:next"
            assert b.status_of(0).bad_messages == (1 if body == b"junk" else 0)

    run(main)


def test_a_request_to_a_member_that_goes_away_fails_at_once() -> None:
    async def main() -> None:
        async with two(b=Responder(1)) as (a, b):
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    with pytest.raises(RequestFailed, match="lost"):
                        await a.network.request(1, b"sleep 60000", 60_000)

                nursery.start_soon(ask)
                await trio.sleep(0.1)
                began = trio.current_time()
                await b.stop()
            assert trio.current_time() - began < 10
            await until(lambda: not a.connected())
            with pytest.raises(RequestFailed, match="not connected"):
                await a.network.request(1, b"anybody there?", 1_000)

    run(main)


def test_a_member_that_sends_too_much_is_slowed_down_not_dropped() -> None:
    async def main() -> None:
        slow = replace(QUICK, inbound_messages_per_s=200, inbound_messages_burst=200)
        async with two(b=Node(1, slow)) as (a, b):
            began = trio.current_time()
            for number in range(400):
                a.network.send(1, VOTES, b"%d" % number)
            await b.until_received(400)
            assert trio.current_time() - began >= 0.9  # 200 at once, the others at their rate
            assert b.bodies() == [b"%d" % number for number in range(400)]

    run(main)


def test_bytes_have_a_rate_too() -> None:
    async def main() -> None:
        slow = replace(QUICK, inbound_bytes_per_s=1_000_000)
        async with two(b=Node(1, slow)) as (a, b):
            began = trio.current_time()
            for _ in range(2):
                a.network.send(1, BATCHES, bytes(1_000_000))
            await b.until_received(2)
            assert trio.current_time() - began >= 0.9

    run(main)


class Critic(Node):
    """Takes every message of one byte for junk."""

    def on_message(self, member: int, stream_class: StreamClass, body: bytes) -> None:
        if len(body) == 1:
            raise InvalidMessage("one byte is no vote")
        super().on_message(member, stream_class, body)


def test_a_bad_message_is_counted_and_the_stream_goes_on() -> None:
    async def main() -> None:
        async with two(b=Critic(1)) as (a, b):
            for body in (b"x", b"good"):
                a.network.send(1, VOTES, body)
            await b.until_received(1)
            assert b.status_of(0).bad_messages == 1
            assert b.status_of(0).last_error == "one byte is no vote"
            assert b.connected() == [0]

    run(main)


def test_too_many_bad_messages_shut_a_member_out_for_a_while() -> None:
    async def main() -> None:
        a, b = Node(0), Critic(1)
        async with two(a, b):
            for _ in range(QUICK.bad_messages_max):
                a.network.send(1, VOTES, b"x")
            await until(lambda: b.status_of(0).bad_messages == QUICK.bad_messages_max)
            assert b.connected() == [0]  # this many are forgiven
            began = trio.current_time()
            for _ in range(3):
                a.network.send(1, VOTES, b"x")
            await until(lambda: b.connected() == [])
            await until(lambda: "shut out" in str(b.network.door_status().last_refusal))
            await all_connected(a, b)
            assert trio.current_time() - began > 0.8 * QUICK.penalty_ms / 1000

    run(main)


def test_what_is_found_bad_later_counts_as_well() -> None:
    async def main() -> None:
        async with two() as (a, b):
            for number in range(QUICK.bad_messages_max + 2):
                b.network.report_bad(0, f"bad signature {number}")
            b.network.report_bad(7, "nobody")
            assert b.status_of(0).bad_messages == QUICK.bad_messages_max + 2
            await until(lambda: a.connected() == [])

    run(main)


def test_offences_are_told_until_the_offender_is_shut_out() -> None:
    """Whoever floods a node with junk must not flood its log."""

    async def main() -> None:
        async with two() as (_, b):
            for number in range(10 * QUICK.bad_messages_max):
                b.network.report_bad(0, f"bad signature {number}")
            assert len(b.offences) == QUICK.bad_messages_max + 1
            assert b.offences[0] == (0, "bad signature 0", 0.0)
            shut_out_s = [for_s for _, _, for_s in b.offences if for_s]
            assert shut_out_s == [pytest.approx(QUICK.penalty_ms / 1000, abs=0.1)]
            assert [b.network.is_shut_out(member) for member in (0, 7)] == [True, False]

    run(main)


def test_a_fault_of_our_own_is_not_hidden() -> None:
    class Broken(Node):
        def on_message(self, member: int, stream_class: StreamClass, body: bytes) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        async with two(b=Broken(1)) as (a, _):
            a.network.send(1, VOTES, b"x")
            await trio.sleep(30)

    with pytest.raises(BaseExceptionGroup) as raised:
        run(main)
    assert raised.value.subgroup(ZeroDivisionError) is not None


def test_status_tells_what_an_operator_wants_to_know() -> None:
    async def main() -> None:
        async with two() as (a, b):
            await until(lambda: a.status_of(1).rtt_ms is not None)
            a.network.send(1, BATCHES, bytes(100_000))
            await b.until_received(1)
            before = a.status_of(1)
            assert before.bytes_out > 100_000
            assert before.bytes_in > 0
            assert b.status_of(0).bytes_in > 100_000
            assert before.connected_since_ms is not None
            assert before.last_heard_ms is not None
            assert before.connected_since_ms <= before.last_heard_ms
            await b.stop()
            await until(lambda: not a.connected())
            after = a.status_of(1)
            assert (after.connected, after.connected_since_ms, after.rtt_ms) == (False, None, None)
            assert after.bytes_out >= before.bytes_out
            assert after.last_heard_ms is not None
            assert after.last_error == "the peer closed the connection"

    run(main)


def test_members_introduced_twice_stay_connected() -> None:
    async def main() -> None:
        async with two() as (a, b):
            introduce(a, b)
            await trio.sleep(0.1)
            assert a.changes == [(1, True)]

    run(main)
