"""A disk that is full or fails, at each place where a node writes: one clear line says so.

The small disks are mounted in a user namespace of their own. Where the system has none, the limit on the size
of files stands in for them, in tests/consortium/test_operator.py and in the swarm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import plyvel
import pytest

from node import genesis
from node.errors import ConfigurationError
from node.home import make_home
from node.keystore import Keystore, Role, generate, write_key
from node.ports import free_ports
from node.store import Store, StoreFailed
from tests.durability.disks import NO_SPACE

STOPPED = "quorate: the node stopped: "
ROWS = [
    (".", "start", 1, "No space left on device; check the disk"),
    ("journal", "start", 1, "No space left on device; check the disk"),
    ("journal", "running", 1, "could not append: No space left on device; check the disk"),
    ("ledger", "start", 1, "No space left on device; check the disk"),
    ("ledger", "running", 1, "could not be written: IO error: .*: No space left on device; check the disk"),
    ("code-cache", "running", None, ""),
    ("recorder", "running", None, "the flight recorder stops"),
]
"""What is full, since when, the exit code (None: it goes on), and what it says."""

namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0,
    reason="this system gives no user namespaces to mount a small disk in",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member's data folder; its chain has no other."""
    folder = tmp_path_factory.mktemp("disks") / "solo"
    listen, api_port, ops_port = free_ports(3)
    card = make_home(
        folder,
        member="solo",
        title="Solo",
        address=f"/ip4/127.0.0.1/tcp/{listen}",
        settings={"api_port": api_port, "ops_port": ops_port},
    )
    body = genesis.assemble("solo", 1_772_355_600_000, [card])
    administrator = Keystore(folder / "keys").private(Role.ADMINISTRATOR)
    signed = genesis.sign(genesis.SignedGenesis(body, {}), administrator)
    genesis.write_genesis(folder / "genesis.json", signed)
    return folder


@namespaces
@pytest.mark.slow
@pytest.mark.parametrize(("folder", "when", "exit_code", "words"), ROWS)
def test_a_full_disk(
    home: Path, tmp_path: Path, folder: str, when: str, exit_code: int | None, words: str
) -> None:
    found = _run(shutil.copytree(home, tmp_path / "solo"), folder, when)
    lines = found["lines"]
    assert found["exit_code"] == exit_code, lines
    assert not any("Traceback" in line for line in lines), lines
    if exit_code is None:
        assert found["taken"] > 0, lines
        assert any(words in line for line in lines), lines
    else:
        assert lines[-1].startswith(STOPPED), lines
        assert re.search(words, lines[-1]), lines


def _run(home: Path, folder: str, when: str) -> Any:
    command = ["unshare", "-rm", sys.executable, "-m", "tests.faults.full_disk", str(home), folder, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_key_that_could_not_be_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of a key would be taken for one."""

    def full(descriptor: int) -> None:
        raise OSError(NO_SPACE, os.strerror(NO_SPACE))

    path = tmp_path / "validator.pem"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match=r"cannot write the key .*: No space left on device"):
        write_key(path, generate(), None)
    assert not path.exists()
    monkeypatch.undo()
    write_key(path, generate(), None)


def test_a_store_on_a_disk_that_fails_is_not_the_settings_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise plyvel.IOError(b"IO error: MANIFEST: Input/output error")

    monkeypatch.setattr(plyvel, "DB", full)
    with pytest.raises(StoreFailed, match="Input/output error; check the disk"):
        Store.open(tmp_path)
