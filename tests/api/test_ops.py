"""Probes, metrics and log levels: true in good times and in bad."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from api import probes
from api.app import begin_shutdown, create_app
from api.gateway import JsonObject, Refused
from api.ops import LEVEL_BYTES_MAX, LEVEL_S_MAX, create_ops_app
from api.probes import BLOCKS_BEHIND_MAX, DISK_FREE_BYTES_MIN
from node.logs import Levels
from tests.api.conftest import Make
from tests.api.memory_gateway import MemoryGateway

pytestmark = pytest.mark.anyio


class Operated:
    """The API and the ops port of one node, in process."""

    def __init__(self, gateway: MemoryGateway) -> None:
        self.stopping = False
        self.levels = Levels("info")
        self.registry = CollectorRegistry()
        self.app = create_app(gateway, registry=self.registry)
        self.ops_app = create_ops_app(
            gateway, registry=self.registry, levels=self.levels, stopping=lambda: self.stopping
        )
        self.api = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost")
        self.ops = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.ops_app), base_url="http://10-0-0-7.cluster"
        )


@pytest.fixture
async def operated(gateway: MemoryGateway) -> AsyncIterator[Operated]:
    node = Operated(gateway)
    async with node.api, node.ops:
        yield node


async def test_it_lives_whatever_the_node_says(operated: Operated, gateway: MemoryGateway) -> None:
    gateway.down = Refused(503, "unavailable", "the store is closed")
    for client in (operated.api, operated.ops):
        assert (await client.get("/livez")).json() == {"live": True}


async def test_it_is_ready_while_a_quorum_is_in_reach(operated: Operated, gateway: MemoryGateway) -> None:
    for client, reason in ((operated.api, "detail"), (operated.ops, "missing")):
        gateway.connected = {"bolt", "citybank", "millers"}
        assert (await client.get("/readyz?verbose")).status_code == 200
        gateway.connected = {"bolt", "citybank"}
        assert (await client.get("/readyz")).json()["ready"] is True
        gateway.connected = {"bolt"}
        answer = await client.get("/readyz?verbose")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert answer.json()[reason] == "2 of 3 validators for a quorum in reach, this one included"
        assert [check["check"] for check in answer.json()["checks"] if not check["ok"]] == ["peers"]


async def test_it_is_not_ready_while_it_is_far_behind(
    operated: Operated, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await gateway.node()
    for behind, status in [(BLOCKS_BEHIND_MAX, 200), (BLOCKS_BEHIND_MAX + 1, 503)]:
        peers = [_peer(behind), _peer(behind), _peer(0)]

        async def answer(peers: object = peers) -> JsonObject:
            return node | {"peers": peers}

        monkeypatch.setattr(gateway, "node", answer)
        assert (await operated.ops.get("/readyz")).status_code == status
        assert (await operated.api.get("/readyz")).status_code == status


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        (lambda peers: peers[0].update(height=2**62), 200),  # one may lie
        (lambda peers: [peer.update(height=2**62) for peer in peers[:2]], 503),
        (lambda peers: [peer.update(connected=False) for peer in peers[:2]], 503),
        (lambda peers: [peer.update(role="observer") for peer in peers[:2]], 503),
    ],
)
async def test_it_believes_more_validators_than_may_lie(
    operated: Operated, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch,
    changed: Callable[[list[JsonObject]], object], status: int,
) -> None:  # fmt: skip
    peers = [_peer(0), _peer(0), _peer(0)]
    changed(peers)
    node = await gateway.node() | {"peers": peers}

    async def answer() -> JsonObject:
        return node

    monkeypatch.setattr(gateway, "node", answer)
    assert (await operated.ops.get("/readyz")).status_code == status


def _peer(height: int) -> JsonObject:
    return {"member": "bolt", "role": "validator", "connected": True, "height": height}


async def test_it_is_not_ready_with_a_full_disk(operated: Operated, gateway: MemoryGateway) -> None:
    for free_bytes, status in ((DISK_FREE_BYTES_MIN, 200), (DISK_FREE_BYTES_MIN - 1, 503)):
        gateway.disk_free_bytes = free_bytes
        assert (await operated.ops.get("/readyz")).status_code == status
    assert "255 MiB free for the data folder, 256" in (await operated.ops.get("/readyz")).json()["missing"]


async def test_it_is_not_ready_when_the_node_fails_or_stops(
    operated: Operated, gateway: MemoryGateway
) -> None:
    gateway.down = Refused(503, "unavailable", "the store is closed")
    for client, reason in ((operated.api, "detail"), (operated.ops, "missing")):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()[reason]) == (503, "the store is closed")
    gateway.down = None
    begin_shutdown(operated.app)
    operated.stopping = True
    for client, reason in ((operated.api, "detail"), (operated.ops, "missing")):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()[reason]) == (503, "the node is stopping")
    assert (await operated.api.get("/readyz")).headers["Retry-After"]


async def test_a_node_that_hangs_is_alive_and_not_ready(
    operated: Operated, gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> JsonObject:
        await asyncio.sleep(3600)
        return {}

    monkeypatch.setattr(gateway, "node", hang)
    monkeypatch.setattr(probes, "ANSWER_S_MAX", 0.05)
    monkeypatch.setattr("api.ops.ANSWER_S_MAX", 0.05)
    assert (await operated.ops.get("/livez")).status_code == 200
    answer = await operated.ops.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, "the node gave no answer for 0.05 s")
    assert (await operated.ops.get("/version")).status_code == 503


async def test_metrics_are_what_happened(operated: Operated, transfer: Make) -> None:
    await operated.api.post("/v1/transactions", json=transfer())
    await operated.api.get("/v1/blocks/1")
    await operated.api.get("/v1/blocks/0")
    await operated.api.get("/made/up")
    lines = (await operated.ops.get("/metrics")).text.splitlines()
    assert 'quorate_api_requests_total{method="GET",route="/v1/blocks/{height}",status="200"} 2.0' in lines
    assert "quorate_api_streams 0.0" in lines
    assert not [line for line in lines if "made" in line], "a client must not be able to make up series"


async def test_the_nodes_own_metrics_are_on_the_ops_port_alone(operated: Operated) -> None:
    Gauge("quorate_mempool_size", "Transactions that wait", registry=operated.registry).set(3)
    assert "quorate_mempool_size 3.0" in (await operated.ops.get("/metrics")).text.splitlines()
    for path in ("/metrics", "/loglevel"):
        assert (await operated.api.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/v1/status", "/v1/blocks", "/", "/docs", "/openapi.json"])
async def test_the_ops_port_is_no_way_around_the_api(operated: Operated, path: str) -> None:
    assert (await operated.ops.get(path)).status_code == 404


async def test_the_version_names_chain_and_member(operated: Operated, gateway: MemoryGateway) -> None:
    for client in (operated.api, operated.ops):
        version = (await client.get("/version")).json()
        assert version == {"version": "0.1.0", "chain": gateway.chain, "member": "greenfarm"}


# ---------------------------------------------------------------- levels of the log


async def put(operated: Operated, body: object, host: str = "127.0.0.1:7760") -> httpx.Response:
    return await operated.ops.put("/loglevel", json=body, headers={"Host": host})


async def test_a_logger_gets_a_level_and_loses_it_again(operated: Operated) -> None:
    before = (await operated.ops.get("/loglevel")).json()
    assert before["default"] == "info"
    assert before["loggers"]["driver"] == {"level": "info", "for_s": None}
    answer = await put(operated, {"logger": "driver", "level": "debug", "for_s": 600})
    assert answer.json()["loggers"]["driver"] == {"level": "debug", "for_s": 600}
    assert answer.json()["loggers"]["sync"] == {"level": "info", "for_s": None}
    await put(operated, {"level": "error"})
    assert (operated.levels.of("sync"), operated.levels.of("driver")) == ("error", "debug")
    for body in ({"logger": "driver", "level": None}, {"level": None}):
        await put(operated, body)
    assert (await operated.ops.get("/loglevel")).json() == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"level": "loud"}, "no level 'loud'"),
        ({"logger": "drivr", "level": "debug"}, "no logger 'drivr'"),
        ({"logger": "driver"}, "must be"),
        ({"level": "debug", "by": "me"}, "must be"),
        (["debug"], "must be"),
        ({"level": 10}, "level must be text"),
        ({"level": "debug", "for_s": True}, "for_s must be an integer"),
        ({"level": "debug", "for_s": 0}, "for_s must be 1 to"),
        ({"level": "debug", "for_s": LEVEL_S_MAX + 1}, "for_s must be 1 to"),
        ({"level": "x" * LEVEL_BYTES_MAX}, "is longer than"),
    ],
)
async def test_a_wrong_level_is_refused_and_changes_nothing(
    operated: Operated, body: object, words: str
) -> None:
    answer = await put(operated, body)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert operated.levels.of("driver") == "info"


async def test_what_is_no_json_is_refused(operated: Operated) -> None:
    answer = await operated.ops.put("/loglevel", content=b"{", headers={"Host": "localhost"})
    assert answer.status_code == 422


async def test_a_foreign_site_sets_no_level(operated: Operated) -> None:
    """A probe is asked under any name; what changes something is not (DNS rebinding)."""
    assert (await put(operated, {"level": "debug"}, host="evil.example")).status_code == 421
    assert operated.levels.of("driver") == "info"


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/version", "/metrics", "/loglevel"])
async def test_probes_are_not_filtered_by_host(operated: Operated, probe: str) -> None:
    for host in ("10-0-0-7.cluster", "", "a b"):
        assert (await operated.ops.get(probe, headers={"Host": host})).status_code == 200


def test_the_limits_of_readiness_are_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
    assert f"at most {BLOCKS_BEHIND_MAX} blocks behind" in page
    assert f"{DISK_FREE_BYTES_MIN >> 20} MiB" in page
