"""Sends bytes that are no message, and messages cut short, among its own."""

from collections.abc import Sequence

from consensus.messages import Message, encode_message
from consensus.types import MemberNumber
from node.simulator.byzantine.behaviour import Behaviour


class Garbage(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message | bytes]:
        if not self.chance.happens(0.3):
            return (message,)
        data = encode_message(message)
        place = self.chance.below(len(data))
        flipped = bytes([data[place] ^ 1 << self.chance.below(8)])
        noise = bytes(self.chance.below(256) for _ in range(self.chance.below(40)))
        return message, self.chance.pick([data[:place], data[:place] + flipped + data[place + 1 :], noise])
