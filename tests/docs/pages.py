"""Reads what a page shows and types it as a reader would: in a shell, in one folder, from top to bottom.

A mark before a fenced block says what it is:

    <!-- run -->      `sh` is a script; in `console` a line after `$ ` is a command, others are what it prints
    <!-- start -->    commands in terminals of their own, which stay: nodes
    <!-- demo -->     the demo, and what is typed in a second terminal while it runs

What a page shows of the output must be in the real output, line by line and in this order; a line `...`
stands for what was left out. Times, heights, hashes and ports differ from run to run and are not compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^<!-- (run|start|demo) -->\n```(sh|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_VARYING = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8,}\b"), "<hash>"),
    (re.compile(r"\bheight +\d+"), "height <n>"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms)\b"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"\s+"), " "),
)
_END = "\x1e"


@dataclass(frozen=True)
class Command:
    """One thing to type; `mark` is run, start or demo, `shown` what the page shows of its output."""

    mark: str
    text: str
    shown: tuple[str, ...]


def commands(page: Path) -> list[Command]:
    """Everything on a page that is marked to be typed, in order."""
    found: list[Command] = []
    for mark, language, block in _BLOCK.findall(page.read_text()):
        if language == "sh":
            found.append(Command(mark, block, ()))
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            typed = [lines.pop(0)]
            while typed[-1].endswith("\\"):
                typed.append(lines.pop(0))
            found.append(Command(mark, "\n".join(typed), tuple(filter(None, lines))))
    return found


def comparable(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line.strip()


def check_shown(command: Command, printed: str) -> None:
    """Every line that the page shows was printed, in this order."""
    lines = [comparable(line) for line in printed.splitlines()]
    at = 0
    for shown in command.shown:
        if shown.strip() == "...":
            continue
        wanted = comparable(shown)
        assert wanted in lines[at:], f"$ {command.text}\ndoes not print\n{shown}\nbut\n{printed}"
        at = lines.index(wanted, at) + 1


class Shell:
    """One shell that stays open, so that what a page sets and defines holds further down.

    `quorate` is the one under test; `replace` changes a page's words into this run's, such as ports.
    """

    def __init__(self, folder: Path, replace: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._replace = dict(replace or {})
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=kept | {"PATH": path, "XDG_STATE_HOME": str(folder / "state")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.kill()
        self._shell.communicate()

    def here(self, text: str) -> str:
        """A page's text as it must be typed in this run."""
        for theirs, ours in self._replace.items():
            text = text.replace(theirs, ours)
        return text

    def type(self, text: str) -> str:
        """What a command or script prints; it must succeed, every line of it."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"set -e; {{ {self.here(text)}\n}} </dev/null; echo; echo {_END}\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if line == f"{_END}\n":
                return printed
            printed += line
        raise AssertionError(f"$ {self.here(text)}\nfailed:\n{printed}")

    def follow(self, page: Path) -> list[str]:
        """Type all that a page marks with `run`, and compare with what it shows; the commands typed."""
        typed = []
        for command in commands(page):
            if command.mark == "run":
                check_shown(command, self.type(command.text))
                typed.append(command.text)
        return typed
