"""docs/authors.md: its commands work, its contracts are typed, its excerpts are of the files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from node.commands import scenario
from tests.docs.pages import ROOT, Shell

GUIDE = ROOT / "docs" / "authors.md"
TESTS = ROOT / "docs" / "examples" / "tests"
_ROW = re.compile(r"^\| [^|]+ \| \[[a-z_]+\.py\]\(([a-z_/.]+\.py)\)", re.MULTILINE)
FIVE = [(GUIDE.parent / path).resolve() for path in _ROW.findall(GUIDE.read_text())]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_works_as_it_stands(tmp_path: Path) -> None:
    """Every command and the output that it shows, in a reader's folder, without a node."""
    for name in ("docs", "contracts"):
        (tmp_path / name).symlink_to(ROOT / name)
    with Shell(tmp_path) as shell:
        assert len(shell.follow(GUIDE)) >= 12


def test_every_worked_contract_is_tested_in_the_guide() -> None:
    assert len(FIVE) == 5
    text = GUIDE.read_text()
    for contract in FIVE:
        assert contract.is_file(), contract
        tests = TESTS / f"test_{contract.stem}.py"
        assert f"$ quorate contract test {contract.relative_to(ROOT)}" in text
        assert str(tests.relative_to(ROOT)) in text
        assert tests.is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_worked_contracts_have_types(tmp_path: Path) -> None:
    """What an editor and mypy --strict see of a contract, outside of this repository."""
    for contract in FIVE:
        (tmp_path / contract.name).write_text(contract.read_text())
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        FIVE[0].read_text().replace("self.pay(self.seller, self.price)", "self.pay(self.price, 5)")
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, *(str(tmp_path / contract.name) for contract in FIVE), str(wrong)],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert found, done.stdout + done.stderr
    assert {line.partition(":")[0] for line in found} == {"wrong.py"}, done.stdout


def test_the_excerpt_is_of_the_tests() -> None:
    excerpt = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert excerpt is not None
    assert excerpt[1] in (TESTS / "test_delivery_or_penalty.py").read_text()


def test_every_kind_of_step_is_in_the_guide() -> None:
    text, documented = GUIDE.read_text(), scenario.__doc__
    assert documented is not None
    for line in documented.splitlines():
        if line.startswith("    "):
            word = line.split()[1] if line.split()[0] in ("buyer", "carrier") else line.split()[0]
            assert re.search(rf"`[^`]*\b{word}\b", text), word
