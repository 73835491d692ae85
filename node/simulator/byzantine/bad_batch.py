"""Signs batches that cannot be valid, and gives them to some in place of the valid ones."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.merkle_list import list_root
from consensus.messages import Message, batch_payload
from consensus.types import Batch, MemberNumber
from node.simulator.byzantine.behaviour import Behaviour


class BadBatch(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        if not isinstance(message, Batch) or message.header.lane != self.state.me:
            return (message,)
        if not self.chance.happens(0.3):
            return (message,)
        spoilt = (b"no transaction", *message.envelopes[1:])
        size_bytes = sum(map(len, spoilt))
        header = replace(message.header, root=list_root(spoilt), size_bytes=size_bytes)
        signature = self.signer.sign(batch_payload(self.state.chain_id, header))
        return (Batch(header, signature, spoilt),)
