"""What can be read of one version of the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consensus.codec import DIGEST_BYTES
from consensus.errors import CorruptionError
from consensus.messages import BATCH as BATCH_FIELD
from consensus.messages import DESCENDANTS_MAX, FINAL_BLOCK
from consensus.types import Batch, Digest, FinalBlock
from contracts.errors import StateCorruption
from contracts.receipts import ExecLink
from contracts.tree_pages import TOP_NIBBLES_MAX, Top, top_of
from node.lineage import Boundary
from node.store import layout
from node.store.layout import EPOCH_ROW, PLACE_ROW, POSITION, U64, Epoch, Place, inverted, mention_prefix
from node.store.rows import (
    REMEDY,
    Finder,
    PageRows,
    Rows,
    SealedRows,
    decode_row,
    of_size,
)


class View:
    """What can be read of one version of the store. Raises: CorruptionError where the database is damaged.

    Where a height is asked for it must be one that is committed. One thread at a time reads `state`, `aux`
    and `tree`.
    """

    def __init__(self, source: Any, tops: tuple[Top, ...] = ()) -> None:
        """`tops` are those at hand, of this version and others."""
        self._source = source
        self._tops = tops
        self.state = SealedRows(source, layout.STATE)
        self.aux = SealedRows(source, layout.AUX, seldom_there=True)
        self.tree = PageRows(source, layout.PAGE)

    def release(self) -> None:
        """Let go of what the database keeps for the reading of rows; the next read sees what is newest."""
        for rows in (self.state, self.aux, self.tree):
            rows.finder.reset()

    def top(self, root: Digest) -> Top:
        """What is kept in memory of the state's tree, which has this root (32 bytes).

        Where it is not at hand it is made of the stored pages, of 1,048,576 at most, which takes two seconds.
        Raises: CorruptionError, StateCorruption.
        """
        for top in self._tops:
            if top.root == root:
                return top
        top = top_of(self.tree.each_near(TOP_NIBBLES_MAX + 1))
        if top.root != root:
            raise StateCorruption(f"state tree: its pages do not lead to the root {root.hex()}: {REMEDY}")
        self._tops = (*self._tops, top)
        return top

    def height(self) -> int:
        """The last committed block, -1 where there is none."""
        data = Rows(self._source, layout.HEIGHT).get(b"")
        return -1 if data is None else int(U64.unpack(of_size(data, U64.size, "height"))[0])

    def link(self, height: int) -> ExecLink:
        """What execution up to and with the block came to."""
        data = of_size(self._row(layout.LINK, height), 4 * DIGEST_BYTES, "execution link")
        return ExecLink(
            height, *(data[i : i + DIGEST_BYTES] for i in range(0, 4 * DIGEST_BYTES, DIGEST_BYTES))
        )

    def final_block(self, height: int) -> FinalBlock:
        """The header with the certificate that makes it final; from height 1 on."""
        return decode_row(FINAL_BLOCK, self._row(layout.BLOCK, height), "block")

    def certified_block(self, height: int) -> FinalBlock | None:
        """The same with every header down to the certified one, however many; None until that is committed.

        A block carries DESCENDANTS_MAX of them at most, and where these are not all, the later ones the rest.
        """
        block = self.final_block(height)
        headers = [block.header, *block.descendants]
        while len(block.descendants) == DESCENDANTS_MAX and headers[-1].view != block.certificate.view:
            if headers[-1].height > self.height():
                return None
            block = self.final_block(headers[-1].height)
            headers += block.descendants
        return FinalBlock(headers[0], tuple(headers[1:]), block.certificate)

    def batch_digests(self, height: int) -> tuple[Digest, ...]:
        """What the block orders, in order of execution; 32 bytes each."""
        data = self._row(layout.ORDER, height)
        of_size(data, len(data) // DIGEST_BYTES * DIGEST_BYTES, "order of batches")
        return tuple(data[i : i + DIGEST_BYTES] for i in range(0, len(data), DIGEST_BYTES))

    def batches_of(self, height: int) -> tuple[Batch, ...]:
        """The batches that the block orders, in order of execution."""
        batches = tuple(self.batch(digest) for digest in self.batch_digests(height))
        if None in batches:
            raise CorruptionError(f"store: a batch of block {height} is missing: {REMEDY}")
        return tuple(batch for batch in batches if batch is not None)

    def batch(self, digest: Digest) -> Batch | None:
        """A batch of a committed block, or None."""
        data = Rows(self._source, layout.BATCH).get(digest)
        return None if data is None else decode_row(BATCH_FIELD, data, "batch")

    def epochs(self) -> list[Epoch]:
        """The epochs after the first, in order."""
        return [decode_row(EPOCH_ROW, row, "epoch") for _, row in Rows(self._source, layout.EPOCH).each(b"")]

    def lineage(self, epoch: int) -> list[Boundary]:
        """What leads from genesis to the committee of an epoch: the boundaries before it, in order."""
        return [
            Boundary(self.final_block(found.boundary), found.committee)
            for found in self.epochs()
            if found.committee.epoch <= epoch
        ]

    def row_counts(self) -> dict[str, int]:
        """Rows of each space but the state's, by its letter; reads all of them."""
        return {space.decode(): sum(1 for _ in Rows(self._source, space).each()) for space in layout.COUNTED}

    def place(self, transaction: bytes) -> Place | None:
        """Where the transaction with this id (32 bytes) is, or None where it is in no committed block."""
        data = Rows(self._source, layout.TRANSACTION).get(transaction)
        return None if data is None else decode_row(PLACE_ROW, data, "place")

    def has_place(self, transaction: bytes) -> bool:
        """Whether it has one, asked where nearly always it has none; in any thread."""
        finder = Finder(self._source, checked=True)
        try:
            return finder.find(layout.TRANSACTION + transaction) is not None
        finally:
            finder.reset()

    def places_of(self, height: int) -> list[Place]:
        """Of a block's transactions that have a receipt, in order."""
        return [
            decode_row(PLACE_ROW, row, "place")
            for _, row in self._each_of(layout.LISTED, (height, 0), height)
        ]

    def places_before(self, before: tuple[int, int] | None, limit: int) -> list[Place]:
        """At most `limit` places strictly before a (height, index), newest first."""
        found: list[Place] = []
        stop = POSITION.pack(*before) if before is not None else None
        for _, row in Rows(self._source, layout.LISTED).each_reversed(stop):
            if len(found) == limit:
                break
            found.append(decode_row(PLACE_ROW, row, "place"))
        return found

    def mentions_before(self, subject: str, before: tuple[int, int] | None, limit: int) -> list[Place]:
        """Those of `places_before` that concern an account or an instance."""
        prefix = mention_prefix(subject)
        after = None if before is None else prefix + inverted(*before)
        found = []
        for key, _ in Rows(self._source, layout.MENTION).scan(prefix, after, limit):
            position = inverted(*POSITION.unpack(key[len(prefix) :]))
            found.append(decode_row(PLACE_ROW, self._row(layout.LISTED, 0, position), "place"))
        return found

    def receipt(self, height: int, index: int) -> bytes:
        """Canonical bytes of a receipt that `place` or `receipts` names."""
        return self._row(layout.RECEIPT, height, POSITION.pack(height, index))

    def receipts(self, height: int) -> tuple[bytes, ...]:
        """All receipts of a block, in order."""
        return tuple(row for _, row in self._each_of(layout.RECEIPT, (height, 0), height))

    def events(self, height: int) -> tuple[bytes, ...]:
        """All events of a block, in order."""
        return tuple(row for _, row in self._each_of(layout.EVENT, (height, 0), height))

    def events_after(self, after: tuple[int, int], limit: int) -> list[tuple[tuple[int, int], bytes]]:
        """At most `limit` events strictly after a (height, index), each with its own, in order."""
        found: list[tuple[tuple[int, int], bytes]] = []
        for position, row in self._each_of(layout.EVENT, (after[0], after[1] + 1), None):
            if len(found) == limit:
                break
            found.append((position, row))
        return found

    def _each_of(
        self, space: bytes, start: tuple[int, int], last_height: int | None
    ) -> Iterator[tuple[tuple[int, int], bytes]]:
        for key, row in Rows(self._source, space).each(POSITION.pack(*start)):
            height, index = POSITION.unpack(key)
            if last_height is not None and height > last_height:
                return
            yield (height, index), row

    def _row(self, space: bytes, height: int, key: bytes | None = None) -> bytes:
        row = Rows(self._source, space).get(U64.pack(height) if key is None else key)
        if row is None:
            raise CorruptionError(
                f"store: what block {height} left in space {space.decode()} is missing: {REMEDY}"
            )
        return row
