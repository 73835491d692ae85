"""The open database, and the one way to write it: a block at a time, all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, EIO, ENOSPC, EROFS
from pathlib import Path
from typing import Any

import plyvel

from consensus.codec import encode
from consensus.errors import ensure
from consensus.messages import BATCH as BATCH_FIELD
from consensus.messages import FINAL_BLOCK
from contracts.merkle import Write
from node.errors import ConfigurationError, NodeError
from node.store import layout
from node.store.layout import (
    EPOCH_ROW,
    PLACE_ROW,
    POSITION,
    STORE_FORMAT,
    U64,
    BlockCommit,
    Epoch,
    Place,
    inverted,
    mention_prefix,
)
from node.store.rows import REMEDY, HotRows, Rows, damaged, each_row, reason_of, sealed
from node.store.view import View

TABLE_CACHE_BYTES = 64 * 1024 * 1024
"""LevelDB's cache of what it can not read where it is mapped, in bytes: tables of earlier versions."""
WRITE_BUFFER_BYTES = 16 * 1024 * 1024
"""What LevelDB gathers in memory and in its log before it writes a table, in bytes."""
TABLE_BYTES = 8 * 1024 * 1024
"""Of a table, which is a file, in bytes."""
COMPRESSION = None
"""Tables are read where the system maps them, without a copy: docs/decisions/0026-tables-as-they-are.md."""
BLOOM_BITS = 10
"""For each key, so that looking up what is not there rarely touches the disk."""
HOT_STATE_BYTES = 16 * 1024 * 1024
"""State that execution keeps at hand, in bytes of memory."""
HOT_AUX_BYTES = 4 * 1024 * 1024
"""Rows beside the state that a block asks for, in bytes of memory."""
TOPS_MAX = 4
"""Versions of the state's tree whose top is kept; each has of its own what its block changed, 1 to 10 MB."""
DISK_FAULTS = tuple(map(os.strerror, (ENOSPC, EDQUOT, EIO, EFBIG, EROFS)))
"""What the system says of a disk that is full or does not work."""


class StoreFailed(NodeError):
    """The store can not be written: nothing more may be promised, so the node must stop."""


class Store(View):
    """The open database. One thread commits and reads `state` here; all others read snapshots."""

    def __init__(self, database: Any) -> None:
        """For `open` only."""
        super().__init__(database)
        self.state: HotRows = HotRows(database, layout.STATE, HOT_STATE_BYTES)
        self.aux: HotRows = HotRows(database, layout.AUX, HOT_AUX_BYTES, seldom_there=True)
        self._failure: str | None = None

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in `folder`, made if there is none.

        Raises: CorruptionError; StoreFailed where the disk is full or does not work; ConfigurationError where
        it can not be opened otherwise, or another process has it.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = plyvel.DB(
                str(folder),
                create_if_missing=True,
                paranoid_checks=True,
                lru_cache_size=TABLE_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                max_file_size=TABLE_BYTES,
                compression=COMPRESSION,
                bloom_filter_bits=BLOOM_BITS,
            )
        except plyvel.CorruptionError as error:
            raise damaged(error) from None
        except (plyvel.Error, OSError) as error:
            reason = f"store {folder}: can not be opened: {reason_of(error)}"
            if any(fault in reason for fault in DISK_FAULTS):
                raise StoreFailed(f"{reason}; check the disk, then start the node again") from None
            raise ConfigurationError(reason) from None
        store = cls(database)
        stored = Rows(database, layout.FORMAT).get(b"")
        if stored not in (None, STORE_FORMAT):
            store.close()
            raise ConfigurationError(f"store {folder}: has a format that this quorate can not read: {REMEDY}")
        return store

    def close(self) -> None:
        """Snapshots and iterators that are still open can not be read any more."""
        self.release()
        self._source.close()

    @contextmanager
    def snapshot(self) -> Iterator[View]:
        """What is committed now, to be read in any thread, whatever is committed meanwhile."""
        source = self._source.snapshot()
        view = View(source, self._tops)  # after the snapshot: its own is nearly always among them
        try:
            yield view
        finally:
            view.release()
            source.close()

    def everything(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows of all spaces, sorted, to compare stores."""
        return each_row(self._source, b"")

    def commit(self, commit: BlockCommit) -> None:
        """Add the next block; returns once all of it is on disk.

        Raises: StoreFailed, then and for ever after: a sync that failed once can not be repeated.
        """
        height = commit.link.height
        if self._failure is not None:
            raise StoreFailed(f"store: not used any more, {self._failure}")
        ensure(height == self.height() + 1, f"block {height} can not be stored after block {self.height()}")
        ensure(
            (commit.block is None) == (height == 0)
            and (commit.block is None or commit.block.header.height == height),
            f"a block of another height can not be stored at {height}",
        )
        if commit.top is not None and commit.top not in self._tops[-1:]:
            self._tops = (*self._tops, commit.top)[-TOPS_MAX:]
        places = self._places(commit)
        self.release()
        try:
            self._write(_rows_of(commit, places))
        except plyvel.Error as error:
            self._failure = f"block {height} could not be written: {reason_of(error)}"
            raise StoreFailed(f"store: {self._failure}; check the disk, then start the node again") from error
        self.state.committed(commit.state_writes)
        self.aux.committed(commit.aux_writes)

    def _write(self, rows: Iterable[Write]) -> None:
        """All of a block or nothing; on disk when it returns."""
        with self._source.write_batch(transaction=True, sync=True) as batch:
            for key, value in rows:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)

    def _places(self, commit: BlockCommit) -> dict[bytes, Place]:
        """Where ids are found from now on: where they were executed, else where they were seen first."""
        places: dict[bytes, Place] = {}
        for identifier, place in commit.transactions:
            if place.executed or identifier not in places:
                places[identifier] = place
        return {
            identifier: place
            for identifier, place in places.items()
            if place.executed or self.place(identifier) is None
        }


def _rows_of(commit: BlockCommit, places: dict[bytes, Place]) -> Iterator[Write]:
    yield from _block_rows(commit, places)
    for space, writes in ((layout.STATE, commit.state_writes), (layout.AUX, commit.aux_writes)):
        for key, value in writes:
            yield space + key, None if value is None else sealed(key, value)
    for place, page in commit.tree_writes:
        yield layout.PAGE + place, page


def _block_rows(commit: BlockCommit, places: dict[bytes, Place]) -> Iterator[tuple[bytes, bytes]]:
    link = commit.link
    height = U64.pack(link.height)
    yield layout.FORMAT, STORE_FORMAT
    yield layout.HEIGHT, height
    yield layout.LINK + height, link.exec_hash + link.state_root + link.receipts_root + link.events_root
    yield layout.ORDER + height, b"".join(digest for digest, _ in commit.batches)
    if commit.block is not None:
        yield layout.BLOCK + height, encode(FINAL_BLOCK, commit.block)
    if commit.next_committee is not None:
        epoch = Epoch(commit.next_committee, link.height)
        yield layout.EPOCH + U64.pack(commit.next_committee.epoch), encode(EPOCH_ROW, epoch)
    for digest, batch in commit.batches:
        yield layout.BATCH + digest, encode(BATCH_FIELD, batch)
    for identifier, place in commit.transactions:
        row = encode(PLACE_ROW, place)
        yield layout.LISTED + POSITION.pack(place.height, place.index), row
        if places.get(identifier) is place:
            yield layout.TRANSACTION + identifier, row
    for subject, index in commit.mentions:
        yield layout.MENTION + mention_prefix(subject) + inverted(link.height, index), b""
    for space, rows in ((layout.RECEIPT, commit.receipts), (layout.EVENT, commit.events)):
        for index, row in enumerate(rows):
            yield space + POSITION.pack(link.height, index), row
