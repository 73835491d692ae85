"""What the store holds: the spaces of its keys, and the records that are the store's own.

A key is a space, one byte, and what orders the space:

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
    S ‖ key                   authenticated state, sealed
    A ‖ key                   rows beside it, sealed
    P ‖ path                  pages of the state's tree but those of its top

Heights are u64 and indexes u32, big-endian; values are canonical encodings. Genesis is height 0 and has
neither block nor batches. What is sealed ends in the CRC-32 of key and value, 4 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from consensus.codec import DIGEST, boolean, record, uint
from consensus.committee import COMMITTEE, Committee
from consensus.types import Batch, Digest, FinalBlock
from contracts.merkle import Write
from contracts.receipts import ExecLink
from contracts.tree_pages import Top

STORE_FORMAT = b"\x03"
FORMAT, HEIGHT = b"V", b"H"
BLOCK, ORDER, LINK, RECEIPT, EVENT, EPOCH = b"B", b"O", b"X", b"R", b"E", b"C"
BATCH, TRANSACTION, LISTED, MENTION = b"b", b"t", b"L", b"M"
STATE, AUX, PAGE = b"S", b"A", b"P"
COUNTED = (BLOCK, ORDER, LINK, BATCH, TRANSACTION, LISTED, MENTION, RECEIPT, EVENT, EPOCH)
"""All but the state's: their rows follow from the number of blocks and what these hold."""
U64 = struct.Struct(">Q")
POSITION = struct.Struct(">QI")
"""Height and index."""


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
    top: Top | None = None
    """Of the state's tree, kept for who reads it next; None where it is not at hand."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The committee of an epoch, and the height of the boundary that named it (0: genesis)."""

    committee: Committee
    boundary: int


EPOCH_ROW = record(Epoch, committee=COMMITTEE, boundary=uint())
PLACE_ROW = record(Place, height=uint(), index=uint(), batch=DIGEST, position=uint(), executed=boolean())


def account_subject(account: str) -> str:
    """Whom a transaction mentions that `account` signed."""
    return f"account/{account}"


def contract_subject(instance: str) -> str:
    """What a transaction mentions that calls `instance`."""
    return f"contract/{instance}"


def mention_prefix(subject: str) -> bytes:
    """Names have no zero byte, so none is the beginning of another's rows."""
    return subject.encode() + b"\x00"


def inverted(height: int, index: int) -> bytes:
    """Sorts the newest first; undoes itself."""
    return POSITION.pack(2**64 - 1 - height, 2**32 - 1 - index)
