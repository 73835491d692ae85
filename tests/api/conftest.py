"""What the API's tests share: the app in process, and behind a real uvicorn on a free port."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.gateway import JsonObject
from api.signing import build_transaction, sign_transaction
from consensus.transactions import Call
from tests.api.memory_gateway import GENESIS_TIME_MS, MemoryGateway, signer_of

Make = Callable[..., JsonObject]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def clocks_agree(gateway: MemoryGateway) -> None:
    """The chain's time is now, as it is on a real node."""
    gateway.offset_ms = time.time_ns() // 1_000_000 - GENESIS_TIME_MS


@pytest.fixture
def app(gateway: MemoryGateway) -> FastAPI:
    return create_app(gateway)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Talks to the app in process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def transfer(gateway: MemoryGateway) -> Make:
    """Makes signed transfers, `transfer("25", salt="a")`."""

    def make(
        amount: str = "25", *, sender: str = "greenfarm", by: str | None = None, salt: str | None = None
    ) -> JsonObject:
        call = Call("euro", "transfer", {"to": "bolt", "amount": amount})
        expires_ms = GENESIS_TIME_MS + 600_000
        transaction = build_transaction(gateway.chain, sender, [call], expires_ms, salt=salt)
        return sign_transaction(transaction, [signer_of(by or sender)])

    return make


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The app behind uvicorn in a thread, as a node runs it; gives its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="on",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "uvicorn did not stop"


@pytest.fixture
def base_url(app: FastAPI) -> Iterator[str]:
    """The app at a real address. Tests that take only a base URL can be run against a real node."""
    with serving(app) as url:
        yield url
