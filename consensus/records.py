"""The journal's records: what a validator must remember to keep its word after a crash.

A record is the array `[kind, body]` in canonical msgpack, where body is a batch, header, vote,
certificate or piece of evidence in the encoding of `consensus.messages`, or a succession.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consensus.codec import Field, decode, encode, record, union
from consensus.committee import COMMITTEE, Committee
from consensus.errors import CorruptionError, DecodeError
from consensus.messages import BATCH, CERTIFICATE, EVIDENCE, FINAL_BLOCK, HEADER, MESSAGE_BYTES_MAX, VOTE
from consensus.types import Batch, Certificate, Evidence, FinalBlock, Header, Vote


@dataclass(frozen=True, slots=True)
class Succession:
    """One epoch follows another: what must be durable before anything of the new one is signed."""

    former: Committee
    boundary: FinalBlock
    committee: Committee


Record = Batch | Header | Vote | Certificate | Succession | Evidence
_KINDS: tuple[tuple[int, type[Any], Field[Any]], ...] = (
    (1, Batch, BATCH),
    (2, Header, HEADER),
    (3, Vote, VOTE),
    (4, Certificate, CERTIFICATE),
    (
        5,
        Succession,
        record(Succession, former=COMMITTEE, boundary=FINAL_BLOCK, committee=COMMITTEE),
    ),
    (6, Evidence, EVIDENCE),
)
RECORD: Field[Record] = union("record", _KINDS)


def encode_record(value: Record) -> bytes:
    """The canonical bytes of a record."""
    return encode(RECORD, value)


def decode_record(data: bytes) -> Record:
    """The record whose canonical bytes are `data`. Raises: CorruptionError."""
    try:
        return decode(RECORD, data, "record", MESSAGE_BYTES_MAX)
    except DecodeError as error:
        raise CorruptionError(
            f"the journal holds a record that this version cannot read ({error}): "
            "restore the journal from where it was, or have the members give this node a new key"
        ) from None
