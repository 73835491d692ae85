"""The wire is libp2p's: py-libp2p's own host, with its own swarm and muxer, is a member among ours."""

from __future__ import annotations

from node.wire import FRAME_HEADER_BYTES, ResponseStatus, StreamClass, decode_response
from tests.network import stock_host
from tests.network.stock_host import MEMBER, MESSAGE_BYTES, MESSAGES
from tests.network.support import NOWHERE, Node, peer, program, run, started, until


def test_a_stock_host_dials_us_and_speaks_every_protocol() -> None:
    async def main() -> None:
        node = Node(4)  # the stock host has the lower key, so it is the one to dial
        async with started(node):
            node.network.set_peers([peer(MEMBER, NOWHERE)])
            async with program(stock_host.__name__, "dial", node.address, node.network.peer_id) as stock:
                answer = bytes.fromhex(await stock.line())[FRAME_HEADER_BYTES:]
                assert decode_response(answer) == (7, ResponseStatus.OK, b"%d:ping" % MEMBER)
                # One megabyte per class: without our window updates its muxer would have stopped.
                for stream_class in (StreamClass.VOTES, StreamClass.BATCHES):
                    await node.until_received(MESSAGES, MEMBER, stream_class)
                    expected = [bytes([number]) * MESSAGE_BYTES for number in range(MESSAGES)]
                    assert node.bodies(MEMBER, stream_class) == expected

    run(main)


def test_we_dial_a_stock_host_and_it_receives() -> None:
    async def main() -> None:
        node = Node(2)
        async with started(node), program(stock_host.__name__, "listen") as stock:
            node.network.set_peers([peer(MEMBER, await stock.line())])
            await until(lambda: node.connected() == [MEMBER])
            for _ in range(10):  # a megabyte: four windows of its muxer
                assert node.network.send(MEMBER, StreamClass.VOTES, bytes(100_000))
            while int(await stock.line()) < 10 * (FRAME_HEADER_BYTES + 100_000):
                pass
            # Its muxer answers our heartbeats, and does not mind that it lacks two of our protocols.
            await until(lambda: node.status_of(MEMBER).rtt_ms is not None)
            assert node.connected() == [MEMBER]

    run(main)
