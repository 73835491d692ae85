"""Programs written by hand against `contracts.program.Program`: attacks, and what the compiler lacks yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from contracts.host import Host
from contracts.program import (
    ActionSpec,
    Branch,
    BranchState,
    FieldSpec,
    ParameterSpec,
    Part,
    QuerySpec,
    RuleSpec,
    RuleState,
    TermSpec,
    TypeSpec,
    Value,
)
from contracts.programs import LoadedContract, Programs

Body = Callable[[Host, Sequence[Value]], Value]
Signature = Mapping[str, TypeSpec]

INT, BOOL, STR, PARTY = TypeSpec("int"), TypeSpec("bool"), TypeSpec("str"), TypeSpec("Party")
INTS = TypeSpec("list", (INT,))


class HandWritten:
    """A Program whose entries are Python functions of (host, arguments)."""

    def __init__(
        self,
        source: str,
        *,
        actions: Mapping[str, tuple[Signature, Body]] | None = None,
        queries: Mapping[str, tuple[Signature, TypeSpec, Body]] | None = None,
        rules: Mapping[str, Callable[[Host], int | None]] | None = None,
        fields: Mapping[str, tuple[TypeSpec, Value]] | None = None,
        terms: Mapping[str, TypeSpec] | None = None,
    ) -> None:
        self._actions, self._queries, self._rules = actions or {}, queries or {}, rules or {}
        self.source = self.name = self.text = source
        self.code_hash = sha256(source.encode()).digest()
        self.phases = ("active",)
        self.terms = tuple(TermSpec(name, type_, False, False, None) for name, type_ in (terms or {}).items())
        self.fields = tuple(FieldSpec(name, *spec) for name, spec in (fields or {}).items())
        self.facts = ()
        self.events = ()
        self.handlers = ()
        self.interfaces = ()
        self.migration = None
        self.is_currency = True
        self.actions = tuple(
            ActionSpec(name, (), (), _parameters(signature), name, 1)
            for name, (signature, _) in self._actions.items()
        )
        self.queries = tuple(
            QuerySpec(name, _parameters(signature), returns, name, 1)
            for name, (signature, returns, _) in self._queries.items()
        )
        self.rules = tuple(
            RuleSpec(name, (), (Branch("true", (), 1, Part("true")),), name, 1) for name in self._rules
        )

    def run_action(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        return self._actions[name][1](host, arguments)

    def run_rule(self, name: str, host: Host) -> int | None:
        return self._rules[name](host)

    def run_handler(self, name: str, host: Host, arguments: Sequence[Value]) -> None:
        raise NotImplementedError

    def run_query(self, name: str, host: Host, arguments: Sequence[Value]) -> Value:
        return self._queries[name][2](host, arguments)

    def run_migration(self, host: Host, arguments: Sequence[Value]) -> None:
        raise AssertionError(f"{self.name} has no migration")

    def inspect_rule(self, name: str, host: Host) -> RuleState:
        return RuleState(name, True, (BranchState("true", None),), None)


class HandWrittenPrograms(Programs):
    """Finds programs by their source text."""

    def __init__(self, *programs: Any) -> None:
        super().__init__()
        self._by_source = {program.source: LoadedContract(program) for program in programs}

    def contract(self, source: str) -> LoadedContract:
        return self._by_source.get(source) or super().contract(source)


def _parameters(signature: Signature) -> tuple[ParameterSpec, ...]:
    return tuple(ParameterSpec(name, type_) for name, type_ in signature.items())
