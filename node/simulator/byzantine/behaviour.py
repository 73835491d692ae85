"""The frame of a Byzantine behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.keys import Signer
from consensus.messages import Message, header_digest, vote_payload
from consensus.replica import Replica
from consensus.types import Header, MemberNumber, Proposal, Vote, VoteKind
from node.simulator.chance import Chance


class Behaviour:
    """An honest replica's words pass through here on their way out."""

    def __init__(self, replica: Replica, signer: Signer, chance: Chance) -> None:
        self.replica = replica
        self.state = replica._state
        self.signer = signer
        self.chance = chance

    def words(self, to: MemberNumber, message: Message) -> Sequence[Message | bytes]:
        """What really goes out in place of `message`; bytes as they are."""
        raise NotImplementedError

    def repropose(self, proposal: Proposal, header: Header) -> Proposal:
        """The proposal with another header, properly signed."""
        digest = header_digest(self.state.chain_id, header)
        return replace(proposal, header=header, vote=self.vote(VoteKind.NOTARISE, header.view, digest))

    def vote(self, kind: VoteKind, view: int, digest: bytes | None) -> Vote:
        """Any vote, properly signed."""
        epoch = self.state.committee.epoch
        payload = vote_payload(self.state.chain_id, kind, epoch, view, digest)
        return Vote(kind, epoch, view, digest, self.state.me, self.signer.sign(payload))
