"""Deployed source to running code: compiled once, kept in memory, looked up by its text.

Compiling has no effect and always gives the same program, so it makes no difference to any result which
programs happen to be in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from contracts.program import ActionSpec, FactSpec, FieldSpec, Program, QuerySpec, TermSpec

PROGRAMS_MAX = 256
"""Compiled programs kept in memory."""

Compile = Callable[[str], Program]
"""Source text to a program. Raises: ContractError."""


class Contract:
    """A program with its declarations by name."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.actions: Mapping[str, ActionSpec] = {spec.name: spec for spec in program.actions}
        self.queries: Mapping[str, QuerySpec] = {spec.name: spec for spec in program.queries}
        self.terms: Mapping[str, TermSpec] = {spec.name: spec for spec in program.terms}
        self.facts: Mapping[str, FactSpec] = {spec.name: spec for spec in program.facts}
        self.fields: Mapping[str, FieldSpec] = {spec.name: spec for spec in program.fields}


class Programs:
    """Compiles source, and remembers the programs used last; any thread may ask."""

    def __init__(self, compile_source: Compile) -> None:
        self._contract = lru_cache(PROGRAMS_MAX)(lambda source: Contract(compile_source(source)))

    def contract(self, source: str) -> Contract:
        """Raises: ContractError."""
        return self._contract(source)
