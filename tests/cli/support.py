"""Runs the command line in this process, the way a shell would, and nodes as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from node.cli import main

START_S = 120.0


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """Types commands; output is not a terminal, so it is plain."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *words: str | Path) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["quorate", *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = self._capsys.readouterr()
        return Done(int(stop.value.code or 0), captured.out, captured.err)

    def ok(self, *words: str | Path) -> str:
        """Standard output of a command that must succeed."""
        done = self(*words)
        assert done.code == 0, f"{words}: {done}"
        return done.out


@contextmanager
def running(*words: str | Path, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A node started by a command, from when its API answers to the end of the block."""
    with log.open("ab") as file:
        node = subprocess.Popen(
            [sys.executable, "-P", "-m", "node", *map(str, words)], stdout=file, stderr=file
        )
    try:
        await_answer(url, node, log)
        yield node
    finally:
        node.terminate()
        try:
            node.wait(60)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def await_answer(url: str, node: subprocess.Popen[bytes], log: Path) -> None:
    """Until the API answers; fails with the node's log when it ends instead."""
    end_s = time.monotonic() + START_S
    while True:
        assert node.poll() is None, log.read_text()
        assert time.monotonic() < end_s, log.read_text()
        try:
            if httpx.get(f"{url}/v1/status", timeout=10).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
