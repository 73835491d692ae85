"""Runs a node whose data folder, or one folder in it, is a small file system of its own that gets full.

    unshare -rm python -m tests.faults.full_disk HOME FOLDER start|running

mounts the file system, which needs a user namespace, so it is gone with this process. Prints
what became of the node as JSON: {exit_code: null where it still runs, lines: its log, taken: how many
transactions took effect}.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from api import plans
from api.client import Account, Call, Client
from node.config import load_config
from node.demo.partner import wait_until
from node.demo.processes import NodeProcess
from node.keystore import Keystore, Role

SIZE = "16m"
START_S = 60.0
GOES_ON_S = 2.0
"""A node that took all transactions and still runs then goes on."""
TRANSACTIONS = 6
BALLAST = "ballast"


def make_small(folder: Path) -> None:
    """Put a small file system in place of a folder, with the folder's content."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        kept = shutil.copytree(folder, Path(scratch) / "kept")
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True, timeout=60
        )
        shutil.copytree(kept, folder, dirs_exist_ok=True)


def fill(folder: Path) -> None:
    """To the last byte."""
    with (folder / BALLAST).open("ab", buffering=0) as ballast:
        for size_bytes in (65_536, 512, 1):
            with suppress(OSError):
                while True:
                    ballast.write(bytes(size_bytes))


class LoggingElsewhere(NodeProcess):
    """Its log is not on the disk that is full."""

    @property
    def log_path(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"


def act(url: str, home: Path, taken: list[int]) -> None:
    """Post transactions while the node answers; adds each that took effect."""
    solo = Account("solo", Keystore(home / "keys").private(Role.ADMINISTRATOR))
    with Client(url) as client, suppress(plans.ApiProblem, plans.Unreachable):
        for number in range(TRANSACTIONS):
            call = Call("accounts", "register", {"account": f"solo.a{number}", "keys": [f"{number:064x}"]})
            if client.send(solo, [call]).outcome == "ok":
                taken.append(number)


def main() -> None:
    home, name, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    folder, node = home / name, LoggingElsewhere(home)
    make_small(folder)
    if when == "start":
        fill(folder)
    node.start()
    taken: list[int] = []
    try:
        wait_until(lambda: node.is_ready() or not node.is_running(), START_S)
        if when == "running":
            fill(folder)
        if node.is_ready():
            url = f"http://127.0.0.1:{load_config(home).config.api_port}"
            client = threading.Thread(target=act, args=(url, home, taken), daemon=True)
            client.start()
            wait_until(lambda: not (node.is_running() and client.is_alive()), START_S)
        code = node.wait(GOES_ON_S if len(taken) == TRANSACTIONS else START_S)
        lines = node.log_path.read_text().splitlines()
        print(json.dumps({"exit_code": code, "lines": lines, "taken": len(taken)}))
    finally:
        node.kill()


if __name__ == "__main__":
    main()
