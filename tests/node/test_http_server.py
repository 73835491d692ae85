"""An HTTP server of the node rests while nobody asks, and ends when it is told."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx
import pytest
import trio
import uvicorn
from fastapi import FastAPI

from node.bridge import HttpServer, _Server


def wakes(native_id: int) -> int:
    """How often a thread of this process gave its processor away to wait."""
    status = Path(f"/proc/self/task/{native_id}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_it_does_not_wake_while_nothing_happens_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.bridge.DATE_S", 3600.0)
    app = FastAPI()

    @app.get("/")
    def hello() -> str:
        return "hello"

    async def main() -> None:
        server = HttpServer("127.0.0.1", 0, name="quiet")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, app)
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                assert (await client.get("/")).json() == "hello"
                (thread,) = [each for each in threading.enumerate() if each.name == "quiet"]
                before = wakes(thread.native_id or 0)
                await trio.sleep(1.0)
                # Uvicorn's own loop would have woken ten times; the answer's end may still be under way.
                assert wakes(thread.native_id or 0) - before <= 4
            with trio.fail_after(60):
                await server.drain()

    trio.run(main)


def test_told_before_it_serves_it_does_not_begin() -> None:
    async def main() -> None:
        server = _Server(uvicorn.Config(FastAPI()))
        server.end()
        await server.main_loop()

    asyncio.run(asyncio.wait_for(main(), 60))
