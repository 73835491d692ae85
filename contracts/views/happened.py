"""Receipts, events and firings for people."""

from __future__ import annotations

from typing import Any

from contracts.arguments import readable, time_text, to_json
from contracts.layout import AUX_FIRING
from contracts.receipts import Delivery, Event, Firing, Receipt, Timer
from contracts.state import StateReader

JsonObject = dict[str, Any]


def receipt_view(receipt: Receipt, aux: StateReader) -> JsonObject:
    """A receipt, with why its rules fired; `aux` are the rows beside the state."""
    return {
        "id": receipt.id.hex(),
        "kind": "transaction" if receipt.is_transaction else "timer" if receipt.timer else "event",
        "timer": receipt.timer and _timer(receipt.timer),
        "delivery": receipt.delivery and _delivery(receipt.delivery),
        "status": receipt.status.value,
        "code": receipt.code or None,
        "text": receipt.text or None,
        "gas_used": receipt.gas_used,
        "results": [to_json(result) for result in receipt.results],
        "firings": [_firing(key, aux.get(AUX_FIRING + key)) for key in receipt.firings],
        "first_event": receipt.first_event,
        "event_count": receipt.event_count,
    }


def event_view(event: Event, time_ms: int) -> JsonObject:
    """An event, with the time of its block."""
    return {
        "height": event.height,
        "index": event.index,
        "contract": event.contract,
        "name": event.name,
        "fields": {name: to_json(value) for name, value in event.fields},
        "transaction": None if event.transaction is None else event.transaction.hex(),
        "time_ms": time_ms,
    }


def _timer(timer: Timer) -> JsonObject:
    text = f"{timer.instance} asked to be woken at {time_text(timer.due_ms)}"
    return {"instance": timer.instance, "due_ms": timer.due_ms, "text": text}


def _delivery(delivery: Delivery) -> JsonObject:
    name, emitter, number = delivery
    text = f"{name} was told of event {number} of {emitter}"
    return {"instance": name, "emitter": emitter, "number": number, "text": text}


def _firing(key: bytes, encoded: bytes | None) -> JsonObject:
    if encoded is None:
        return {"hash": key.hex()}
    firing = Firing.decode(encoded)
    return {
        "hash": key.hex(),
        "instance": firing.instance,
        "rule": firing.rule,
        "branch": firing.branch,
        "conditions": [
            {
                "condition": tried.condition,
                "held": tried.held,
                "parts": [{"text": text, "held": held} for text, held in tried.parts],
            }
            for tried in firing.conditions
        ],
        "reads": {read.name: readable(read.value, read.type) for read in firing.reads},
        "effects": [
            {"verb": effect.verb, "operands": [to_json(operand) for operand in effect.operands]}
            for effect in firing.effects
        ],
        "height": firing.height,
        "time_ms": firing.time_ms,
    }
