"""What fires next: rules after every change of their instance, and timers when their time has come.

Rules of an instance are tried in the order of the source, again from the first after each firing, until none
fires. The last pass, in which nothing fired, also tells when time alone may change that: the earliest such
time is the instance's timer. A rule's fault undoes all that led to it, like any other; where a timer led to
it, the timer is disarmed, and the next action or fact on the instance arms it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from contracts.context import Context
from contracts.execution import Run
from contracts.layout import DUE, VALUE, due_of
from contracts.listening import has_news
from contracts.program import RuleSpec
from contracts.receipts import PARTS_MAX, Timer, Tried
from contracts.runtime_host import RuleHost

TIMER_REST_MS = 1_000
"""A rule that time woke is woken again no sooner than this, so that no contract keeps an idle chain busy."""


def due_timers(context: Context, limit: int) -> list[Timer]:
    """At most `limit` timers whose time has come, by time, then by instance."""
    due: list[Timer] = []
    for key, armed in context.overlay.scan(DUE, None, VALUE):
        timer = Timer(*due_of(key))
        if timer.due_ms > context.time_ms or len(due) == limit:
            break
        if armed:
            due.append(timer)
    return due


def next_wakeup_ms(context: Context) -> int | None:
    """When the earliest timer is due or an event to be told, which may be in the past; None where none is."""
    if has_news(context):
        return context.time_ms
    rows = context.overlay.scan(DUE, None, VALUE)
    return next((due_of(key)[1] for key, armed in rows if armed), None)


def settle(run: Run, *, rest_ms: int = 1) -> None:
    """Let the rules of all touched instances fire until nothing does, and arm their timers. Raises: Revert.

    No timer is set earlier than `rest_ms` from now.
    """
    while run.perform_deferred() or run.touched:
        touched, run.touched = run.touched, {}
        for instance in touched:
            _settle_instance(run, instance, rest_ms)
            while run.perform_deferred():
                pass


def _settle_instance(run: Run, name: str, rest_ms: int) -> None:
    context = run.context
    instance = context.instance(name)
    contract = context.contract(instance.code)
    if not contract.program.rules:
        return  # and no timer is set
    if instance.is_paused(context.time_ms):
        return  # and its timer is set to the end of the pause
    fired = True
    wake_ms: int | None = None
    while fired:
        fired, wake_ms = False, None
        phase = context.instance(name).phase
        for rule in contract.program.rules:
            if rule.phases and phase not in rule.phases:
                continue
            host = RuleHost(run, name, contract)
            run.enter(name)
            branch = contract.program.run_rule(rule.name, host)
            run.leave()
            if branch is not None:
                run.fired(host, rule.name, _tried(rule, branch, host.seen))
                fired = True
                break
            if host.wake_ms is not None and (wake_ms is None or host.wake_ms < wake_ms):
                wake_ms = host.wake_ms
    context.arm(name, None if wake_ms is None else max(wake_ms, context.time_ms + rest_ms))


def _tried(rule: RuleSpec, fired: int, seen: Mapping[int, bool]) -> tuple[Tried, ...]:
    """The conditions up to the one that held, with what was `seen` of their parts by number."""

    def told() -> Iterator[Tried]:
        first = 0
        for place, branch in enumerate(rule.branches[: fired + 1]):
            leaves = branch.part.leaves()
            parts = ((leaf.text, seen.get(number)) for number, leaf in enumerate(leaves, first))
            listed = tuple(parts) if 1 < len(leaves) <= PARTS_MAX else ()
            yield Tried(branch.condition, place == fired, listed)
            first += len(leaves)

    return tuple(told())
