"""The fixtures reach an author's pytest: by the entry point of the package, by name, or both."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TEST = """
def test_it(chain, contract):
    assert "class Token(Contract)" in contract("token.py")
    assert "class Deal(Contract)" in contract("deal.yaml")
    assert chain.party("dan") == "dan"

def test_nothing_there(contract):
    try:
        contract("nothing.py")
    except FileNotFoundError:
        return
    raise AssertionError
"""
SHEET = "agreement: Deal\nmeaning: m\nphases: a, b\nactions:\n  go:\n    then:\n      - phase becomes b\n"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [(), ("-p", "contracts.pytest_plugin")])
def test_the_fixtures_are_found_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = tmp_path / "site" / "kit_of_quorate-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: kit-of-quorate\nVersion: 1\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_deal.py").write_text(TEST)
    (tmp_path / "deal.yaml").write_text(SHEET)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        *options,
        "--rootdir",
        str(tests),
        str(tests),
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
