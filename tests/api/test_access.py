"""The door: host names, origins, cross-origin reading, and the headers that keep browsers strict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.access import Access
from api.app import begin_shutdown, create_app
from tests.api.conftest import Make
from tests.api.memory_gateway import MemoryGateway

pytestmark = pytest.mark.anyio


def _client(access: Access | None = None) -> httpx.AsyncClient:
    app = create_app(MemoryGateway(), access=access)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("localhost:7750", 200), ("LOCALHOST", 200), ("127.0.0.1:7750", 200),
        ("[::1]:7750", 200), ("192.168.3.4", 200), ("evil.example", 421), ("evil.example:7750", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("", 421),
        ("localhost:7750:1", 421), ("a b", 421), ("[::1", 421),
    ],
)  # fmt: skip
async def test_a_foreign_host_name_is_refused(host: str, status: int) -> None:
    """A page of another site whose name is made to point at this machine must get nothing (DNS rebinding)."""
    async with _client() as client:
        answer = await client.get("/v1/status", headers={"Host": host})
        assert answer.status_code == status
        if status == 421:
            assert answer.json()["code"] == "host_refused"


async def test_an_operators_host_name_is_let_in() -> None:
    async with _client(Access(hosts=("node.greenfarm.example",))) as client:
        answer = await client.get("/v1/status", headers={"Host": "node.greenfarm.example:443"})
        assert answer.status_code == 200
        assert (await client.get("/v1/status", headers={"Host": "other.example"})).status_code == 421


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/version"])
async def test_probes_are_not_filtered_by_host(probe: str) -> None:
    async with _client() as client:
        assert (await client.get(probe, headers={"Host": "10-0-0-7.cluster"})).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 202),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:1", 403),
        ("http://[", 403),
    ],
)
async def test_another_sites_page_may_not_write(transfer: Make, origin: str, status: int) -> None:
    async with _client() as client:
        answer = await client.post("/v1/transactions", json=transfer(), headers={"Origin": origin})
        assert answer.status_code == status


async def test_cross_origin_reading_is_off_by_default() -> None:
    async with _client() as client:
        answer = await client.get("/v1/status", headers={"Origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert (await client.options("/v1/transactions", headers=asked)).status_code == 405


async def test_an_operators_origin_may_read_and_write(transfer: Make) -> None:
    origin = "https://app.greenfarm.example"
    async with _client(Access(origins=(origin,))) as client:
        answer = await client.post("/v1/transactions", json=transfer(), headers={"Origin": origin})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (202, origin)
        other = await client.get("/v1/status", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_a_foreign_form_could_send_is_not_read(content_type: str | None) -> None:
    """A browser sends these across origins without asking first; application/json it does not."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    async with _client() as client:
        for path in ("/v1/transactions", "/v1/dev/clock", "/v1/instances/euro/query/balance"):
            answer = await client.post(path, content=b'{"by_ms": 1}', headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        spelled = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert (
            await client.post("/v1/dev/clock", content=b'{"by_ms": 1}', headers=spelled)
        ).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/v1/status", "/none", "/static/style.css", "/instances/none"]
)
async def test_every_answer_keeps_browsers_strict(path: str) -> None:
    async with _client() as client:
        headers = (await client.get(path)).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


async def test_waiting_requests_are_bounded(transfer: Make) -> None:
    async with _client(Access(waits_max=0)) as client:
        path = f"/v1/transactions/{'ab' * 32}"
        answer = await client.get(path, params={"wait": "committed", "timeout": "1"})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
        assert answer.headers["Retry-After"]
        assert (await client.get(path)).status_code == 404
        posted = await client.post("/v1/transactions?wait=committed", json=transfer())
        assert posted.status_code == 429
        assert (await client.get("/v1/status")).json()["height"] == 0, "what is refused is not accepted"


async def _body(part: bytes, then: asyncio.Event) -> AsyncIterator[bytes]:
    yield part
    await then.wait()
    yield b"{}"


async def test_bodies_that_stay_under_way_are_bounded_together() -> None:
    """A thousand clients that begin a body and leave it there must not fill the memory."""
    headers, finish = {"Content-Type": "application/json"}, asyncio.Event()
    async with _client(Access(bodies_bytes_max=1_000)) as client:
        first = asyncio.create_task(
            client.post("/v1/transactions", content=_body(b" " * 900, finish), headers=headers)
        )
        await asyncio.sleep(0.05)
        second = await client.post("/v1/transactions", content=b" " * 200 + b"{}", headers=headers)
        assert (second.status_code, second.json()["code"]) == (429, "overloaded")
        assert second.headers["Retry-After"]
        finish.set()
        assert (await first).json()["code"] == "invalid_body", "what came first is read to its end"
        third = await client.post("/v1/transactions", content=b" " * 900 + b"{}", headers=headers)
        assert third.json()["code"] == "invalid_body", "its room is free again"


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async with _client(Access(body_s_max=0.05)) as client:
        body = _body(b" ", asyncio.Event())
        answer = await client.post(
            "/v1/transactions", content=body, headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert "not complete after 0.05 s" in answer.json()["detail"]


async def test_waiting_requests_end_when_the_node_is_about_to_stop(
    app: FastAPI, client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    """With what is known, and at once: else each holds up the exit and ends in a traceback."""
    gateway.instant = False
    params = {"wait": "committed", "timeout": "30"}
    posted = asyncio.create_task(client.post("/v1/transactions", params=params, json=transfer()))
    asked = asyncio.create_task(client.get(f"/v1/transactions/{'ab' * 32}", params=params))
    await asyncio.sleep(0.05)
    begin_shutdown(app)
    async with asyncio.timeout(60):
        assert ((await posted).status_code, (await posted).json()["state"]) == (202, "pending")
        assert (await asked).status_code == 404
    assert app.state.waits.taken == 0


async def test_a_request_that_the_stopping_server_cancels_is_told_so(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    request = asyncio.create_task(client.get("/slow"))
    await asyncio.sleep(0.05)
    begin_shutdown(app)
    request.cancel()
    answer = await request
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "stopping" in answer.json()["detail"]
