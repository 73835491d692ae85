"""Dates its blocks an hour ahead or back, as leader."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message
from consensus.types import MemberNumber, Proposal
from node.simulator.byzantine.behaviour import Behaviour

HOUR_MS = 3_600_000


class Misdate(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        if not isinstance(message, Proposal):
            return (message,)
        shift_ms = HOUR_MS if message.header.view % 2 else -HOUR_MS
        return (self.repropose(message, replace(message.header, time_ms=message.header.time_ms + shift_ms)),)
