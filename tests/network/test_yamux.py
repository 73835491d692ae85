"""The muxer, on an encrypted connection that is only pretended: windows, turns, floods, silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from node.network.errors import ConnectionLost, ProtocolViolation, StreamEnded
from node.network.yamux import FRAME_COST_BYTES, INBOUND_STREAMS_MAX, READ_COST_BYTES, REPLIES_MAX, Session
from node.network.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    INITIAL_WINDOW_BYTES,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
)
from node.network.yamux_stream import STREAM_BUFFER_BYTES, Stream

HEARTBEAT_MS = 1_000
STALE_AFTER_MS = 6_000


class End:
    """One end of a pretended connection; `capacity` messages fit between the ends."""

    def __init__(self, sending: trio.MemorySendChannel[bytes], receiving: trio.MemoryReceiveChannel[bytes]):
        self._sending = sending
        self._receiving = receiving

    async def read(self) -> bytes:
        try:
            return await self._receiving.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise ConnectionLost("the peer closed the connection") from error

    async def write(self, data: bytes) -> None:
        try:
            await self._sending.send(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost("the connection broke") from error

    def all_read(self) -> bytes:
        """What has been sent to this end and not been read."""
        data = bytearray()
        try:
            while True:
                data += self._receiving.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return bytes(data)

    def abort(self) -> None:
        self._sending.close()
        self._receiving.close()


def ends(capacity: float = 1) -> tuple[End, End]:
    to_b, at_b = trio.open_memory_channel[bytes](capacity)
    to_a, at_a = trio.open_memory_channel[bytes](capacity)
    return End(to_b, at_a), End(to_a, at_b)


class Running:
    """A session that runs, the streams it was offered, and how it ended."""

    def __init__(self, end: End, *, is_dialler: bool) -> None:
        self.streams: list[Stream] = []
        self.outcome: str | ProtocolViolation | None = None
        self.session = Session(
            end,
            is_dialler=is_dialler,
            on_stream=self.streams.append,
            pace=lambda cost: 0.0,
            heartbeat_ms=HEARTBEAT_MS,
            stale_after_ms=STALE_AFTER_MS,
        )

    async def run(self) -> None:
        try:
            self.outcome = await self.session.run()
        except ProtocolViolation as error:
            self.outcome = error


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Running, Running]]:
    """Two sessions talking to each other."""
    end_a, end_b = ends()
    a, b = Running(end_a, is_dialler=True), Running(end_b, is_dialler=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.run)
        nursery.start_soon(b.run)
        yield a, b
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def victim(capacity: float = 1_000) -> AsyncIterator[tuple[Running, End]]:
    """A session that was dialled, and the other end in a test's hands."""
    end, hand = ends(capacity)
    running = Running(end, is_dialler=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(running.run)
        yield running, hand
        nursery.cancel_scope.cancel()


def frame(kind: int, flags: int, stream_id: int, value: int, data: bytes = b"", version: int = 0) -> bytes:
    return HEADER.pack(version, kind, flags, stream_id, value) + data


def data_frame(stream_id: int, data: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream_id, len(data), data)


def headers(data: bytes) -> list[tuple[int, int, int, int]]:
    """The frames in a message as (kind, flags, stream id, value)."""
    found, start = [], 0
    while start < len(data):
        _, kind, flags, stream_id, value = HEADER.unpack_from(data, start)
        found.append((kind, flags, stream_id, value))
        start += HEADER.size + (value if kind == DATA else 0)
    return found


def run(main: Callable[[], Awaitable[None]]) -> None:
    """In a time that jumps to the next deadline when nothing else happens."""
    trio.run(main, clock=MockClock(autojump_threshold=0))


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def read_exactly(stream: Stream, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        data = await stream.read()
        assert data
        received += data
    return bytes(received)


def pattern(length: int) -> bytes:
    return bytes(range(251)) * (length // 251 + 1)


def test_what_is_written_arrives_in_both_directions() -> None:
    async def main() -> None:
        async with pair() as (a, b):
            stream = a.session.open()
            sent = pattern(3 * INITIAL_WINDOW_BYTES)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, sent)
                await settle()
                (other,) = b.streams
                assert await read_exactly(other, len(sent)) == sent
            await other.write(b"answer")
            other.close()
            assert await stream.read() == b"answer"
            assert await stream.read() == b""

    run(main)


def test_bulk_in_both_directions_never_freezes() -> None:
    """Trap: py-libp2p's reader waits for the writer, and two busy nodes wait for each other for good."""

    async def main() -> None:
        async with pair() as (a, b):
            sent = bytes(20 * INITIAL_WINDOW_BYTES)
            one, other = a.session.open(), b.session.open()
            await settle()
            async with trio.open_nursery() as nursery:
                for stream in (one, other, a.streams[0], b.streams[0]):
                    nursery.start_soon(stream.write, sent)
                    nursery.start_soon(read_exactly, stream, len(sent))

    run(main)


def test_a_reader_that_pauses_keeps_its_stream_and_bounds_the_writer() -> None:
    """Trap: py-libp2p resets a stream whose reader pauses for five seconds, and enforces no window."""

    async def main() -> None:
        async with pair() as (a, b):
            stream = a.session.open()
            sent = pattern(4 * INITIAL_WINDOW_BYTES)
            written: list[int] = []

            async def write() -> None:
                for start in range(0, len(sent), STREAM_BUFFER_BYTES):
                    await stream.write(sent[start : start + STREAM_BUFFER_BYTES])
                    written.append(start)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                await trio.sleep(60)
                assert len(written) * STREAM_BUFFER_BYTES <= INITIAL_WINDOW_BYTES + 2 * STREAM_BUFFER_BYTES
                assert len(b.streams[0]._received) == INITIAL_WINDOW_BYTES
                assert await read_exactly(b.streams[0], len(sent)) == sent
            assert a.session.closed_reason is None

    run(main)


def test_a_widened_window_lets_more_be_under_way() -> None:
    async def main() -> None:
        async with pair() as (a, b):
            stream = a.session.open()
            await settle()
            b.streams[0].widen(1024 * 1024)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, bytes(2 * 1024 * 1024))
                await settle()
                assert len(b.streams[0]._received) == 1024 * 1024
                nursery.cancel_scope.cancel()

    run(main)


def test_an_urgent_stream_overtakes_and_others_take_turns() -> None:
    """A vote must not wait behind a batch, nor one batch behind all of another."""

    async def main() -> None:
        async with victim(capacity=0) as (running, hand):  # nothing leaves until the hand reads
            bulk = [running.session.open() for _ in range(6)]  # more than have a share in one message
            for stream in bulk:
                await stream.write(bytes(INITIAL_WINDOW_BYTES))
            await settle()
            urgent = running.session.open(urgent=True)
            await urgent.write(b"vote")
            messages = [headers(await hand.read()) for _ in range(4)]
            served = [
                [stream_id for kind, _, stream_id, _ in message if kind == DATA] for message in messages
            ]
            assert served[1][0] == urgent.stream_id  # the first message had left before there was a vote
            turns = [stream_id for message in served[1:] for stream_id in message[-4:]]
            assert {turns.count(stream.stream_id) for stream in bulk} == {2}

    run(main)


@pytest.mark.parametrize(("excess", "is_violation"), [(0, False), (1, True)])
def test_the_window_has_an_edge(excess: int, *, is_violation: bool) -> None:
    """Trap: py-libp2p does not enforce it, and a member grows a victim's memory without bound."""

    async def main() -> None:
        async with victim() as (running, hand):
            body = bytes(INITIAL_WINDOW_BYTES + excess)
            await hand.write(frame(WINDOW_UPDATE, SYN, 1, 0) + data_frame(1, body))
            await settle()
            assert isinstance(running.outcome, ProtocolViolation) is is_violation

    run(main)


def test_a_frame_beyond_the_window_is_refused_before_its_body_arrives() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            await hand.write(frame(WINDOW_UPDATE, SYN, 1, 0) + frame(DATA, 0, 1, 2**32 - 1))
            await settle()
            assert isinstance(running.outcome, ProtocolViolation)

    run(main)


def test_only_so_many_streams_can_be_open() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            opening = [frame(WINDOW_UPDATE, SYN, 2 * number + 1, 0) for number in range(INBOUND_STREAMS_MAX)]
            await hand.write(b"".join(opening))
            await settle()
            assert len(running.streams) == INBOUND_STREAMS_MAX
            over = 2 * INBOUND_STREAMS_MAX + 1
            await hand.write(data_frame(over, b"refused", SYN))
            await settle()
            assert len(running.streams) == INBOUND_STREAMS_MAX
            running.streams[0].reset()  # makes room
            await hand.write(frame(WINDOW_UPDATE, SYN, over + 2, 0))
            await settle()
            assert len(running.streams) == INBOUND_STREAMS_MAX + 1
            assert (WINDOW_UPDATE, RST, over, 0) in headers(hand.all_read())
            assert running.session.closed_reason is None

    run(main)


@pytest.mark.parametrize(
    "data",
    [
        frame(DATA, 0, 1, 0, version=1),
        frame(7, 0, 0, 0),
        frame(WINDOW_UPDATE, SYN, 0, 0),
        frame(WINDOW_UPDATE, SYN, 2, 0),
        frame(WINDOW_UPDATE, SYN, 1, 0) * 2,
        frame(WINDOW_UPDATE, SYN, 1, 2**32 - 1),
    ],
    ids=["version", "type", "stream 0", "our stream", "opened twice", "absurd window"],
)
def test_a_peer_that_breaks_the_rules_is_named_and_cut_off(data: bytes) -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            await hand.write(data)
            await settle()
            assert isinstance(running.outcome, ProtocolViolation)
            hand.all_read()
            with pytest.raises(ConnectionLost):
                await hand.read()

    run(main)


@pytest.mark.parametrize(
    "data",
    [
        frame(PING, SYN, 0, 1),
        frame(WINDOW_UPDATE, SYN, 2 * INBOUND_STREAMS_MAX + 1, 0),
    ],
    ids=["pings", "openings"],
)
def test_a_peer_that_reads_no_replies_is_cut_off(data: bytes) -> None:
    async def main() -> None:
        async with victim(capacity=0) as (running, hand):
            for number in range(INBOUND_STREAMS_MAX):
                await hand.write(frame(WINDOW_UPDATE, SYN, 2 * number + 1, 0))
            try:
                for _ in range(2 * REPLIES_MAX):
                    await hand.write(data)
            except ConnectionLost:
                pass
            await settle()
            assert "unread" in str(running.session.closed_reason)
            assert len(running.session._replies) <= REPLIES_MAX

    run(main)


def test_a_silent_peer_is_noticed() -> None:
    """Trap: py-libp2p keeps a peer that has stopped, and whoever writes to it waits."""

    async def main() -> None:
        async with victim() as (running, _hand):
            stream = running.session.open()
            began = trio.current_time()
            with pytest.raises(StreamEnded, match="heartbeat"):
                await stream.read()
            assert trio.current_time() - began == pytest.approx(STALE_AFTER_MS / 1000)

    run(main)


@pytest.mark.parametrize(("sends", "least", "most"), [(False, 8, 9), (True, 2, 4)])
def test_a_peer_that_sends_is_asked_less_often_for_a_sign_of_life(sends: bool, least: int, most: int) -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            pings = 0

            async def answer() -> None:
                nonlocal pings
                while True:
                    for kind, _, _, value in headers(await hand.read()):
                        if kind == PING:
                            pings += 1
                            await hand.write(frame(PING, ACK, 0, value))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                for _ in range(16):  # eight heartbeats
                    await trio.sleep(HEARTBEAT_MS / 2 / 1000)
                    if sends:
                        await hand.write(data_frame(99, b"whatever"))
                nursery.cancel_scope.cancel()
            assert running.session.closed_reason is None
            assert least <= pings <= most

    run(main)


def test_a_node_that_was_suspended_itself_does_not_blame_its_peer() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            await settle()
            (ping,) = headers(await hand.read())
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, MockClock)
            clock.jump(10 * STALE_AFTER_MS / 1000)
            await hand.write(frame(PING, ACK, 0, ping[3]))
            await settle()
            assert running.session.closed_reason is None
            assert running.session.rtt_s is not None

    run(main)


def test_an_answer_to_another_heartbeat_does_not_count() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            for nonce in range(100, 200):
                await hand.write(frame(PING, ACK, 0, nonce))
            await trio.sleep((STALE_AFTER_MS + HEARTBEAT_MS / 2) / 1000)
            assert "heartbeat" in str(running.session.closed_reason)

    run(main)


def test_a_reset_stream_ends_for_its_reader_and_writer_and_its_late_data_are_dropped() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            await hand.write(data_frame(1, b"hello", SYN))
            await settle()
            (stream,) = running.streams
            await hand.write(
                frame(WINDOW_UPDATE, RST, 1, 0) + data_frame(1, b"late") + data_frame(99, b"never")
            )
            await settle()
            with pytest.raises(StreamEnded, match="reset"):
                await stream.read()
            with pytest.raises(StreamEnded, match="reset"):
                await stream.write(b"x")
            assert running.session.closed_reason is None

    run(main)


def test_a_finished_stream_is_forgotten() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            for number in range(5 * INBOUND_STREAMS_MAX):
                await hand.write(data_frame(2 * number + 1, b"question", SYN | FIN))
                await settle()
                stream = running.streams[-1]
                assert await stream.read() == b"question"
                assert await stream.read() == b""
                await stream.write(b"answer")
                stream.close()
                await settle()
            assert len(running.streams) == 5 * INBOUND_STREAMS_MAX
            assert running.session._streams == {}

    run(main)


def test_closing_wakes_everybody_and_the_first_reason_counts() -> None:
    async def main() -> None:
        async with pair() as (a, b):
            stream = a.session.open()
            await settle()
            a.session.close("first")
            a.session.close("second")
            with pytest.raises(StreamEnded, match="first"):
                await stream.read()
            with pytest.raises(StreamEnded, match="first"):
                await a.session.open().write(b"x")
            await settle()
            assert (a.outcome, b.outcome) == ("first", "the peer closed the connection")

    run(main)


def test_a_peer_may_say_goodbye() -> None:
    async def main() -> None:
        async with victim() as (running, hand):
            await hand.write(frame(GO_AWAY, 0, 0, 0))
            await settle()
            assert running.outcome == "the peer closed the connection"

    run(main)


def test_whoever_sends_too_fast_is_read_more_slowly() -> None:
    async def main() -> None:
        end, hand = ends()
        costs: list[int] = []

        def pace(cost: int) -> float:
            costs.append(cost)
            return 1.0

        session = Session(
            end,
            is_dialler=False,
            on_stream=lambda stream: None,
            pace=pace,
            heartbeat_ms=HEARTBEAT_MS,
            stale_after_ms=10**9,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            began = trio.current_time()
            for _ in range(12):
                await hand.write(data_frame(1, bytes(100)))
            assert trio.current_time() - began >= 10
            assert costs[0] == READ_COST_BYTES + FRAME_COST_BYTES + HEADER.size + 100
            nursery.cancel_scope.cancel()

    run(main)


frames = st.builds(
    frame,
    st.integers(0, 4),
    st.integers(0, 15),
    st.integers(0, 9),
    st.integers(0, 40) | st.sampled_from([INITIAL_WINDOW_BYTES, 2**32 - 1]),
    st.binary(max_size=40),
    st.sampled_from([0, 0, 0, 0, 0, 1]),
)


@given(st.lists(frames | st.binary(max_size=30), max_size=12), st.lists(st.integers(0), max_size=6))
def test_no_bytes_provoke_anything_but_an_end_of_the_connection(pieces: list[bytes], cuts: list[int]) -> None:
    """And what they provoke does not depend on how they were sliced."""
    data = b"".join(pieces)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    sliced = [data[start:end] for start, end in pairwise(places)]

    async def outcome_of(messages: list[bytes]) -> tuple[object, ...]:
        end, _hand = ends(len(messages) + 1)
        running = Running(end, is_dialler=False)
        try:
            for message in messages:
                running.session._input += message
                running.session._handle_input()
        except (ProtocolViolation, ConnectionLost) as error:
            return type(error), str(error), len(running.streams)
        held = [(stream.stream_id, bytes(stream._received)) for stream in running.streams]
        assert sum(len(received) for _, received in held) <= INBOUND_STREAMS_MAX * INITIAL_WINDOW_BYTES
        return held, list(running.session._replies), running.session.closed_reason

    async def main() -> None:
        assert await outcome_of([data]) == await outcome_of(sliced)

    run(main)
