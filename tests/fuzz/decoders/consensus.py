"""What peers and clients send to the ordering core, and what its journal holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from consensus import codec, messages, types
from consensus.errors import CorruptionError, DecodeError, InvalidTransaction
from consensus.messages import MESSAGE_BYTES_MAX, decode_message, encode_message, header_digest
from consensus.records import decode_record, encode_record
from consensus.transactions import (
    Transaction,
    canonical_json,
    make_envelope,
    parse_transaction,
)
from consensus.types import VoteKind
from tests.fuzz.harness import JSON_MEMORY_PER_BYTE, Bounds, Decoder
from tests.fuzz.mutations import inside
from tests.fuzz.trees import JSON, MSGPACK
from tests.proofs.minichain import MiniChain

VECTORS = Path(__file__).parents[3] / "docs" / "vectors"

_FIELDS: dict[str, codec.Field[Any]] = {
    "BATCH": messages.BATCH,
    "CERTIFICATE": messages.CERTIFICATE,
    "FINAL_BLOCK": messages.FINAL_BLOCK,
    "GET": messages.GET,
    "HAVE": messages.HAVE,
    "HEADER": messages.HEADER,
    "PROPOSAL": messages.PROPOSAL,
    "STATUS": messages.STATUS,
    "VOTE": messages.VOTE,
}


@cache
def values() -> dict[str, list[Any]]:
    """Messages with all that each kind can have, by the name of their shape."""
    chain = MiniChain()
    chain.grow([(b"account/%d" % number, b"%d" % number) for number in range(20)])
    commits = [chain.grow(envelopes=[b"one", b"two" * 100]), chain.grow(envelopes=[b"3"]), chain.grow()]
    blocks = [commit.block for commit in commits if commit.block is not None]
    header = blocks[-1].header
    digest = header_digest(chain.chain_id, header)
    full = chain.finalise(blocks[0].header, [block.header for block in blocks[1:]])
    votes = [
        types.Vote(VoteKind.NOTARISE, 1, header.view, digest, 2, bytes(64)),
        types.Vote(VoteKind.SKIP, 1, 2**40, None, 65_535, bytes(range(64))),
    ]
    certificates = [full.certificate, types.Certificate(VoteKind.SKIP, 1, 7, None, ((0, bytes(64)),))]
    executed = types.ExecutedTip(1, 300, digest, bytes(64))
    special = types.Header(
        *(1, 70_000, 3, 69_999, digest, 2**41, header.cut, 2, digest, (b"evidence", b"\x00"), digest)
    )
    return {
        "BATCH": [batch for commit in commits for _, batch in commit.batches],
        "CERTIFICATE": certificates,
        "FINAL_BLOCK": [*blocks, full],
        "GET": [types.Get((digest,), (types.BatchRange(digest, 5),)), types.Get((), ())],
        "HAVE": [types.Have(header.cut), types.Have((types.LaneTip(3, 2**33, digest),))],
        "HEADER": [header, special],
        "PROPOSAL": [types.Proposal(special, votes[0], tuple(certificates))],
        "STATUS": [types.Status(1, 8, 6, executed, tuple(votes))],
        "VOTE": votes,
    }


def encoded(name: str) -> list[bytes]:
    """Samples of one shape."""
    return [codec.encode(_FIELDS[name], value) for value in values()[name]]


def canonical(encode: Callable[[Any], bytes]) -> Callable[[bytes, Any], None]:
    """The check that a value has one encoding: the bytes it was read from."""

    def check(data: bytes, value: Any) -> None:
        assert encode(value) == data, "another encoding of the same value was accepted"

    return check


def envelopes() -> list[bytes]:
    """Of the published vectors."""
    valid = json.loads((VECTORS / "transactions.json").read_bytes())["valid"]
    return [bytes.fromhex(vector["envelope_hex"]) for vector in valid]


def chain_name() -> str:
    return str(json.loads((VECTORS / "transactions.json").read_bytes())["chain"])


def _whole(data: bytes, transaction: Transaction) -> None:
    body = canonical_json(json.loads(transaction.body))
    assert make_envelope(body, transaction.signatures) == data


def _rewrapped(envelope: bytes, body: bytes) -> bytes:
    return codec.pack([body, codec.unpack(envelope, "envelope", len(envelope))[1]])


def _body_of(envelope: bytes) -> bytes:
    body: bytes = codec.unpack(envelope, "envelope", len(envelope))[0]
    return body


def decoders() -> Sequence[Decoder]:
    sent = ("BATCH", "CERTIFICATE", "GET", "HAVE", "HEADER", "PROPOSAL", "STATUS", "VOTE")
    kept = ("BATCH", "CERTIFICATE", "HEADER", "VOTE")
    typed = [
        Decoder(
            f"consensus.messages.{name}",
            partial(codec.decode, field, what=name, bytes_max=MESSAGE_BYTES_MAX),
            (DecodeError,),
            partial(encoded, name),
            (MSGPACK,),
            canonical(partial(codec.encode, field)),
            executions=300,
        )
        for name, field in _FIELDS.items()
    ]
    return [
        *typed,
        Decoder(
            "consensus.messages.decode_message",
            decode_message,
            (DecodeError,),
            cache(lambda: [encode_message(value) for name in sent for value in values()[name]]),
            (MSGPACK,),
            canonical(encode_message),
            executions=1_500,
        ),
        Decoder(
            "consensus.records.decode_record",
            decode_record,
            (CorruptionError,),
            cache(lambda: [encode_record(value) for name in kept for value in values()[name]]),
            (MSGPACK,),
            canonical(encode_record),
        ),
        Decoder(
            "consensus.transactions.parse_transaction",
            lambda data: parse_transaction(data, chain_name()),
            (InvalidTransaction,),
            cache(envelopes),
            (MSGPACK, inside(_body_of, _rewrapped, JSON)),
            _whole,
            Bounds(memory_per_byte=JSON_MEMORY_PER_BYTE),
            executions=1_500,
        ),
    ]
