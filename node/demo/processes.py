"""Nodes as processes of their own, that never outlive the demo.

Each node ends when its standard input closes (`quorate start --until-input-closes`), and the kernel closes it
when we are gone, whatever ended us. Each has its own session, so that Ctrl-C reaches the demo alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from node.documents import read_json
from node.errors import ConfigurationError

STOP_S = 15.0
"""A node that has not ended this long after SIGTERM is killed."""
LOG_FILE = "node.log"


class NodeProcess:
    """One node, started and ended any number of times on the same data folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._accounted = True
        """True where nobody needs to be told that it does not run."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; negative for a signal."""
        return None if self._process is None else self._process.poll()

    @property
    def log_path(self) -> Path:
        return self.home / LOG_FILE

    def is_ready(self) -> bool:
        """True once this very process serves: another program's answer on its port does not count."""
        try:
            announced = read_json(self.home / "node.json")
        except ConfigurationError:  # not yet there, or half written
            return False
        return self.is_running() and isinstance(announced, dict) and announced.get("pid") == self.pid

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log_path.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def ended_by_itself(self) -> bool:
        """True once after it ended without being told to."""
        if self._accounted or self.is_running():
            return False
        self._accounted = True
        return True

    def command(self) -> list[str]:
        """What is run."""
        # -P: a folder called `node` where the demo was started must not be taken for ours.
        start = ["start", "--data", str(self.home), "--until-input-closes"]
        return [sys.executable, "-P", "-m", "node", *start]

    def start(self) -> None:
        """Start it; its log goes on at the end of the same file."""
        self._accounted = False
        self._reap(0)  # one that ended by itself
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        self._accounted = True
        if self._process is not None:
            self._process.kill()
            self._reap(STOP_S)

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self._accounted = True
        if self.is_running() and self._process is not None:
            self._process.terminate()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """SIGTERM, and kill -9 for one that has not ended after so long."""
        self.ask_to_stop()
        if not self._reap(timeout_s):
            self.kill()

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, or None when it still runs after that time."""
        self._reap(timeout_s)
        return self.exit_code

    def _reap(self, timeout_s: float) -> bool:
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._process.stdin is not None:
            self._process.stdin.close()
        return True


def stop_all(processes: Sequence[NodeProcess]) -> None:
    """Ask all at once, then wait for all of them."""
    for process in processes:
        process.ask_to_stop()
    end_s = time.monotonic() + STOP_S
    for process in processes:
        process.stop(max(0.0, end_s - time.monotonic()))
