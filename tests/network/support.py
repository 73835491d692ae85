"""Nodes for network tests: real sockets on loopback, real Noise, real Yamux, in this process."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from node.network import Network, NetworkLimits, Peer, PeerStatus
from node.network.network import Started
from node.network.secure import Identity, SecureChannel, secure_outbound
from node.network.sockets import connect
from node.network.yamux_stream import Stream
from node.wire import StreamClass

ROOT = Path(__file__).resolve().parents[2]

Result = TypeVar("Result")

ANY_PORT = "/ip4/127.0.0.1/tcp/0"
NOWHERE = "/ip4/127.0.0.1/tcp/1"  # nothing listens there, and nothing can without privilege

QUICK = NetworkLimits(
    heartbeat_ms=100,
    stale_after_ms=5_000,
    dial_grace_ms=500,
    backoff_min_ms=50,
    backoff_max_ms=400,
    handshake_timeout_ms=10_000,
    negotiation_timeout_ms=20_000,
    penalty_ms=1_000,
)
"""The default limits with shorter pauses; nobody is given up because the machine has other things to do."""

_SEEDS = sorted(
    (hashlib.sha256(b"network test %d" % number).digest() for number in range(8)),
    key=lambda seed: Identity(seed).network_key,
)


def seed(member: int) -> bytes:
    """A member's seed; the keys are in the order of the members' numbers, so the lower number dials."""
    return _SEEDS[member]


def network_key(member: int) -> bytes:
    return Identity(seed(member)).network_key


def peer(member: int, address: str) -> Peer:
    return Peer(member, network_key(member), address)


def run(main: Callable[[], Awaitable[Result]], timeout_s: float = 60) -> Result:
    """Run a test's coroutine to its end, or fail."""

    async def bounded() -> Result:
        with trio.fail_after(timeout_s):
            return await main()

    return trio.run(bounded)


async def read_for_ever(source: SecureChannel | Stream) -> None:
    """Read until that raises what there is to raise."""
    while True:
        await source.read()


async def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Wait until `condition` holds, or fail."""
    with trio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition is anybody's
            await trio.sleep(0.005)


class Node:
    """A `Network` that keeps what it receives; requests are answered with `<member>:<body>`."""

    def __init__(self, member: int, limits: NetworkLimits = QUICK, listen: str = ANY_PORT) -> None:
        self.member = member
        self.received: list[tuple[int, StreamClass, bytes]] = []
        self.changes: list[tuple[int, bool]] = []
        self.offences: list[tuple[int, str, float]] = []
        self.address = ""
        self.network = Network(
            seed=seed(member),
            listen=listen,
            me=member,
            peers=[],
            on_message=self.on_message,
            on_request=self.on_request,
            on_peer_change=lambda peer, connected: self.changes.append((peer, connected)),
            on_offence=lambda *offence: self.offences.append(offence),
            limits=limits,
        )
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()

    def on_message(self, member: int, stream_class: StreamClass, body: bytes) -> None:
        self.received.append((member, stream_class, body))

    async def on_request(self, member: int, body: bytes) -> bytes:
        return b"%d:%s" % (member, body)

    async def start(self, nursery: trio.Nursery) -> None:
        self.address = await nursery.start(self._run)

    async def _run(self, *, task_status: Started) -> None:
        try:
            with self._scope:
                await self.network.run(task_status=task_status)
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        self._scope.cancel()
        await self._stopped.wait()

    def bodies(self, member: int | None = None, stream_class: StreamClass | None = None) -> list[bytes]:
        return [
            body
            for sender, kind, body in self.received
            if member in (None, sender) and stream_class in (None, kind)
        ]

    async def until_received(
        self, count: int, member: int | None = None, stream_class: StreamClass | None = None
    ) -> None:
        await until(lambda: len(self.bodies(member, stream_class)) >= count)

    def status_of(self, member: int) -> PeerStatus:
        (status,) = [status for status in self.network.status() if status.member == member]
        return status

    def connected(self) -> list[int]:
        return [status.member for status in self.network.status() if status.connected]


@asynccontextmanager
async def started(*nodes: Node) -> AsyncIterator[trio.Nursery]:
    """The nodes listening, not yet knowing of each other."""
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await node.start(nursery)
        yield nursery
        nursery.cancel_scope.cancel()


def introduce(*nodes: Node) -> None:
    """Make the nodes members of one consortium."""
    for node in nodes:
        node.network.set_peers([peer(other.member, other.address) for other in nodes])


async def all_connected(*nodes: Node) -> None:
    await until(lambda: all(len(node.connected()) == len(nodes) - 1 for node in nodes))


@asynccontextmanager
async def consortium(*nodes: Node) -> AsyncIterator[trio.Nursery]:
    """The nodes, connected with each other."""
    async with started(*nodes) as nursery:
        introduce(*nodes)
        await all_connected(*nodes)
        yield nursery


@asynccontextmanager
async def channel_to(node: Node, as_member: int) -> AsyncIterator[SecureChannel]:
    """A connection to `node` that has proven to be from `as_member`, and nothing more."""
    identity = Identity(seed(as_member))
    channel = await secure_outbound(await connect(node.address), identity, node.network.peer_id)
    try:
        yield channel
    finally:
        channel.abort()


@asynccontextmanager
async def program(module: str, *arguments: str) -> AsyncIterator[Program]:
    """Run a module of the tests as a process of its own, and kill it in the end."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        await process.wait()
        if process.stdout is not None:
            await process.stdout.aclose()


class Program:
    """A running process, read line by line."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._buffer = b""

    async def line(self) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            data = await self.process.stdout.receive_some(65536)
            assert data, "the process has ended"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
