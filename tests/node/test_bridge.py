"""Trio and asyncio meet without losing calls, and the API ends when the node does."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest
import trio
from fastapi import FastAPI

from api.app import create_app
from node.bridge import Bridge, HttpServer, _bind
from tests.api.memory_gateway import MemoryGateway


def app_that_asks(bridge: Bridge, answer: Callable[[Callable[[int], None]], None]) -> FastAPI:
    app = create_app(MemoryGateway())

    @app.get("/ask")
    async def ask() -> int:
        return await bridge.call_trio(answer)

    return app


def test_a_call_crosses_to_trio_and_its_answer_back() -> None:
    async def run() -> None:
        bridge = Bridge()
        server = HttpServer("127.0.0.1", 0, bridge)
        later: list[Callable[[int], None]] = []
        asked = trio.Event()

        def keep(resolve: Callable[[int], None]) -> None:
            later.append(resolve)
            asked.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, app_that_asks(bridge, keep))
            async with trio.open_nursery() as asking:

                async def ask() -> None:
                    answer = await trio.to_thread.run_sync(lambda: httpx.get(f"{server.url}/ask", timeout=10))
                    assert answer.json() == 42

                asking.start_soon(ask)
                await asked.wait()
                later[0](42)
                later[0](43)  # a second answer is nobody's
            nursery.cancel_scope.cancel()
        with pytest.raises(httpx.TransportError):
            await trio.to_thread.run_sync(lambda: httpx.get(f"{server.url}/livez", timeout=2))

    trio.run(run)


def test_a_post_to_an_api_that_does_not_run_is_dropped() -> None:
    async def run() -> None:
        Bridge().post_to_api(pytest.fail, "nobody is there")

    trio.run(run)


def test_a_taken_port_is_noticed_before_anything_is_served() -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(OSError, match="in use"):
                HttpServer("127.0.0.1", taken.getsockname()[1])

    trio.run(run)


def test_answers_are_not_held_back_by_nagle() -> None:
    """asyncio switches Nagle's algorithm off only for accepted sockets that name their protocol."""
    with _bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP
