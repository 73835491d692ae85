"""Why a rule fired, in lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.arguments import time_text

NO_WORDS: Mapping[str, str] = {}
"""Conditions stay as they are written."""


def told_firing(firing: Mapping[str, Any], words: Mapping[str, str] = NO_WORDS) -> Iterable[str]:
    """Why a rule fired, in lines; `words` says conditions in other words than those of the source."""
    yield f"{firing['rule']} fired at {time_text(firing['time_ms'])}, because"
    for each in firing["conditions"]:
        condition = words.get(each["condition"], each["condition"])
        yield f"  {condition}: {shown(each['held'])}"
        for part in each["parts"]:
            found = "not looked at" if part["held"] is None else shown(part["held"])
            yield f"    {words.get(part['text'], part['text'])}: {found}"
    yield from (f"  where {name} is {shown(value)}" for name, value in firing["reads"].items())
    for effect in firing["effects"]:
        yield f"  so it did: {effect['verb']} {', '.join(map(shown, effect['operands']))}"


def shown(value: Any) -> str:
    """A JSON value as a person writes it."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {shown(item)}" for name, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return {None: "nothing", True: "yes", False: "no"}.get(value) or str(value)
