"""Speaks as if it were another epoch: votes, proposals and certificates of the one before or after."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message
from consensus.types import Certificate, MemberNumber, Proposal, Vote
from node.simulator.byzantine.behaviour import Behaviour


class CrossEpoch(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        if not self.chance.happens(0.5):
            return (message,)
        by = self.chance.pick([-1, 1])
        match message:
            case Vote() | Certificate():
                return message, replace(message, epoch=message.epoch + by)
            case Proposal():
                return message, self.repropose(
                    message, replace(message.header, epoch=message.header.epoch + by)
                )
            case _:
                held = self.state.certificates.all()
                return message, *(replace(old, epoch=old.epoch + by) for old in held[:1])
