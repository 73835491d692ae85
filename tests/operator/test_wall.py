"""A real node whose blocks are executed, and whose readers are answered, behind the second wall."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from api.client import Account, Call, Client
from node.config import NodeConfig
from node.demo.partner import wait_until
from node.doctor import Verdict, examine, machine
from node.keystore import Role
from node.ports import free_ports
from tests.cli.support import Shell, running

BOUND_S = 60.0


def children(pid: int) -> list[int]:
    """The processes that any thread of a process started, and that still run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_node_goes_on_when_its_process_is_killed(home: NodeConfig, shell: Shell) -> None:
    (api_port,) = free_ports(1)
    url, log = f"http://127.0.0.1:{api_port}", home.data_dir / "log"
    start = ("start", "--data", home.data_dir, "--api-port", str(api_port), "--execution-wall", "process")
    with running(*start, url=url, log=log) as node, Client(url) as client:
        solo = Account("solo", home.keystore().private(Role.ADMINISTRATOR))

        def transfer() -> str | None:
            return client.send(solo, [Call("euro", "transfer", {"to": "solo.shop", "amount": "1"})]).outcome

        assert transfer() == "ok"
        assert "blocks are executed in a confined process\n" in shell.ok("status", "--node", url)
        [first] = children(node.pid)
        os.kill(first, signal.SIGKILL)
        assert transfer() == "ok"
        [second] = children(node.pid)
        assert second != first
        assert "the process that executes contracts died" in log.read_text()
        query = f"{url}/v1/instances/euro/query/balance?account=solo.shop"
        assert httpx.get(query, timeout=BOUND_S).json()["value"] >= 2
        [reading] = {*children(node.pid)} - {second}
        os.kill(reading, signal.SIGKILL)
        answer = httpx.get(query, timeout=BOUND_S)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "behind the second wall, which was asked, died (SIGKILL)" in answer.json()["detail"]
        shown = httpx.get(f"{url}/v1/instances/euro", timeout=BOUND_S)
        assert (shown.status_code, shown.json()["name"]) == (200, "euro")
        [third] = {*children(node.pid)} - {second}
        node.terminate()
        assert node.wait(BOUND_S) == 0
        assert wait_until(
            lambda: not any(Path(f"/proc/{each}").exists() for each in (second, third)), BOUND_S
        )
    assert "stopped" in log.read_text()


@pytest.mark.parametrize(
    ("wall", "offered", "verdict", "says"),
    [
        ("off", None, Verdict.OK, "off: .* this system could confine it"),
        ("off", "no filter", Verdict.OK, "off: .* no filter"),
        ("process", None, Verdict.OK, "in a process without files"),
        ("process", "no filter", Verdict.WARN, "no filter"),
    ],
)
def test_the_doctor_says_what_there_is(
    wall: str,
    offered: str | None,
    verdict: Verdict,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "offered", lambda: offered)
    monkeypatch.setenv("QUORATE_EXECUTION_WALL", wall)
    found = next(finding for finding in examine(tmp_path) if finding.check == "wall")
    assert found.verdict is verdict
    assert re.search(says, found.detail)
