"""The supported Pythons of this machine, and environments with the locked packages for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = (sys.executable, "-m", "uv", "--quiet")
LOCKS = ("requirements-setup.lock", "requirements.lock")


def run(*command: str | Path, folder: Path) -> str:
    """What a command prints; fails with all of it where the command does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def interpreter(version: str) -> str:
    """The Python of a version, of this process or of the PATH; skips where the machine has none."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    pytest.skip(f"no Python {version} on this machine")


def make_environment(version: str, folder: Path) -> Path:
    """A virtual environment in `folder` with the runtime lock, nothing more; its folder of commands."""
    install = (*UV, "pip", "install", "--python", folder, "--no-deps", "--no-build-isolation")
    run(*UV, "venv", "--python", interpreter(version), folder, folder=folder.parent)
    for lock in LOCKS:
        run(*install, "--require-hashes", "-r", ROOT / lock, folder=folder.parent)
    return folder / "bin"
