"""What four real nodes recorded, with one killed and another stopped, is done again from its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from node.demo.partner import Partner
from node.keystore import Role
from node.recorder import read_incident, replay
from tests.consortium.four import Consortium, running

TRANSFERS = 30


def quorate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "node", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def export(partner: Partner, out: Path) -> Path:
    done = quorate("incident", "export", "--data", partner.seat.home, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_running_stopped_and_killed_nodes_can_be_examined_elsewhere(tmp_path: Path) -> None:
    with running(tmp_path / "four") as four:
        four.open_currency(1_000_000)
        work(four)
        killed, stopped, running_ = four.partners[1:]
        killed.process.kill()
        stopped.process.stop()
        files = {
            partner: export(partner, tmp_path / f"{partner.name}.incident")
            for partner in (killed, stopped, running_)
        }
        four.start([killed, stopped])
        work(four)
        files[four.bank] = export(four.bank, tmp_path / "later.incident")
    for partner, file in files.items():
        done = quorate("incident", "replay", file, "--last", "3")
        assert done.returncode == 0, done.stdout
        assert "Every effect is the same as recorded." in done.stdout
        assert done.stdout.count("\nturn ") + done.stdout.startswith("turn ") == 3
        incident = read_incident(file)
        assert replay(incident).calls > 2 * TRANSFERS
        content = b"".join(incident.frames)
        for role in (Role.VALIDATOR, Role.NETWORK, Role.ADMINISTRATOR):
            assert partner.seat.keys.private(role).seed not in content
        assert partner.seat.keys.public(Role.VALIDATOR) in content
    data = bytearray(files[killed].read_bytes())
    data[len(data) // 3] ^= 4
    files[killed].write_bytes(data)
    refused = quorate("incident", "replay", files[killed])
    assert refused.returncode == 1
    assert "was changed or cut short" in refused.stderr


def work(four: Consortium) -> None:
    for _ in range(TRANSFERS):
        four.transfer(four.bank, four.partners[3].name, 1)
