"""What is dear for a node is dear in gas: attacks on the real engine, with its ledger and its tree.

Each attack is a contract whose action `attack` spends its gas on one thing. Its processor time for a gas
must not be much more than that of a plain loop measured right after it, so that a slow machine changes
nothing; the least of some such ratios counts, so that a busy one does not either.
"""

from __future__ import annotations

import gc
import time
from textwrap import dedent, indent

import pytest

from consensus.transactions import Transaction
from tests.engine.chain import Call, Chain

RATIO_MAX = 4
"""A plain loop takes about 10 ns for a gas, and 40 are meant to be the most."""
GAS_LIMIT = 20_000_000
REPEATS = 3
"""Blocks measured in a row, of which the fastest counts."""
PAIRS = 5
"""Attack and plain loop are compared at most so often: noise passes, what is too cheap stays."""

MEMBERS = """
phase = phases("open", "other")
number: int = 0
text: str = ""
names: list[str] = []
monies: list[Money] = []
numbers: Table[int, int] = table()
texts: Table[bytes, str] = table()

@query
def text_of(self, size: int) -> str:
    text = "\\u0101"
    while len(text) * 2 < size:
        text = text + text
    return text
"""

ATTACKS = {
    "rows never written before": """
        for i in range(1500):
            self.numbers[self.number * 1500 + i] = i
        self.number += 1
    """,
    "one row again and again": """
        for i in range(3000):
            self.numbers[1] = i
    """,
    "rows written and deleted": """
        for i in range(1500):
            self.numbers[i] = i
            del self.numbers[i]
    """,
    "rows that are not there": """
        for i in range(3000):
            x = self.numbers.get(-i, 0)
    """,
    "a field": """
        for i in range(3000):
            self.number = i
    """,
    "the phase": """
        for i in range(3000):
            self.phase = "other"
    """,
    "scans of one row": """
        self.numbers[7] = 7
        for i in range(500):
            for k, v in self.numbers.items(limit=1, after=-i):
                pass
    """,
    "scans of many rows": """
        for i in range(300):
            self.numbers[i] = i
        for i in range(20):
            for k, v in self.numbers.items(limit=300):
                pass
    """,
    "events": """
        for i in range(250):
            emit(Seen(number=i))
    """,
    "money": """
        for i in range(1000):
            self.currency.mint(sender(), 1)
            self.currency.burn(sender(), 1)
    """,
    "which of long texts comes first": """
        a = self.text_of(2048) + "a"
        b = self.text_of(2048) + "b"
        for i in range(3000):
            smaller = a < b < a < b < a
    """,
    "the least of long texts": """
        a = self.text_of(2048) + "a"
        b = self.text_of(2048) + "b"
        for i in range(3000):
            least = min(a, b, a, b, a, b, a, b)
    """,
    "stored texts": """
        names: list[str] = []
        for i in range(1000):
            names.append(str(i))
        for i in range(30):
            self.names = names
            names = self.names
    """,
    "stored money": """
        monies: list[Money] = []
        for i in range(1000):
            monies.append(Money(2 ** 90, this()))
        for i in range(30):
            self.monies = monies
            monies = self.monies
    """,
}
RULES = {
    "many rules that do not fire": ("pass", 200, "1 > 2"),
    "many rules before one that fires": ("self.number = 30", 100, "1 > 2"),
    "rules that look at rows": ("pass", 200, "self.numbers.get(self.number, 0) == 1"),
}


def source(action: str, rules: str = "") -> str:
    method = "@action()\ndef attack(self) -> None:\n" + indent(dedent(action), "    ")
    body = indent(f"{MEMBERS}\n{method}\n{rules}", "    ")
    return f"class Seen(Event):\n    number: int\n\n\nclass Attack(Contract):\n{body}\n"


def source_of_rules(name: str) -> str:
    action, count, condition = RULES[name]
    conditions = [condition] * count + ["self.number > 0"]
    return source(
        action,
        "".join(
            f"@rule\ndef r{place}(self) -> None:\n    if {test}:\n        self.number -= 1\n"
            for place, test in enumerate(conditions)
        ),
    )


def ns_per_gas(text: str) -> float:
    """Processor time of a block with the attack, for a gas; the best of some."""
    chain = Chain()
    code = chain.deploy(text)
    chain.succeed("bank", ("contracts", "create", {"code": code, "name": "victim", "terms": {}}))
    attack: Call = ("victim", "attack", {})
    return min(
        of_a_block(chain, chain.transaction("bank", attack, gas_limit=GAS_LIMIT)) for _ in range(REPEATS)
    )


def of_a_block(chain: Chain, transaction: Transaction) -> float:
    chain.now_ms += 1_000
    block = chain.next_input(transaction)
    gc.collect()
    gc.disable()
    start_ns = time.process_time_ns()
    outcome = chain.engine.execute(chain.ledger, block, chain.outcomes[-1].link)
    spent_ns = time.process_time_ns() - start_ns
    gc.enable()
    chain.ledger.commit(outcome)
    chain.outcomes.append(outcome)
    [receipt] = outcome.receipts
    assert receipt.code == ""
    return spent_ns / receipt.gas_used


def ns_per_gas_of_plain_loop() -> float:
    return ns_per_gas(source("x = 0\nfor i in range(20000):\n    x = x + i\nself.number = x"))


@pytest.mark.parametrize("name", [*ATTACKS, *RULES])
def test_no_attack_is_cheap(name: str) -> None:
    text = source(ATTACKS[name]) if name in ATTACKS else source_of_rules(name)
    ratios: list[float] = []
    while len(ratios) < PAIRS and min(ratios, default=RATIO_MAX) >= RATIO_MAX:
        ratios.append(ns_per_gas(text) / ns_per_gas_of_plain_loop())
    assert min(ratios) < RATIO_MAX, ratios
