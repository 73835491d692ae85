"""What the node waits for, with what it knows besides the core: connections, clocks, catch-up, disk.

The core says where the vote stands (`consensus.why`); here it becomes one sentence and plain data, and what
is wrong with this node itself, or with too many others, comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low
from typing import Any

from consensus.types import MemberNumber
from consensus.why import Absentee, listed, span
from node.look import Look
from node.sync import Progress

DISK_LOW_BYTES = 1024 * 1024 * 1024
"""With less room for the data folder the sentence says so."""


def tell(look: Look, disk_free_bytes: int) -> dict[str, Any]:
    """`GET /v1/consensus/why` without what every status says."""
    why, away = look.why, look.away
    own_ms = _own_offset_ms(look)
    phase, sentence = _phase(look, _remarks(look, own_ms), own_ms)
    if disk_free_bytes < DISK_LOW_BYTES:
        sentence += f"; only {disk_free_bytes >> 20} MiB are free for the data folder"
    missing = why.missing or tuple(Absentee(n, None, None) for n in look.validators if n in away)
    return {
        "phase": phase,
        "sentence": sentence,
        "role": "validator" if look.me in look.validators else "observer",
        "view": why.view,
        "leader": look.name(why.leader),
        "waiting_ms": why.busy_ms,
        "next_ms": why.next_ms,
        "votes": why.votes,
        "quorum": why.quorum,
        "missing": [_absentee(gone, look, away) for gone in missing],
        "diverged": [
            {"member": look.name(member), "height": height} for member, height in why.contradicted_by
        ],
        "clock_offset_ms": own_ms,
        "catch_up": None if look.progress is None else _progress(look.progress),
    }


def _phase(look: Look, remarks: Mapping[MemberNumber, str], own_ms: int | None) -> tuple[str, str]:
    """(phase, sentence): what stands in the way most comes first."""
    why, away = look.why, look.away
    phase, text = why.phase, why.sentence(look.names, remarks)
    if phase == "stopped":
        return "diverged", text
    gone = [f"{look.name(number)} ({remarks[number]})" for number in look.validators if number in away]
    reached = len(look.validators) - len(gone)
    if look.progress is not None:
        phase, text = "catching_up", look.progress.sentence
    elif reached < why.quorum:
        waited = "" if why.busy_ms is None else f" for {span(why.busy_ms)}"
        phase = "no_quorum"
        text = (
            f"no quorum: {reached} of the {why.quorum} validators that it takes are in reach, missing "
            f"{listed(gone)}; no block{waited} at height {why.height}, and it goes on by itself once they "
            "are back"
        )
    elif own_ms is not None:
        phase = "clock"
    if look.key is not None:
        phase, text = "observer", f"this node {look.key}" + ("" if phase == "observer" else f"; {text}")
    if own_ms is not None:
        text = f"this node's clock is {_off(own_ms)} the others': set it right; {text}"
    told = [n for n in sorted(remarks) if look.name(n) not in text]
    return phase, "; ".join([text, *(f"{look.name(number)}: {remarks[number]}" for number in told)])


def _remarks(look: Look, own_ms: int | None) -> dict[MemberNumber, str]:
    """What is wrong with others, as far as it is seen from here."""
    found = {member: [_away_text(gone_ms)] for member, gone_ms in look.away.items()}
    for member, seen in look.clocks.items():
        if own_ms is None and abs(seen.offset_ms) > look.precision_ms + seen.error_ms:
            found.setdefault(member, []).append(f"its clock is {_off(seen.offset_ms)} ours")
    return {member: ", ".join(texts) for member, texts in found.items()}


def _own_offset_ms(look: Look) -> int | None:
    """This clock minus the others', where more than half of at least two agree that it is wrong."""
    offsets = sorted(-seen.offset_ms for seen in look.clocks.values())
    if len(offsets) < 2:
        return None
    middle_ms = median_low(offsets)
    near = [offset for offset in offsets if abs(offset - middle_ms) <= look.precision_ms]
    is_wrong = abs(middle_ms) > look.precision_ms and 2 * len(near) > len(offsets)
    return middle_ms if is_wrong else None


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "height": progress.height,
        "target": progress.target,
        "blocks_per_s": round(progress.blocks_per_s, 1),
        "growth_per_s": round(progress.growth_per_s, 1),
        "remaining_s": None if progress.remaining_s is None else round(progress.remaining_s, 1),
    }


def _absentee(gone: Absentee, look: Look, away: Mapping[MemberNumber, int | None]) -> dict[str, Any]:
    clock = look.clocks.get(gone.member)
    return {
        "member": look.name(gone.member),
        "connected": gone.member not in away,
        "unreachable_ms": away.get(gone.member),
        "silent_ms": gone.silent_ms,
        "behind_blocks": gone.behind_blocks,
        "clock_offset_ms": None if clock is None else clock.offset_ms,
    }


def _away_text(gone_ms: int | None) -> str:
    return "not reached since this node started" if gone_ms is None else f"unreachable for {span(gone_ms)}"


def _off(offset_ms: int) -> str:
    return f"{span(abs(offset_ms))} {'ahead of' if offset_ms > 0 else 'behind'}"
