"""One consortium for all tests of a module: starting four nodes takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.consortium.four import Consortium, running


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four running nodes with a currency; every partner holds 1,000,000."""
    with running(tmp_path_factory.mktemp("consortium") / "four") as four:
        four.open_currency(1_000_000)
        yield four
