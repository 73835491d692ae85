"""A member sends malformed bytes at every level, and so do strangers: the victim goes on serving."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from node.network.errors import ConnectFailed, ConnectionLost, StreamEnded
from node.network.secure import SecureChannel, accept, propose
from node.network.yamux import Session
from node.network.yamux_frames import ACK, DATA, HEADER, INITIAL_WINDOW_BYTES, PING, SYN, WINDOW_UPDATE
from node.network.yamux_stream import Stream
from node.wire import (
    FRAME_BYTES_MAX,
    SYNC_RESPONSE_FRAME_BYTES_MAX,
    StreamClass,
    encode_frame,
)
from tests.network.support import (
    NOWHERE,
    QUICK,
    Node,
    all_connected,
    channel_to,
    introduce,
    peer,
    read_for_ever,
    run,
    started,
    until,
)

HOSTILE, VICTIM, HONEST = 0, 1, 2
FORGIVING = replace(QUICK, bad_messages_max=1_000, stale_after_ms=10_000)

MULTISTREAM = b"\x13/multistream/1.0.0\n"
NOT_UTF8 = b"\x03\xff\xfe\n"
HUGE_LENGTH = b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever a peer sends, the operator's terminal stays clean."""
    yield
    assert capfd.readouterr() == ("", "")


@asynccontextmanager
async def scene() -> AsyncIterator[tuple[Node, Node]]:
    """The victim and an honest member, connected; the victim also takes HOSTILE for a member."""
    victim, honest = Node(VICTIM, FORGIVING), Node(HONEST, FORGIVING)
    async with started(victim, honest):
        introduce(victim, honest)
        victim.network.set_peers([peer(HOSTILE, NOWHERE), peer(HONEST, honest.address)])
        await until(lambda: HONEST in victim.connected() and honest.connected())
        yield victim, honest
        await still_serves(victim, honest)


async def still_serves(victim: Node, honest: Node) -> None:
    """Every class works both ways between the two, on the connection that they have had all the time."""
    for one, other in ((victim, honest), (honest, victim)):
        for stream_class in (StreamClass.VOTES, StreamClass.BATCHES):
            count = len(other.bodies(one.member, stream_class))
            assert one.network.send(other.member, stream_class, b"still here")
            await other.until_received(count + 1, one.member, stream_class)
        assert await one.network.request(other.member, b"there?", 30_000) == b"%d:there?" % one.member
    assert victim.changes.count((HONEST, True)) == 1
    assert victim.changes.count((HONEST, False)) == 0


@asynccontextmanager
async def session_with(victim: Node) -> AsyncIterator[tuple[Session, list[Stream]]]:
    """A muxed connection from the hostile member, and the streams that the victim opens on it."""
    streams: list[Stream] = []
    async with channel_to(victim, as_member=HOSTILE) as channel, trio.open_nursery() as nursery:
        session = Session(
            channel,
            is_dialler=True,
            on_stream=streams.append,
            pace=lambda cost: 0.0,
            heartbeat_ms=1_000,
            stale_after_ms=10_000,
        )
        nursery.start_soon(session.run)
        await until(lambda: HOSTILE in victim.connected())
        yield session, streams
        nursery.cancel_scope.cancel()


async def ended(stream: Stream) -> None:
    with trio.fail_after(FORGIVING.negotiation_timeout_ms / 1000 / 2), pytest.raises(StreamEnded):
        await read_for_ever(stream)


BAD_FRAMES = {
    "no length": bytes(4),
    "too long": b"\xff\xff\xff\xff",
    "text": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("stream_class", StreamClass)
@pytest.mark.parametrize("junk", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_junk_on_a_stream_resets_it_and_is_counted(stream_class: StreamClass, junk: bytes) -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            for attempt in (1, 2):
                stream = session.open()
                await propose(stream, stream_class.protocol_id)
                await stream.write(junk)
                await ended(stream)
                assert victim.status_of(HOSTILE).bad_messages == attempt
            assert "frame announces" in str(victim.status_of(HOSTILE).last_error)
            stream = session.open()  # the connection lives: honest traffic of the same member passes
            await propose(stream, StreamClass.VOTES.protocol_id)
            await stream.write(encode_frame(b"honest after all", 100))
            await victim.until_received(1, HOSTILE)

    run(main)


def test_a_frame_one_byte_too_long_for_its_class_is_refused_and_the_longest_is_not() -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            for stream_class in (StreamClass.VOTES, StreamClass.BATCHES):
                longest = FRAME_BYTES_MAX[stream_class]
                stream = session.open()
                await propose(stream, stream_class.protocol_id)
                await stream.write(encode_frame(bytes(longest), longest))
                await victim.until_received(1, HOSTILE, stream_class)
                await stream.write((longest + 1).to_bytes(4, "big"))
                await ended(stream)
            assert victim.status_of(HOSTILE).bad_messages == 2

    run(main)


def test_a_request_without_number_is_refused() -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            stream = session.open()
            await propose(stream, StreamClass.SYNC.protocol_id)
            await stream.write(encode_frame(b"abc", 100))
            await ended(stream)
            assert victim.status_of(HOSTILE).bad_messages == 1

    run(main)


BAD_ANSWERS = {
    "short": encode_frame(b"abc", 100),
    "unknown status": encode_frame(bytes(4) + b"\x09", 100),
    "too long": (SYNC_RESPONSE_FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
}


@pytest.mark.parametrize("junk", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_junk_for_an_answer_fails_the_request_and_is_counted(junk: bytes) -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (_, streams):
            await answer_protocols(streams)
            for stream in streams:  # also on streams where nothing at all may come back
                await stream.write(junk)
            await until(lambda: victim.status_of(HOSTILE).bad_messages == len(StreamClass))

    run(main)


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (_, streams):
            sync = (await answer_protocols(streams))[StreamClass.SYNC]
            await sync.write(encode_frame((77).to_bytes(4, "big") + b"\0unasked", 100))
            await trio.sleep(0.1)
            assert victim.status_of(HOSTILE).bad_messages == 0

    run(main)


async def answer_protocols(streams: list[Stream]) -> dict[StreamClass, Stream]:
    """Accept whatever protocol the victim proposes on each of its streams."""
    await until(lambda: len(streams) == len(StreamClass))
    by_id = {stream_class.protocol_id: stream_class for stream_class in StreamClass}
    return {by_id[await accept(stream, list(by_id))]: stream for stream in list(streams)}


BAD_NEGOTIATIONS = {
    "not UTF-8": MULTISTREAM + NOT_UTF8,
    "not UTF-8 at once": NOT_UTF8,
    "huge length": MULTISTREAM + HUGE_LENGTH,
    "no end of line": MULTISTREAM + b"\x03abc",
    "nothing in it": MULTISTREAM + b"\x00",
    "endless asking": MULTISTREAM + b"\x05/abc\n" * 1_000,
    "endless length": b"\xff" * 40,
    "another protocol": b"\x07/junk/1\n",
}


@pytest.mark.parametrize("junk", BAD_NEGOTIATIONS.values(), ids=BAD_NEGOTIATIONS)
def test_junk_in_the_negotiation_of_a_stream_resets_it_and_is_counted(junk: bytes) -> None:
    """Trap: text that is not UTF-8 stops a whole py-libp2p service."""

    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            stream = session.open()
            await stream.write(junk)
            await ended(stream)
            assert victim.status_of(HOSTILE).bad_messages == 1

    run(main)


@pytest.mark.parametrize(
    "junk", [NOT_UTF8, MULTISTREAM + NOT_UTF8, b"\x05junk\n", MULTISTREAM + b"\x05junk\n"]
)
def test_junk_for_an_answer_in_a_negotiation_costs_the_stream_only(junk: bytes) -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (_, streams):
            await until(lambda: len(streams) == len(StreamClass))
            for stream in streams:
                await stream.write(junk)
            await until(lambda: "no agreement" in str(victim.status_of(HOSTILE).last_error))
            assert HOSTILE in victim.connected()

    run(main)


def test_streams_that_are_left_alone_cost_nobody_anything() -> None:
    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            for _ in range(200):  # far beyond what may be open: the others are refused
                session.open()
            await trio.sleep(0.1)
            assert HOSTILE in victim.connected()

    run(main)


def test_a_member_may_have_more_batches_under_way_than_a_new_stream_allows() -> None:
    """A window of 256 KiB would bound a link of 100 ms to 2.5 MB/s."""

    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            stream = session.open()
            await propose(stream, StreamClass.BATCHES.protocol_id)
            await until(lambda: stream._send_window > 3 * INITIAL_WINDOW_BYTES)

    run(main)


def test_a_newer_stream_of_a_class_replaces_the_older() -> None:
    """So that a member cannot have sixteen frames of the largest class under assembly."""

    async def main() -> None:
        async with scene() as (victim, _), session_with(victim) as (session, _):
            older = session.open()
            await propose(older, StreamClass.BATCHES.protocol_id)
            await older.write((4_000_000).to_bytes(4, "big") + bytes(100_000))
            newer = session.open()
            await propose(newer, StreamClass.BATCHES.protocol_id)
            await ended(older)
            await newer.write(encode_frame(b"complete", 100))
            await victim.until_received(1, HOSTILE)

    run(main)


BAD_MUXING = {
    "version": HEADER.pack(9, DATA, 0, 1, 0),
    "type": HEADER.pack(0, 9, 0, 1, 0),
    "our stream": HEADER.pack(0, WINDOW_UPDATE, SYN, 2, 0),
    "beyond the window": HEADER.pack(0, DATA, SYN, 1, INITIAL_WINDOW_BYTES + 1),
    "text": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("junk", BAD_MUXING.values(), ids=BAD_MUXING)
def test_junk_in_the_muxer_costs_the_connection_and_is_counted(junk: bytes) -> None:
    async def main() -> None:
        async with scene() as (victim, _):
            for attempt in (1, 2):
                async with channel_to(victim, as_member=HOSTILE) as channel:
                    await channel.write(junk)
                    await lost(channel)
                await until(lambda count=attempt: victim.status_of(HOSTILE).bad_messages == count)  # type: ignore[misc]
            await until(lambda: victim.connected() == [HONEST])

    run(main)


@pytest.mark.parametrize("kind", ["pings", "openings", "data for nobody", "tiny messages"])
def test_a_flood_is_slowed_down_and_others_are_served(kind: str) -> None:
    flood = {
        "pings": HEADER.pack(0, PING, SYN, 0, 1) * 1_000,
        "openings": b"".join(HEADER.pack(0, WINDOW_UPDATE, SYN, 2 * n + 1, 0) for n in range(1_000)),
        "data for nobody": (HEADER.pack(0, DATA, 0, 99, 50_000) + bytes(50_000)),
        "tiny messages": HEADER.pack(0, PING, ACK, 0, 0),
    }[kind]

    async def main() -> None:
        async with scene() as (victim, honest), channel_to(victim, as_member=HOSTILE) as channel:

            async def attack() -> None:
                try:
                    while True:
                        await channel.write(flood)
                except ConnectionLost:
                    pass

            async with trio.open_nursery() as nursery:
                nursery.start_soon(attack)
                await trio.sleep(0.3)
                with trio.fail_after(30):
                    await still_serves(victim, honest)
                nursery.cancel_scope.cancel()

    run(main)


def test_bytes_that_cannot_be_decrypted_end_the_connection() -> None:
    async def main() -> None:
        async with scene() as (victim, _), channel_to(victim, as_member=HOSTILE) as channel:
            await until(lambda: HOSTILE in victim.connected())
            await channel._socket.write(b"\x00\x20" + bytes(32))
            await lost(channel)
            await until(lambda: "encrypted channel" in str(victim.status_of(HOSTILE).last_error))

    run(main)


def test_an_offender_that_comes_back_at_once_is_shut_out() -> None:
    async def main() -> None:
        victim = Node(VICTIM, replace(QUICK, bad_messages_max=3))
        async with started(victim):
            victim.network.set_peers([peer(HOSTILE, NOWHERE)])
            for _ in range(4):
                async with channel_to(victim, as_member=HOSTILE) as channel:
                    await channel.write(b"junk" * 3)
                    await lost(channel)
                await until(lambda: not victim.connected())
            with pytest.raises(ConnectFailed):
                await channel_to(victim, as_member=HOSTILE).__aenter__()
            assert "shut out" in str(victim.network.door_status().last_refusal)

    run(main)


async def lost(channel: SecureChannel) -> None:
    with trio.fail_after(30), pytest.raises(ConnectionLost):
        await read_for_ever(channel)


AT_THE_DOOR = [
    b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    bytes(range(256)),
    NOT_UTF8,
    MULTISTREAM + NOT_UTF8,
    MULTISTREAM + HUGE_LENGTH,
    MULTISTREAM + b"\x07/noise\n",
    MULTISTREAM + b"\x07/noise\n" + b"\xff\xff" + bytes(65_535),
    MULTISTREAM + b"\x07/noise\n" + b"\x00\x20" + bytes(32),
    MULTISTREAM + b"\x07/noise\n" + b"\x00\x20" + b"\x09" * 32 + b"\x00\x05junk!",
    MULTISTREAM + b"\x11/plaintext/2.0.0\n",
]


def test_strangers_with_junk_are_refused() -> None:
    async def main() -> None:
        async with scene() as (victim, _):
            refused = victim.network.door_status().refused
            for junk in AT_THE_DOOR:
                stream = await trio.open_tcp_stream("127.0.0.1", int(victim.address.rsplit("/", 1)[1]))
                async with stream:
                    await stream.send_all(junk)
            await until(lambda: victim.network.door_status().refused == refused + len(AT_THE_DOOR))
            assert victim.network.door_status().pending == 0
            assert victim.status_of(HOSTILE).bad_messages == 0  # nobody is blamed for a stranger

    run(main)


def test_idle_connections_neither_pile_up_nor_keep_members_out() -> None:
    """Trap: some hundred idle connections (slowloris) keep every member from connecting."""

    async def main() -> None:
        narrow = replace(
            QUICK, pending_handshakes_max=20, handshakes_per_s=10_000, handshake_timeout_ms=60_000
        )
        victim, honest = Node(VICTIM, narrow), Node(HOSTILE, narrow)
        port = 0
        async with started(victim, honest), trio.open_nursery() as idlers:

            async def idle() -> None:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    while await stream.receive_some():
                        pass

            port = int(victim.address.rsplit("/", 1)[1])
            for _ in range(100):
                idlers.start_soon(idle)
            await until(lambda: victim.network.door_status().refused >= 80)  # before any time-out
            assert victim.network.door_status().pending <= 20
            introduce(victim, honest)
            await all_connected(victim, honest)
            idlers.cancel_scope.cancel()

    run(main)


def test_whoever_does_not_say_who_it_is_in_time_is_hung_up_on() -> None:
    async def main() -> None:
        victim = Node(VICTIM, replace(QUICK, handshake_timeout_ms=200))
        async with started(victim):
            port = int(victim.address.rsplit("/", 1)[1])
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                while await stream.receive_some():
                    pass
            await until(lambda: "in time" in str(victim.network.door_status().last_refusal))

    run(main)


def test_handshakes_have_a_rate() -> None:
    async def main() -> None:
        slow = replace(QUICK, handshakes_per_s=20)
        victim = Node(VICTIM, slow)
        async with started(victim), trio.open_nursery() as nursery:
            port = int(victim.address.rsplit("/", 1)[1])

            async def junk() -> None:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(NOT_UTF8)
                    while await stream.receive_some():
                        pass

            began = trio.current_time()
            for _ in range(40):
                nursery.start_soon(junk)
            await until(lambda: victim.network.door_status().refused == 40)
            assert trio.current_time() - began > 0.9

    run(main)
