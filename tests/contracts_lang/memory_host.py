"""A Host without an engine: everything in dicts, balances conserved, sizes charged as the engine does.

It has the meaning that `contracts.host` states, so that the language can be tested alone, on a Python that
has none of the node's dependencies.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from hashlib import sha512
from typing import Any

from contracts.errors import Revert
from contracts.gas import EVENT_BYTE, SCAN_ITEM, STORED_BYTE, GasMeter, bytes_gas
from contracts.host import Meter
from contracts.program import Program
from contracts.values import Call, Money, escrow_account

GAS = 2_000_000


class MemoryHost:
    """The state of one instance and of the ledger; who signed and `now_ms` are set by the test."""

    def __init__(self, program: Program, terms: dict[str, Any], instance: str = "deal") -> None:
        given = {term.name: term.default for term in program.terms if term.has_default} | terms
        self.meter: Meter = GasMeter(GAS)
        self.instance = instance
        self.sender = instance
        self.now_ms = 1_000_000
        self.height = 1
        self.signers: tuple[str, ...] = ()
        self.terms = {term.name: given[term.name] for term in program.terms}
        self.phase = program.phases[0]
        self.facts: dict[str, Any] = {}
        self.fields = {field.name: field.initial for field in program.fields if field.type.name != "Table"}
        self.tables: dict[str, dict[Any, Any]] = {
            field.name: {} for field in program.fields if field.type.name == "Table"
        }
        self.balances: dict[tuple[str, str], int] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.wakes: list[int] = []
        self.seen: list[tuple[int, bool]] = []
        self.performed: list[Call] = []

    def sign(self, *accounts: str) -> None:
        """From now on these accounts have signed, the sender first."""
        self.signers = accounts
        self.sender = accounts[0] if accounts else self.instance

    def is_signer(self, account: str) -> bool:
        return account in self.signers

    def term(self, name: str) -> Any:
        return copy.deepcopy(self.terms[name])

    def fact(self, name: str) -> Any:
        return self.facts.get(name)

    def get_phase(self) -> str:
        return self.phase

    def set_phase(self, phase: str) -> None:
        self.phase = phase

    def load(self, field: str) -> Any:
        value = copy.deepcopy(self.fields[field])
        self.meter.spend(bytes_gas(size_of(value)))
        return value

    def store(self, field: str, value: Any) -> None:
        self.meter.spend(STORED_BYTE * size_of(value))
        self.fields[field] = value

    def table_get(self, table: str, key: Any) -> Any:
        value = copy.deepcopy(self.tables[table].get(key))
        self.meter.spend(bytes_gas(size_of(value)))
        return value

    def table_set(self, table: str, key: Any, value: Any) -> None:
        self.meter.spend(STORED_BYTE * (size_of(key) + size_of(value)))
        self.tables[table][key] = value

    def table_delete(self, table: str, key: Any) -> None:
        self.tables[table].pop(key, None)

    def table_scan(self, table: str, after: Any, limit: int, first: Any = None) -> Iterator[tuple[Any, Any]]:
        known = self.tables[table].items()
        within = [row for row in known if first is None or row[0][0] == first]
        rows = sorted(within, key=lambda row: order_of(row[0]))
        behind = [row for row in rows if after is None or order_of(row[0]) > order_of(after)]
        for key, value in behind[:limit]:
            self.meter.spend(SCAN_ITEM)
            yield key, copy.deepcopy(value)

    def take(self, account: str, money: Money) -> None:
        if account not in self.signers:
            raise Revert("unauthorised", f"{account} did not sign", consumes_all=False)
        self._transfer(money.currency, account, escrow_account(self.instance), money.amount)

    def pay(self, account: str, money: Money) -> None:
        self._transfer(money.currency, escrow_account(self.instance), account, money.amount)

    def mint(self, account: str, amount: int) -> None:
        self._add(self.instance, account, amount)

    def burn(self, account: str, amount: int) -> None:
        self._add(self.instance, account, -amount)

    def move(self, source: str, target: str, amount: int) -> None:
        if source not in self.signers:
            raise Revert("unauthorised", f"{source} did not sign", consumes_all=False)
        self._transfer(self.instance, source, target, amount)

    def balance(self, currency: str, account: str) -> int:
        return self.balances.get((currency, account), 0)

    def supply(self, currency: str) -> int:
        return sum(amount for (name, _), amount in self.balances.items() if name == currency)

    def emit(self, name: str, fields: tuple[tuple[str, Any], ...]) -> None:
        self.meter.spend(EVENT_BYTE * sum(size_of(value) for _, value in fields))
        self.events.append((name, dict(fields)))

    def call(self, instance: str, action: str, arguments: dict[str, Any], interface: str = "") -> Any:
        raise Revert("unknown", f"there is no instance {instance}")

    def query(self, instance: str, query: str, arguments: dict[str, Any], interface: str = "") -> Any:
        raise Revert("unknown", f"there is no instance {instance}")

    def perform(self, call: Call) -> None:
        self.performed.append(call)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        return signature == sha512(public_key + message).digest()

    def wake(self, time_ms: int) -> None:
        self.wakes.append(time_ms)

    def saw(self, part: int, held: bool) -> bool:
        self.seen.append((part, held))
        return held

    def _transfer(self, currency: str, source: str, target: str, amount: int) -> None:
        if amount < 0:
            raise Revert("funds", "money does not move backwards")
        self._add(currency, source, -amount)
        self._add(currency, target, amount)

    def _add(self, currency: str, account: str, amount: int) -> None:
        balance = self.balances.get((currency, account), 0) + amount
        if balance < 0:
            raise Revert("funds", f"{account} has too little {currency}")
        self.balances[currency, account] = balance


def size_of(value: Any) -> int:
    """Bytes of a value, roughly as stored."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    if kind is int or kind is bool:
        return int(value.bit_length()) // 8 + 1
    if kind is dict:
        return sum(size_of(key) + size_of(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return 1


def order_of(key: Any) -> tuple[Any, ...]:
    """What keys are sorted by: numbers as numbers, texts as their bytes."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(part.encode() if isinstance(part, str) else part for part in parts)
