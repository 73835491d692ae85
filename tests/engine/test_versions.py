"""Every block is executed by the version that the chain has for it, or not at all."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from consensus.parameters import Parameters
from contracts import gas
from contracts.compiler import compile_contract
from contracts.engine import Engine
from contracts.errors import StateCorruption, UnsupportedVersion
from contracts.language.checker import check_source
from contracts.language.generator import generate
from contracts.memory import Rows
from contracts.merkle import Tree
from contracts.state import NO_ROWS, Overlay
from contracts.tree_pages import NO_STATE
from contracts.versions import SUPPORTED, SWITCHES_MAX, schedule_version, version_at, write_first_version
from tests.engine.chain import DELIVERY, Chain

TOUR = (Path(__file__).parents[1] / "contracts_lang" / "tour.py").read_text()
PINNED = {3: "9c3365f466568584"}
"""What each version charges and generates, and its root of a state. A change of it splits a chain whose nodes
do not all change at the same height: raise the version in `contracts.versions`, keep the old one, and pin the
new. Version 1 hashed a fork's subtrees two by two, version 2 had buckets of 32; no release had either."""


def test_what_a_version_means_is_pinned() -> None:
    prices = sorted((name, value) for name, value in vars(gas).items() if name.isupper())
    checked = check_source(TOUR)
    text = generate(checked.methods, checked.rules)
    top, _ = Tree(NO_ROWS, NO_STATE).update((b"key %d" % number, b"%d" % number) for number in range(600))
    assert sha256(repr((prices, text, top.root)).encode()).hexdigest()[:16] == PINNED[SUPPORTED[-1]]


def test_a_chain_of_another_version_is_not_started() -> None:
    with pytest.raises(UnsupportedVersion, match="chain later is executed by version 99 of contracts"):
        Engine(chain="later", parameters=Parameters(execution_version=99))


def test_a_switch_stops_who_does_not_have_the_version_at_its_height() -> None:
    chain = Chain()
    overlay = Overlay(chain.ledger.state)
    schedule_version(overlay, 3, 99)
    overlay.commit()
    chain.ledger.state.apply(overlay.writes())
    chain.engine.check_version(chain.ledger.state, 2)
    chain.block()
    chain.block()
    with pytest.raises(UnsupportedVersion, match="height 3 is executed by version 99"):
        chain.block()
    with pytest.raises(UnsupportedVersion):
        chain.engine.check_version(chain.ledger.state, 3)


def test_the_version_of_a_height() -> None:
    overlay = Overlay(Rows())
    with pytest.raises(StateCorruption):
        version_at(overlay, 5)
    write_first_version(overlay, 1)
    schedule_version(overlay, 10, 2)
    schedule_version(overlay, 20, 3)
    assert [version_at(overlay, height) for height in (0, 9, 10, 19, 20, 10**9)] == [1, 1, 2, 2, 3, 3]
    schedule_version(overlay, 15, 4)  # what was to come later is forgotten
    assert [version_at(overlay, height) for height in (14, 15, 20)] == [2, 4, 4]
    for height in range(100, 100 + 2 * SWITCHES_MAX):
        schedule_version(overlay, height, height)
    assert version_at(overlay, 100 + 2 * SWITCHES_MAX) == 99 + 2 * SWITCHES_MAX


def test_compiled_programs_have_one_text() -> None:
    """Two compilations of a source give the same code, so the pins above say all."""
    assert compile_contract(DELIVERY).code.co_code == compile_contract(DELIVERY).code.co_code
