"""From certificates to blocks: what is final goes out once, strictly by height, when its batches are here."""

from __future__ import annotations

from consensus import accusing
from consensus.chain import Link
from consensus.effects import Finalise
from consensus.errors import CorruptionError
from consensus.messages import DESCENDANTS_MAX
from consensus.rules import is_filler
from consensus.state import State
from consensus.types import NO_DIGEST, Certificate, FinalBlock, VoteKind

AHEAD_MAX = 96
"""Delivered blocks that may wait for execution. Beyond it this node holds back, and with it the batches
that it must keep in memory."""


def is_held_back(state: State) -> bool:
    """Whether execution must catch up before more is delivered."""
    return state.chain.floor.header.height - state.execution.height >= AHEAD_MAX


def deliver(state: State) -> list[Finalise]:
    """Every block that can be delivered now; moves the floor.

    A block that became final only through a descendant carries the headers up to the certified one; where
    these are more than DESCENDANTS_MAX, the first of them, and the blocks that follow carry the rest.
    Raises: CorruptionError where a quorum finalised what no honest validator votes for.
    """
    delivered: list[Finalise] = []
    for certificate in state.certificates.of_kind(VoteKind.FINALISE, above=state.floor_view):
        path = state.chain.path(certificate.digest or NO_DIGEST) or []
        for index, link in enumerate(path):
            if is_filler(link.header):
                break
            block = _take(state, link, path[index + 1 :], certificate)
            if block is None:
                break
            delivered.append(block)
        if state.chain.floor.digest != certificate.digest:
            break  # what is final above it waits too, and there may be thousands
    if delivered:
        state.chain.prune()
        state.certificates.forget_below(state.floor_view)
    return delivered


def _take(state: State, link: Link, descendants: list[Link], certificate: Certificate) -> Finalise | None:
    header, floor = link.header, state.chain.floor.header
    if is_held_back(state):
        return None
    span = state.lanes.span(floor.cut, header.cut)
    if span.fault is not None:
        raise CorruptionError(f"final block {header.height}: {span.fault}: more than f validators lie")
    if span.missing:
        return None
    batches = span.in_order(header.cut, header.height)
    state.chain.advance(link)
    state.lanes.advance(header.cut, batches)
    state.unexecuted[header.height] = batches
    carried = tuple(later.header for later in descendants[:DESCENDANTS_MAX])
    block = FinalBlock(header, carried, certificate)
    if header.next_set is not None:
        state.ended = block
    return Finalise(block, batches, accusing.settle(state, header))


def next_undelivered(state: State) -> Link | None:
    """The final block after the floor, if its header is known; where it is stuck, a batch is missing."""
    for certificate in state.certificates.of_kind(VoteKind.FINALISE, above=state.floor_view):
        path = state.chain.path(certificate.digest or NO_DIGEST)
        return path[0] if path else None  # the way to what is final above it leads past the lowest one
    return None
