"""The life of an instance for people: what it runs and ran, and whether it is paused."""

from __future__ import annotations

from typing import Any

from contracts.context import Context
from contracts.layout import PAUSE, VERSION, pause_key, version_key
from contracts.system.pausing import PAUSE_REST_MS, guardians, pause_text

JsonObject = dict[str, Any]


def versions_view(context: Context, name: str) -> list[JsonObject]:
    """Every version of an instance that exists, oldest first; the last is the one that runs."""
    instance = context.instance(name)
    found: list[JsonObject] = []
    height, proposal = instance.height, None
    for number in range(1, instance.version):
        version = context.overlay.get(version_key(name, number), VERSION)
        if version is None:
            break
        found.append(
            _version(
                context, number, version.code, version.terms_hash, height, version.until_height, proposal
            )
        )
        height, proposal = version.until_height, version.proposal
    current = _version(context, instance.version, instance.code, instance.terms_hash, height, None, proposal)
    return [*found, current]


def pause_view(context: Context, name: str) -> JsonObject:
    """Whether an instance is paused, who may pause it, and from when on."""
    instance = context.instance(name)
    paused = instance.is_paused(context.time_ms)
    last = context.overlay.get(pause_key(name), PAUSE)
    return {
        "paused": paused,
        "until_ms": instance.paused_until_ms if paused else None,
        "text": pause_text(context, name) if paused else None,
        "guardians": guardians(context, name),
        "again_ms": None if last is None else last.until_ms + PAUSE_REST_MS,
    }


def _version(
    context: Context,
    number: int,
    code: str,
    terms_hash: bytes,
    from_height: int,
    until_height: int | None,
    proposal: int | None,
) -> JsonObject:
    return {
        "version": number,
        "code": code,
        "contract": context.contract(code).program.name,
        "terms_hash": terms_hash.hex(),
        "from_height": from_height,
        "until_height": until_height,
        "proposal": proposal,
    }
