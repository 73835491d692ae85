"""Every Python and every hash seed sees the same: problems word by word, results, gas, allocation, state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS, MUTATIONS = 100, 300


def other_python() -> str | None:
    """An interpreter of the other supported version."""
    other = "python3.12" if sys.version_info < (3, 12) else "python3.11"
    return os.environ.get("OTHER_PYTHON") or shutil.which(other)


def start(python: str, seed: str) -> subprocess.Popen[str]:
    command = [python, "-W", "error", "-m", "tests.contracts_lang.digest", str(PROGRAMS), str(MUTATIONS)]
    environment = {"PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def results(*processes: subprocess.Popen[str]) -> set[str]:
    outputs = {process.communicate()[0].strip() for process in processes}
    assert all(process.returncode == 0 for process in processes)
    return outputs


def test_two_hash_seeds_agree() -> None:
    (digest,) = results(start(sys.executable, "1"), start(sys.executable, "2"))
    assert len(digest) == 64


def test_two_pythons_agree() -> None:
    python = other_python()
    works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    if not python or not works:
        pytest.skip("no other supported Python here; set OTHER_PYTHON to one")
    assert len(results(start(sys.executable, "3"), start(python, "4"))) == 1
