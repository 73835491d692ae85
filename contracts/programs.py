"""Deployed source to running code: compiled once, kept in memory and in a node's own cache.

Compiling has no effect and always gives the same program, so no result depends on what is cached where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from contracts.compiler import compile_contract, dump_code, load_program
from contracts.gas import bytes_gas
from contracts.program import (
    ActionSpec,
    FactSpec,
    FieldSpec,
    HandlerSpec,
    InterfaceSpec,
    Program,
    QuerySpec,
    TermSpec,
    Value,
)
from contracts.values import escrow_account

PROGRAMS_MAX = 64
"""Compiled programs kept in memory; the largest take some megabytes."""


class CodeCache(Protocol):
    """Where a node keeps compiled code over a restart; it is trusted like the node's own files."""

    def get(self, key: bytes) -> bytes | None:
        """What was put under `key` (32 bytes), or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value`, or not."""


class LoadedContract:
    """A program with its declarations by name, and what it costs to read its source."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.read_gas = bytes_gas(len(program.source))
        self.actions: Mapping[str, ActionSpec] = {spec.name: spec for spec in program.actions}
        self.queries: Mapping[str, QuerySpec] = {spec.name: spec for spec in program.queries}
        self.terms: Mapping[str, TermSpec] = {spec.name: spec for spec in program.terms}
        self.handlers: Mapping[str, HandlerSpec] = {spec.name: spec for spec in program.handlers}
        self.interfaces: Mapping[str, InterfaceSpec] = {spec.name: spec for spec in program.interfaces}
        self.facts: Mapping[str, FactSpec] = {spec.name: spec for spec in program.facts}
        self.fields: Mapping[str, FieldSpec] = {spec.name: spec for spec in program.fields}

    def accounts_in(self, terms: Iterable[str], values: Mapping[str, Value]) -> list[str]:
        """The accounts that these terms name: an instance acts in the name of its escrow account."""
        found: list[str] = []
        for term in terms:
            spec, value = self.terms[term].type, values[term]
            names = value if type(value) is list else [value]
            inner = spec.items[0] if spec.name == "list" else spec
            found += map(escrow_account, names) if inner.name == "Instance" else names
        return found


class Programs:
    """Compiles source, and remembers the programs used last."""

    def __init__(self, code_cache: CodeCache | None = None) -> None:
        self._cache = code_cache
        self._loaded = lru_cache(PROGRAMS_MAX)(self._load)

    def contract(self, source: str) -> LoadedContract:
        """Raises: ContractError."""
        return self._loaded(source)

    def _load(self, source: str) -> LoadedContract:
        if self._cache is None:
            return LoadedContract(compile_contract(source))
        key = sha256(source.encode()).digest()
        program = load_program(source, self._cache.get(key))
        if program is None:
            program = compile_contract(source)
            self._cache.put(key, dump_code(program))
        return LoadedContract(program)
