"""Accuses honest members, with evidence that proves nothing, in messages and as leader in its blocks."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.evidence import encode_evidence, two_votes
from consensus.messages import Message
from consensus.types import Evidence, MemberNumber, Proposal, Vote, VoteKind
from node.simulator.byzantine.behaviour import Behaviour


class Slander(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        match message:
            case Proposal():
                lies = (encode_evidence(self._lie(message.vote)),)
                return (self.repropose(message, replace(message.header, evidence=lies)),)
            case Vote():
                return message, self._lie(message)
            case _:
                return (message,)

    def _lie(self, like: Vote) -> Evidence:
        """Two votes that another member never cast."""
        victim = self.chance.pick(self.state.others or (self.state.me,))
        one = replace(like, kind=VoteKind.NOTARISE, digest=bytes(32), voter=victim)
        return two_votes(one, replace(one, digest=self.state.chain_id))
