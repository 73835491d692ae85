"""Contracts for tests, written short."""

from __future__ import annotations

import textwrap
from typing import Any

from contracts.compiler import compile_contract
from contracts.language.compiled import CompiledContract
from tests.contracts_lang.memory_host import MemoryHost

HEADER = '''\
RATE = Percent("1.5")
GRACE = 3 * DAY

class Paid(Event):
    to: Party
    amount: Money

class Pair(Record):
    number: int
    text: str

class Sample(Contract):
    """A contract to try things in."""
    buyer: Party = term(signs=True)
    carrier: Oracle = term()
    price: Money = term()
    deadline: Time = term()
    owners: list[Party] = term(signs=True)
    phase = phases("open", "closed")
    count: int = 0
    note: str = ""
    names: list[str] = []
    scores: Table[Party, int] = table()
    pairs: Table[tuple[Party, str], int] = table()
    lists: Table[str, list[int]] = table()
    delivered: Time = fact(by="carrier")
    accepted: bool = fact(by="carrier")
    weight: int = fact(by="carrier")

'''


def members(text: str) -> str:
    """A contract with these further members."""
    return HEADER + textwrap.indent(textwrap.dedent(text), "    ")


def method(body: str, head: str = "def tried(self) -> None:") -> str:
    """A contract with one private method of this body."""
    return members(head + "\n" + textwrap.indent(textwrap.dedent(body), "    "))


def query(body: str, returns: str, parameters: str = "") -> CompiledContract:
    """A compiled contract whose query `asked` has this body."""
    separator = ", " if parameters else ""
    head = f"@query\ndef asked(self{separator}{parameters}) -> {returns}:"
    return compile_contract(method(body, head))


def host_of(program: CompiledContract) -> MemoryHost:
    """A host with terms for the contract of HEADER."""
    from contracts.values import DAY, Money

    terms = {
        "buyer": "shop",
        "carrier": "truck",
        "price": Money(1_000, "euro"),
        "deadline": 10 * DAY,
        "owners": ["shop", "farm"],
    }
    return MemoryHost(program, terms)


def answer(body: str, returns: str, parameters: str = "", *arguments: Any) -> Any:
    """What a query of this body answers."""
    program = query(body, returns, parameters)
    return program.run_query("asked", host_of(program), arguments)
