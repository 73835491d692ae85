"""The store: final blocks and everything derived from them, in one LevelDB.

A block arrives as one `BlockCommit` and becomes one synced write batch: after a crash all of it is there or
nothing, and the height, written with the rest, says which. Nothing else is ever written, so no unsynced
write can leave a hole behind. A key is a space, one byte, and what orders the space:

    V                         format of the store
    H                         height
    B ‖ height                FinalBlock
    O ‖ height                digests of the batches that the block orders, in order
    C ‖ epoch                 Epoch, from the second on
    X ‖ height                exec hash ‖ state root ‖ receipts root ‖ events root
    b ‖ batch digest          Batch
    t ‖ transaction id        Place
    L ‖ height ‖ index        Place of the transaction that the receipt is of
    M ‖ subject ‖ 0 ‖ ~height ‖ ~index      nothing: newest first, what concerns an account or instance
    R ‖ height ‖ index        Receipt
    E ‖ height ‖ index        Event
    S ‖ key                   authenticated state
    A ‖ key                   rows beside it
    P ‖ path                  pages of the state's tree

Heights are u64 and indexes u32, big-endian; values are canonical encodings. Genesis is height 0 and has
neither block nor batches.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plyvel

from consensus.codec import DIGEST, DIGEST_BYTES, Field, T, boolean, decode, encode, record, uint
from consensus.committee import COMMITTEE, Committee
from consensus.errors import CorruptionError, DecodeError, ensure
from consensus.messages import BATCH, FINAL_BLOCK
from consensus.types import Batch, Digest, FinalBlock
from contracts.merkle import Write
from contracts.receipts import ExecLink
from node.errors import ConfigurationError, NodeError
from node.lineage import Boundary

STORE_FORMAT = b"\x01"
TABLE_CACHE_BYTES = 64 * 1024 * 1024
"""LevelDB's cache of decompressed tables, in bytes."""
WRITE_BUFFER_BYTES = 16 * 1024 * 1024
"""What LevelDB gathers in memory and in its log before it writes a table, in bytes."""
BLOOM_BITS = 10
"""For each key, so that looking up what is not there rarely touches the disk."""
HOT_STATE_BYTES = 32 * 1024 * 1024
"""State that execution keeps at hand, keys and values, in bytes."""

_FORMAT, _HEIGHT = b"V", b"H"
_BLOCK, _ORDER, _LINK, _RECEIPT, _EVENT, _EPOCH = b"B", b"O", b"X", b"R", b"E", b"C"
_BATCH, _TRANSACTION, _LISTED, _MENTION = b"b", b"t", b"L", b"M"
_STATE, _AUX, _PAGE = b"S", b"A", b"P"
_U64 = struct.Struct(">Q")
_POSITION = struct.Struct(">QI")

REMEDY = "remove the folder ledger and start again: this node fetches every block from the others"
"""What an operator can do about a store that was damaged or falsified."""


class StoreFailed(NodeError):
    """The store can not be written: nothing more may be promised, so the node must stop."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction of a final block is: the index of its receipt, and its envelope in a batch.

    `executed` is false for a copy that came too late or was not signed by whom it acts for.
    """

    height: int
    index: int
    batch: Digest
    position: int
    executed: bool


@dataclass(frozen=True, slots=True)
class BlockCommit:
    """All that one block adds. `block` is None at genesis; a write of None deletes.

    `batches` come in order of execution, each with its digest; `transactions` are ids of 32 bytes with their
    places, in that order too; receipts and events are canonical bytes in order of their indexes; `mentions`
    are accounts and instances with the index of a receipt that concerns them.
    """

    link: ExecLink
    block: FinalBlock | None = None
    next_committee: Committee | None = None
    """Of the epoch that begins after the block; None for any block but a boundary."""
    batches: tuple[tuple[Digest, Batch], ...] = ()
    transactions: tuple[tuple[bytes, Place], ...] = ()
    mentions: tuple[tuple[str, int], ...] = ()
    receipts: tuple[bytes, ...] = ()
    events: tuple[bytes, ...] = ()
    state_writes: tuple[Write, ...] = ()
    aux_writes: tuple[Write, ...] = ()
    tree_writes: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class Epoch:
    """The committee of an epoch, and the height of the boundary that named it (0: genesis)."""

    committee: Committee
    boundary: int


_EPOCH_ROW = record(Epoch, committee=COMMITTEE, boundary=uint())
_PLACE = record(Place, height=uint(), index=uint(), batch=DIGEST, position=uint(), executed=boolean())


class Rows:
    """One space of one version of the store."""

    def __init__(self, source: Any, space: bytes) -> None:
        """`source` is a database or a snapshot of it."""
        self._source = source
        self._space = space

    def get(self, key: bytes) -> bytes | None:
        """The row's value, or None. Raises: CorruptionError."""
        try:
            value: bytes | None = self._source.get(self._space + key, verify_checksums=True)
        except plyvel.Error as error:
            raise _damaged(error) from None
        return value

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """At most `limit` rows with keys that begin with `prefix`, sorted, strictly after the key `after`."""
        rows: list[tuple[bytes, bytes]] = []
        for row in self.each(prefix if after is None else max(prefix, after + b"\x00")):
            if len(rows) == limit or not row[0].startswith(prefix):
                break
            rows.append(row)
        return rows

    def last_before(self, key: bytes) -> bytes | None:
        """The greatest key of a row that is less than `key`, or None."""
        return next((row[0] for row in self.each_reversed(key)), None)

    def each(self, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All rows from `start` on, sorted by key. Raises: CorruptionError."""
        begin, end = self._space + start, bytes([self._space[0] + 1])
        try:
            with self._source.iterator(start=begin, stop=end, verify_checksums=True) as iterator:
                for key, value in iterator:
                    yield key[1:], value
        except plyvel.Error as error:
            raise _damaged(error) from None

    def each_reversed(self, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """All rows strictly before `stop`, the last one first. Raises: CorruptionError."""
        end = bytes([self._space[0] + 1]) if stop is None else self._space + stop
        try:
            with self._source.iterator(
                start=self._space, stop=end, reverse=True, verify_checksums=True
            ) as iterator:
                for key, value in iterator:
                    yield key[1:], value
        except plyvel.Error as error:
            raise _damaged(error) from None


class PageRows(Rows):
    """The pages of the state's tree."""

    def get_page(self, key: bytes) -> bytes | None:
        """The page at a path, or None."""
        return self.get(key)


class HotRows(Rows):
    """Rows with the most recently used ones at hand, for the one thread that also commits.

    Another thread could put back, after a commit, what it had read before; so others read snapshots.
    """

    def __init__(self, source: Any, space: bytes, bytes_max: int) -> None:
        super().__init__(source, space)
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._hot: OrderedDict[bytes, bytes | None] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        try:
            value = self._hot[key]
        except KeyError:
            value = super().get(key)
            self._keep(key, value)
            return value
        self._hot.move_to_end(key)
        return value

    def committed(self, writes: Sequence[Write]) -> None:
        """The rows have changed so."""
        for key, value in writes:
            if key in self._hot:
                self._size_bytes -= _row_bytes(key, self._hot.pop(key))
                self._keep(key, value)

    def _keep(self, key: bytes, value: bytes | None) -> None:
        self._hot[key] = value
        self._size_bytes += _row_bytes(key, value)
        while self._size_bytes > self._bytes_max:
            self._size_bytes -= _row_bytes(*self._hot.popitem(last=False))


class View:
    """What can be read of one version of the store. Raises: CorruptionError where the database is damaged.

    Where a height is asked for it must be one that is committed.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.state = Rows(source, _STATE)
        self.aux = Rows(source, _AUX)
        self.tree = PageRows(source, _PAGE)

    def height(self) -> int:
        """The last committed block, -1 where there is none."""
        data = Rows(self._source, _HEIGHT).get(b"")
        return -1 if data is None else int(_U64.unpack(_of_size(data, _U64.size, "height"))[0])

    def link(self, height: int) -> ExecLink:
        """What execution up to and with the block came to."""
        data = _of_size(self._row(_LINK, height), 4 * DIGEST_BYTES, "execution link")
        return ExecLink(
            height, *(data[i : i + DIGEST_BYTES] for i in range(0, 4 * DIGEST_BYTES, DIGEST_BYTES))
        )

    def final_block(self, height: int) -> FinalBlock:
        """The header with the certificate that makes it final; from height 1 on."""
        return _decode(FINAL_BLOCK, self._row(_BLOCK, height), "block")

    def batch_digests(self, height: int) -> tuple[Digest, ...]:
        """What the block orders, in order of execution; 32 bytes each."""
        data = self._row(_ORDER, height)
        _of_size(data, len(data) // DIGEST_BYTES * DIGEST_BYTES, "order of batches")
        return tuple(data[i : i + DIGEST_BYTES] for i in range(0, len(data), DIGEST_BYTES))

    def batches_of(self, height: int) -> tuple[Batch, ...]:
        """The batches that the block orders, in order of execution."""
        batches = tuple(self.batch(digest) for digest in self.batch_digests(height))
        if None in batches:
            raise CorruptionError(f"store: a batch of block {height} is missing: {REMEDY}")
        return tuple(batch for batch in batches if batch is not None)

    def batch(self, digest: Digest) -> Batch | None:
        """A batch of a committed block, or None."""
        data = Rows(self._source, _BATCH).get(digest)
        return None if data is None else _decode(BATCH, data, "batch")

    def epochs(self) -> list[Epoch]:
        """The epochs after the first, in order."""
        return [_decode(_EPOCH_ROW, row, "epoch") for _, row in Rows(self._source, _EPOCH).each(b"")]

    def lineage(self, epoch: int) -> list[Boundary]:
        """What leads from genesis to the committee of an epoch: the boundaries before it, in order."""
        return [
            Boundary(self.final_block(found.boundary), found.committee)
            for found in self.epochs()
            if found.committee.epoch <= epoch
        ]

    def row_counts(self) -> dict[str, int]:
        """Rows of each space but the state's, by its letter; reads all of them."""
        spaces = (_BLOCK, _ORDER, _LINK, _BATCH, _TRANSACTION, _LISTED, _MENTION, _RECEIPT, _EVENT, _EPOCH)
        return {space.decode(): sum(1 for _ in Rows(self._source, space).each()) for space in spaces}

    def place(self, transaction: bytes) -> Place | None:
        """Where the transaction with this id (32 bytes) is, or None where it is in no committed block."""
        data = Rows(self._source, _TRANSACTION).get(transaction)
        return None if data is None else _decode(_PLACE, data, "place")

    def places_of(self, height: int) -> list[Place]:
        """Of a block's transactions that have a receipt, in order."""
        return [_decode(_PLACE, row, "place") for _, row in self._each_of(_LISTED, (height, 0), height)]

    def places_before(self, before: tuple[int, int] | None, limit: int) -> list[Place]:
        """At most `limit` places strictly before a (height, index), newest first."""
        found: list[Place] = []
        stop = _POSITION.pack(*before) if before is not None else None
        for _, row in Rows(self._source, _LISTED).each_reversed(stop):
            if len(found) == limit:
                break
            found.append(_decode(_PLACE, row, "place"))
        return found

    def mentions_before(self, subject: str, before: tuple[int, int] | None, limit: int) -> list[Place]:
        """Those of `places_before` that concern an account or an instance."""
        prefix = _mention_prefix(subject)
        after = None if before is None else prefix + _inverted(*before)
        found = []
        for key, _ in Rows(self._source, _MENTION).scan(prefix, after, limit):
            position = _inverted(*_POSITION.unpack(key[len(prefix) :]))
            found.append(_decode(_PLACE, self._row(_LISTED, 0, position), "place"))
        return found

    def receipt(self, height: int, index: int) -> bytes:
        """Canonical bytes of a receipt that `place` or `receipts` names."""
        return self._row(_RECEIPT, height, _POSITION.pack(height, index))

    def receipts(self, height: int) -> tuple[bytes, ...]:
        """All receipts of a block, in order."""
        return tuple(row for _, row in self._each_of(_RECEIPT, (height, 0), height))

    def events(self, height: int) -> tuple[bytes, ...]:
        """All events of a block, in order."""
        return tuple(row for _, row in self._each_of(_EVENT, (height, 0), height))

    def events_after(self, after: tuple[int, int], limit: int) -> list[tuple[tuple[int, int], bytes]]:
        """At most `limit` events strictly after a (height, index), each with its own, in order."""
        found: list[tuple[tuple[int, int], bytes]] = []
        for position, row in self._each_of(_EVENT, (after[0], after[1] + 1), None):
            if len(found) == limit:
                break
            found.append((position, row))
        return found

    def _each_of(
        self, space: bytes, start: tuple[int, int], last_height: int | None
    ) -> Iterator[tuple[tuple[int, int], bytes]]:
        for key, row in Rows(self._source, space).each(_POSITION.pack(*start)):
            height, index = _POSITION.unpack(key)
            if last_height is not None and height > last_height:
                return
            yield (height, index), row

    def _row(self, space: bytes, height: int, key: bytes | None = None) -> bytes:
        row = Rows(self._source, space).get(_U64.pack(height) if key is None else key)
        if row is None:
            raise CorruptionError(
                f"store: what block {height} left in space {space.decode()} is missing: {REMEDY}"
            )
        return row


class Store(View):
    """The open database. One thread commits and reads `state` here; all others read snapshots."""

    def __init__(self, database: Any) -> None:
        """For `open` only."""
        super().__init__(database)
        self.state: HotRows = HotRows(database, _STATE, HOT_STATE_BYTES)
        self._failure: str | None = None

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in `folder`, made if there is none.

        Raises: CorruptionError; ConfigurationError where it can not be opened or another process has it.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = plyvel.DB(
                str(folder),
                create_if_missing=True,
                paranoid_checks=True,
                lru_cache_size=TABLE_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                bloom_filter_bits=BLOOM_BITS,
            )
        except plyvel.CorruptionError as error:
            raise _damaged(error) from None
        except (plyvel.Error, OSError) as error:
            raise ConfigurationError(f"store {folder}: can not be opened: {_text(error)}") from None
        store = cls(database)
        stored = Rows(database, _FORMAT).get(b"")
        if stored not in (None, STORE_FORMAT):
            store.close()
            raise ConfigurationError(f"store {folder}: has a format that this quorate can not read")
        return store

    def close(self) -> None:
        """Snapshots and iterators that are still open can not be read any more."""
        self._source.close()

    @contextmanager
    def snapshot(self) -> Iterator[View]:
        """What is committed now, to be read in any thread, whatever is committed meanwhile."""
        source = self._source.snapshot()
        try:
            yield View(source)
        finally:
            source.close()

    def everything(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows of all spaces, sorted, to compare stores."""
        with self._source.iterator(verify_checksums=True) as rows:
            yield from rows

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
        places = self._places(commit)
        try:
            with self._source.write_batch(transaction=True, sync=True) as batch:
                for key, value in _block_rows(commit, places):
                    batch.put(key, value)
                for space, writes in (
                    (_STATE, commit.state_writes),
                    (_AUX, commit.aux_writes),
                    (_PAGE, commit.tree_writes),
                ):
                    for key, new in writes:
                        if new is None:
                            batch.delete(space + key)
                        else:
                            batch.put(space + key, new)
        except plyvel.Error as error:
            self._failure = f"block {height} could not be written: {_text(error)}"
            raise StoreFailed(f"store: {self._failure}; check the disk, then start the node again") from error
        self.state.committed(commit.state_writes)

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


def _block_rows(commit: BlockCommit, places: dict[bytes, Place]) -> Iterator[tuple[bytes, bytes]]:
    link = commit.link
    height = _U64.pack(link.height)
    yield _FORMAT, STORE_FORMAT
    yield _HEIGHT, height
    yield _LINK + height, link.exec_hash + link.state_root + link.receipts_root + link.events_root
    yield _ORDER + height, b"".join(digest for digest, _ in commit.batches)
    if commit.block is not None:
        yield _BLOCK + height, encode(FINAL_BLOCK, commit.block)
    if commit.next_committee is not None:
        epoch = Epoch(commit.next_committee, link.height)
        yield _EPOCH + _U64.pack(commit.next_committee.epoch), encode(_EPOCH_ROW, epoch)
    for digest, batch in commit.batches:
        yield _BATCH + digest, encode(BATCH, batch)
    for _, place in commit.transactions:
        yield _LISTED + _POSITION.pack(place.height, place.index), encode(_PLACE, place)
    for subject, index in commit.mentions:
        yield _MENTION + _mention_prefix(subject) + _inverted(link.height, index), b""
    for identifier, place in places.items():
        yield _TRANSACTION + identifier, encode(_PLACE, place)
    for space, rows in ((_RECEIPT, commit.receipts), (_EVENT, commit.events)):
        for index, row in enumerate(rows):
            yield space + _POSITION.pack(link.height, index), row


def account_subject(account: str) -> str:
    """Whom a transaction mentions that `account` signed."""
    return f"account/{account}"


def contract_subject(instance: str) -> str:
    """What a transaction mentions that calls `instance`."""
    return f"contract/{instance}"


def _mention_prefix(subject: str) -> bytes:
    """Names have no zero byte, so none is the beginning of another's rows."""
    return subject.encode() + b"\x00"


def _inverted(height: int, index: int) -> bytes:
    """Sorts the newest first; undoes itself."""
    return _POSITION.pack(2**64 - 1 - height, 2**32 - 1 - index)


def _row_bytes(key: bytes, value: bytes | None) -> int:
    return len(key) + (0 if value is None else len(value))


def _decode(field: Field[T], data: bytes, what: str) -> T:
    try:
        return decode(field, data, what, len(data))
    except DecodeError as error:  # what a peer may do wrong, our own store may not
        raise CorruptionError(f"store: {error}: {REMEDY}") from None


def _of_size(data: bytes, size_bytes: int, what: str) -> bytes:
    if len(data) != size_bytes:
        raise CorruptionError(f"store: {what}: {len(data)} bytes instead of {size_bytes}: {REMEDY}")
    return data


def _damaged(error: Exception) -> CorruptionError:
    return CorruptionError(f"store: the database is damaged ({_text(error)}): {REMEDY}")


def _text(error: Exception) -> str:
    """plyvel's errors carry bytes."""
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
