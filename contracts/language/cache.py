"""Specifications as rows of plain values and back, so that a cache can hold them beside the code.

A row is a plain value, or a tuple: the kind of what it makes, and the rows of its parts, which come before.
What appears many times, as types do, is one row and made once.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    )
}
SHAPES = [(name, *(part.name for part in fields(kind))) for name, kind in _KINDS.items()]
"""What the kinds are made of, in this order; rows of other shapes can not be unpacked."""
_KINDS |= {"Money": Money, "dict": dict, "list": list, "tuple": lambda *items: items}


def pack(value: Any) -> list[Any]:
    """The rows of `value`, its own the last; a list or dict, which is empty, has one to itself."""
    rows: list[Any] = []
    places: dict[Any, int] = {}

    def place(value: Any) -> int:
        kind, row = type(value), value
        if is_dataclass(value):
            row = (kind.__name__, *[place(getattr(value, part.name)) for part in fields(value)])
        elif isinstance(value, tuple):
            row = (kind.__name__, *map(place, value))
        elif isinstance(value, list | dict):
            row = (kind.__name__,)
        key = len(rows) if kind in (list, dict) else (kind, row)
        if key not in places:
            places[key] = len(rows)
            rows.append(row)
        return places[key]

    place(value)
    return rows


def unpack(rows: Sequence[Any]) -> Any:
    """The inverse of `pack`."""
    made: list[Any] = []
    for row in rows:
        made.append(_KINDS[row[0]](*map(made.__getitem__, row[1:])) if type(row) is tuple else row)
    return made[-1]
