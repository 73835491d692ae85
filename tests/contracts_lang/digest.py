"""Prints one digest over everything that the language does with a fixed set of sources.

Run by any Python that can import it (it needs nothing but the standard library), with any hash seed: the
line must be the same. Sources: the library, the attacks, the generated programs, and mutations of them,
whose problems must be the same too, word by word.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from contracts.compiler import compile_contract
from contracts.errors import ContractError, Revert
from contracts.language.compiled import CompiledContract
from contracts.language.limits import BLOCK_DEPTH_MAX, BRANCHES_MAX, EXPRESSION_DEPTH_MAX
from contracts.values import DAY, Money
from tests.contracts_lang.memory_host import MemoryHost
from tests.contracts_lang.program_generator import ProgramGenerator
from tests.contracts_lang.sources import method

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*(ROOT / "contracts/library").glob("[a-z]*.py"), *(ROOT / "tests/attacks").rglob("*.contract")]
)
GAS = 60_000
TERMS = {
    "Party": "shop",
    "Oracle": "truck",
    "Instance": "euro",
    "Money": Money(1_000, "euro"),
    "Time": 10 * DAY,
    "Span": DAY,
    "Percent": 10_000,
    "int": 3,
    "bool": True,
    "str": "a",
    "bytes": b"a",
    "list[Party]": ["shop", "farm"],
}
_FRAGMENTS = (
    "(",
    ")",
    ":",
    "    ",
    "\n",
    "self.",
    "not ",
    " + ",
    '"',
    "#",
    "if ",
    "$",
    "0",
    "now()",
    "é",
    "\\",
    "=",
)


def sources(programs: int, mutations: int, first: int = 0) -> Iterator[str]:
    """All sources of the fixed set."""
    files = [path.read_text("utf-8") for path in FILES]
    generated = [
        method(ProgramGenerator(seed).body(), "@query\ndef asked(self) -> int:")
        for seed in range(first, first + programs)
    ]
    yield from files
    yield deepest_source()
    yield from generated
    chance = random.Random(first + 1)
    pool = [text for text in files if len(text) < 4_000] + generated[:50]
    for _ in range(mutations):
        yield _mutated(chance, chance.choice(pool))


def _mutated(chance: random.Random, text: str) -> str:
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text))
        end = min(len(text), start + chance.choice((0, 1, 1, 5, 20)))
        text = text[:start] + chance.choice(_FRAGMENTS) + text[end:]
    return text


def deepest_expression() -> str:
    """Every level a bracket, a call and an operation that is generated with brackets of its own."""
    text = "x"
    for _ in range(10):
        text = f"abs({text} + 1)"
    return text + " + 1" * (EXPRESSION_DEPTH_MAX - 21)


def deepest_source() -> str:
    """Blocks, branches, brackets and operations, all as deep as may be."""
    lines = ["x = 1"]
    for depth in range(BLOCK_DEPTH_MAX - 2):
        pad = " " * depth
        for branch in range(BRANCHES_MAX - 1):
            lines += [f"{pad}{'elif' if branch else 'if'} x == {branch}:", f"{pad} x = 2"]
        lines += [f"{pad}elif {'(' * 24}x == 99{')' * 24}:"]
    lines.append(" " * (BLOCK_DEPTH_MAX - 2) + f"x = {deepest_expression()}")
    return method("\n".join(lines))


def outcome(source: str) -> str:
    """All that anyone could see of a source: its problems, or what its entries do, cost and allocate."""
    try:
        program = compile_contract(source)
    except ContractError as error:
        return str(error)
    seen = [program.code_hash.hex(), repr(program.terms), repr(program.rules)]
    seen += [_run(program, action.name, "action") for action in program.actions if not action.parameters]
    seen += [_run(program, query.name, "query") for query in program.queries if not query.parameters]
    seen += [_run(program, rule.name, "rule") for rule in program.rules]
    return "\n".join(seen)


def _run(program: CompiledContract, name: str, kind: str) -> str:
    terms = {term.name: TERMS.get(str(term.type)) for term in program.terms}
    host = MemoryHost(program, terms)
    host.sign("shop")
    host.balances["euro", "shop"] = 10**6
    host.meter.gas = GAS
    host.meter.allocation = 2**20
    result: object
    try:
        if kind == "rule":
            result = program.run_rule(name, host)
        elif kind == "query":
            result = program.run_query(name, host, ())
        else:
            result = program.run_action(name, host, ())
    except Revert as revert:
        result = (revert.code, revert.text, revert.consumes_all)
    state = (host.phase, host.fields, host.tables, host.balances, host.events, host.wakes, host.seen)
    return repr((kind, name, result, host.meter.gas, host.meter.allocation, state))


def digest(programs: int, mutations: int, first: int = 0) -> str:
    """64 hex digits."""
    total = sha256()
    for source in sources(programs, mutations, first):
        total.update(outcome(source).encode() + b"\0")
    return total.hexdigest()


if __name__ == "__main__":
    print(digest(*map(int, sys.argv[1:])))
