"""Traps that only show between processes or over many connections: each was reproduced with a stock host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from node.network.errors import StreamEnded
from node.network.secure import propose
from node.network.yamux import Session
from node.wire import FRAME_BYTES_MAX, FRAME_HEADER_BYTES, StreamClass
from tests.network import echo_node
from tests.network.support import (
    NOWHERE,
    QUICK,
    ROOT,
    Node,
    all_connected,
    channel_to,
    introduce,
    peer,
    program,
    run,
    started,
    until,
)

ECHO = echo_node.MEMBER
MEBIBYTE = 1 << 20


async def echoes(node: Node, body: bytes) -> None:
    """`body` goes there and comes back."""
    assert node.network.send(ECHO, StreamClass.BATCHES, body)
    await until(lambda: body in node.bodies(ECHO))


def test_a_stopped_process_is_dropped_in_time_and_found_again() -> None:
    """Trap: a suspended peer blocks writers, stays listed for ever, and disconnecting it hangs."""

    async def main() -> None:
        node = Node(0)
        async with started(node), program(echo_node.__name__) as other:
            node.network.set_peers([peer(ECHO, await other.line())])
            await until(lambda: node.connected() == [ECHO])
            await echoes(node, b"before")
            other.signal(signal.SIGSTOP)
            while node.network.send(ECHO, StreamClass.BATCHES, bytes(MEBIBYTE)):
                pass  # never waits, and is refused when the queue is full
            await until(lambda: node.connected() == [])
            assert "heartbeat" in str(node.status_of(ECHO).last_error)
            other.signal(signal.SIGCONT)
            await until(lambda: node.connected() == [ECHO])
            await echoes(node, b"after")

    run(main)


def test_a_killed_process_is_noticed_at_once_and_its_successor_is_found() -> None:
    async def main() -> None:
        node = Node(0)
        async with started(node):
            async with program(echo_node.__name__) as other:
                address = await other.line()
                node.network.set_peers([peer(ECHO, address)])
                await until(lambda: node.connected() == [ECHO])
                other.signal(signal.SIGKILL)
                await until(lambda: node.connected() == [])
                assert "heartbeat" not in str(node.status_of(ECHO).last_error)  # its system told us
            async with program(echo_node.__name__, address) as other:
                assert await other.line() == address
                await until(lambda: node.connected() == [ECHO])
                await echoes(node, b"after")

    run(main)


def test_a_stopped_process_that_is_replaced_does_not_leave_a_black_hole() -> None:
    """Trap: a member lost its power, as its peers see it, and starts again with the same key elsewhere."""

    async def main() -> None:
        node = Node(0)
        async with started(node), AsyncExitStack() as programs:
            lost = await programs.enter_async_context(program(echo_node.__name__))
            node.network.set_peers([peer(ECHO, await lost.line())])
            await until(lambda: node.connected() == [ECHO])
            lost.signal(signal.SIGSTOP)
            successor = await programs.enter_async_context(program(echo_node.__name__))
            node.network.set_peers([peer(ECHO, await successor.line())])
            # What goes into the old connection before it is noticed is lost; it must be noticed, and soon.
            with trio.fail_after(30):
                while b"after" not in node.bodies(ECHO):
                    node.network.send(ECHO, StreamClass.BATCHES, b"after")
                    await trio.sleep(0.1)

    run(main)


def test_bulk_in_both_directions_goes_on() -> None:
    """Trap: with py-libp2p's muxer such a connection froze for good in six of seven runs."""

    async def main() -> None:
        node = Node(0)
        total = 64
        async with started(node), program(echo_node.__name__) as other:
            node.network.set_peers([peer(ECHO, await other.line())])
            await until(lambda: node.connected() == [ECHO])
            sent = 0
            with trio.fail_after(60):
                while len(node.received) < total:
                    while sent < total and sent - len(node.received) < 12:
                        assert node.network.send(ECHO, StreamClass.BATCHES, bytes(MEBIBYTE))
                        sent += 1
                    await trio.sleep(0.001)
            assert node.connected() == [ECHO]

    run(main)


def test_hundreds_of_connections_over_a_nodes_life_leave_nothing_behind() -> None:
    """Trap: after 250 inbound connections a stock host refuses all others, and keeps a task of each."""

    async def main() -> None:
        node, other = Node(1, replace(QUICK, handshakes_per_s=10_000)), Node(2)
        async with started(node, other):
            node.network.set_peers([peer(0, NOWHERE)])
            async with channel_to(node, as_member=0):
                await until(lambda: node.connected() == [0])
            await until(lambda: node.connected() == [])
            tasks, files = trio.lowlevel.current_statistics().tasks_living, open_files()
            for _ in range(300):
                async with channel_to(node, as_member=0):
                    pass
            await until(lambda: node.network.door_status().admitted == 301 and node.connected() == [])
            assert trio.lowlevel.current_statistics().tasks_living <= tasks
            assert open_files() <= files
            introduce(node, other)
            await all_connected(node, other)

    run(main, 100)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_member_cannot_fill_our_memory() -> None:
    """Trap: a member grew a victim from 85 to 383 MiB by ignoring the receive window."""

    async def main() -> None:
        attacker = Node(0)
        async with started(attacker), program(echo_node.__name__) as victim:
            address = await victim.line()
            attacker.network.set_peers([peer(ECHO, address)])
            await until(lambda: attacker.connected() == [ECHO])
            await echoes(attacker, bytes(4 * MEBIBYTE))
            resident = resident_bytes(victim.process.pid)
            attacker.network.set_peers([])  # or it would replace the connections that follow
            for _ in range(5):
                await fill(address)
            assert resident_bytes(victim.process.pid) - resident < 30 * MEBIBYTE
            attacker.network.set_peers([peer(ECHO, address)])
            await until(lambda: attacker.connected() == [ECHO])
            await echoes(attacker, b"it lives")

    run(main)


async def fill(address: str) -> None:
    """Leave a frame as large as can be unfinished on every stream, then send beyond its window."""
    victim = Node(ECHO)
    victim.address = address
    async with channel_to(victim, as_member=0) as channel, trio.open_nursery() as nursery:
        session = Session(
            channel,
            is_dialler=True,
            on_stream=lambda stream: None,
            pace=lambda cost: 0.0,
            heartbeat_ms=1_000,
            stale_after_ms=10_000,
        )
        nursery.start_soon(session.run)
        streams = [session.open() for _ in StreamClass]
        for stream, stream_class in zip(streams, StreamClass, strict=True):
            await propose(stream, stream_class.protocol_id)
            length = FRAME_BYTES_MAX[stream_class]
            await stream.write(length.to_bytes(FRAME_HEADER_BYTES, "big") + bytes(length - 1))
        await until(lambda: not any(stream._unsent for stream in streams))
        for stream in streams:
            stream._send_window = 1 << 30
        await streams[0].write(bytes(32 * MEBIBYTE))
        with pytest.raises(StreamEnded):  # cut off
            await streams[0].read()
        nursery.cancel_scope.cancel()


def resident_bytes(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_what_libp2p_logs_does_not_reach_the_terminal() -> None:
    """Its logger has no handler, so Python would print its errors."""
    script = "import logging, node.network; logging.getLogger('libp2p.anything').error('a peer is odd')"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("", "")
