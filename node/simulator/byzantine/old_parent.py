"""Proposes on the last final block it knows, whatever was notarised since, and votes for everything."""

from collections.abc import Sequence
from dataclasses import replace

from consensus.messages import Message
from consensus.types import MemberNumber, Proposal, Vote, VoteKind
from node.simulator.byzantine.behaviour import Behaviour


class OldParent(Behaviour):
    def words(self, to: MemberNumber, message: Message) -> Sequence[Message]:
        match message:
            case Proposal():
                return (self._on_old_parent(message),)
            case Vote(kind=VoteKind.SKIP):
                proposed = self.state.proposals.get(message.view)
                if proposed is None:
                    return (message,)
                digest = proposed.link.digest
                return message, *(
                    self.vote(kind, message.view, digest) for kind in VoteKind if kind != message.kind
                )
            case _:
                return (message,)

    def _on_old_parent(self, proposal: Proposal) -> Proposal:
        header, floor = proposal.header, self.state.chain.floor
        if header.parent == floor.digest:
            return proposal
        old = replace(
            header,
            height=floor.header.height + 1,
            parent_view=floor.header.view,
            parent=floor.digest,
            cut=floor.header.cut,
            exec_height=floor.header.exec_height,
            exec_hash=floor.header.exec_hash,
        )
        final = self.state.certificates.proven(floor.header.view, floor.digest)
        justification = (() if final is None else (final,)) + proposal.justification[1:]
        return replace(self.repropose(proposal, old), justification=justification)
