"""Fixtures for whoever tests contracts with pytest, which loads this by itself once quorate is installed.

def test_late(chain, contract):
    buyer, seller, carrier = chain.parties("buyer", "seller", "carrier")
    order = chain.agree(contract("delivery_or_penalty.py"), "order", ...)
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.testing import Chain, Readable


@pytest.fixture
def chain() -> Chain:
    """A chain in memory, empty, whose clock stands at the beginning of 2026."""
    return Chain()


@pytest.fixture
def contract(request: pytest.FixtureRequest) -> Callable[[str], Readable]:
    """The file of a contract, found from the folder of the test."""
    folder = request.path.parent

    def find(name: str) -> Readable:
        path = folder.joinpath(name)
        if not path.is_file():
            raise FileNotFoundError(f"there is no {name} in {folder}")
        return path

    return find
