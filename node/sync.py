"""Catch-up of a node that was away: final blocks from its peers, and serving them to others.

What arrives is checked by the replica (certificates, lineage) and against the certified digests
(contents). At most `EXECUTION_LAG_MAX` blocks wait for execution, so memory stays bounded however long
the node was away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import trio

from consensus.batches import CheckedBatch, open_batch
from consensus.effects import SyncNeeded
from consensus.errors import InvalidMessage
from consensus.types import Batch, Digest, FinalBlock, MemberNumber
from node.driver import Driver
from node.network import Network, RequestFailed
from node.services import Service, addressed
from node.sync_messages import (
    BLOCK_BATCHES_MAX,
    SYNC_ANSWER_BYTES_AIM,
    SYNC_BLOCKS_MAX,
    BlocksAnswer,
    BlocksRequest,
    SyncedBlock,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)

log = structlog.get_logger("sync")

REQUEST_TIMEOUT_MS = 15_000
EXECUTION_LAG_MAX = 64
"""Blocks that may wait for execution during catch-up."""
PAUSE_S = 0.5
"""Between attempts when no peer could help."""


class BlockServer:
    """Answers peers' requests from the store, in a worker thread."""

    def __init__(
        self,
        chain_id: Digest,
        height: Callable[[], int],
        final_block: Callable[[int], FinalBlock],
        batches_of: Callable[[int], Sequence[Batch]],
    ) -> None:
        self._chain_id = chain_id
        self._height = height
        self._final_block = final_block
        self._batches_of = batches_of

    async def on_request(self, member: MemberNumber, body: bytes) -> bytes:
        """Raises: InvalidMessage where the request is malformed or for another chain."""
        request = decode_request(body)
        if request.genesis != self._chain_id:
            raise InvalidMessage(f"member {member} asks for blocks of another chain")
        return await trio.to_thread.run_sync(self._answer, request.from_height)

    def _answer(self, from_height: int) -> bytes:
        height = self._height()
        blocks: list[SyncedBlock] = []
        size_bytes = 0
        at = max(1, from_height)
        while at <= height and size_bytes < SYNC_ANSWER_BYTES_AIM and len(blocks) < SYNC_BLOCKS_MAX:
            batches = tuple(self._batches_of(at))
            blocks.append(SyncedBlock(self._final_block(at), batches))
            size_bytes += 2048 + sum(batch.header.size_bytes for batch in batches[:BLOCK_BATCHES_MAX])
            at += 1
        return encode_answer(BlocksAnswer(height, tuple(blocks)))


class CatchUp:
    """Fetches what this node misses, one peer at a time, until it is where its peers are."""

    def __init__(
        self,
        *,
        driver: Driver,
        network: Network,
        chain_id: Digest,
        chain: str,
        executed_height: Callable[[], int],
        executed: Callable[[], trio.Event],
    ) -> None:
        self._driver = driver
        self._network = network
        self._chain_id = chain_id
        self._chain = chain
        self._executed_height = executed_height
        self._executed = executed
        self._wanted: SyncNeeded | None = None
        self._wake = trio.Event()
        self.target_height: int | None = None
        """The highest height a peer has told of while catch-up runs; None when it does not."""

    def ask(self, wanted: SyncNeeded) -> None:
        """Start, or go on, from where `wanted` says."""
        self._wanted = wanted
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            wanted, self._wanted = self._wanted, None
            if wanted is not None:
                await self._catch_up(wanted)
                self.target_height = None

    async def _catch_up(self, wanted: SyncNeeded) -> None:
        next_height = max(wanted.from_height, self._executed_height() + 1)
        peers = list(wanted.peers)
        began_at = next_height
        while peers:
            peer = peers[0]
            try:
                answer = await self._fetch(peer, next_height)
                next_height = await self._take(answer, next_height)
            except (RequestFailed, InvalidMessage) as error:
                log.warning("catch-up from a peer failed", peer=peer, height=next_height, reason=str(error))
                if isinstance(error, InvalidMessage):
                    self._network.report_bad(peer, str(error))
                peers.pop(0)
                await trio.sleep(PAUSE_S)
                continue
            if next_height > answer.height:
                if next_height > began_at:
                    log.info("caught up", height=next_height - 1, blocks=next_height - began_at)
                return
            if not answer.blocks:
                peers.pop(0)

    async def _fetch(self, peer: MemberNumber, height: int) -> BlocksAnswer:
        request = addressed(Service.BLOCKS, encode_request(BlocksRequest(self._chain_id, height)))
        body = await self._network.request(peer, request, REQUEST_TIMEOUT_MS)
        return await trio.to_thread.run_sync(decode_answer, body)

    async def _take(self, answer: BlocksAnswer, next_height: int) -> int:
        self.target_height = max(self.target_height or 0, answer.height)
        if answer.blocks:
            log.info("catching up", height=next_height, target=self.target_height)
        for item in answer.blocks:
            if item.block.header.height != next_height:
                raise InvalidMessage(f"expected block {next_height}, got {item.block.header.height}")
            checked = await trio.to_thread.run_sync(self._open, item.batches)
            await self._driver.give_synced(item.block, checked)
            next_height += 1
            while next_height - self._executed_height() > EXECUTION_LAG_MAX:
                await self._executed().wait()
        return next_height

    def _open(self, batches: Sequence[Batch]) -> list[CheckedBatch]:
        return [open_batch(batch, self._chain_id, self._chain) for batch in batches]
