"""Events from one instance to others: who listens to whom, and what is still to be told.

An event of an instance that has listeners goes into that instance's queue, once, however many they are. It is
delivered in later blocks: the oldest event of each instance in turn, to all its listeners by name. A handler
that fails undoes what it did itself and leaves a receipt; the event is told to nobody twice.

Who pays: the transaction that emits pays for its row of the queue. What the listeners do is paid by nobody,
like timers, and bounded like them: by gas for each handler and for each block. So that nobody can keep
another's events from arriving, a member has at most so many listeners to one instance; so that events do not
feed on each other for ever, an event that events led to through several instances is delivered no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consensus.errors import ensure
from contracts.context import Context
from contracts.errors import Revert, StateCorruption
from contracts.gas import SCAN_ITEM, WRITE
from contracts.language.limits import DEFINITIONS_MAX
from contracts.layout import VALUE, InstanceStatus
from contracts.program import HandlerSpec, plain
from contracts.queues import (
    HEARD,
    LISTENER,
    NEWS,
    QUEUED,
    Heard,
    Listener,
    Queued,
    heard_key,
    listener_key,
    listeners_to,
    news_key,
    news_of,
    queued_key,
)
from contracts.receipts import Delivery

if TYPE_CHECKING:
    from contracts.execution import Run

QUEUE_MAX = 256
"""Events of one instance that wait; further ones are not told to its listeners, and counted as missed."""
LISTENERS_MAX = 16
"""Instances created by one member's accounts that listen to one instance."""
STEPS_MAX = 4_096
"""Queues and listeners that one block looks at to find what is to be told."""
GENERATIONS_MAX = 4
"""Events that each led to the next, through handlers; the last of them is told to nobody."""


@dataclass(frozen=True, slots=True)
class Task:
    """A delivery that is due: what the listener does on the event, in order, and the event."""

    delivery: Delivery
    handlers: tuple[HandlerSpec, ...]
    queued: Queued


def listen(run: Run, name: str) -> None:
    """Note whose events an instance, which is active from now on, listens to. Raises: Revert."""
    contract, terms = run.contract(name), run.context.terms(name)
    wanted: dict[str, list[str]] = {}
    for handler in contract.handlers.values():
        emitter = terms[handler.term]
        _check_event(run, emitter, handler)
        wanted.setdefault(emitter, []).append(handler.event)
    for emitter, events in wanted.items():
        _listen_to(run, name, emitter, events)


def unlisten(run: Run, name: str) -> None:
    """Let an instance listen to nobody; what was emitted and not told to it yet is told to it no more."""
    contract, terms = run.contract(name), run.context.terms(name)
    for emitter in sorted({terms[handler.term] for handler in contract.handlers.values()}):
        run.meter.spend(WRITE)
        run.context.overlay.put(listener_key(emitter, name), None, LISTENER, listeners_to(emitter))


def _check_event(run: Run, emitter: str, handler: HandlerSpec) -> None:
    """Refuse a handler whose event the other does not emit, or not with these fields. Raises: Revert."""
    events = {event.name: event.fields for event in run.contract(emitter).program.events}
    declared = {field.name: plain(field.type) for field in events.get(handler.event, ())}
    if handler.event not in events:
        problem = f"it has {', '.join(events) or 'none'}"
        raise Revert("interface", f"{emitter} has no event {handler.event}; {problem}", consumes_all=False)
    for parameter in handler.parameters:
        if declared.get(parameter.name) != plain(parameter.type):
            problem = f"no field {parameter.name}: {parameter.type}"
            raise Revert("interface", f"{handler.event} of {emitter} has {problem}", consumes_all=False)


def _listen_to(run: Run, name: str, emitter: str, events: list[str]) -> None:
    context = run.context
    member = _member_of(context, name)
    others = 0
    for _, listener in context.overlay.scan(listeners_to(emitter), None, LISTENER):
        run.meter.spend(SCAN_ITEM)
        others += listener is not None and listener.member == member
    if others >= LISTENERS_MAX:
        text = f"{member} has {others} contracts that listen to {emitter}, and may have {LISTENERS_MAX}"
        raise Revert("size", text, consumes_all=False)
    heard = context.overlay.get(heard_key(emitter), HEARD) or Heard(0, 0, "", None, 0, ())
    listener = Listener(member, heard.next)
    run.write(listener_key(emitter, name), listener, LISTENER, listeners_to(emitter))
    names = tuple(sorted({*heard.events, *events}))
    ensure(len(names) <= DEFINITIONS_MAX, f"{emitter} has more events than a contract can declare")
    run.write(heard_key(emitter), replace(heard, events=names), HEARD)


def queue_events(run: Run, generation: int, transaction: bytes | None) -> None:
    """Put a run's events into the queues of the instances that have listeners to them. Raises: Revert."""
    context = run.context
    for emitter, event, fields in run.events:
        heard = context.overlay.get(heard_key(emitter), HEARD)
        if heard is None or event not in heard.events:
            continue
        if generation >= GENERATIONS_MAX or heard.next - heard.first >= QUEUE_MAX:
            run.write(heard_key(emitter), replace(heard, missed=heard.missed + 1), HEARD)
            continue
        queued = Queued(event, fields, context.height, generation + 1, transaction)
        run.write(queued_key(emitter, heard.next), queued, QUEUED)
        if heard.news_height is None:
            heard = replace(heard, news_height=context.height)
            run.write(news_key(context.height, emitter), True, VALUE, NEWS)
        run.write(heard_key(emitter), replace(heard, next=heard.next + 1), HEARD)


def has_news(context: Context) -> bool:
    """True while some event waits for its listeners."""
    return any(waits for _, waits in context.overlay.scan(NEWS, None, VALUE))


def tasks(context: Context) -> Iterator[Task]:
    """What is to be delivered, in order. Who takes one has to deal with it: it is not given again.

    Events of the running block are left to the next; who stops taking leaves the rest as it is.
    """
    steps = iter(range(STEPS_MAX))
    while (found := _next(context, steps)) is not None:
        yield from _tell(context, *found, steps)


def _next(context: Context, steps: Iterator[int]) -> tuple[str, Queued] | None:
    """The instance that has waited longest, with its oldest event; None where nothing is due any more."""
    for key, waits in context.overlay.scan(NEWS, None, VALUE):
        if next(steps, None) is None:
            return None
        emitter = news_of(key)
        queued = context.overlay.get(queued_key(emitter, _heard(context, emitter).first), QUEUED)
        if waits and queued is not None and queued.height < context.height:
            return emitter, queued
    return None


def _tell(context: Context, emitter: str, queued: Queued, steps: Iterator[int]) -> Iterator[Task]:
    """Tell the oldest event to those who have not heard it, then take it out of the queue."""
    heard = _heard(context, emitter)
    start = listener_key(emitter, heard.told) if heard.told else None
    for key, listener in context.overlay.scan(listeners_to(emitter), start, LISTENER):
        if next(steps, None) is None:
            return
        name = key.removeprefix(listeners_to(emitter)).decode()
        handlers = _handlers(context, name, emitter, queued.event)
        if listener is None or listener.first > heard.first or not handlers:
            continue
        told = replace(_heard(context, emitter), told=name)
        context.overlay.put(heard_key(emitter), told, HEARD)
        yield Task(Delivery(name, emitter, heard.first), handlers, queued)
    _drop_first(context, emitter)


def _drop_first(context: Context, emitter: str) -> None:
    """Take the oldest event out of a queue, which goes behind all others, or waits no more."""
    heard = _heard(context, emitter)
    context.overlay.put(queued_key(emitter, heard.first), None, QUEUED)
    if heard.news_height is not None:
        context.overlay.put(news_key(heard.news_height, emitter), None, VALUE, NEWS)
    first = heard.first + 1
    height = context.height if heard.next > first else None
    if height is not None:
        context.overlay.put(news_key(height, emitter), True, VALUE, NEWS)
    context.overlay.put(heard_key(emitter), replace(heard, first=first, told="", news_height=height), HEARD)
    context.overlay.commit()


def _heard(context: Context, emitter: str) -> Heard:
    heard = context.overlay.get(heard_key(emitter), HEARD)
    if heard is None:
        raise StateCorruption(f"the queue of {emitter} is gone")
    return heard


def _handlers(context: Context, name: str, emitter: str, event: str) -> tuple[HandlerSpec, ...]:
    """What an instance does on an event, if it does anything now; two terms may name the same emitter."""
    instance = context.instance(name)
    if instance.status != InstanceStatus.ACTIVE or instance.is_paused(context.time_ms):
        return ()
    terms = context.terms(name)
    return tuple(
        handler
        for handler in context.contract(instance.code).handlers.values()
        if handler.is_for(instance.phase) and handler.event == event and terms[handler.term] == emitter
    )


def _member_of(context: Context, instance: str) -> str:
    creator = context.instance(instance).creator
    account = context.account(creator)
    return creator if account is None else account.member
