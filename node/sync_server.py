"""Serves final blocks to members that were away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from consensus.errors import InvalidMessage
from consensus.types import Batch, Digest, FinalBlock, MemberNumber
from node.sync_messages import (
    SYNC_ANSWER_BYTES_AIM,
    SYNC_BLOCKS_MAX,
    BlocksAnswer,
    SyncedBlock,
    block_bytes,
    decode_request,
    encode_answer,
)


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
        return await trio.to_thread.run_sync(self._answer, request.first, request.last)

    def _answer(self, first: int, last: int) -> bytes:
        height = self._height()
        blocks: list[SyncedBlock] = []
        size_bytes = 0
        at = max(1, first)
        last = min(last, height, at + SYNC_BLOCKS_MAX - 1)
        while at <= last and size_bytes < SYNC_ANSWER_BYTES_AIM:
            blocks.append(SyncedBlock(self._final_block(at), tuple(self._batches_of(at))))
            size_bytes += block_bytes(blocks[-1])
            at += 1
        return encode_answer(BlocksAnswer(height, tuple(blocks)))
