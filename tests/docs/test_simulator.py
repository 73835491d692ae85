"""docs/simulator.md: its commands print what it shows, and its table is that of the planted bugs."""

from __future__ import annotations

import pytest

from tests.docs.conftest import Workshop
from tests.docs.pages import ROOT, Shell
from tests.simulator.mutants import MUTANTS, table

PAGE = ROOT / "docs" / "simulator.md"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_work(workshop: Workshop) -> None:
    with Shell(workshop.folder, workshop.replace) as shell:
        assert len(shell.follow(PAGE)) == 2


def test_the_table_names_every_planted_bug() -> None:
    """`python -m tests.simulator --table` prints it."""
    assert len(MUTANTS) >= 15
    assert PAGE.read_text().endswith(f"<!-- table -->\n{table()}\n")
