"""What the members of a consortium exchange to agree on an order, as frozen values.

A *lane* is one validator's own hash-chained sequence of batches; a *cut* names, for every lane, the
tip up to which a block orders it. Validators are named by their member number, which is given once
and never used again. Times are milliseconds since 1970 (UTC). Digests are SHA-256, 32 bytes.
The encodings are in `consensus.messages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

Digest = bytes
"""SHA-256, 32 bytes."""
MemberNumber = int
"""A validator's number, 0 to 65,535."""

NO_DIGEST: Digest = bytes(32)
"""Stands for the predecessor of a lane's first batch."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What a lane's author signs of one batch.

    `prev` is the digest of the lane's batch `seq - 1` (NO_DIGEST where seq is 1); `root` is the Merkle
    root over the envelopes; `count`, `size_bytes` and `gas` are sums over them.
    """

    lane: MemberNumber
    seq: int
    prev: Digest
    root: Digest
    count: int
    size_bytes: int
    gas: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A signed batch with its transactions' envelopes, byte for byte as they were submitted."""

    header: BatchHeader
    signature: bytes
    envelopes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, order=True)
class LaneTip:
    """The last batch of a lane that something refers to."""

    lane: MemberNumber
    seq: int
    digest: Digest


Cut = tuple[LaneTip, ...]
"""At most one tip a lane, sorted by lane; a lane without batches is absent."""


class VoteKind(IntEnum):
    """The three votes of Simplex: N, S and F."""

    NOTARISE = 1
    SKIP = 2
    FINALISE = 3


@dataclass(frozen=True, slots=True)
class Vote:
    """One validator's signed word on a view. `digest` is the header's, None in a skip."""

    kind: VoteKind
    epoch: int
    view: int
    digest: Digest | None
    voter: MemberNumber
    signature: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """A quorum of equal votes. `votes` holds (voter, signature), sorted by voter."""

    kind: VoteKind
    epoch: int
    view: int
    digest: Digest | None
    votes: tuple[tuple[MemberNumber, bytes], ...]


@dataclass(frozen=True, slots=True)
class Header:
    """A proposed block: where it stands, what it orders, and an execution it vouches for.

    `parent` is the digest of the header of `parent_view` (0 and the genesis digest at the start).
    `exec_height` and `exec_hash` name a final block that the proposer has executed, and the chained
    hash of all execution up to it. `evidence` are encodings of `Evidence`. `next_set` is the digest of
    the next epoch's committee in a boundary header, else None.
    """

    epoch: int
    view: int
    height: int
    parent_view: int
    parent: Digest
    time_ms: int
    cut: Cut
    exec_height: int
    exec_hash: Digest
    evidence: tuple[bytes, ...]
    next_set: Digest | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A header with its leader's own notarise vote and what makes it admissible.

    `justification` holds the parent's notarisation or finalisation certificate (none for the genesis
    parent) and a skip certificate for every view strictly between.
    """

    header: Header
    vote: Vote
    justification: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class ExecutedTip:
    """One validator's signed word on how far it executed and to what chained hash."""

    voter: MemberNumber
    height: int
    exec_hash: Digest
    signature: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """A stuck or returning validator says where it stands, so that a peer can send what it lacks.

    `frontier` is the view it is in, `final_view` the highest it knows to be final; `votes` are its own
    at the frontier.
    """

    epoch: int
    frontier: int
    final_view: int
    executed: ExecutedTip
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class Have:
    """Lane tips that the sender holds durably with all batches below them."""

    tips: tuple[LaneTip, ...]


@dataclass(frozen=True, slots=True)
class BatchRange:
    """The batch `digest` and those before it in its lane with a sequence above `above`."""

    digest: Digest
    above: int


@dataclass(frozen=True, slots=True)
class Get:
    """Asks for headers and batches by digest; what comes back is Header and Batch, oldest first."""

    headers: tuple[Digest, ...]
    batches: tuple[BatchRange, ...]


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """A final header and the certificate that makes it or a descendant of it final.

    `descendants` are the headers from the block's child to the certified one, in order; empty where
    the certificate is the block's own. Where they are more than DESCENDANTS_MAX, the first of them.
    """

    header: Header
    descendants: tuple[Header, ...]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class TwoVotes:
    """Votes of one validator in one view, of which an honest one casts at most one."""

    first: Vote
    second: Vote


@dataclass(frozen=True, slots=True)
class SignedBatchHeader:
    """A batch without its envelopes: all that its author's signature covers."""

    header: BatchHeader
    signature: bytes


@dataclass(frozen=True, slots=True)
class TwoBatches:
    """Different batches that one validator signed for one place of its lane."""

    first: SignedBatchHeader
    second: SignedBatchHeader


@dataclass(frozen=True, slots=True)
class BadBatch:
    """A batch that its author signed and that no honest validator makes.

    Its header may say enough (then `envelope` is None); else `envelope`, at `index`, is no valid
    transaction, and `path` leads from it to the header's root (digests, leaf to root).
    """

    batch: SignedBatchHeader
    index: int
    envelope: bytes | None
    path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof, by its own signatures, that a validator of `epoch` broke the protocol."""

    epoch: int
    proof: TwoVotes | TwoBatches | BadBatch
