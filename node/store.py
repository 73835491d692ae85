"""The store: final blocks and everything derived from them, in one LevelDB.

A block arrives as one `BlockCommit` and becomes one synced write batch: all of it is there after a crash, or
none, and the height, written with the rest, says which. Nothing else is ever written, so no unsynced write
can leave a hole behind. Keys are a space (one byte) and what the space is ordered by:

    H                         the height, u64
    B ‖ height                FinalBlock
    O ‖ height                digests of the batches that the block orders, in order
    X ‖ height                ExecLink: exec hash ‖ state root ‖ receipts root ‖ events root
    b ‖ batch digest          Batch
    t ‖ transaction id        Place
    R ‖ height ‖ index        Receipt
    E ‖ height ‖ index        Event
    S ‖ key                   authenticated state
    A ‖ key                   rows beside it
    P ‖ page                  pages of the state's tree

Heights are u64, indexes u32, both big-endian; the rest is canonical encoding. Genesis is height 0: it has a
link, state and perhaps events, but neither block nor batches.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import plyvel

from consensus.codec import DIGEST, DIGEST_BYTES, decode, encode, record, uint
from consensus.errors import CorruptionError, DecodeError, ensure
from consensus.messages import BATCH, FINAL_BLOCK, MESSAGE_BYTES_MAX
from consensus.types import Batch, Digest, FinalBlock
from contracts.merkle import Write
from contracts.receipts import ExecLink
from node.errors import ConfigurationError, NodeError

BLOCK_CACHE_BYTES = 64 * 1024 * 1024
"""LevelDB's cache of decompressed blocks, in bytes."""
WRITE_BUFFER_BYTES = 16 * 1024 * 1024
"""What LevelDB gathers in memory, and in its log, before it writes a table, in bytes."""
BLOOM_BITS = 10
"""A key, so that a look-up of something that is not there rarely touches the disk."""
HOT_STATE_BYTES = 32 * 1024 * 1024
"""State rows that execution keeps at hand, keys and values, in bytes."""
_FINAL_BLOCK_BYTES_MAX = 64 * 1024 * 1024

_HEIGHT, _BLOCK, _ORDER, _LINK = b"H", b"B", b"O", b"X"
_BATCH, _TRANSACTION, _RECEIPT, _EVENT = b"b", b"t", b"R", b"E"
_STATE, _AUX, _PAGE = b"S", b"A", b"P"
_U64 = struct.Struct(">Q")
_POSITION = struct.Struct(">QI")

T = TypeVar("T")


class StoreFailed(NodeError):
    """The store could not be written: nothing more may be promised, so the node must stop."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to find a transaction of a final block: its receipt's index, and its envelope's batch and position."""

    height: int
    index: int
    batch: Digest
    position: int


@dataclass(frozen=True, slots=True)
class BlockCommit:
    """All that one block adds. `block` is None at genesis; writes with value None delete.

    `batches` are in order of execution; `transactions` are (id of 32 bytes, place); receipts and events stand
    at their indexes, in canonical bytes.
    """

    link: ExecLink
    block: FinalBlock | None = None
    batches: tuple[tuple[Digest, Batch], ...] = ()
    transactions: tuple[tuple[bytes, Place], ...] = ()
    receipts: tuple[bytes, ...] = ()
    events: tuple[bytes, ...] = ()
    state_writes: tuple[Write, ...] = ()
    aux_writes: tuple[Write, ...] = ()
    tree_writes: tuple[Write, ...] = ()


_PLACE = record(Place, height=uint(), index=uint(), batch=DIGEST, position=uint())


class Rows:
    """One space of keys of one version of the store."""

    def __init__(self, source: Any, space: bytes) -> None:
        """`source` is a plyvel DB or snapshot."""
        self._source = source
        self._space = space

    def get(self, key: bytes) -> bytes | None:
        """The row's value. Raises: CorruptionError."""
        with _reading():
            value: bytes | None = self._source.get(self._space + key, verify_checksums=True)
        return value

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows whose keys begin with `prefix`, sorted, strictly after the whole key `after`."""
        start = prefix if after is None else max(prefix, after + b"\x00")
        rows = []
        for row in self.each(start):
            if len(rows) == limit or not row[0].startswith(prefix):
                break
            rows.append(row)
        return rows

    def each(self, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All rows from `start` on, sorted by key. Raises: CorruptionError."""
        stop = bytes([self._space[0] + 1])
        with _reading(), self._source.iterator(
            start=self._space + start, stop=stop, verify_checksums=True
        ) as iterator:
            for key, value in iterator:
                yield key[1:], value
