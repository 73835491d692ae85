"""The only place where trio meets asyncio.

Trio owns the main thread (network, driver); the API's asyncio loop runs in one worker thread, so that a
handler that blocks cannot stop consensus, and that of the ops port in another, so that it answers when the
API does not. Calls cross with `TrioToken.run_sync_soon` one way and `loop.call_soon_threadsafe` the other.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio
import uvicorn

from api.app import begin_shutdown
from consensus.errors import InvariantError
from node.http_door import BoundedHttp

if TYPE_CHECKING:
    from fastapi import FastAPI

T = TypeVar("T")

SHUTDOWN_GRACE_S = 2
"""How long open requests may go on at shutdown; open event streams would otherwise hold it up for ever."""
KEEP_ALIVE_S = 75
BACKLOG_CONNECTIONS = 512
DATE_S = 1.0
"""How long answers bear the same date."""


class Bridge:
    """Carries calls between the trio thread that makes it and the API's loop."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The API's loop runs from now on."""
        self._loop = loop

    def detach(self) -> None:
        """The API's loop is about to end; later posts to it are dropped."""
        self._loop = None

    def post_to_api(self, function: Callable[..., object], *arguments: Any) -> None:
        """From trio: call `function` soon in the API's loop; nothing happens while no API runs."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(function, *arguments)
            except RuntimeError:  # the loop closed in between
                self._loop = None

    async def call_trio(self, start: Callable[[Callable[[T], None]], None]) -> T:
        """From asyncio: run `start(resolve)` in trio; what it, or something later, gives `resolve`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def set_answer(value: T) -> None:
            if not answer.done():
                answer.set_result(value)

        def resolve(value: T) -> None:
            with suppress(RuntimeError):  # the loop that asked has ended
                loop.call_soon_threadsafe(set_answer, value)

        self._token.run_sync_soon(start, resolve)
        return await answer

    def ask_trio(self, look: Callable[[], T], timeout_s: float) -> T:
        """From a thread that may wait: what `look` gives in trio.

        Raises: TimeoutError when trio does not come to it in time, or has ended.
        """
        answer: Future[T] = Future()

        def run() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(look())

        try:
            self._token.run_sync_soon(run)
        except trio.RunFinishedError:
            raise TimeoutError("the node has ended") from None
        try:
            return answer.result(timeout_s)
        finally:
            answer.cancel()


class _Server(uvicorn.Server):
    """Uvicorn's, which wakes ten times a second to see whether it is to end; this one is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        """Until told to end; meanwhile answers need the date."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_S):
                    await self._told.wait()

    def end(self) -> None:
        """Take no more requests. In any thread, at any time."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._told.set)


class HttpServer:
    """Uvicorn in a thread of its own, on a socket that is bound before anything is promised."""

    def __init__(self, host: str, port: int, bridge: Bridge | None = None, name: str = "api") -> None:
        """`bridge` is the way to this server's loop, where there is need for one.

        Raises: OSError where the address cannot be bound.
        """
        self._bridge = bridge
        self._name = name
        self._socket = _bind(host, port)
        self._server: _Server | None = None
        self._ended = trio.Event()
        self._failure: BaseException | None = None
        self._begin_shutdown: Callable[[], None] = lambda: None
        self._stopping = False
        address = self._socket.getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{shown}:{address[1]}"

    async def serve(self, app: FastAPI) -> None:
        """Serve until cancelled or drained; when cancelled, open requests still get SHUTDOWN_GRACE_S."""
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            ws="none",
            log_config=None,
            log_level="error",  # what a client does wrong is told to the client
            access_log=False,
            lifespan="off",  # there is nothing to begin or end, and hurrying skips it
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
        )
        self._server = _Server(config)
        if self._bridge is not None:
            self._begin_shutdown = partial(self._bridge.post_to_api, begin_shutdown, app)
        token = trio.lowlevel.current_trio_token()
        threading.Thread(target=self._run, args=(token,), name=self._name, daemon=True).start()
        try:
            await self._ended.wait()
            if not self._stopping:
                raise InvariantError(f"the thread {self._name} stopped by itself: {self._failure!r}")
        finally:
            self._stop()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_GRACE_S + 3):
                await self._ended.wait()
            self._socket.close()

    async def drain(self) -> None:
        """Take no more requests, give those under way SHUTDOWN_GRACE_S to end, and end."""
        self._stop()
        await self._ended.wait()

    def hurry(self) -> None:
        """End at once, whoever waits."""
        self._stop()
        if self._server is not None:
            self._server.force_exit = True

    def _stop(self) -> None:
        self._stopping = True
        self._begin_shutdown()
        if self._server is not None:
            self._server.end()

    def _run(self, token: trio.lowlevel.TrioToken) -> None:
        async def main() -> None:
            if self._bridge is not None:
                self._bridge.attach(asyncio.get_running_loop())
            try:
                if self._server is not None:
                    await self._server.serve(sockets=[self._socket])
            finally:
                if self._bridge is not None:
                    self._bridge.detach()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - carried to trio, which decides
            self._failure = error
        finally:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._ended.set)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio switch Nagle's algorithm off for what is accepted; with
    # it an answer of two writes waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG_CONNECTIONS)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
