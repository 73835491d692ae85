"""The log names members, and a log that cannot be written stops nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import logging, structlog
from node.logs import StandardError, set_up_logs
set_up_logs("console", "info", "coopbank", {0: "coopbank", 3: "swiftship"})
structlog.get_logger("network").warning("bad message", peer=3)
structlog.get_logger("driver").warning("it signed two batches", member=3, height=3)
logging.getLogger("library").warning("another voice")
StandardError().write("last words\\n")
"""


def run(**arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, text=True, timeout=60, check=False, **arguments)  # type: ignore[call-overload, no-any-return]


def test_members_are_named_and_other_numbers_left() -> None:
    done = run(stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    bad, signed, library, last = done.stderr.splitlines()
    assert "peer=swiftship" in bad
    assert "node=coopbank" in bad
    assert "member=swiftship" in signed
    assert "height=3" in signed
    assert "another voice" in library
    assert last == "last words"


def test_a_full_disk_a_deaf_reader_and_no_reader_at_all_are_survived() -> None:
    with Path("/dev/full").open("w") as full:
        assert run(stderr=full).returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run(stderr=writing).returncode == 0
    finally:
        os.close(writing)
    assert run(preexec_fn=lambda: os.close(2)).returncode == 0
