"""Runs docs/openssl.md as it stands, against any node."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.docs.pages import ROOT, commands

PAGE = ROOT / "docs" / "openssl.md"


def script() -> str:
    """The page's blocks that are marked to be run, in order."""
    return "\n".join(command.text for command in commands(PAGE))


def run(base_url: str, member: str, member_key: Path, folder: Path) -> str:
    """What the page prints when its shell runs it in `folder`; `member_key` is a PEM file.

    Raises: AssertionError where a command fails.
    """
    environment = {"NODE": base_url, "MEMBER": member, "MEMBER_KEY": str(member_key), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-eu", "-c", script()],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
