"""Whether others say that they executed otherwise than this node, in numbers that leave no doubt."""

from __future__ import annotations

from collections.abc import Iterable

from consensus.effects import Outgoing, ReportKind
from consensus.execution import Claim
from consensus.state import State
from consensus.types import NO_DIGEST, Digest, Header, VoteKind

Contradiction = tuple[int, Digest]
"""A height, and the execution hash (32 bytes) of the others there."""


def find(state: State) -> Contradiction | None:
    """Where a notarised header, or f + 1 members' signed word, contradicts this node's execution."""
    certificates = state.certificates.of_kind(VoteKind.NOTARISE, above=state.certificates.final_view)
    headers = (state.chain.get(certificate.digest or NO_DIGEST) for certificate in certificates)
    found = in_headers(state, (header for header in headers if header is not None))
    contradicting = state.execution.contradictions()
    if found is None and len(contradicting) > state.committee.faults_max:
        return contradicting[0].height, contradicting[0].exec_hash
    return found


def in_headers(state: State, headers: Iterable[Header]) -> Contradiction | None:
    """The first of these headers' claims that contradicts this node's execution."""
    for header in headers:
        if state.execution.compare(header.exec_height, header.exec_hash) is Claim.CONTRADICTS:
            return header.exec_height, header.exec_hash
    return None


def report(state: State, out: Outgoing, found: Contradiction) -> None:
    """Tell the operator, before the node stops."""
    height, theirs = found
    own = dict(state.execution.hashes_from(height))[height]
    text = f"this node executed height {height} otherwise than the others: it stops until that is examined"
    fields = (("height", height), ("own", own.hex()), ("theirs", theirs.hex()))
    out.report(ReportKind.DIVERGED, None, text, fields)
