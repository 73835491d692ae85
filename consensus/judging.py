"""Whether to vote for a proposal: yes, not yet, or never."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from consensus import accusing
from consensus.execution import Claim
from consensus.lanes import Span
from consensus.rules import age_max_ms, header_fault, is_filler
from consensus.state import Now, Proposed, State
from consensus.types import Header


class Verdict(Enum):
    """What to do about a proposal."""

    VALID = "valid"
    WAIT = "wait"
    """Something is missing that may still come; the view's timer decides how long to wait."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason; `again_ms` is the civil time at which to look again."""

    verdict: Verdict
    reason: str
    again_ms: int | None = None


def judge(state: State, proposed: Proposed, now: Now) -> Judgement:
    """Judge the proposal of the view this validator is in."""
    header = proposed.link.header
    if state.justify(header) is None:
        return Judgement(Verdict.WAIT, "certificates that justify its parent are missing")
    parent = state.chain.get(header.parent)
    if parent is None:
        state.chain.want(header.parent)
        return Judgement(Verdict.WAIT, "its parent's header is missing")
    fault = header_fault(header, parent, header.parent, frozenset(state.committee.numbers), state.parameters)
    if fault is None and is_filler(header):
        return Judgement(Verdict.VALID, "valid")
    fault = fault or _age_fault(state, proposed) or accusing.fault(state, header, parent)
    if fault is not None:
        return Judgement(Verdict.INVALID, fault)
    span = state.lanes.span(parent.cut, header.cut)
    fault = span.fault or _size_fault(state, span)
    if fault is not None:
        return Judgement(Verdict.INVALID, fault)
    if span.missing:
        return Judgement(Verdict.WAIT, f"{len(span.missing)} of the batches it orders are missing")
    return _judge_claims(state, header, parent, now)


def _judge_claims(state: State, header: Header, parent: Header, now: Now) -> Judgement:
    """Time and execution: what the leader claims and only this node's clock and state can confirm."""
    if header.exec_height > parent.exec_height:
        claim = state.execution.compare(header.exec_height, header.exec_hash)
        if claim is Claim.CONTRADICTS:
            return Judgement(
                Verdict.INVALID, f"it names another execution of height {header.exec_height} than ours"
            )
        if claim is Claim.UNKNOWN:
            return Judgement(
                Verdict.WAIT, f"height {header.exec_height}, whose execution it names, is not executed here"
            )
        if header.next_set != state.next_set(header.exec_height):
            return Judgement(Verdict.INVALID, "it ends the epoch otherwise than the members decided")
    early_ms = header.time_ms - (now.wall_ms + state.parameters.precision_ms)
    if early_ms > 0:
        return Judgement(
            Verdict.WAIT, f"its time is {early_ms} ms too far ahead of this clock", now.wall_ms + early_ms
        )
    return Judgement(Verdict.VALID, "valid")


def _age_fault(state: State, proposed: Proposed) -> str | None:
    """Judged against the time of first arrival, so that waiting for data does not make a header old."""
    header = proposed.link.header
    age_ms = proposed.received_ms - header.time_ms
    if age_ms > age_max_ms(state.timeout_ms(header.view), state.parameters):
        return f"its time was {age_ms} ms old when it arrived"
    return None


def _size_fault(state: State, span: Span) -> str | None:
    size_bytes, gas = span.sums()
    if size_bytes > state.parameters.block_bytes_max or gas > state.parameters.block_gas_max:
        return "it orders more than a block may hold"
    return None
