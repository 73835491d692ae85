"""The encodings of consensus types, their digests, and the bytes that are signed.

A message on the wire is the array `[kind, body]`; see `Message`. The limits are those of one
message and hold for every sender.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

from consensus import codec, types
from consensus.codec import (
    DIGEST,
    SIGNATURE,
    UINT64_MAX,
    Field,
    Reader,
    blob,
    decode,
    encode,
    optional,
    pair,
    record,
    sequence,
    uint,
    union,
)
from consensus.errors import DecodeError
from consensus.keys import TAG_BATCH, TAG_HEADER, TAG_STATUS, TAG_VOTE
from consensus.parameters import BATCH_BYTES_MAX, BATCH_COUNT_MAX
from consensus.transactions import ENVELOPE_BYTES_MAX

MEMBERS_MAX = 128
"""Validators in a committee."""
LANES_MAX = 1024
"""Lanes in a cut: those of all members that ever were validators."""
EVIDENCE_PER_BLOCK_MAX = 2
EVIDENCE_BYTES_MAX = ENVELOPE_BYTES_MAX + 4096
DESCENDANTS_MAX = 256
"""Headers between a final block and the certificate that makes it final."""
JUSTIFICATION_MAX = 64
"""Certificates in a proposal: the parent's, and one for each skipped view."""
GET_HEADERS_MAX = 16
GET_BATCHES_MAX = 16
"""Ranges of batches in one Get."""
STATUS_VOTES_MAX = 4
MESSAGE_BYTES_MAX = BATCH_BYTES_MAX + 64 * 1024
"""Any message, in bytes."""

_number = uint(2**16 - 1)
_counter = uint(UINT64_MAX)


def _vote_kind_load(reader: Reader, path: str) -> types.VoteKind:
    try:
        return types.VoteKind(reader.integer(3, path))
    except ValueError:
        raise DecodeError(f"{path}: no such kind of vote") from None


_vote_kind: Field[types.VoteKind] = Field(int, _vote_kind_load)


_signed = pair(_number, SIGNATURE)

LANE_TIP = record(types.LaneTip, lane=_number, seq=_counter, digest=DIGEST)
_tips = sequence(LANE_TIP, LANES_MAX)


def _sorted_tips_load(reader: Reader, path: str) -> types.Cut:
    tips = _tips.load(reader, path)
    if any(a.lane >= b.lane for a, b in pairwise(tips)):
        raise DecodeError(f"{path}: lanes must be sorted and appear once")
    return tips


CUT: Field[types.Cut] = Field(_tips.dump, _sorted_tips_load)

BATCH_HEADER = record(
    types.BatchHeader,
    lane=_number,
    seq=_counter,
    prev=DIGEST,
    root=DIGEST,
    count=uint(BATCH_COUNT_MAX),
    size_bytes=uint(BATCH_BYTES_MAX),
    gas=_counter,
)
BATCH = record(
    types.Batch,
    header=BATCH_HEADER,
    signature=SIGNATURE,
    envelopes=sequence(blob(1, ENVELOPE_BYTES_MAX), BATCH_COUNT_MAX),
)
VOTE = record(
    types.Vote,
    kind=_vote_kind,
    epoch=_counter,
    view=_counter,
    digest=optional(DIGEST),
    voter=_number,
    signature=SIGNATURE,
)
_certificate = record(
    types.Certificate,
    kind=_vote_kind,
    epoch=_counter,
    view=_counter,
    digest=optional(DIGEST),
    votes=sequence(_signed, MEMBERS_MAX),
)


def _certificate_load(reader: Reader, path: str) -> types.Certificate:
    certificate = _certificate.load(reader, path)
    voters = [voter for voter, _ in certificate.votes]
    if any(a >= b for a, b in pairwise(voters)):
        raise DecodeError(f"{path}: voters must be sorted and appear once")
    return certificate


CERTIFICATE: Field[types.Certificate] = Field(_certificate.dump, _certificate_load)
HEADER = record(
    types.Header,
    epoch=_counter,
    view=_counter,
    height=_counter,
    parent_view=_counter,
    parent=DIGEST,
    time_ms=_counter,
    cut=CUT,
    exec_height=_counter,
    exec_hash=DIGEST,
    evidence=sequence(blob(1, EVIDENCE_BYTES_MAX), EVIDENCE_PER_BLOCK_MAX),
    next_set=optional(DIGEST),
)
PROPOSAL = record(
    types.Proposal, header=HEADER, vote=VOTE, justification=sequence(CERTIFICATE, JUSTIFICATION_MAX)
)
EXECUTED_TIP = record(
    types.ExecutedTip, voter=_number, height=_counter, exec_hash=DIGEST, signature=SIGNATURE
)
STATUS = record(
    types.Status,
    epoch=_counter,
    frontier=_counter,
    final_view=_counter,
    executed=EXECUTED_TIP,
    votes=sequence(VOTE, STATUS_VOTES_MAX),
)
HAVE = record(types.Have, tips=_tips)
BATCH_RANGE = record(types.BatchRange, digest=DIGEST, above=_counter)
GET = record(
    types.Get, headers=sequence(DIGEST, GET_HEADERS_MAX), batches=sequence(BATCH_RANGE, GET_BATCHES_MAX)
)
FINAL_BLOCK = record(
    types.FinalBlock,
    header=HEADER,
    descendants=sequence(HEADER, DESCENDANTS_MAX),
    certificate=CERTIFICATE,
)
_SIGNED_BATCH_HEADER = record(types.SignedBatchHeader, header=BATCH_HEADER, signature=SIGNATURE)
_PROOFS: tuple[tuple[int, type[Any], Field[Any]], ...] = (
    (1, types.TwoVotes, record(types.TwoVotes, first=VOTE, second=VOTE)),
    (2, types.TwoBatches, record(types.TwoBatches, first=_SIGNED_BATCH_HEADER, second=_SIGNED_BATCH_HEADER)),
    (
        3,
        types.BadBatch,
        record(
            types.BadBatch,
            batch=_SIGNED_BATCH_HEADER,
            index=uint(BATCH_COUNT_MAX),
            envelope=optional(blob(1, ENVELOPE_BYTES_MAX)),
            path=sequence(DIGEST, BATCH_COUNT_MAX.bit_length()),
        ),
    ),
)
EVIDENCE = record(types.Evidence, epoch=_counter, proof=union("evidence", _PROOFS))

Message = (
    types.Proposal
    | types.Vote
    | types.Certificate
    | types.Status
    | types.Header
    | types.Batch
    | types.Have
    | types.Get
    | types.Evidence
)
_KINDS: tuple[tuple[int, type[Any], Field[Any]], ...] = (
    (1, types.Proposal, PROPOSAL),
    (2, types.Vote, VOTE),
    (3, types.Certificate, CERTIFICATE),
    (4, types.Status, STATUS),
    (5, types.Header, HEADER),
    (6, types.Batch, BATCH),
    (7, types.Have, HAVE),
    (8, types.Get, GET),
    (9, types.Evidence, EVIDENCE),
)
MESSAGE: Field[Message] = union("message", _KINDS)


def encode_message(message: Message) -> bytes:
    """The canonical bytes of any message between peers."""
    return encode(MESSAGE, message)


def decode_message(data: bytes) -> Message:
    """The message whose canonical bytes are `data`. Raises: DecodeError."""
    return decode(MESSAGE, data, "message", MESSAGE_BYTES_MAX)


def batch_payload(chain_id: bytes, header: types.BatchHeader) -> bytes:
    """The bytes a lane's author signs."""
    return TAG_BATCH + chain_id + encode(BATCH_HEADER, header)


def batch_digest(chain_id: bytes, header: types.BatchHeader) -> types.Digest:
    """Names a batch; independent of its signature."""
    return sha256(batch_payload(chain_id, header)).digest()


def header_digest(chain_id: bytes, header: types.Header) -> types.Digest:
    """Names a proposed block; what notarise and finalise votes refer to."""
    return sha256(TAG_HEADER + chain_id + encode(HEADER, header)).digest()


def vote_payload(
    chain_id: bytes, kind: types.VoteKind, epoch: int, view: int, digest: types.Digest | None
) -> bytes:
    """The bytes a validator signs to vote; the same for every voter, so certificates need them once."""
    return TAG_VOTE + chain_id + codec.pack([int(kind), epoch, view, digest])


def executed_payload(chain_id: bytes, height: int, exec_hash: types.Digest) -> bytes:
    """The bytes a validator signs to say what it executed."""
    return TAG_STATUS + chain_id + codec.pack([height, exec_hash])
