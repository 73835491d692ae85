"""The Python client against a real server: sending, waiting, safe retries, events over broken connections."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice

import httpx
import pytest
from fastapi import FastAPI

from api import plans
from api.app import create_app
from api.client import Account, ApiProblem, AsyncClient, Call, Client, Unreachable
from api.gateway import JsonObject, TransactionState
from api.plans import EventReader
from api.signing import id_of, sign_transaction
from node.demo.partner import wait_until
from tests.api.conftest import Make, serving
from tests.api.memory_gateway import MemoryGateway, signer_of

pytestmark = pytest.mark.usefixtures("clocks_agree")
GREENFARM = Account("greenfarm", signer_of("greenfarm"))
WAIT_S = 60.0


def _transfer(amount: str = "25") -> list[Call]:
    return [Call("euro", "transfer", {"to": "bolt", "amount": amount})]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PAUSE_S", 0.01)
    monkeypatch.setattr(plans, "PAUSE_S_MAX", 0.05)


@pytest.fixture
def node(base_url: str) -> Iterator[Client]:
    with Client(base_url) as client:
        yield client


def test_send_builds_signs_posts_and_waits(node: Client, gateway: MemoryGateway) -> None:
    status = node.send(GREENFARM, _transfer("40"))
    assert (status.state, status.outcome, status.height) == (TransactionState.COMMITTED, "ok", 1)
    assert gateway.balances["bolt"] == 40
    assert node.get(f"/v1/transactions/{status.id}")["sentence"] == "greenfarm sends 40 euro to bolt"


def test_a_contracts_refusal_is_an_outcome_and_a_wrong_key_an_error(node: Client) -> None:
    status = node.send(GREENFARM, _transfer("99999999"))
    assert (status.outcome, status.code) == ("failed", "funds")
    with pytest.raises(ApiProblem) as caught:
        node.send(Account("greenfarm", signer_of("bolt")), _transfer())
    assert (caught.value.status, caught.value.code) == (403, "unauthorised")
    assert caught.value.transaction
    assert caught.value.hint


def test_several_accounts_sign_one_transaction(node: Client) -> None:
    bolt = Account("bolt", signer_of("bolt"))
    status = node.send(GREENFARM, _transfer(), cosigners=[bolt], gas_limit=50_000)
    found = node.get(f"/v1/transactions/{status.id}")
    assert len(found["signatures"]) == 2
    assert (found["transaction"]["cosigners"], found["transaction"]["gas_limit"]) == (["bolt"], 50_000)


def test_waiting_goes_on_over_several_requests(
    node: Client, gateway: MemoryGateway, transfer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "POLL_S", 0.05)
    gateway.instant = False
    submission = _current(transfer, gateway)
    assert node.submit(submission, until="committed", timeout_s=0.2).state is TransactionState.PENDING
    again: list[TransactionState] = []
    waiting = threading.Thread(target=lambda: again.append(node.submit(submission, until="committed").state))
    waiting.start()
    time.sleep(0.2)
    gateway.instant = True
    node.send(GREENFARM, _transfer())  # seals the block that holds both
    waiting.join(WAIT_S)
    assert again == [TransactionState.COMMITTED]


def _current(transfer: Make, gateway: MemoryGateway) -> JsonObject:
    """A signed transfer that has not expired by the clock of now."""
    transaction = transfer()["transaction"] | {"expires_ms": gateway.time_ms + 60_000}
    return sign_transaction(transaction, [GREENFARM.signer])


def test_a_node_that_lost_it_gets_it_again(
    node: Client, gateway: MemoryGateway, transfer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "POLL_S", 0.05)
    gateway.instant = False
    submission = _current(transfer, gateway)
    identifier = id_of(submission["transaction"])

    def forget() -> None:
        while identifier not in gateway.pending:
            time.sleep(0.005)
        gateway.pending.clear()
        gateway.instant = True

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    status = node.submit(submission, until="committed")
    forgetting.join(WAIT_S)
    assert status.state is TransactionState.COMMITTED


Answer = Callable[[httpx.Request], httpx.Response]


def _flaky(answers: list[httpx.Response | Exception]) -> httpx.MockTransport:
    """What no server of ours does at will: a connection that breaks, a proxy that answers."""

    def handle(_: httpx.Request) -> httpx.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle)


def test_a_lost_connection_and_an_overloaded_node_are_asked_again() -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        httpx.Response(429, json={"code": "overloaded"}, headers={"Retry-After": "0"}),
        httpx.ReadTimeout("silent"),
        httpx.Response(502, text="<html>proxy</html>"),
        httpx.Response(200, json={"height": 3}),
    ]
    with Client("http://node", transport=_flaky(answers)) as client:
        assert client.get("/v1/status") == {"height": 3}
    assert not answers


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PATIENCE_S", 0.02)
    broken = [httpx.ConnectError("refused") for _ in range(5)]
    with Client("http://node", transport=_flaky([*broken])) as client, pytest.raises(Unreachable):
        client.get("/v1/status")
    late = httpx.Response(503, json={"code": "unavailable"}, headers={"Retry-After": "3600"})
    with Client("http://node", transport=_flaky([late])) as client, pytest.raises(ApiProblem) as caught:
        client.get("/v1/status")
    assert caught.value.code == "unavailable"


def test_the_clock_is_never_moved_twice() -> None:
    answers: list[httpx.Response | Exception] = [httpx.ReadTimeout("silent"), httpx.Response(200, json={})]
    with Client("http://node", transport=_flaky(answers)) as client, pytest.raises(Unreachable):
        client.advance_clock(1)
    assert len(answers) == 1


def test_a_batch_is_posted_until_all_is_taken(node: Client, gateway: MemoryGateway, transfer: Make) -> None:
    gateway.capacity = 3
    submissions = [_current(transfer, gateway) for _ in range(8)]
    statuses = node.submit_batch(submissions)
    assert [status.id for status in statuses] == [id_of(item["transaction"]) for item in submissions]
    assert gateway.balances["bolt"] == 8 * 25


def test_items_reads_all_pages(node: Client, gateway: MemoryGateway) -> None:
    for _ in range(4):
        gateway.seal()
    assert [block["height"] for block in node.items("/v1/blocks", limit="2")] == [4, 3, 2, 1, 0]


def test_events_survive_a_restart_of_the_node_without_gap_or_repetition(gateway: MemoryGateway) -> None:
    """The connection breaks, events happen meanwhile, the node is back: each is seen once, in order."""
    app = create_app(gateway)
    with serving(app) as url, Client(url) as poster:
        port = int(url.rpartition(":")[2])
        client = Client(url)
        events = client.events(contract="euro")
        seen: list[str] = []

        def read() -> None:
            for event in islice(events, 5):
                seen.append(event["fields"]["amount"])  # noqa: PERF401 - one after the other, as they come

        reading = threading.Thread(target=read)
        reading.start()
        assert wait_until(lambda: app.state.streams.taken == 1, WAIT_S)
        poster.send(GREENFARM, _transfer("1"))
        poster.send(GREENFARM, _transfer("2"))
        assert wait_until(lambda: len(seen) == 2, WAIT_S)
    gateway.restart()
    with serving(create_app(gateway), port) as url, Client(url) as poster:
        for amount in ("3", "4", "5"):
            poster.send(GREENFARM, _transfer(amount))
        reading.join(WAIT_S)
        client.close()
    assert seen == ["1", "2", "3", "4", "5"]


def test_a_stream_that_is_refused_for_good_is_an_error(node: Client) -> None:
    with pytest.raises(ApiProblem) as caught:
        next(node.events(after="nonsense"))
    assert caught.value.code == "invalid_parameter"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_reader_of_events_does_not_care_how_bytes_arrive(size: int) -> None:
    """Also where the text holds line separators that are none in a stream."""
    text = (
        'id: 4.999999999\nretry: 1000\n\n: beat\n\nevent: event\ndata: {"a":"x\u2028y: z"}\nid: 5.0\n\n'
        'event: block\ndata: {"height":6}\n\nevent: event\ndata: {"a":2}\nid: 6.1\n\n'
        'event: event\ndata: {"a":3}\n'
    ).encode()
    reader = EventReader(None)
    found = [
        event for start in range(0, len(text), size) for event in reader.feed(text[start : start + size])
    ]
    assert found == [{"a": "x\u2028y: z"}, {"a": 2}]
    assert reader.headers()["Last-Event-ID"] == "6.1"
    assert list(reader.feed(b"\n")) == [], "what the broken connection left half-read is dropped"


@pytest.mark.anyio
async def test_the_asyncio_client_does_the_same(app: FastAPI, gateway: MemoryGateway, transfer: Make) -> None:
    async with AsyncClient("http://localhost", transport=httpx.ASGITransport(app)) as node:
        status = await node.send(GREENFARM, _transfer("40"))
        assert status.outcome == "ok"
        assert (await node.submit(_current(transfer, gateway), until="committed")).outcome == "ok"
        assert [item.state for item in await node.submit_batch([_current(transfer, gateway)])]
        assert [block["height"] async for block in node.items("/v1/blocks", limit="1")] == [3, 2, 1, 0]
        explained = await node.post("/v1/transactions/explain", _current(transfer, gateway))
        assert explained["sentence"] == "greenfarm sends 25 euro to bolt"
        assert (await node.advance_clock(5))["time_ms"] == gateway.time_ms


@pytest.mark.anyio
async def test_the_asyncio_client_follows_events(base_url: str) -> None:
    async with AsyncClient(base_url) as node:
        await node.send(GREENFARM, _transfer("1"))
        events = node.events(after="0.0")
        assert (await asyncio.wait_for(anext(events), 5))["fields"]["amount"] == "1"
        await node.send(GREENFARM, _transfer("2"))
        assert (await asyncio.wait_for(anext(events), 5))["fields"]["amount"] == "2"
        await events.aclose()
        with pytest.raises(ApiProblem):
            await anext(node.events(after="nonsense"))
