"""Collecting the mistakes of a source, each with its place."""

from __future__ import annotations

from typing import NamedTuple

from contracts.errors import ContractError, Problem


class Place(NamedTuple):
    """Where something stands in the source: line and column, both from 1."""

    line: int
    column: int


START = Place(1, 1)
PROBLEMS_MAX = 20
"""Mistakes told at once; who has mended these may ask for more."""


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self._found: set[tuple[Place, str]] = set()

    def add(self, place: Place, text: str) -> None:
        self._found.add((place, text))

    def sorted(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(place.line, place.column, text) for place, text in sorted(self._found)[:PROBLEMS_MAX]
        )

    def raise_if_any(self) -> None:
        """Raises: ContractError with every mistake, sorted by place."""
        if self._found:
            raise ContractError(self.sorted())


def refuse(place: Place, text: str) -> ContractError:
    """The error of a mistake that makes it impossible to read on."""
    return ContractError((Problem(place.line, place.column, text),))
