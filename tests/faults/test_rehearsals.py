"""A rehearsal takes a bounded part of the chain, and never keeps a node from stopping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from api.gateway import Refused
from contracts.engine import Engine
from node import rehearsals
from node.genesis import load_genesis
from node.rehearsals import Rehearsals
from node.store import Store
from node.wall.reading import ReadingEngine
from tests.consortium.four import CURRENCY
from tests.faults.test_catch_up import long_chain

BLOCKS = 8


@pytest.fixture(params=[Engine, ReadingEngine])
def made(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Rehearsals, str]]:
    """Rehearsals on a chain of BLOCKS blocks, also behind the second wall, and the source of its currency."""
    consortium = long_chain(tmp_path, BLOCKS)
    genesis = load_genesis(consortium.stage.genesis_path)
    engine = request.param(chain=genesis.chain, parameters=genesis.parameters, code_cache=None)
    with ExitStack() as stack, closing(Store.open(consortium.partners[0].seat.home / "ledger")) as store:
        if isinstance(engine, ReadingEngine):
            stack.callback(engine.close)
        yield Rehearsals(engine, store, genesis), consortium.stage.sources[0].read_text()


def test_it_ends_with_the_node(made: tuple[Rehearsals, str]) -> None:
    found, source = made
    assert found.rehearse(CURRENCY, source, {}, None, None)["rehearsal"]["height"] == BLOCKS
    found.end()
    with pytest.raises(Refused, match="the node is stopping"):
        found.rehearse(CURRENCY, source, {}, None, None)


def test_so_many_blocks_are_rehearsed_and_no_more(
    made: tuple[Rehearsals, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, source = made
    monkeypatch.setattr(rehearsals, "BLOCKS_MAX", BLOCKS - 1)
    assert found.rehearse(CURRENCY, source, {}, None, BLOCKS - 1)["rehearsal"]["height"] == BLOCKS - 1
    with pytest.raises(Refused, match="at most"):
        found.rehearse(CURRENCY, source, {}, None, BLOCKS)
