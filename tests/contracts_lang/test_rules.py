"""When rules fire, when the node is asked to wake them, and what it takes to look at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.compiler import compile_contract
from contracts.errors import Revert
from contracts.language.compiled import CompiledContract
from contracts.values import DAY, Money
from tests.contracts_lang import tour
from tests.contracts_lang.memory_host import MemoryHost
from tests.contracts_lang.sources import host_of, method

DEADLINE = 10 * DAY

WAKES: dict[str, list[int]] = {
    "now() >= self.deadline": [DEADLINE],
    "now() > self.deadline": [DEADLINE + 1],
    "self.deadline <= now()": [DEADLINE],
    "self.deadline < now()": [DEADLINE + 1],
    "not now() < self.deadline": [DEADLINE],
    "not now() <= self.deadline": [DEADLINE + 1],
    "not (now() < self.deadline and True)": [DEADLINE],
    "not not now() > self.deadline": [DEADLINE + 1],
    # a condition that time can only end needs nobody to look again
    "now() < self.deadline and self.count > 0": [],
    "not now() >= self.deadline and self.count > 0": [],
    # what is not reached is not asked for: something else must change first
    "self.count > 0 and now() > self.deadline": [],
    "self.count == 0 and now() > self.deadline": [DEADLINE + 1],
    "now() > self.deadline or now() > self.deadline + DAY": [DEADLINE + 1, DEADLINE + DAY + 1],
    "now() > self.deadline and now() > self.deadline + DAY": [DEADLINE + 1],
    "self.deadline <= now() < self.deadline + DAY": [DEADLINE],
}


def rule(condition: str) -> CompiledContract:
    return compile_contract(
        method(f"if {condition}:\n    self.phase = 'closed'", "@rule(phase='open')\ndef r(self):")
    )


@pytest.mark.parametrize("condition", WAKES)
def test_the_node_is_asked_to_wake_the_rule(condition: str) -> None:
    program = rule(condition)
    host = host_of(program)
    assert program.run_rule("r", host) is None
    assert host.wakes == WAKES[condition]
    state = program.inspect_rule("r", host)
    assert state.wake_ms == min(WAKES[condition], default=None)
    assert host.wakes == WAKES[condition]


@pytest.mark.parametrize("condition", [condition for condition, wakes in WAKES.items() if wakes])
def test_a_rule_fires_at_the_last_time_it_asked_for_and_not_before(condition: str) -> None:
    program = rule(condition)
    host = host_of(program)
    for _ in range(3):
        host.wakes.clear()
        if program.run_rule("r", host) == 0:
            break
        wake = min(host.wakes)
        host.now_ms = wake - 1
        assert program.run_rule("r", host) is None
        host.now_ms = wake
    assert host.phase == "closed"


def test_a_rule_does_nothing_outside_its_phases() -> None:
    program = rule("self.count == 0")
    host = host_of(program)
    host.phase = "closed"
    assert program.run_rule("r", host) is None
    assert not program.inspect_rule("r", host).in_phase


def test_the_first_branch_that_holds_fires_alone() -> None:
    body = "\n".join(
        f"{word} self.count > {least}:\n    self.note = '{note}'"
        for word, least, note in (("if", 5, "a"), ("elif", 3, "b"), ("elif", 1, "c"))
    )
    program = compile_contract(method(body, "@rule()\ndef r(self):"))
    host = host_of(program)
    host.fields["count"] = 4
    assert program.run_rule("r", host) == 1
    assert host.fields["note"] == "b"
    assert [branch.holds for branch in program.inspect_rule("r", host).branches] == [False, True, None]


PARTS: dict[str, list[tuple[int, bool]]] = {
    "self.count > 0": [],
    "self.count > 0 and self.note == ''": [(0, False)],
    "self.count > 0 or self.note == ''": [(0, False), (1, True)],
    "(self.count == 0 or self.note == 'a') and self.note == ''": [(0, True), (2, True)],
    "(self.count > 0 and self.note == '') or not (self.count > 0 and True)": [(0, False), (2, True)],
    "self.count == 0 and self.deadline > now() > self.deadline - 20 * DAY": [(0, True), (1, True)],
}
"""Conditions, and what of them is seen by number where count is 0 and note is empty."""


@pytest.mark.parametrize("condition", PARTS)
def test_the_host_is_told_what_each_part_came_to(condition: str) -> None:
    """Those before which nothing had decided; a condition of one part is told by whether it fires."""
    program = rule(condition)
    host = host_of(program)
    program.run_rule("r", host)
    assert host.seen == PARTS[condition]


def test_parts_count_on_from_branch_to_branch() -> None:
    body = "\n".join(
        f"{word} {test}:\n    self.note = 'b'"
        for word, test in (
            ("if", "self.count > 5 and self.note == ''"),
            ("elif", "self.count > 4"),
            ("elif", "self.count == 0 and self.note == ''"),
        )
    )
    program = compile_contract(method(body, "@rule()\ndef r(self):"))
    host = host_of(program)
    assert program.run_rule("r", host) == 2
    assert host.seen == [(0, False), (3, True), (4, True)]


def test_a_condition_that_fails_says_so_when_looked_at() -> None:
    program = rule("1 // self.count > 0")
    host = host_of(program)
    assert [branch.holds for branch in program.inspect_rule("r", host).branches] == [None]
    with pytest.raises(Revert, match="division"):
        program.run_rule("r", host)


@pytest.fixture
def toured() -> tuple[CompiledContract, MemoryHost]:
    program = compile_contract(Path(str(tour.__file__)).read_text())
    terms = {
        "chair": "ann",
        "members": ["bob", "cas"],
        "scale": "scale",
        "guide": "guide",
        "unit": "euro",
        "budget": Money(10_000, "euro"),
        "start": DAY,
    }
    host = MemoryHost(program, terms, "tour")
    host.balances["euro", "ann"] = 10_000
    host.sign("ann")
    program.run_action("deposit", host, ())
    program.run_action("vote", host, (6_000, "yes"))
    host.sign("bob")
    program.run_action("vote", host, (2_000, "yes"))
    host.sign()
    return program, host


def test_the_tour_through_the_language_runs(toured: tuple[CompiledContract, MemoryHost]) -> None:
    program, host = toured
    assert program.text == "All that the language has.\n\nA docstring may have several lines."
    assert program.run_query("weight_of", host, ("bob",)) == 2_000
    assert program.run_query("best", host, (1,)) == [6_000]
    assert program.run_query("summary", host, ()) == {"total": 8_000, "names": 2, "yes": 2}
    assert program.run_query("days_left", host, ()) == 31
    assert program.run_query("fees", host, ()) == Money(25, "euro")
    assert program.run_rule("decide", host) is None
    host.facts["weighed"] = 3
    assert program.run_rule("decide", host) == 0
    assert host.phase == "closed"
    assert [host.balance("euro", name) for name in ("ann", "bob")] == [1_250, 1_250]
    assert host.events[-1] == ("Done", {})


def test_a_fact_that_says_no_is_told_apart_from_none(toured: tuple[CompiledContract, MemoryHost]) -> None:
    program, host = toured
    host.facts["approved"] = True
    assert program.run_rule("decide", host) is None
    host.facts["approved"] = False
    assert program.run_rule("decide", host) == 2
