"""As leader ends epochs that nobody decided to end, or with a committee of its own, or does not end them."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message
from consensus.types import MemberNumber, Proposal
from node.simulator.byzantine.behaviour import Behaviour

OWN_SET = bytes(31) + b"\x02"


class Usurp(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        if not isinstance(message, Proposal):
            return (message,)
        claimed = OWN_SET if message.header.view % 3 else None  # the same for all
        return (self.repropose(message, replace(message.header, next_set=claimed)),)
