"""Evidence on its way: found or heard of, passed on, put into a block, judged there."""

from __future__ import annotations

from collections.abc import Iterator

from consensus.effects import Broadcast, Outgoing, Persist, ReportKind
from consensus.errors import CorruptionError, DecodeError, InvalidMessage
from consensus.evidence import Accusation, accuse, check_evidence, decode_evidence, encode_evidence
from consensus.messages import EVIDENCE_PER_BLOCK_MAX
from consensus.records import encode_record
from consensus.state import State
from consensus.types import Evidence, Header, MemberNumber, TwoBatches


def check(state: State, evidence: Evidence) -> Accusation:
    """Whether it proves what it says, of a validator of this epoch. Raises: InvalidMessage."""
    return check_evidence(
        evidence, state.committee, state.chain_id, state.chain_name, state.verifier, state.parameters
    )


def take(state: State, out: Outgoing, evidence: Evidence) -> None:
    """Remember evidence, durably, and tell the others, unless its member is accused already.

    Raises: InvalidMessage where it proves nothing.
    """
    accusation = accuse(evidence)
    if accusation.member in state.evidence or accusation.member in state.accused:
        return
    check(state, evidence)
    place = f"view {accusation.view}" if accusation.seq is None else f"place {accusation.seq} of its lane"
    out.report(ReportKind.EQUIVOCATION, accusation.member, f"it signed {accusation.kind} in {place}")
    remember(state, evidence)
    out.add(Persist(encode_record(evidence)))
    out.add(Broadcast(evidence))


def remember(state: State, evidence: Evidence) -> None:
    """Hold checked evidence; leaders freeze the lane of whoever signed two batches for one place."""
    member = accuse(evidence).member
    state.evidence.setdefault(member, evidence)
    if isinstance(evidence.proof, TwoBatches):
        state.lanes.freeze(member)


def fresh(state: State, base: Header) -> tuple[bytes, ...]:
    """What a child of `base` should carry: evidence that is not in its ancestors."""
    if not state.evidence:
        return ()
    known = _accused(state, base)
    items = [evidence for member, evidence in sorted(state.evidence.items()) if member not in known]
    return tuple(encode_evidence(evidence) for evidence in items[:EVIDENCE_PER_BLOCK_MAX])


def fault(state: State, header: Header, parent: Header) -> str | None:
    """Why the evidence of a child of `parent` is wrong, or None."""
    if not header.evidence:
        return None
    known = _accused(state, parent)
    for item in header.evidence:
        try:
            evidence = decode_evidence(item)
            member = accuse(evidence).member
            if state.evidence.get(member) != evidence:
                check(state, evidence)
        except InvalidMessage as error:
            return f"it carries evidence that is none: {error}"
        if member in known:
            return f"it accuses member {member} once more"
        known.add(member)
    return None


def settle(state: State, header: Header) -> tuple[Accusation, ...]:
    """What the evidence of a final header says; it need not be kept any longer.

    Raises: CorruptionError where a quorum finalised what is no evidence.
    """
    try:
        accusations = tuple(accuse(decode_evidence(item)) for item in header.evidence)
    except DecodeError as error:
        raise CorruptionError(f"final block {header.height}: {error}: more than f validators lie") from None
    for accusation in accusations:
        state.accused.add(accusation.member)
        state.evidence.pop(accusation.member, None)
    return accusations


def _accused(state: State, header: Header) -> set[MemberNumber]:
    """Who is accused in this epoch up to `header`."""
    known = set(state.accused)
    for ancestor in _undelivered(state, header):
        known.update(accuse(decode_evidence(item)).member for item in ancestor.evidence)
    return known


def _undelivered(state: State, header: Header) -> Iterator[Header]:
    """The header and its ancestors above the floor, as far as they are held: a quorum judged them."""
    at: Header | None = header
    while at is not None and at.height > state.chain.floor.header.height:
        yield at
        at = state.chain.get(at.parent)
