"""docs/contracts.md: what it types works, what it prints is true, and its limits are those of the code."""

from __future__ import annotations

import re

import pytest

from consensus.parameters import Parameters
from consensus.transactions import BODY_BYTES_MAX, CALLS_MAX, GAS_LIMIT_DEFAULT, GAS_LIMIT_MAX
from contracts import engine, execution, gas, layout, listening, receipts, runtime_host, values
from contracts.compiler import compile_contract
from contracts.language import limits
from contracts.system import terms
from tests.docs.conftest import DEV, Workshop
from tests.docs.pages import ROOT, Shell, commands

GUIDE = ROOT / "docs" / "contracts.md"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
KIB = 1024

LIMITS = {
    "Source": (limits.SOURCE_BYTES_MAX // KIB,),
    "`str`, `bytes`": (values.TEXT_BYTES_MAX,),
    "`list`, `dict`": (values.ITEMS_MAX,),
    "Stored value; key of a table": (runtime_host.VALUE_BYTES_MAX // KIB, runtime_host.KEY_BYTES_MAX),
    "Terms of an instance; parties that sign": (terms.TERMS_BYTES_MAX // KIB, layout.SIGNERS_MAX),
    "Events of a transaction; one event": (receipts.EVENTS_MAX, runtime_host.EVENT_BYTES_MAX // KIB),
    "Firings in a transaction; parts of a condition that the record of one lists": (
        receipts.FIRINGS_MAX,
        receipts.PARTS_MAX,
    ),
    "Contracts that call each other; kept calls of a transaction": (
        execution.DEPTH_MAX,
        execution.DEFERRED_MAX,
    ),
    "Accounts that report one fact": (limits.ORACLES_MAX,),
    "Listeners of one member to one contract; events that wait": (
        listening.LISTENERS_MAX,
        listening.QUEUE_MAX,
    ),
    "Methods that call methods": (limits.CALL_DEPTH_MAX,),
    "Calls in a transaction; its JSON": (CALLS_MAX, BODY_BYTES_MAX // KIB),
    "Memory that a transaction makes": (gas.ALLOCATION_BYTES_MAX // KIB // KIB,),
    "Gas of a query; of a rule that time woke, or of a listener": (
        engine.QUERY_GAS_MAX,
        Parameters().timer_gas_max,
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_works_as_it_stands(workshop: Workshop) -> None:
    """Guards every command of the guide and the output that it shows."""
    with Shell(workshop.folder, workshop.replace) as shell:
        typed = shell.follow(GUIDE)
    assert [command.text for command in commands(GUIDE) if command.mark == "start"] == [DEV]
    assert len(typed) >= 20, "the guide's marks are no longer found"


@pytest.mark.parametrize("row", LIMITS)
def test_a_limit_in_the_guide_is_the_one_in_the_code(row: str) -> None:
    """Guards the table of limits."""
    line = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
    assert line is not None
    assert tuple(int(number) for number in re.findall(r"\d+", line[1].replace(",", ""))) == LIMITS[row]


def test_the_gas_in_the_guide_is_the_one_in_the_code() -> None:
    """Guards the two figures that an author plans with."""
    text = GUIDE.read_text()
    assert f"may use {GAS_LIMIT_DEFAULT:,} unless it says otherwise" in text
    assert f"at most {GAS_LIMIT_MAX:,}." in text


def test_every_code_of_a_failure_is_explained() -> None:
    """Guards the table of errors against a code that the engine gives and the guide does not know."""
    raised = re.compile(r'\b(?:Revert|_?refusal)\(\s*"([a-z_]+)"')
    given = {
        code for path in (ROOT / "contracts").rglob("*.py") for code in raised.findall(path.read_text())
    } - {"expiry_too_far"}  # said of the transaction, not of a contract
    assert len(given) > 15
    table = GUIDE.read_text().partition("## Errors")[2].partition("## Gas")[0]
    assert given == set(re.findall(r"`([a-z_]+)`", re.sub(r"`status`|`code`", "", table)))


def test_code_in_the_guide_is_code_of_the_examples() -> None:
    """Guards the excerpt: each of its lines is in the file that it is from."""
    source = (ROOT / "docs" / "examples" / "consent_decision.py").read_text().splitlines()
    excerpt = re.search(r"```python\n(class ConsentDecision.*?)```", GUIDE.read_text(), re.DOTALL)
    assert excerpt is not None
    assert [line for line in excerpt[1].splitlines() if line not in source] == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.stem))
def test_an_example_is_a_contract_and_a_python_module(file) -> None:  # type: ignore[no-untyped-def]
    """Guards the promise that an editor understands what a node compiles."""
    program = compile_contract(file.read_text())
    namespace: dict[str, object] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    assert program.name in namespace
