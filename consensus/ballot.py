"""A validator's own votes: the one place that signs them, and that refuses to sign against the rules."""

from __future__ import annotations

from dataclasses import replace

from consensus.errors import ensure
from consensus.keys import Signer
from consensus.messages import vote_payload
from consensus.rules import NO_VOTES, ViewVotes, may_vote
from consensus.types import Digest, MemberNumber, Vote, VoteKind

_FIELDS = {VoteKind.NOTARISE: "notarise", VoteKind.SKIP: "skip", VoteKind.FINALISE: "finalise"}


class Ballot:
    """All own votes of an epoch above its final view, across restarts.

    Invariant: rules 1 and 2 hold in every view; a vote is forgotten only when its view can never be
    voted in again.
    """

    def __init__(self, chain_id: bytes, epoch: int, me: MemberNumber, signer: Signer) -> None:
        self._chain_id = chain_id
        self._epoch = epoch
        self._me = me
        self._signer = signer
        self._views: dict[int, ViewVotes] = {}
        self._floor = 0

    @property
    def public_key(self) -> bytes:
        """The key that signs, 32 bytes."""
        return self._signer.public_key

    def of(self, view: int) -> ViewVotes:
        """What was voted in `view`."""
        return self._views.get(view, NO_VOTES)

    def may(self, kind: VoteKind, view: int) -> bool:
        """Whether the rules allow this vote still."""
        return view > self._floor and may_vote(self.of(view), kind)

    def cast(self, kind: VoteKind, view: int, digest: Digest | None) -> Vote:
        """Sign a vote and remember it; the caller makes it durable before it leaves the node."""
        ensure(self.may(kind, view), f"vote {kind.name} in view {view} is against the rules")
        ensure((digest is None) == (kind is VoteKind.SKIP), "a vote to skip names no header, any other does")
        payload = vote_payload(self._chain_id, kind, self._epoch, view, digest)
        vote = Vote(kind, self._epoch, view, digest, self._me, self._signer.sign(payload))
        self.remember(vote)
        return vote

    def remember(self, vote: Vote) -> None:
        """Put back a vote that was cast before a restart."""
        self._views[vote.view] = replace(self.of(vote.view), **{_FIELDS[vote.kind]: vote})

    def begin(self, epoch: int) -> None:
        """Another epoch: its views have nothing to do with those before."""
        self._epoch, self._views, self._floor = epoch, {}, 0

    def forget_through(self, view: int) -> None:
        """`view` is final: nothing is voted in it or below any more."""
        self._floor = max(self._floor, view)
        for old in [v for v in self._views if v <= self._floor]:
            del self._views[old]

    def votes(self) -> list[Vote]:
        """Everything remembered, by view."""
        return [vote for view in sorted(self._views) for vote in self._views[view].all()]
