"""Clients that open connections without end cost the node neither its files nor its other clients."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import trio

from api.app import create_app
from node import http_door
from node.bridge import HttpServer
from tests.api.memory_gateway import MemoryGateway

ROOM = 8


@pytest.fixture(autouse=True)
def small_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_door, "connections_max", lambda: ROOM)


def serving(scenario: Callable[[HttpServer], None]) -> None:
    """Run a scenario of blocking calls, in a thread, against a served app."""

    async def run() -> None:
        server = HttpServer("127.0.0.1", 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, create_app(MemoryGateway()))
            await trio.to_thread.run_sync(scenario, server)
            nursery.cancel_scope.cancel()

    trio.run(run)


@contextmanager
def connections(server: HttpServer, count: int, say: bytes = b"") -> Iterator[list[socket.socket]]:
    url = httpx.URL(server.url)
    opened = [socket.create_connection((url.host, url.port or 0), timeout=10) for _ in range(count)]
    try:
        for one in opened:
            one.sendall(say)
        yield opened
    finally:
        for one in opened:
            one.close()


def ended(one: socket.socket) -> bool:
    one.settimeout(0.2)
    try:
        return one.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("say", [b"", b"GET /v1/status HTTP/1.1\r\nHost: lo"], ids=["nothing", "half"])
def test_who_asks_nothing_makes_room_for_who_does(say: bytes) -> None:
    def scenario(server: HttpServer) -> None:
        with connections(server, 3 * ROOM, say) as idle:
            assert httpx.get(f"{server.url}/v1/status", timeout=10).is_success
            assert sum(map(ended, idle)) >= 2 * ROOM

    serving(scenario)


def test_a_request_under_way_is_never_hung_up_on() -> None:
    def scenario(server: HttpServer) -> None:
        asking = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with connections(server, ROOM, asking) as waiting:
            for one in waiting:
                assert one.recv(15) == b"HTTP/1.1 200 OK"
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{server.url}/v1/status", timeout=10)
            waiting.pop().close()
            assert httpx.get(f"{server.url}/v1/status", timeout=10).is_success
            for one in waiting:
                one.settimeout(5)
                assert one.recv(4096), "it goes on"

    serving(scenario)
