"""Pausing an instance: a guardian stops it for a bounded time, and what is marked as an exit stays open.

A guardian can stop, never spend and never change anything, and its power ends by itself: a pause has a limit,
and after its end the instance rests from pauses for longer than a pause may last. Who guards is said by the
terms (`term(guards=True)`), which the parties signed, or by the policy of the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from consensus.transactions import Json, is_name
from contracts.arguments import time_text
from contracts.context import Context, parties
from contracts.layout import PAUSE, PURPOSE_LENGTH_MAX, Instance, InstanceStatus, Pause, pause_key
from contracts.system.actions import SystemAction, refusal, text_argument
from contracts.system.policy import policy_of
from contracts.values import DAY

if TYPE_CHECKING:
    from contracts.execution import Run

PAUSE_MS_MAX = 7 * DAY
"""How long one pause may last."""
PAUSE_REST_MS = 14 * DAY
"""How long after the end of a pause nobody may pause the instance again."""

_NAME = "contracts"


def guardians(context: Context, name: str) -> list[str]:
    """The accounts that may pause an instance, sorted."""
    contract = context.contract(context.instance(name).code)
    terms = context.terms(name)
    named = (terms[spec.name] for spec in contract.program.terms if spec.guards)
    return sorted(
        {*policy_of(context.overlay).guardians, *(party for term in named for party in parties(term))}
    )


def pause_text(context: Context, name: str) -> str:
    """Why an instance does nothing now, in words; it must be paused."""
    pause = context.overlay.get(pause_key(name), PAUSE)
    if pause is None:
        return f"{name} is paused"
    return f"{name} is paused by {pause.by} until {time_text(pause.until_ms)}: {pause.reason}"


def _pause(run: Run, arguments: Mapping[str, Json]) -> None:
    name, instance = _instance(run, arguments)
    reason, until_ms = text_argument(arguments, "reason"), arguments["until_ms"]
    now_ms = run.context.time_ms
    if not 0 < len(reason) <= PURPOSE_LENGTH_MAX:
        raise refusal("arguments", f"reason must say in 1 to {PURPOSE_LENGTH_MAX} characters why")
    if type(until_ms) is not int or not now_ms < until_ms <= now_ms + PAUSE_MS_MAX:
        latest = time_text(now_ms + PAUSE_MS_MAX)
        raise refusal("arguments", f"until_ms must lie in the future, at {latest} at the latest")
    if instance.status != InstanceStatus.ACTIVE:
        raise refusal("phase", f"{name} is {instance.status}: it does nothing that could be paused")
    before = run.context.overlay.get(pause_key(name), PAUSE)
    if before is not None and now_ms < before.until_ms + PAUSE_REST_MS:
        again = time_text(before.until_ms + PAUSE_REST_MS)
        raise refusal(
            "phase",
            f"{name} was paused until {time_text(before.until_ms)}: it may be paused again from {again} on",
        )
    run.write(pause_key(name), Pause(run.signers[0], reason, now_ms, until_ms), PAUSE)
    run.context.put_instance(name, replace(instance, paused_until_ms=until_ms))
    if run.contract(name).program.rules:
        run.context.arm(name, until_ms)  # its rules are tried as soon as the pause is over
    fields = (("instance", name), ("by", run.signers[0]), ("until", until_ms), ("reason", reason))
    run.emit(_NAME, "paused", fields)


def _resume(run: Run, arguments: Mapping[str, Json]) -> None:
    name, instance = _instance(run, arguments)
    pause = run.context.overlay.get(pause_key(name), PAUSE)
    if pause is None or not instance.is_paused(run.context.time_ms):
        raise refusal("phase", f"{name} is not paused")
    run.write(pause_key(name), replace(pause, until_ms=run.context.time_ms), PAUSE)
    run.context.put_instance(name, replace(instance, paused_until_ms=None))
    run.emit(_NAME, "resumed", (("instance", name), ("by", run.signers[0])))
    run.touched[name] = None


def _instance(run: Run, arguments: Mapping[str, Json]) -> tuple[str, Instance]:
    name = text_argument(arguments, "instance")
    if not is_name(name):
        raise refusal("arguments", "instance must be the name of an instance")
    instance = run.context.instance(name)
    allowed = guardians(run.context, name)
    if run.signers[0] not in allowed:
        who = f"for its guardians ({', '.join(allowed)})" if allowed else "for nobody: it has no guardian"
        raise refusal("unauthorised", f"pausing {name} is {who}, not for {run.signers[0]}")
    return name, instance


PAUSING = {
    "pause": SystemAction(
        "stop an instance for a while; its exits stay open", ("instance", "reason", "until_ms"), _pause
    ),
    "resume": SystemAction("end a pause before its time", ("instance",), _resume),
}
