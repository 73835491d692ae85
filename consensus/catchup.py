"""Telling peers what they lack, and finding out what we lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consensus.chain import GAP_MAX
from consensus.delivery import next_undelivered
from consensus.fetching import Need
from consensus.lanes import Span
from consensus.messages import JUSTIFICATION_MAX, Message, header_digest
from consensus.state import State
from consensus.types import (
    NO_DIGEST,
    Batch,
    BatchRange,
    Digest,
    Get,
    Header,
    MemberNumber,
    Proposal,
    Status,
    Vote,
    VoteKind,
)

SKIPS_PER_ANSWER = 16
"""Skip certificates sent in answer to one Status; whoever lacks more asks again."""
BATCHES_PER_ANSWER = 64
BYTES_PER_ANSWER = 2 * 1024 * 1024
"""Once an answer to a Get holds so many bytes of envelopes, it ends; what is still missing is asked again."""
NAMED_PATIENCE_DIVISOR = 20
UNNAMED_PATIENCE_DIVISOR = 4
"""A batch may be on its way or being checked: it is asked for T0 over this after its absence was noticed."""


def answer_status(state: State, status: Status) -> list[Message]:
    """What helps a peer that stands there: the top finalisation, and what clears the view it is in.

    A peer in the epoch before gets what ended it; whoever is further behind has to catch up by whole blocks.
    """
    certificates = state.certificates
    answer: list[Message] = []
    if status.epoch != state.committee.epoch:
        if state.ended is not None and status.epoch == state.ended.header.epoch:
            answer = [state.ended.certificate, *reversed(state.ended.descendants), state.ended.header]
        return answer
    if certificates.final_view > status.final_view:
        final = certificates.get(VoteKind.FINALISE, certificates.final_view)
        if final is not None and final.digest is not None:
            answer.append(final)
            answer += _header(state, final.digest)
    if certificates.frontier <= status.frontier:
        if certificates.frontier == status.frontier:
            proposal = own_proposal(state, certificates.frontier)
            answer += [*([proposal] if proposal is not None else []), *current_votes(state)]
        return answer
    if certificates.top_view >= status.frontier and certificates.top_view > certificates.final_view:
        notarised = certificates.get(VoteKind.NOTARISE, certificates.top_view)
        if notarised is not None:
            answer.append(notarised)
    first = max(status.frontier, certificates.top_view + 1)
    for view in range(first, min(certificates.frontier, first + SKIPS_PER_ANSWER)):
        skip = certificates.get(VoteKind.SKIP, view)
        if skip is not None:
            answer.append(skip)
    return answer


def own_proposal(state: State, view: int) -> Proposal | None:
    """What this validator proposed as leader of a view, if it voted for it."""
    proposed, vote = state.proposals.get(view), state.ballot.of(view).notarise
    if proposed is None or vote is None or state.committee.leader(view) != state.me:
        return None
    justification = state.justify(proposed.link.header)
    if justification is None:
        return None
    # A voter in this view holds the skips already: where there are too many, the oldest stay behind.
    return Proposal(proposed.link.header, vote, tuple(justification[-JUSTIFICATION_MAX:]))


def current_votes(state: State) -> tuple[Vote, ...]:
    """The own votes that may still be needed: at the frontier, and F for the newest notarised block."""
    certificates = state.certificates
    top = state.ballot.of(certificates.top_view).finalise
    votes = state.ballot.of(certificates.frontier).all()
    return votes if top is None else (*votes, top)


def _header(state: State, digest: Digest) -> list[Header]:
    """That header, where it is at hand and not the genesis."""
    header = state.chain.get(digest)
    if header is None and state.ended is not None:
        named = (item for item in state.ended.descendants if header_digest(state.chain_id, item) == digest)
        header = next(named, None)
    return [header] if header is not None and header.height > 0 else []


def answer_get(state: State, get: Get, stored: Callable[[Digest], Batch | None]) -> list[Header | Batch]:
    """The headers and batches asked for, as far as they are here; batches oldest first."""
    answer: list[Header | Batch] = []
    for digest in get.headers:
        answer += _header(state, digest)
    room, room_bytes = BATCHES_PER_ANSWER, BYTES_PER_ANSWER
    for wanted in get.batches:
        found = _range(state, wanted, stored, room, room_bytes)
        answer += found
        room -= len(found)
        room_bytes -= sum(batch.header.size_bytes for batch in found)
    return answer


def _range(
    state: State, wanted: BatchRange, stored: Callable[[Digest], Batch | None], room: int, room_bytes: int
) -> list[Batch]:
    """From the newest down its lane as far as an answer goes; whoever needs more asks again from there."""
    found: list[Batch] = []
    digest = wanted.digest
    while len(found) < room and room_bytes > 0:
        held = state.lanes.get(digest)
        batch = held.batch if held is not None else stored(digest)
        if batch is None or batch.header.seq <= wanted.above:
            break
        found.append(batch)
        room_bytes -= batch.header.size_bytes
        digest = batch.header.prev
    return found[::-1]


def needs(state: State) -> Iterator[Need]:
    """What to fetch: for the next final block, the proposal at hand, votes to finalise, lanes behind."""
    waiting: list[Header] = []
    following = next_undelivered(state)
    if following is not None:
        waiting.append(following.header)
    proposed = state.proposals.get(state.certificates.frontier)
    if proposed is not None and state.ballot.of(state.certificates.frontier).notarise is None:
        waiting.append(proposed.link.header)
    for certificate in state.certificates.of_kind(VoteKind.NOTARISE, above=state.certificates.final_view):
        header = state.chain.get(certificate.digest or NO_DIGEST)
        if header is None:
            state.chain.want(certificate.digest or NO_DIGEST)
        elif state.ballot.of(header.view).finalise is None:
            waiting.append(header)
    top = state.certificates.top_digest
    state.chain.want(top)
    for digest in state.chain.wanted():
        yield Need(digest, None, state.others)
    for header in waiting:
        parent = state.chain.get(header.parent)
        if parent is not None:
            yield from _batch_needs(state, state.lanes.span(parent.cut, header.cut), header)
    patience_ms = state.parameters.base_timeout_ms // UNNAMED_PATIENCE_DIVISOR
    for lane, member, wanted in state.lanes.gaps():
        if lane.final.lane != state.me:
            sources = (member, lane.final.lane)
            yield Need(wanted.digest, wanted, sources, named=False, patience_ms=patience_ms)


def _batch_needs(state: State, span: Span, header: Header) -> Iterator[Need]:
    leader = state.committee.leader(header.view)
    patience_ms = state.parameters.base_timeout_ms // NAMED_PATIENCE_DIVISOR
    for tip, wanted in span.missing:
        first = [leader, tip.lane]
        sources = [*first, *(number for number in state.others if number not in first)]
        others = tuple(number for number in sources if number != state.me)
        yield Need(tip.digest, wanted, others, patience_ms=patience_ms)


def is_far_behind(state: State) -> bool:
    """Whether final blocks are so far ahead that fetching header by header would not do."""
    reachable = state.chain.floor.header.height + GAP_MAX
    if state.execution.ahead_of(reachable):
        return True
    finals = state.certificates.of_kind(VoteKind.FINALISE, above=state.floor_view)
    headers = [state.chain.get(certificate.digest or NO_DIGEST) for certificate in finals]
    return any(header is not None and header.height > reachable for header in headers)


def sync_peers(state: State, later: list[MemberNumber]) -> tuple[MemberNumber, ...]:
    """Whom to ask for whole final blocks: who says it executed more, furthest first, then the others.

    `later` are members that say to be in a later epoch; they may be unknown to this one.
    """
    ahead = [*state.execution.ahead_of(state.chain.floor.header.height), *later]
    return tuple(dict.fromkeys((*ahead, *state.others)))
