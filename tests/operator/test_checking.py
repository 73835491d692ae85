"""A real node that has large batches checked by a process of its own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from api.client import Account, Call, Client
from api.gateway import TransactionState
from api.signing import build_transaction, sign_transaction
from node.bench.usage import cpu_s, family, memory_mib_max
from node.config import NodeConfig
from node.demo.partner import wait_until
from node.keystore import Role
from node.ports import free_ports
from tests.cli.support import running

BOUND_S = 60.0
COUNT = 60


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_node_goes_on_when_its_checking_process_is_killed(home: NodeConfig) -> None:
    """Guards that the process is there when it pays, that all are answered without it, and that it ends."""
    (api_port,) = free_ports(1)
    url, log = f"http://127.0.0.1:{api_port}", home.data_dir / "log"
    solo = Account("solo", home.keystore().private(Role.ADMINISTRATOR))
    start = ("start", "--data", home.data_dir, "--api-port", str(api_port))
    with running(*start, url=url, log=log) as node, Client(url) as client:
        call = [Call("euro", "transfer", {"to": "solo.shop", "amount": "1"})]
        chain, expires_ms = client.get("/v1/status")["chain"], time.time_ns() // 10**6 + 300_000

        def post(spoilt: int) -> None:
            items = [
                sign_transaction(build_transaction(chain, "solo", call, expires_ms), [solo.signer])
                for _ in range(COUNT)
            ]
            items[spoilt]["signatures"][0]["signature"] = "00" * 64
            items[spoilt - 1] = {"transaction": {}}
            found = client.submit_batch(items)
            assert found[spoilt].code == "bad_signature"
            assert (found[spoilt - 1].id, found[spoilt - 1].code) == ("", "invalid_body")
            assert [each.state for each in found].count(TransactionState.PENDING) == COUNT - 2
            told = [(each.id, None) for each in found[: spoilt - 1]]
            assert [(each.id, each.code) for each in client.submit_batch(items[: spoilt - 1])] == told

        assert client.send(solo, call).outcome == "ok"
        assert family(node.pid) == [node.pid]
        post(COUNT // 2)
        _, checking = family(node.pid)
        assert cpu_s(node.pid) > cpu_s(checking) >= 0
        assert memory_mib_max(node.pid) > memory_mib_max(checking) > 1
        os.kill(checking, signal.SIGKILL)
        post(COUNT // 3)
        assert wait_until(lambda: family(node.pid) == [node.pid], BOUND_S)
        assert "a checking process died (SIGKILL)" in log.read_text()
        node.kill()
        node.wait(BOUND_S)
    with running(*start, url=url, log=log) as node, Client(url) as client:
        post(COUNT // 2)
        _, checking = family(node.pid)
        node.terminate()
        assert node.wait(BOUND_S) == 0
        assert wait_until(lambda: not Path(f"/proc/{checking}").exists(), BOUND_S)
