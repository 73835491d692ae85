"""Votes to certificates, and what votes prove against those who cast them.

Signatures are checked only when a quorum of equal votes is there, so a vote that never matters costs
nothing. A vote comes from its author's own stream: a forged one is therefore the sender's fault, and
the check at the quorum finds the culprit and counts again without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.committee import Committee
from consensus.keys import Verifier
from consensus.messages import vote_payload
from consensus.types import Certificate, Digest, MemberNumber, Vote, VoteKind

_CONFLICTS = {
    VoteKind.NOTARISE: (VoteKind.NOTARISE,),
    VoteKind.SKIP: (VoteKind.FINALISE,),
    VoteKind.FINALISE: (VoteKind.FINALISE, VoteKind.SKIP),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What one vote led to: a certificate, proof against its author, members whose votes were forged."""

    certificate: Certificate | None = None
    equivocation: tuple[Vote, Vote] | None = None
    forgers: tuple[MemberNumber, ...] = ()


class Tally:
    """The votes of the views that are still open, at most one of each kind, view and validator.

    Invariant: what `Counted.equivocation` names is two valid signatures by one key that no honest
    validator gives.
    """

    def __init__(self, committee: Committee, chain_id: bytes, verifier: Verifier) -> None:
        self._committee = committee
        self._chain_id = chain_id
        self._verifier = verifier
        self._votes: dict[tuple[int, VoteKind], dict[MemberNumber, Vote]] = {}
        self._valid: dict[int, set[Vote]] = {}
        self._liars: dict[int, set[MemberNumber]] = {}
        """Who contradicted itself in a view; one proof is enough, and more would fill the memory."""

    def add(self, vote: Vote, *, trusted: bool = False) -> Counted:
        """Count a validator's vote of this epoch; `trusted`: its signature was checked, or is our own."""
        if self._votes.get((vote.view, vote.kind), {}).get(vote.voter) == vote:
            return Counted()
        if trusted and vote.voter not in self._liars.get(vote.view, ()):
            self._valid.setdefault(vote.view, set()).add(vote)
        for kind in _CONFLICTS[vote.kind]:
            other = self._votes.get((vote.view, kind), {}).get(vote.voter)
            if other is None or (kind is vote.kind and other.digest == vote.digest):
                continue
            if vote.voter in self._liars.get(vote.view, ()):
                return Counted()
            if not self._is_valid(vote):
                return Counted(forgers=(vote.voter,))
            if self._is_valid(other):
                self._liars.setdefault(vote.view, set()).add(vote.voter)
                return Counted(equivocation=(other, vote))
            del self._votes[vote.view, kind][vote.voter]
        self._votes.setdefault((vote.view, vote.kind), {})[vote.voter] = vote
        return self._count(vote.view, vote.kind, vote.digest)

    def _count(self, view: int, kind: VoteKind, digest: Digest | None) -> Counted:
        votes = self._votes[view, kind]
        equal = sorted(voter for voter, vote in votes.items() if vote.digest == digest)
        if len(equal) < self._committee.quorum:
            return Counted()
        forgers = tuple(voter for voter in equal if not self._is_valid(votes[voter]))
        for voter in forgers:
            del votes[voter]
        signed = [(voter, votes[voter].signature) for voter in equal if voter in votes]
        if len(signed) < self._committee.quorum:
            return Counted(forgers=forgers)
        quorum = tuple(signed[: self._committee.quorum])
        return Counted(Certificate(kind, self._committee.epoch, view, digest, quorum), forgers=forgers)

    def _is_valid(self, vote: Vote) -> bool:
        if vote in self._valid.get(vote.view, ()):
            return True
        key = self._committee.key_of(vote.voter)
        message = vote_payload(self._chain_id, vote.kind, vote.epoch, vote.view, vote.digest)
        if key is None or not self._verifier(key, message, vote.signature):
            return False
        self._valid.setdefault(vote.view, set()).add(vote)
        return True

    def voters(self, view: int, kind: VoteKind) -> list[MemberNumber]:
        """Who voted so in `view`, as far as is known here."""
        return sorted(self._votes.get((view, kind), {}))

    def forget_through(self, view: int) -> None:
        """Votes up to `view` can no longer matter."""
        for key in [key for key in self._votes if key[0] <= view]:
            del self._votes[key]
        for kept in (self._valid, self._liars):
            for old in [v for v in kept if v <= view]:
                del kept[old]
