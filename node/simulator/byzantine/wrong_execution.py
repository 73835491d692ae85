"""Claims another execution than the true one, in its status and, as leader, in its headers."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message, executed_payload
from consensus.types import ExecutedTip, MemberNumber, Proposal, Status
from node.simulator.byzantine.behaviour import Behaviour

WRONG = bytes(31) + b"\x01"


class WrongExecution(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        match message:
            case Status():
                height = message.executed.height + self.chance.pick([0, 0, 100])
                signature = self.signer.sign(executed_payload(self.state.chain_id, height, WRONG))
                return (replace(message, executed=ExecutedTip(self.state.me, height, WRONG, signature)),)
            case Proposal():
                return (self.repropose(message, replace(message.header, exec_hash=WRONG)),)
            case _:
                return (message,)
