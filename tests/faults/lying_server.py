"""A member that serves blocks from its node's ledger, but not the true ones from some height on.

To everybody whom it connects with it shows the certificate of its last block, which is true: whoever is
behind learns so from it alone, and asks it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace

import trio

from consensus.messages import encode_message
from consensus.types import FinalBlock
from node.demo.partner import Partner
from node.genesis import load_genesis
from node.keystore import Role
from node.network import Network, Peer
from node.services import Service, Services
from node.store import Store
from node.sync_messages import BlocksAnswer, SyncedBlock, decode_answer, encode_answer
from node.sync_server import BlockServer
from node.wire import StreamClass

START_S = 60.0
Lie = Callable[[BlocksAnswer], BlocksAnswer]


def another_time(answer: BlocksAnswer) -> BlocksAnswer:
    """What the certificate does not vouch for."""
    return replace(answer, blocks=tuple(replace(item, block=_later(item.block)) for item in answer.blocks))


def _later(block: FinalBlock) -> FinalBlock:
    return replace(block, header=replace(block.header, time_ms=block.header.time_ms + 1))


def without_batches(answer: BlocksAnswer) -> BlocksAnswer:
    """True headers, and nothing of what they order."""
    return replace(answer, blocks=tuple(SyncedBlock(item.block, ()) for item in answer.blocks))


class LyingServer:
    """Stands in for a partner's node, which must be down, for as long as the block of a `with`."""

    def __init__(self, partner: Partner, lie: Lie, from_height: int) -> None:
        self._partner = partner
        self._lie = lie
        self._from_height = from_height
        self.lies = 0
        self._thread = threading.Thread(target=lambda: trio.run(self._serve), daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._listening = threading.Event()

    def __enter__(self) -> LyingServer:
        self._thread.start()
        assert self._listening.wait(START_S)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(60)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        home, keys = self._partner.seat.home, self._partner.seat.keys
        genesis = load_genesis(home / "genesis.json")
        me = genesis.member_of_key(keys.public(Role.NETWORK))
        assert me is not None
        store = Store.open(home / "ledger")
        true = BlockServer(genesis.hash, store.height, store.final_block, store.batches_of)

        async def answer(member: int, body: bytes) -> bytes:
            truth = decode_answer(await true.on_request(member, body))
            if not truth.blocks or truth.blocks[-1].block.header.height < self._from_height:
                return encode_answer(truth)
            self.lies += 1
            return encode_answer(self._lie(truth))

        newest = encode_message(store.final_block(store.height()).certificate)

        def greet(member: int, connected: bool) -> None:
            if connected:
                network.send(member, StreamClass.VOTES, newest)

        network = Network(
            seed=keys.private(Role.NETWORK).seed,
            listen=me.card.address,
            me=me.number,
            peers=[Peer(m.number, m.card.network_key, m.card.address) for m in genesis.members],
            on_message=lambda *_: None,
            on_request=Services({Service.BLOCKS: answer}).on_request,
            on_peer_change=greet,
        )
        with closing(store), self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(network.run)
                self._listening.set()
                await trio.sleep_forever()
