"""Forges: votes with signatures that are not valid, certificates made of them, headers nobody asked for."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message
from consensus.types import Certificate, Header, MemberNumber, Vote, VoteKind
from node.simulator.byzantine.behaviour import Behaviour

NONSENSE = bytes(64)


class Forge(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        if not isinstance(message, Vote) or not self.chance.happens(0.5):
            return (message,)
        view = self.state.certificates.frontier + self.chance.below(3)
        voters = tuple((number, NONSENSE) for number in self.state.committee.numbers)
        forged = Certificate(VoteKind.FINALISE, message.epoch, view, self.state.chain_id, voters)
        stray: list[Header] = [replace(link.header, time_ms=1) for link in self.state.chain.above(0)[:1]]
        return replace(message, signature=NONSENSE), forged, *stray
