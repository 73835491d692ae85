"""What two nodes' networks carry: two processes, loopback, real Noise and Yamux.

    python -m tests.bench.bench_network [seconds per measurement, default 2]

Processor time is that of both processes together, so that figures compare between machines under load.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import trio

from node.network import NetworkLimits
from node.wire import StreamClass
from tests.network.support import NOWHERE, Node, Program, peer, program, started, until

UNLIMITED = replace(NetworkLimits(), inbound_bytes_per_s=1 << 40, inbound_messages_per_s=1 << 40)
VOTES_QUEUED_MAX = UNLIMITED.votes_queue_bytes_max // 2
DIALLER, LISTENER = 0, 1
PAUSE_S = 0.001  # when the queue is full


async def listener() -> None:
    """The other process: counts, and answers requests with what it has counted and spent."""

    class Counter(Node):
        messages = 0
        octets = 0

        def on_message(self, member: int, stream_class: StreamClass, body: bytes) -> None:
            self.messages += 1
            self.octets += len(body)

        async def on_request(self, member: int, body: bytes) -> bytes:
            return b"%d %d %d" % (self.messages, self.octets, time.process_time_ns())

    node = Counter(LISTENER, UNLIMITED)
    async with started(node):
        node.network.set_peers([peer(DIALLER, NOWHERE)])
        print(node.address, flush=True)
        await trio.sleep_forever()


async def measure(node: Node, seconds: float, send: Callable[[], bool]) -> tuple[float, float, float]:
    """Messages and MB per second that arrived, and ms of processor per MB, while `send` is called."""

    async def counted() -> tuple[int, int, int]:
        messages, octets, spent_ns = (await node.network.request(LISTENER, b"?", 30_000)).split()
        return int(messages), int(octets), int(spent_ns) + time.process_time_ns()

    before, began = await counted(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(100):
            if not send():
                await trio.sleep(PAUSE_S)
        await trio.lowlevel.checkpoint()
    await until(lambda: node.network.queue_bytes(LISTENER) == 0, 30)
    after, elapsed = await counted(), time.perf_counter() - began
    messages, octets, spent_ns = (late - early for late, early in zip(after, before, strict=True))
    return messages / elapsed, octets / 1e6 / elapsed, spent_ns / octets


async def main(seconds: float) -> None:
    node = Node(DIALLER, UNLIMITED)
    async with program("tests.bench.bench_network", "listener") as other, started(node):
        await connected(node, other)
        print(f"{'':34}{'messages/s':>12}{'MB/s':>8}{'ms of processor per MB':>26}")
        for label, stream_class, length in (
            ("200 B votes, coalesced", StreamClass.VOTES, 200),
            ("64 KiB batches", StreamClass.BATCHES, 64 * 1024),
            ("256 KiB batches", StreamClass.BATCHES, 256 * 1024),
            ("1 MiB batches", StreamClass.BATCHES, 1024 * 1024),
        ):
            body = bytes(length)

            def send(kind: StreamClass = stream_class, body: bytes = body) -> bool:
                if kind is StreamClass.VOTES and node.network.queue_bytes(LISTENER) > VOTES_QUEUED_MAX:
                    return False  # the oldest would be dropped
                return node.network.send(LISTENER, kind, body)

            rate, megabytes, cost = await measure(node, seconds, send)
            print(f"{label:34}{rate:12,.0f}{megabytes:8.1f}{cost:26.1f}")
        times_ms = []
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            await node.network.request(LISTENER, b"?", 10_000)
            times_ms.append((time.perf_counter() - sent) * 1000)
        p50, p99 = statistics.median(times_ms), statistics.quantiles(times_ms, n=100)[98]
        print(f"request and answer: {len(times_ms)} in a row, p50 {p50:.2f} ms, p99 {p99:.2f} ms")


async def connected(node: Node, other: Program) -> None:
    node.network.set_peers([peer(LISTENER, await other.line())])
    await until(lambda: node.connected() == [LISTENER])


if __name__ == "__main__":
    if sys.argv[1:] == ["listener"]:
        trio.run(listener)
    else:
        trio.run(main, float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
