"""The consortium for people: its members, who validates, what is decided next, and evidence."""

from __future__ import annotations

from typing import Any

from contracts.arguments import time_text
from contracts.epochs import EVIDENCE, EVIDENCE_FORM, NextEpoch, current_epoch, evidence_of, next_epoch
from contracts.layout import Member, Standing
from contracts.register import members, name_of
from contracts.state import Overlay
from contracts.views.words import listed

JsonObject = dict[str, Any]


def members_view(overlay: Overlay) -> list[JsonObject]:
    """All members, also those that left, by number."""
    validators = {number for number, _ in current_epoch(overlay).validators}
    decided = next_epoch(overlay)
    coming = validators if decided is None else {number for number, _ in decided.validators}
    found = (_member(name, member, validators, coming) for name, member in members(overlay))
    return sorted(found, key=lambda each: int(each["number"]))


def epoch_view(overlay: Overlay) -> JsonObject:
    """The epoch with its validators by name, and what is decided for the next."""
    decided = next_epoch(overlay)
    return {
        **_epoch(overlay, current_epoch(overlay)),
        "next": None if decided is None else _epoch(overlay, decided),
    }


def evidence_view(overlay: Overlay) -> list[JsonObject]:
    """What headers proved of members, by epoch, then by member number."""
    found = []
    for key, evidence in overlay.scan(EVIDENCE, None, EVIDENCE_FORM):
        if evidence is None:
            continue
        epoch, number = evidence_of(key)
        member = name_of(overlay, number)
        where = f"in view {evidence.view}" if evidence.view is not None else f"in batch {evidence.seq}"
        found.append(
            {
                "epoch": epoch,
                "member": member,
                "number": number,
                "kind": evidence.kind,
                "view": evidence.view,
                "seq": evidence.seq,
                "height": evidence.height,
                "time_ms": evidence.time_ms,
                "text": f"{member} signed {evidence.kind} {where} of epoch {epoch}; "
                f"block {evidence.height} proves it.",
            }
        )
    return found


def _epoch(overlay: Overlay, epoch: NextEpoch) -> JsonObject:
    numbers = [number for number, _ in epoch.validators]
    return {"epoch": epoch.epoch, "validators": [name_of(overlay, number) for number in numbers]}


def _member(name: str, member: Member, validators: set[int], coming: set[int]) -> JsonObject:
    role = "validator" if member.number in validators else "observer"
    if member.standing is Standing.LEFT and member.number not in validators:
        role = "left"
    return {
        "id": name,
        "number": member.number,
        "title": member.title,
        "address": member.address,
        "role": role,
        "standing": member.standing.value,
        "since_height": member.since_height,
        "ready_ms": member.ready_ms,
        "validator_key": member.validator_key.hex(),
        "network_key": member.network_key.hex(),
        "admin_key": member.admin_key.hex(),
        "text": _text(name, member, validators, coming),
    }


def _text(name: str, member: Member, validators: set[int], coming: set[int]) -> str:
    """Where a member stands, in a sentence."""
    validates, will = member.number in validators, member.number in coming
    parts = []
    if member.standing is Standing.LEFT:
        parts.append(f"left at height {member.since_height}")
    elif member.standing is Standing.SUSPENDED:
        parts.append(f"is suspended since height {member.since_height}")
    else:
        parts.append("validates" if validates else "observes")
    if validates != will:
        parts.append("validates from the next epoch on" if will else "validates until this epoch ends")
    elif not validates and member.standing is Standing.ACTIVE and member.ready_ms is not None:
        parts.append(f"said at {time_text(member.ready_ms)} that it is ready to validate")
    return f"{name} {listed(parts)}."
