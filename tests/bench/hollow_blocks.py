"""Rows of very many blocks in a store, written space by space in the order of their keys.

Each block is like the newest one, which has one transaction. LevelDB takes sorted rows almost as fast as the
disk does, since it has nothing to merge.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import shake_128
from itertools import islice

from consensus.codec import encode
from consensus.messages import BATCH, FINAL_BLOCK
from consensus.transactions import Transaction
from consensus.types import NO_DIGEST
from contracts.merkle import Write
from node.store import Store, layout
from node.store.layout import PLACE_ROW, POSITION, U64, inverted, mention_prefix

ROWS_AT_ONCE = 5_000
TELL_S = 10.0
DIGEST_BYTES = 32


class Drawn:
    """What stands for a block's digests and signatures: the same in every run, others in every block."""

    @staticmethod
    def bytes_of(height: int, length: int) -> bytes:
        return shake_128(U64.pack(height)).digest(length)

    @classmethod
    def transaction(cls, height: int) -> bytes:
        return cls.bytes_of(height, DIGEST_BYTES)

    @classmethod
    def batch(cls, height: int) -> bytes:
        return cls.bytes_of(height, 2 * DIGEST_BYTES)[DIGEST_BYTES:]


class Mould:
    """A row's value with holes for other digests."""

    def __init__(self, value: bytes, digests: Iterable[bytes | None]) -> None:
        """`digests` in the order in which they are drawn."""
        known = [digest for digest in dict.fromkeys(digests) if digest and digest != NO_DIGEST]
        starts = [sum(map(len, known[:place])) for place in range(len(known) + 1)]
        spans = {known[place]: slice(starts[place], starts[place + 1]) for place in range(len(known))}
        parts = re.split(b"(" + b"|".join(map(re.escape, known)) + b")", value, flags=re.DOTALL)
        self._parts: list[bytes | slice] = [spans.get(part, part) for part in parts]
        self._length = starts[-1]

    def cast(self, height: int) -> bytes:
        drawn = Drawn.bytes_of(height, self._length)
        return b"".join(drawn[part] if isinstance(part, slice) else part for part in self._parts)


def add_hollow_blocks(store: Store, count: int, transaction: Transaction, subjects: Sequence[str]) -> None:
    """`count` more blocks like the newest, with other digests, and no change of the state.

    `transaction` is the newest block's only one, which concerns the `subjects`.
    """
    last = store.height()
    heights = range(last + 1, last + 1 + count)
    done, progress = 0, Progress("rows of hollow blocks", count * (8 + len(subjects)))
    for rows in _spaces(store, last, heights, transaction, subjects):
        while part := list(islice(rows, ROWS_AT_ONCE)):
            store._write(part)
            done += len(part)
            progress.tell(done)
    store._write([(layout.HEIGHT, U64.pack(heights[-1]))])


def _spaces(
    store: Store, last: int, heights: range, transaction: Transaction, subjects: Sequence[str]
) -> Iterator[Iterator[Write]]:
    """All rows, one space after the other, each sorted."""
    (place,) = store.places_of(last)
    block, link = store.final_block(last), store.link(last)
    batch = store.batch(place.batch)
    assert batch is not None
    digests: list[bytes | None] = [
        transaction.id,
        place.batch,
        batch.header.prev,
        batch.header.root,
        batch.signature,
    ]
    digests += [block.header.parent, block.header.exec_hash, block.certificate.digest, link.exec_hash]
    digests += [signature for _, signature in (*block.certificate.votes, *transaction.signatures)]
    by_height = ((layout.BLOCK, encode(FINAL_BLOCK, block)), (layout.ORDER, place.batch))
    roots = link.exec_hash + link.state_root + link.receipts_root + link.events_root
    for space, value in (*by_height, (layout.LINK, roots)):
        yield _cast(space, ((U64.pack(height), height) for height in heights), Mould(value, digests))
    for space, values in ((layout.RECEIPT, store.receipts(last)), (layout.EVENT, store.events(last))):
        for index, value in enumerate(values):
            keys = ((POSITION.pack(height, index), height) for height in heights)
            yield _cast(space, keys, Mould(value, digests))
    yield _cast(
        layout.BATCH, sorted((Drawn.batch(h), h) for h in heights), Mould(encode(BATCH, batch), digests)
    )

    def place_of(height: int) -> bytes:
        return encode(PLACE_ROW, replace(place, height=height, batch=Drawn.batch(height)))

    yield ((layout.LISTED + POSITION.pack(height, 0), place_of(height)) for height in heights)
    identified = sorted((Drawn.transaction(height), height) for height in heights)
    yield ((layout.TRANSACTION + identifier, place_of(height)) for identifier, height in identified)
    for subject in sorted(subjects):
        prefix = layout.MENTION + mention_prefix(subject)
        yield ((prefix + inverted(height, 0), b"") for height in reversed(heights))


def _cast(space: bytes, keys: Iterable[tuple[bytes, int]], mould: Mould) -> Iterator[Write]:
    return ((space + key, mould.cast(height)) for key, height in keys)


class Progress:
    """Says now and then how far it is."""

    def __init__(self, what: str, count: int) -> None:
        self._what, self._count = what, count
        self._began_s = self._said_s = time.monotonic()

    def tell(self, done: int) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= TELL_S:
            self._said_s = now_s
            took_s = now_s - self._began_s
            print(f"{done:,} of {self._count:,} {self._what} in {took_s:.0f} s", file=sys.stderr, flush=True)
