"""All Pythons and hash seeds make the same of a contract: source, sheet, sentences, picture, schema."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def digests(*runs: tuple[str, str]) -> set[str]:
    """What each Python says under its hash seed."""
    processes = [
        subprocess.Popen(
            [python, "-W", "error", "-m", "tests.kit.digest"],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            text=True,
        )
        for python, seed in runs
    ]
    found = {process.communicate()[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert all(len(digest) == 64 for digest in found)
    return found


def test_two_hash_seeds_agree() -> None:
    assert len(digests((sys.executable, "1"), (sys.executable, "2"))) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_pythons_agree(other_python: str) -> None:
    assert len(digests((sys.executable, "3"), (other_python, "4"))) == 1
