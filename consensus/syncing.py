"""Whole final blocks that catch-up brings: what is believed of them, and what of them is held."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.batches import CheckedBatch
from consensus.delivery import is_held_back, next_undelivered
from consensus.errors import InvalidMessage
from consensus.messages import DESCENDANTS_MAX, header_digest
from consensus.state import State
from consensus.types import Digest, FinalBlock, Header, VoteKind
from consensus.voting import Voting

DEEP_HEADERS_MAX = 16_384
"""Headers held in memory while blocks arrive that only a far descendant's certificate makes final; what
names many lanes or carries evidence counts for several."""


def is_named(state: State, block: FinalBlock) -> bool:
    """Whether the certificate names the block's last header; else the blocks that follow lead on to it.

    Raises: InvalidMessage where the parts do not belong together.
    """
    height, headers = block.header.height, (block.header, *block.descendants)
    digests = [header_digest(state.chain_id, header) for header in headers]
    if any(child.parent != parent for child, parent in zip(headers[1:], digests, strict=False)):
        raise InvalidMessage(f"final block {height}: its descendants do not chain to it")
    certificate, last = block.certificate, headers[-1]
    named = certificate.digest == digests[-1] and certificate.view == last.view
    is_deep = len(block.descendants) == DESCENDANTS_MAX
    if (certificate.kind, certificate.epoch) != (VoteKind.FINALISE, last.epoch) or not (named or is_deep):
        raise InvalidMessage(f"final block {height}: the certificate is not for its last header")
    return named


def follows(state: State, block: FinalBlock) -> bool:
    """Whether the block is a child of the last one here."""
    return block.header.parent == state.chain.floor.digest


def can_take(state: State, block: FinalBlock) -> bool:
    """Whether its turn has come: else execution must catch up first, or blocks before it are missing."""
    if is_held_back(state) or state.epoch_is_over:
        return False
    return block.header.height <= state.chain.floor.header.height + 1 or _leads_on(state, block)


def hold(
    state: State, voting: Voting, block: FinalBlock, named: bool, batches: Sequence[CheckedBatch]
) -> None:
    """Hold what a block brings as far as something vouches for it. Raises: InvalidMessage."""
    height, headers = block.header.height, (block.header, *block.descendants)
    if block.header.epoch != headers[-1].epoch or not (follows(state, block) or _leads_on(state, block)):
        raise InvalidMessage(f"final block {height} does not follow the last one here")
    if not named and state.chain.loose > DEEP_HEADERS_MAX:
        state.chain.drop_loose()  # one liar's headers must not keep out what others serve
        raise InvalidMessage(f"final block {height} leads on and on, to nothing that is certified")
    voting.on_certificate(block.certificate)
    for header in headers:
        state.chain.add(header, loose=not named)
    following = next_undelivered(state)
    if following is not None and following.header == block.header:  # else nothing vouches for it yet
        _hold_ordered(state, block.header, {batch.digest: batch for batch in batches})


def _leads_on(state: State, block: FinalBlock) -> bool:
    return state.is_behind and state.chain.get(block.header.parent) is not None


def _hold_ordered(state: State, header: Header, offered: dict[Digest, CheckedBatch]) -> None:
    """Hold what a final header orders, and nothing else that came with it: only that is vouched for."""
    lanes, base = state.lanes, state.chain.floor.header.cut
    while True:
        missing = [tip.digest for tip, _ in lanes.span(base, header.cut).missing]
        named = [offered.pop(digest) for digest in missing if digest in offered]
        if not named:
            return
        for batch in named:
            lanes.add(batch, named=True)
