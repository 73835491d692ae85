"""Transactions for contracts that nobody here has seen before: made from what their source declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import contracts.library
from consensus.transactions import Json
from contracts.compiler import compile_contract
from contracts.program import Program, TypeSpec
from contracts.system.code_approval import code_id
from node.simulator.chance import Chance

LIBRARY = Path(contracts.library.__file__).parent
CURRENCY = "coin"
"""What all money of a run is of: an instance of the library's token."""
HOLDING = 1_000_000
"""What each account has of it at the start."""
INSTANCES_MAX = 40
SPAN_MS_MAX = 20_000
"""Times and spans are drawn so that what they bring about comes within a run."""
CREATES = 0.15


@dataclass(frozen=True)
class Call:
    """A call, and the accounts that sign it: the sender and, where others must agree, those."""

    sender: str
    contract: str
    action: str
    args: Mapping[str, Json]
    cosigners: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Instance:
    name: str
    program: Program
    terms: Mapping[str, Json]


class Workload:
    """Deploys contracts, makes agreements with drawn terms, and calls what may be called."""

    def __init__(self, sources: Sequence[str], accounts: Sequence[str]) -> None:
        """Raises: ContractError for a source that is no contract."""
        self._accounts = accounts
        self._token = compile_contract((LIBRARY / "token.py").read_text())
        self._programs = [compile_contract(source) for source in sources]
        self._instances: list[_Instance] = []

    @property
    def instances(self) -> list[str]:
        """Names of the instances that were asked for."""
        return [CURRENCY, *(instance.name for instance in self._instances)]

    def next(self, chance: Chance, wall_ms: int) -> Call:
        """Whatever chance brings."""
        full = len(self._instances) >= INSTANCES_MAX
        if not self._instances or (not full and chance.happens(CREATES)):
            return self._create(chance, wall_ms)
        if chance.happens(0.2):
            args: dict[str, Json] = {
                "to": chance.pick(self._accounts),
                "amount": chance.between(0, HOLDING // 100),
            }
            return Call(chance.pick(self._accounts), CURRENCY, "transfer", args)
        return self._call(chance, wall_ms)

    def beginning(self) -> list[Call]:
        """The code and the money, which come first."""
        issuer = self._accounts[0]
        programs = [self._token, *self._programs]
        deploys = [Call(issuer, "contracts", "deploy", {"source": program.source}) for program in programs]
        code, terms = code_id(self._token.source), {"issuer": issuer}
        create: dict[str, Json] = {"code": code, "name": CURRENCY, "terms": terms, "sign": True}
        mints = [
            Call(issuer, CURRENCY, "mint", {"to": account, "amount": HOLDING}) for account in self._accounts
        ]
        return [*deploys, Call(issuer, "contracts", "create", create), *mints]

    def _create(self, chance: Chance, wall_ms: int) -> Call:
        program = chance.pick(self._programs)
        name = f"i{len(self._instances)}"
        terms: dict[str, Json] = {
            spec.name: self._value(spec.type, chance, wall_ms)
            for spec in program.terms
            if not spec.has_default or chance.happens(0.5)
        }
        signing = sorted(
            {name for spec in program.terms if spec.signs for name in _names(terms.get(spec.name))}
        )
        sender = signing[0] if signing else chance.pick(self._accounts)
        cosigners = tuple(signer for signer in signing if signer != sender)
        self._instances.append(_Instance(name, program, terms))
        args: dict[str, Json] = {"code": code_id(program.source), "name": name, "terms": terms, "sign": True}
        return Call(sender, "contracts", "create", args, cosigners)

    def _call(self, chance: Chance, wall_ms: int) -> Call:
        """An action or the report of a fact, as a rule by whom it is for."""
        instance = chance.pick(self._instances)
        actions, facts = instance.program.actions, instance.program.facts
        if not actions and not facts:
            return self._create(chance, wall_ms)
        place = chance.below(len(actions) + len(facts))
        if place < len(actions):
            action = actions[place]
            args = {spec.name: self._value(spec.type, chance, wall_ms) for spec in action.parameters}
            return Call(self._sender(instance, action.by, chance), instance.name, action.name, args)
        fact = facts[place - len(actions)]
        value = self._value(fact.type, chance, wall_ms - SPAN_MS_MAX)  # what is reported has been
        sender = self._sender(instance, (fact.by,), chance)
        return Call(sender, instance.name, "report", {"fact": fact.name, "value": value})

    def _sender(self, instance: _Instance, by: Sequence[str], chance: Chance) -> str:
        entitled = [name for term in by for name in _names(instance.terms.get(term))]
        return chance.pick(self._accounts if not entitled or chance.happens(0.1) else entitled)

    def _value(self, spec: TypeSpec, chance: Chance, wall_ms: int) -> Json:
        """A value of a type, in JSON."""
        several = range(chance.between(0, 3))
        match spec.name:
            case "bool":
                return chance.happens(0.5)
            case "str" | "bytes":
                return chance.pick(["", "00", "ab" * 32])
            case "Money":
                return {"amount": str(chance.between(0, HOLDING // 20)), "currency": CURRENCY}
            case "Time":
                return wall_ms + chance.between(0, SPAN_MS_MAX)
            case "Span":
                return chance.between(0, SPAN_MS_MAX)
            case "Percent":
                return str(chance.between(0, 100))
            case "Party" | "Oracle":
                return chance.pick(self._accounts)
            case "Instance":
                return chance.pick(self.instances)
            case "list":
                return [self._value(spec.items[0], chance, wall_ms) for _ in several]
            case "dict":
                key, item = spec.items
                return [[self._value(part, chance, wall_ms) for part in (key, item)] for _ in several]
            case _:
                numbers: list[Json] = [0, 1, chance.below(1_000), chance.below(HOLDING), -1, str(2**200)]
                return chance.pick(numbers)


def _names(value: Json) -> list[str]:
    """The accounts in a term's JSON."""
    if isinstance(value, list):
        return [str(item) for item in value]
    return [value] if isinstance(value, str) else []
