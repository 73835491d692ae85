"""What a node that was away asks of its peers, and what they answer, on the sync stream.

A request is answered with consecutive final blocks, each with the batches it orders, as many as
fit. Nothing in an answer is trusted: certificates, lineage and contents are checked by who receives it.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.codec import DIGEST, Field, decode, encode, record, sequence, uint
from consensus.messages import BATCH, FINAL_BLOCK
from consensus.types import Batch, Digest, FinalBlock

SYNC_REQUEST_BYTES_MAX = 1024
SYNC_ANSWER_BYTES_MAX = 8 * 1024 * 1024
"""One answer, in bytes; a single block always fits."""
SYNC_ANSWER_BYTES_AIM = 1024 * 1024
"""An answer ends with the block that passes this size, in bytes."""
SYNC_BLOCKS_MAX = 512
"""Blocks in one answer."""
BLOCK_BATCHES_MAX = 8192
"""Batches that one block orders."""
HEADER_BYTES = 1024
"""A header with its signatures, roughly."""


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Asks for the final blocks `first` to `last` of the chain with this genesis hash (32 bytes)."""

    genesis: Digest
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SyncedBlock:
    """A final block and the batches it orders, in order of execution."""

    block: FinalBlock
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class BlocksAnswer:
    """`height` is the answerer's own last executed height; `blocks` are consecutive."""

    height: int
    blocks: tuple[SyncedBlock, ...]


_REQUEST: Field[BlocksRequest] = record(BlocksRequest, genesis=DIGEST, first=uint(), last=uint())
_SYNCED = record(SyncedBlock, block=FINAL_BLOCK, batches=sequence(BATCH, BLOCK_BATCHES_MAX))
_ANSWER = record(BlocksAnswer, height=uint(), blocks=sequence(_SYNCED, SYNC_BLOCKS_MAX))


def block_bytes(item: SyncedBlock) -> int:
    """What a block and its batches take, in bytes, as near as it matters for bounds."""
    envelopes = sum(len(envelope) for batch in item.batches for envelope in batch.envelopes)
    headers = 1 + len(item.block.descendants) + len(item.batches)
    return envelopes + headers * HEADER_BYTES


def encode_request(request: BlocksRequest) -> bytes:
    """Canonical bytes."""
    return encode(_REQUEST, request)


def decode_request(data: bytes) -> BlocksRequest:
    """Raises: DecodeError."""
    return decode(_REQUEST, data, "sync request", SYNC_REQUEST_BYTES_MAX)


def encode_answer(answer: BlocksAnswer) -> bytes:
    """Canonical bytes."""
    return encode(_ANSWER, answer)


def decode_answer(data: bytes) -> BlocksAnswer:
    """Raises: DecodeError."""
    return decode(_ANSWER, data, "sync answer", SYNC_ANSWER_BYTES_MAX)
