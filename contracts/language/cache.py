"""Specifications as plain tuples and back, so that a cache can hold them beside the code."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from contracts import program
from contracts.values import Money

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        program.ActionSpec,
        program.Branch,
        program.EventSpec,
        program.FactSpec,
        program.FieldSpec,
        program.HandlerSpec,
        program.InterfaceSpec,
        program.MigrationSpec,
        program.ParameterSpec,
        program.Part,
        program.QuerySpec,
        program.RuleSpec,
        program.TermSpec,
        program.TypeSpec,
        Money,
    )
}


def pack(value: Any) -> Any:
    """`value` with each specification as a list of its kind and parts; tuples stay tuples."""
    if isinstance(value, Money):
        return ["Money", *value]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(pack(getattr(value, part.name)) for part in fields(value))]
    if isinstance(value, tuple):
        return tuple(map(pack, value))
    if isinstance(value, list | dict):
        return [type(value).__name__]
    return value


def unpack(packed: Any) -> Any:
    """The inverse of `pack`. Raises: KeyError, TypeError for what `pack` never makes."""
    if isinstance(packed, tuple):
        return tuple(map(unpack, packed))
    if not isinstance(packed, list):
        return packed
    kind, *parts = packed
    if kind in ("list", "dict"):
        return [] if kind == "list" else {}
    return _KINDS[kind](*map(unpack, parts))
