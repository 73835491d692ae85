"""Gives its batches to f + 1 others only, so that a cut may name what most do not hold."""

from collections.abc import Sequence

from consensus.messages import Message
from consensus.types import Batch, MemberNumber
from node.simulator.byzantine.behaviour import Behaviour


class Withhold(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        confidants = self.state.others[: self.state.committee.faults_max + 1]
        return () if isinstance(message, Batch) and to not in confidants else (message,)
