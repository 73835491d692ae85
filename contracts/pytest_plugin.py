"""Fixtures for whoever tests contracts with pytest, which loads this by itself once quorate is installed.

def test_late(chain, contract):
    buyer, seller, carrier = chain.parties("buyer", "seller", "carrier")
    order = chain.agree(contract("delivery_or_penalty.py"), "order", ...)
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from contracts.sheets import source_of
from contracts.testing import Chain

_SHEETS = (".yaml", ".yml")


@pytest.fixture
def chain() -> Chain:
    """A chain in memory, empty, whose clock stands at the beginning of 2026."""
    return Chain()


@pytest.fixture
def contract(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The source of a contract or rule sheet by its file's name: beside the test, a folder up, or ours."""
    folder = request.path.parent
    places = (folder, folder.parent, files("contracts.library"))

    def find(name: str) -> str:
        for place in places:
            file = place.joinpath(name)
            if file.is_file():
                return source_of(file.read_text()) if name.endswith(_SHEETS) else file.read_text()
        raise FileNotFoundError(f"there is no {name} in {folder}, nor above it, nor in quorate's library")

    return find
