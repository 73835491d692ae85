"""A program: member 1, which sends back to member 0 whatever batch it gets from it. Prints its address.

echo_node.py [<address to listen on>]
"""

from __future__ import annotations

import sys

import trio

from node.wire import StreamClass
from tests.network.support import ANY_PORT, NOWHERE, QUICK, Node, peer, started

MEMBER = 1


class EchoNode(Node):
    def on_message(self, member: int, stream_class: StreamClass, body: bytes) -> None:
        self.network.send(member, stream_class, body)


async def main(listen: str = ANY_PORT) -> None:
    node = EchoNode(MEMBER, QUICK, listen)
    async with started(node):
        node.network.set_peers([peer(0, NOWHERE)])
        print(node.address, flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
