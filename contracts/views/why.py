"""Why nothing happens, or what will: every rule with what holds and what does not, part by part.

Conditions are looked at as they stand now, with nothing changed. A part that asks for what is not there yet,
such as a fact that nobody reported, can not be told; neither can what costs too much to look at.
"""

from __future__ import annotations

from typing import Any

from contracts.arguments import readable, time_text
from contracts.context import Context
from contracts.errors import Revert
from contracts.execution import Run
from contracts.layout import Instance, InstanceStatus
from contracts.program import BranchState, HandlerSpec, Part, RuleSpec, RuleState
from contracts.programs import LoadedContract
from contracts.queues import HEARD, heard_key
from contracts.runtime_host import WhyHost
from contracts.values import DAY, HOUR, MINUTE, SECOND
from contracts.views import code

JsonObject = dict[str, Any]


def rule_now(run: Run, name: str, record: Instance, contract: LoadedContract, spec: RuleSpec) -> JsonObject:
    """A rule as it stands now: each branch with its parts, the values read, and what would happen next."""
    host = WhyHost(run, name, contract)
    try:
        state = contract.program.inspect_rule(spec.name, host)
    except Revert:  # too dear to be looked at
        state = RuleState(spec.name, True, tuple(BranchState(b.condition, None) for b in spec.branches), None)
    shown = code.rule(spec)
    for branch, declared, now in zip(shown["branches"], spec.branches, state.branches, strict=True):
        count = len(declared.part.leaves())
        parts = _part(declared.part, list(now.leaves or (now.holds,) * count))
        branch |= {"holds": now.holds, "parts": parts, "because": _because(now.holds, parts)}
    return shown | {
        "in_phase": state.in_phase,
        "reads": {read: readable(value, str(spec_)) for read, (spec_, value) in host.reads.items()},
        "wake_ms": state.wake_ms if state.in_phase else None,
        "next": _next(run.context, record, contract, spec, state),
    }


def handler_now(context: Context, name: str, record: Instance, spec: HandlerSpec) -> JsonObject:
    """What an instance does on another's event, and what of it still waits."""
    emitter = context.terms(name)[spec.term]
    heard = context.overlay.get(heard_key(emitter), HEARD)
    waiting = 0 if heard is None else heard.next - heard.first
    text = f"waits for {emitter} to emit {spec.event}"
    if record.status != InstanceStatus.ACTIVE:
        text = f"rests: the agreement is {record.status}"
    elif not spec.is_for(record.phase):
        text = f"rests: it is for phase {' or '.join(spec.phases)}, the agreement is in phase {record.phase}"
    elif waiting:
        events = f"{waiting} event{'s' if waiting > 1 else ''}"
        text = f"hears of what {emitter} emitted with the next blocks: {events} wait to be told"
    return {
        "name": spec.name,
        "text": spec.text,
        "phases": list(spec.phases),
        "emitter": emitter,
        "event": spec.event,
        "waiting": waiting,
        "missed": 0 if heard is None else heard.missed,
        "next": text,
        "line": spec.line,
    }


def _part(part: Part, leaves: list[bool | None]) -> JsonObject:
    """A part with whether it holds; `leaves` are taken from the front."""
    if not part.word:
        return {"text": part.text, "holds": leaves.pop(0)}
    parts = [_part(inner, leaves) for inner in part.parts]
    found = [inner["holds"] for inner in parts]
    deciding = part.word == "or"  # one that holds decides an `or`, one that does not an `and`
    holds = deciding if deciding in found else None if None in found else not deciding
    return {"text": part.text, "holds": holds, "word": part.word, "parts": parts}


def _because(holds: bool | None, part: JsonObject) -> str:
    """Which parts decide, in a sentence; empty for a condition without parts."""
    if "parts" not in part:
        return ""
    if part["holds"] is None or holds is None:
        return f"it can not be told yet: {_listed(_blamed(part, None))}"
    blamed = _blamed(part, holds)
    one, many = ("holds", "hold") if holds else ("does not hold", "do not hold")
    return f"{_listed(blamed)} {many if len(blamed) > 1 else one}"


def _blamed(part: JsonObject, holds: bool | None) -> list[str]:
    """The leaves that make a part come to `holds`."""
    if "parts" not in part:
        return [part["text"]]
    return [text for inner in part["parts"] if inner["holds"] is holds for text in _blamed(inner, holds)]


def _listed(texts: list[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _next(
    context: Context, record: Instance, contract: LoadedContract, spec: RuleSpec, state: RuleState
) -> str:
    """What must happen before the rule can fire, in words."""
    if record.status != InstanceStatus.ACTIVE:
        return f"rests: the agreement is {record.status}"
    if record.is_paused(context.time_ms):
        return f"rests: the agreement is paused until {time_text(record.paused_until_ms or 0)}"
    if not state.in_phase:
        return f"rests: it is for phase {' or '.join(spec.phases)}, the agreement is in phase {record.phase}"
    events = "an action or a fact" if contract.facts else "an action"
    holds = any(branch.holds for branch in state.branches)
    if not holds and any(branch.holds is None for branch in state.branches):
        return "can not be told: its conditions fail, or cost too much to look at"
    if not holds and state.wake_ms is None:
        return f"waits for {events}"
    if record.wake_ms is None:
        return f"failed when its time had come, and waits for {events} before it is tried again"
    if holds:
        return "fires with the next block"
    wake_ms = max(record.wake_ms, state.wake_ms or 0)
    wait = _span_text(wake_ms - context.time_ms)
    return f"waits for {events}; the node tries it by itself at {time_text(wake_ms)} ({wait})"


def _span_text(span_ms: int) -> str:
    """A span of time as a person says it."""
    for length_ms, unit in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")):
        count = span_ms // length_ms
        if count > 0:
            return f"in {count} {unit}{'s' if count > 1 else ''}"
    return "in less than a second" if span_ms > 0 else "now"
