"""Proof that a validator broke the protocol: by its own signatures, so that nobody can make it up.

What an honest validator never signs, because its journal keeps it from doing so even across a crash:
two N or two F for different headers in one view, S with F in a view, two batches for one place of its
lane, a batch that cannot be valid. Two processes with one key are guilty of the same, whoever runs them.

A batch whose fault shows only in all of its content together (a wrong sum of gas) is refused by
everybody and never ordered, but too large to be carried as evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.codec import decode, encode
from consensus.committee import Committee
from consensus.errors import InvalidMessage, InvalidTransaction
from consensus.keys import Verifier
from consensus.merkle_list import list_proof, root_from_proof
from consensus.messages import EVIDENCE, EVIDENCE_BYTES_MAX, batch_payload, vote_payload
from consensus.parameters import Parameters
from consensus.transactions import parse_transaction, verify
from consensus.types import (
    BadBatch,
    Batch,
    BatchHeader,
    Evidence,
    MemberNumber,
    SignedBatchHeader,
    TwoBatches,
    TwoVotes,
    Vote,
    VoteKind,
)

_CONTRADICTIONS = {
    (VoteKind.NOTARISE, VoteKind.NOTARISE): "two notarise votes",
    (VoteKind.FINALISE, VoteKind.FINALISE): "two finalise votes",
    (VoteKind.SKIP, VoteKind.FINALISE): "skip and finalise",
}


@dataclass(frozen=True, slots=True)
class Accusation:
    """What evidence says: who, in which epoch, and where: a view, or a place in the member's own lane."""

    member: MemberNumber
    epoch: int
    kind: str
    view: int | None
    seq: int | None


def encode_evidence(evidence: Evidence) -> bytes:
    """The canonical bytes of a piece of evidence, as a header carries it."""
    return encode(EVIDENCE, evidence)


def decode_evidence(data: bytes) -> Evidence:
    """The evidence whose canonical bytes are `data`. Raises: DecodeError."""
    return decode(EVIDENCE, data, "evidence", EVIDENCE_BYTES_MAX)


def two_votes(one: Vote, other: Vote) -> Evidence:
    """Evidence of contradicting votes, in the one order in which it is valid."""
    first, second = sorted((one, other), key=_vote_order)
    return Evidence(one.epoch, TwoVotes(first, second))


def two_batches(epoch: int, one: Batch, other: Batch) -> Evidence:
    """Evidence of two batches for one place, in the one order in which it is valid."""
    signed = sorted((_signed(one), _signed(other)), key=lambda batch: (batch.header.root, batch.signature))
    return Evidence(epoch, TwoBatches(signed[0], signed[1]))


def bad_batch(
    epoch: int, batch: Batch, chain: str, verifier: Verifier, parameters: Parameters
) -> Evidence | None:
    """Evidence against the author of an invalid batch, or None where its fault cannot be shown in little."""
    if _header_fault(batch.header, parameters) is not None:
        return Evidence(epoch, BadBatch(_signed(batch), 0, None, ()))
    for index, envelope in enumerate(batch.envelopes):
        if _is_bad(envelope, chain, verifier):
            path = list_proof(batch.envelopes, index)
            return Evidence(epoch, BadBatch(_signed(batch), index, envelope, path))
    return None


def accuse(evidence: Evidence) -> Accusation:
    """What evidence says, not whether it is true."""
    match evidence.proof:
        case TwoVotes(first, second):
            kind = _CONTRADICTIONS.get((first.kind, second.kind), "contradicting votes")
            return Accusation(first.voter, evidence.epoch, kind, first.view, None)
        case TwoBatches(one, _):
            return Accusation(one.header.lane, evidence.epoch, "two batches", None, one.header.seq)
        case BadBatch(batch):
            return Accusation(batch.header.lane, evidence.epoch, "invalid batch", None, batch.header.seq)


def check_evidence(
    evidence: Evidence,
    committee: Committee,
    chain_id: bytes,
    chain: str,
    verifier: Verifier,
    parameters: Parameters,
) -> Accusation:
    """Whether evidence proves what it says, of a validator of `committee`. Raises: InvalidMessage."""
    accusation = accuse(evidence)
    key = committee.key_of(accusation.member)
    place = f"evidence against {accusation.member}"
    if evidence.epoch != committee.epoch or key is None:
        raise InvalidMessage(f"{place}: not of a validator of epoch {committee.epoch}")
    if not _shows_fault(evidence, chain, verifier, parameters):
        raise InvalidMessage(f"{place}: it shows nothing that an honest validator would not do")
    if not all(
        verifier(key, message, signature) for message, signature in _signed_objects(evidence, chain_id)
    ):
        raise InvalidMessage(f"{place}: a signature is not valid")
    return accusation


def _signed_objects(evidence: Evidence, chain_id: bytes) -> list[tuple[bytes, bytes]]:
    """(signed bytes, signature) of everything that the accused must have signed."""
    match evidence.proof:
        case TwoVotes(first, second):
            return [(_vote_payload(chain_id, vote), vote.signature) for vote in (first, second)]
        case TwoBatches(one, other):
            return [(batch_payload(chain_id, batch.header), batch.signature) for batch in (one, other)]
        case BadBatch(batch):
            return [(batch_payload(chain_id, batch.header), batch.signature)]


def _shows_fault(evidence: Evidence, chain: str, verifier: Verifier, parameters: Parameters) -> bool:
    """Whether an honest validator would not have signed it; the signatures are checked elsewhere."""
    match evidence.proof:
        case TwoVotes(first, second):
            return _contradict(first, second, evidence.epoch)
        case TwoBatches(one, other):
            return _rival(one, other)
        case BadBatch():
            return _shows_bad_batch(evidence.proof, chain, verifier, parameters)


def _vote_order(vote: Vote) -> tuple[VoteKind, bytes, bytes]:
    return vote.kind, vote.digest or b"", vote.signature


def _vote_payload(chain_id: bytes, vote: Vote) -> bytes:
    return vote_payload(chain_id, vote.kind, vote.epoch, vote.view, vote.digest)


def _contradict(first: Vote, second: Vote, epoch: int) -> bool:
    same_place = (first.voter, first.epoch, first.view) == (second.voter, second.epoch, second.view)
    well_formed = all((vote.digest is None) == (vote.kind is VoteKind.SKIP) for vote in (first, second))
    return (
        same_place
        and well_formed
        and first.epoch == epoch
        and (first.kind, second.kind) in _CONTRADICTIONS
        and first.digest != second.digest
        and _vote_order(first) < _vote_order(second)
    )


def _rival(one: SignedBatchHeader, other: SignedBatchHeader) -> bool:
    a, b = one.header, other.header
    in_order = (a.root, one.signature) <= (b.root, other.signature)
    return (a.lane, a.seq) == (b.lane, b.seq) and a != b and in_order


def _signed(batch: Batch) -> SignedBatchHeader:
    return SignedBatchHeader(batch.header, batch.signature)


def _header_fault(header: BatchHeader, parameters: Parameters) -> str | None:
    if header.seq == 0 or header.count == 0:
        return "nothing in it"
    if (
        header.count > parameters.batch_count_max
        or header.size_bytes > parameters.batch_bytes_max
        or header.gas > parameters.batch_gas_max
    ):
        return "beyond the limits of a batch"
    return None


def _shows_bad_batch(proof: BadBatch, chain: str, verifier: Verifier, parameters: Parameters) -> bool:
    header = proof.batch.header
    if proof.envelope is None:
        return _header_fault(header, parameters) is not None and (proof.index, proof.path) == (0, ())
    root = root_from_proof(proof.envelope, proof.index, header.count, proof.path)
    return root == header.root and _is_bad(proof.envelope, chain, verifier)


def _is_bad(envelope: bytes, chain: str, verifier: Verifier) -> bool:
    try:
        return not verify(parse_transaction(envelope, chain), verifier)
    except InvalidTransaction:
        return True
