"""Probes and metrics: true in good times and in bad."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge

from api.app import begin_shutdown, create_app
from api.gateway import Refused
from api.ops import BLOCKS_BEHIND_MAX
from tests.api.conftest import Make
from tests.api.memory_gateway import MemoryGateway

pytestmark = pytest.mark.anyio


async def test_it_lives_whatever_the_node_says(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    gateway.down = Refused(503, "unavailable", "the store is closed")
    assert (await client.get("/livez")).json() == {"live": True}


async def test_it_is_ready_while_a_quorum_is_in_reach(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    assert (await client.get("/readyz?verbose")).status_code == 200
    gateway.connected = {"bolt", "citybank"}
    assert (await client.get("/readyz")).status_code == 200
    gateway.connected = {"bolt"}
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.json()["detail"] == "2 of 3 validators for a quorum in reach, this one included"


async def test_it_is_not_ready_while_it_is_far_behind(
    client: httpx.AsyncClient, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await gateway.node()
    for behind, status in [(BLOCKS_BEHIND_MAX, 200), (BLOCKS_BEHIND_MAX + 1, 503)]:
        peers = [{"member": "bolt", "connected": True, "height": behind}] * 3

        async def answer(peers: object = peers) -> dict[str, object]:
            return node | {"peers": peers}

        monkeypatch.setattr(gateway, "node", answer)
        assert (await client.get("/readyz")).status_code == status


async def test_it_is_not_ready_when_the_node_fails_or_stops(
    client: httpx.AsyncClient, app: FastAPI, gateway: MemoryGateway
) -> None:
    gateway.down = Refused(503, "unavailable", "the store is closed")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the store is closed")
    gateway.down = None
    begin_shutdown(app)
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the node is stopping")
    assert answer.headers["Retry-After"]


async def test_metrics_are_what_happened(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    await client.post("/v1/transactions", json=transfer())
    await client.get("/v1/blocks/1")
    await client.get("/v1/blocks/0")
    await client.get("/made/up")
    gateway.connected = {"bolt"}
    lines = (await client.get("/metrics")).text.splitlines()
    assert "quorate_consensus_height 1.0" in lines
    assert "quorate_consensus_validators 4.0" in lines
    assert "quorate_consensus_missing_validators 2.0" in lines
    assert "quorate_p2p_peers 1.0" in lines
    assert "quorate_up 1.0" in lines
    assert 'quorate_api_requests_total{method="GET",route="/v1/blocks/{height}",status="200"} 2.0' in lines
    assert not [line for line in lines if "made" in line], "a client must not be able to make up series"
    gateway.down = Refused(503, "unavailable", "the store is closed")
    assert "quorate_up 0.0" in (await client.get("/metrics")).text.splitlines()


async def test_the_nodes_own_metrics_are_shown_too() -> None:
    registry = CollectorRegistry()
    Gauge("quorate_mempool_size", "Transactions that wait", registry=registry).set(3)
    app = create_app(MemoryGateway(), registry=registry)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert "quorate_mempool_size 3.0" in (await client.get("/metrics")).text.splitlines()


async def test_the_version_names_chain_and_member(client: httpx.AsyncClient, gateway: MemoryGateway) -> None:
    version = (await client.get("/version")).json()
    assert version == {"version": "0.1.0", "chain": gateway.chain, "member": "greenfarm"}
