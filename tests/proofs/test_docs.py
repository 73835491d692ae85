"""The output that docs/proofs.md shows is what the commands print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

from tests.proofs.standalone import DOCS


def test_the_output_in_the_docs_is_true() -> None:
    shown = re.search(r"```console\n(.*?)```", (DOCS / "proofs.md").read_text(), re.DOTALL)
    assert shown is not None
    commands = shown[1].split("$ ")[1:]
    assert len(commands) == 4
    for command in commands:
        line, expected = command.split("\n", 1)
        _, *arguments = shlex.split(line)
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=DOCS.parent
        )
        assert done.stdout == expected
        assert done.returncode == (0 if expected.startswith("VALID") else 1)
