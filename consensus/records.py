"""The journal's records: what a validator must remember to keep its word after a crash.

A record is the array `[kind, body]` in canonical msgpack, where body is a batch, header, vote or
certificate in the encoding of `consensus.messages`.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Field, decode, encode, union
from consensus.errors import CorruptionError, DecodeError
from consensus.messages import BATCH, CERTIFICATE, HEADER, MESSAGE_BYTES_MAX, VOTE
from consensus.types import Batch, Certificate, Header, Vote

Record = Batch | Header | Vote | Certificate
_KINDS: tuple[tuple[int, type[Any], Field[Any]], ...] = (
    (1, Batch, BATCH),
    (2, Header, HEADER),
    (3, Vote, VOTE),
    (4, Certificate, CERTIFICATE),
)
RECORD: Field[Record] = union("record", _KINDS)


def encode_record(record: Record) -> bytes:
    """The canonical bytes of a record."""
    return encode(RECORD, record)


def decode_record(data: bytes) -> Record:
    """The record whose canonical bytes are `data`. Raises: CorruptionError."""
    try:
        return decode(RECORD, data, "record", MESSAGE_BYTES_MAX)
    except DecodeError as error:
        raise CorruptionError(
            f"the journal holds a record that this version cannot read ({error}): "
            "restore the journal from where it was, or have the members give this node a new key"
        ) from None
