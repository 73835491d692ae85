"""Every Python and every hash seed sees the same: problems word by word, results, gas, allocation, state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS, MUTATIONS = 100, 300
MANY_PROGRAMS = 2_000


def start(python: str, seed: str, programs: int = PROGRAMS) -> subprocess.Popen[str]:
    command = [python, "-W", "error", "-m", "tests.contracts_lang.digest", str(programs), str(MUTATIONS)]
    environment = {"PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def results(*processes: subprocess.Popen[str]) -> set[str]:
    outputs = {process.communicate()[0].strip() for process in processes}
    assert all(process.returncode == 0 for process in processes)
    return outputs


def test_two_hash_seeds_agree() -> None:
    (digest,) = results(start(sys.executable, "1"), start(sys.executable, "2"))
    assert len(digest) == 64


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_pythons_agree(other_python: str) -> None:
    mine, others = start(sys.executable, "3", MANY_PROGRAMS), start(other_python, "4", MANY_PROGRAMS)
    assert len(results(mine, others)) == 1
