"""Programs mean what plain Python means by them: compiled by us, and run as they stand with our types."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import lang
from contracts.compiler import compile_contract
from contracts.errors import Revert
from tests.contracts_lang.program_generator import ProgramGenerator
from tests.contracts_lang.sources import host_of, method


class Pair(lang.Record):
    number: int
    text: str


PROGRAMS = 2_000
BATCH = 50
LIMITS = {"overflow", "size", "gas", "allocation"}
"""What ends our program where Python would go on."""
FAULTS = {IndexError: "index", KeyError: "key", ZeroDivisionError: "division"}


def by_us(body: str) -> Any:
    """The answer, or the code of the Revert."""
    program = compile_contract(method(body, "@query\ndef asked(self) -> int:"))
    host = host_of(program)
    host.meter.gas = 200_000
    try:
        return program.run_query("asked", host, ())
    except Revert as revert:
        return revert.code


def by_python(body: str) -> Any:
    """The answer, or the code that our Revert would have."""
    namespace: dict[str, Any] = {name: getattr(lang, name) for name in lang.__all__}
    namespace["RATE"], namespace["Pair"] = lang.Percent("1.5"), Pair
    exec("def asked(self):\n" + textwrap.indent(body, "    "), namespace)
    try:
        return namespace["asked"](SimpleNamespace(price=lang.Money(1_000, "euro")))
    except (IndexError, KeyError, ZeroDivisionError) as error:
        return FAULTS[type(error)]


@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_programs_mean_the_same_to_python(first: int) -> None:
    outcomes = []
    for seed in range(first, first + BATCH):
        body = ProgramGenerator(seed).body()
        ours = by_us(body)
        outcomes.append(ours)
        if ours not in LIMITS:
            assert ours == by_python(body), f"seed {seed}:\n{body}"
    assert sum(type(outcome) is int for outcome in outcomes) > BATCH // 4
