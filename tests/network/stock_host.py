"""A program: py-libp2p's own host, with its own swarm and muxer, as a member among our nodes.

stock_host.py dial <address> <peer id>    sends 50 messages each of votes and batches, then one request,
                                          and prints the answer's bytes in hex
stock_host.py listen                      prints its address, and the number of bytes of votes received
                                          each time it changes
"""

from __future__ import annotations

import sys

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.id import ID
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from node.wire import StreamClass, encode_frame, encode_request
from tests.network.support import ANY_PORT, seed

MEMBER = 3
MESSAGES = 50
MESSAGE_BYTES = 20_000


async def dial(host: IHost, address: str, peer_id: ID) -> None:
    await host.get_network().dial_addr(Multiaddr(address), peer_id)
    for stream_class in (StreamClass.VOTES, StreamClass.BATCHES):
        stream = await host.new_stream(peer_id, [TProtocol(stream_class.protocol_id)])
        for number in range(MESSAGES):
            await stream.write(encode_frame(bytes([number]) * MESSAGE_BYTES, MESSAGE_BYTES))
    stream = await host.new_stream(peer_id, [TProtocol(StreamClass.SYNC.protocol_id)])
    await stream.write(encode_frame(encode_request(7, b"ping"), MESSAGE_BYTES))
    print((await stream.read(1024)).hex(), flush=True)


async def count_votes(stream: INetStream) -> None:
    received = 0
    try:
        while data := await stream.read(65536):
            received += len(data)
            print(received, flush=True)
    except StreamError:
        pass  # an exception that left this handler would stop the whole host


async def main(mode: str, *arguments: str) -> None:
    key_pair = create_new_key_pair(seed(MEMBER))
    noise = NoiseTransport(key_pair, noise_privkey=create_x25519_key_pair().private_key)
    listen = [Multiaddr(ANY_PORT)]
    host = new_host(
        key_pair=key_pair,
        sec_opt={NOISE_ID: noise},
        muxer_opt={TProtocol(YAMUX_ID): Yamux},
        listen_addrs=listen,
        disable_identify_address_discovery=True,
    )
    host.set_stream_handler(TProtocol(StreamClass.VOTES.protocol_id), count_votes)
    async with host.run(listen):
        if mode == "dial":
            address, peer_id = arguments
            await dial(host, address, ID.from_string(peer_id))
        else:
            print(host.get_transport_addrs()[0], flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
