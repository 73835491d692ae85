"""From one epoch to the next.

A decision of the members leaves the next committee in the executed state. The first header that names such
an execution is the *boundary*: it carries that committee's digest. After it only *fillers* are proposed,
which add a view and nothing else, until the boundary, or a filler and with it the boundary, is final. Every
filler has the boundary as its parent, so that one header leads from a final filler to it.
Then the new committee begins at view 1, with the boundary as its first parent in either case. Whatever is
signed carries its epoch, and a certificate counts with the committee of its own epoch alone.
"""

from __future__ import annotations

from dataclasses import replace

from consensus.certificates import Certificates
from consensus.committee import committee_digest
from consensus.errors import CorruptionError
from consensus.records import Succession
from consensus.state import State
from consensus.tally import Tally
from consensus.types import TwoVotes


def successor(state: State) -> Succession | None:
    """How this epoch ends, once its boundary is delivered and what it names is executed here, else None.

    Raises: CorruptionError where a quorum names another committee than the own execution decided.
    """
    decided, boundary = state.execution.decided, state.ended
    if not state.epoch_is_over or decided is None or boundary is None:
        return None
    committee = decided[1]
    if committee_digest(state.chain_id, committee) != boundary.header.next_set:
        raise CorruptionError(
            f"final block {boundary.header.height} begins an epoch with another committee than this node's "
            "execution decided: it stops until that is examined"
        )
    return Succession(state.committee, boundary, committee)


def begin(state: State, succession: Succession) -> None:
    """Begin the epoch after the floor, which is its boundary."""
    former, committee = state.committee, succession.committee
    state.former, state.committee, state.ended = former, committee, succession.boundary
    state.ballot.begin(committee.epoch)
    state.tally = Tally(committee, state.chain_id, state.verifier)
    state.certificates = Certificates(state.chain.floor.digest)
    state.proposals, state.equivocal_views = {}, set()
    state.accused = set()
    state.evidence = {
        member: replace(evidence, epoch=committee.epoch)
        for member, evidence in state.evidence.items()
        if not isinstance(evidence.proof, TwoVotes) and committee.key_of(member) == former.key_of(member)
    }
    state.lanes.begin(committee, former)
    state.execution.begin(committee)
    state.chain.prune()
