"""Attacks on the language, each with its outcome. The corpus only grows: an attack stays when it is repelled.

A file is a contract. Its first line says what is tried, its second what must happen:

    # Expect refused: <part of the first problem's text>
    # Expect reverts: <code of the Revert that ends the action `attack`>
    # Expect stores: <the value of the variable `result` after the action `attack`>
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from contracts.compiler import check, compile_contract
from contracts.errors import Revert
from contracts.language.compiled import CompiledContract
from tests.contracts_lang.memory_host import MemoryHost

CORPUS = Path(__file__).parent / "corpus"
ATTACKS = sorted(CORPUS.rglob("*.contract"))
GAS = 3_000_000
ALLOCATION = 16 * 1024 * 1024
NS_PER_GAS_MAX = 250
"""Far above what gas stands for, so that a busy machine does not fail it, and far below an attack's gain."""


def expectation(path: Path) -> tuple[str, str]:
    """What must happen, and the detail."""
    line = path.read_text("utf-8").split("\n")[1]
    kind, _, detail = line.removeprefix("# Expect ").partition(": ")
    return kind, detail


def source_of(path: Path) -> str:
    """The contract itself, so that problems have the lines of the file less two."""
    return path.read_bytes().decode("utf-8").split("\n", 2)[2]


def run(program: CompiledContract) -> tuple[MemoryHost, Revert | None, float]:
    """The host after the attack, the Revert that ended it, processor time in seconds."""
    host = MemoryHost(program, {})
    host.meter.gas, host.meter.allocation = GAS, ALLOCATION
    start = time.process_time()
    try:
        program.run_action("attack", host, ())
    except Revert as revert:
        return host, revert, time.process_time() - start
    return host, None, time.process_time() - start


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_attack(path: Path) -> None:
    kind, detail = expectation(path)
    source = source_of(path)
    if kind == "refused":
        problems = check(source)
        assert problems
        assert detail in problems[0].text
        return
    program = compile_contract(source)
    host, revert, seconds = run(program)
    outcome: Any = revert.code if revert else repr(host.fields["result"])
    assert (kind, outcome) == ("reverts" if revert else "stores", detail)
    assert seconds < GAS * NS_PER_GAS_MAX / 1e9
    if revert and revert.code == "gas":
        assert host.meter.gas == 0


def test_the_corpus_has_every_class() -> None:
    kinds = {path.parent.name for path in ATTACKS}
    assert kinds == {"cpu", "depth", "escape", "memory", "metering", "nondeterminism", "parser", "size"}
    assert len(ATTACKS) >= 100
