"""Values that the tests of the ordering core are made of."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from consensus.batches import CheckedBatch, make_batch
from consensus.committee import Committee, Validator
from consensus.messages import vote_payload
from consensus.transactions import Transaction, envelope_from_json, parse_transaction, signed_bytes
from consensus.types import NO_DIGEST, Certificate, Digest, Header, LaneTip, Vote, VoteKind
from node.simulator.genesis import CHAIN, CHAIN_ID, EXEC_HASH, PARAMETERS, WALL_START_MS
from node.simulator.keys import HashSigner

__all__ = ["CHAIN", "CHAIN_ID", "EXEC_HASH", "PARAMETERS"]

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"


def vectors(name: str) -> Path:
    """A folder or file of published vectors, kept beside the project; skips where they are missing."""
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"the published vectors are not at {path}")
    return path


def signer(number: int) -> HashSigner:
    return HashSigner(b"%d" % number)


def committee(size: int) -> Committee:
    return Committee(1, tuple(Validator(number, signer(number).public_key) for number in range(size)))


def digest(name: str) -> Digest:
    return sha256(name.encode()).digest()


def vote(kind: VoteKind, view: int, header: Digest | None, voter: int) -> Vote:
    payload = vote_payload(CHAIN_ID, kind, 1, view, header)
    return Vote(kind, 1, view, header, voter, signer(voter).sign(payload))


def certificate(kind: VoteKind, view: int, header: Digest | None, voters: Sequence[int]) -> Certificate:
    votes = tuple((voter, vote(kind, view, header, voter).signature) for voter in voters)
    return Certificate(kind, 1, view, header, votes)


GENESIS = Header(1, 0, 0, 0, NO_DIGEST, WALL_START_MS, (), 0, EXEC_HASH, (), None)


def child(parent: Header, parent_digest: Digest, /, **changes: object) -> Header:
    """A valid header on `parent`, then changed."""
    header = Header(
        epoch=1,
        view=parent.view + 1,
        height=parent.height + 1,
        parent_view=parent.view,
        parent=parent_digest,
        time_ms=parent.time_ms + 100,
        cut=parent.cut,
        exec_height=parent.exec_height,
        exec_hash=parent.exec_hash,
        evidence=(),
        next_set=None,
    )
    return replace(header, **changes)  # type: ignore[arg-type]  # the tests name the fields


def transaction(salt: str, **changes: object) -> Transaction:
    """A signed transaction of a client."""
    client = signer(99)
    body = {
        "chain": CHAIN,
        "sender": "client",
        "calls": [{"contract": "counter", "action": "add", "args": {}}],
        "expires_ms": WALL_START_MS,
        "salt": salt,
        **changes,
    }
    unsigned = parse_transaction(envelope_from_json(body, [(client.public_key, bytes(64))]), CHAIN)
    signature = client.sign(signed_bytes(unsigned.body))
    return parse_transaction(envelope_from_json(body, [(client.public_key, signature)]), CHAIN)


def lane_of(number: int, length: int, name: str = "", previous: LaneTip | None = None) -> list[CheckedBatch]:
    """A lane's batches, chained, from the first one or after `previous` on."""
    tip = previous or LaneTip(number, 0, NO_DIGEST)
    batches: list[CheckedBatch] = []
    for _ in range(length):
        content = [transaction(f"{name}{number}.{tip.seq + 1}")]
        batches.append(make_batch(CHAIN_ID, number, tip, content, signer(number)))
        tip = batches[-1].tip
    return batches
