"""Says each thing to some and not to others."""

from collections.abc import Sequence

from consensus.messages import Message
from consensus.types import MemberNumber
from node.simulator.byzantine.behaviour import Behaviour


class PickAndChoose(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        return (message,) if self.chance.happens(0.5) else ()
