"""The only place where trio meets asyncio.

Trio owns the main thread (network, driver); the API's asyncio loop runs in one worker thread, so that a
handler that blocks cannot stop consensus. Calls cross with `TrioToken.run_sync_soon` one way and
`loop.call_soon_threadsafe` the other.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
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
            self.post_to_api(set_answer, value)

        self._token.run_sync_soon(start, resolve)
        return await answer


class ApiServer:
    """Uvicorn in a thread of its own, on a socket that is bound before anything is promised."""

    def __init__(self, bridge: Bridge, host: str, port: int) -> None:
        """Raises: OSError where the address cannot be bound."""
        self._bridge = bridge
        self._socket = _bind(host, port)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        address = self._socket.getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{shown}:{address[1]}"

    async def serve(self, app: FastAPI) -> None:
        """Serve until cancelled, then end streams and let open requests end within SHUTDOWN_GRACE_S."""
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            ws="none",
            log_config=None,
            log_level="error",  # what a client does wrong is told to the client
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        ended = trio.Event()
        token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, args=(token, ended), name="api", daemon=True)
        self._thread.start()
        try:
            await ended.wait()
            raise InvariantError(f"the API stopped by itself: {self._failure!r}")
        finally:
            self._bridge.post_to_api(begin_shutdown, app)
            self._server.should_exit = True
            with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_GRACE_S + 3):
                await ended.wait()
            self._socket.close()

    def _run(self, token: trio.lowlevel.TrioToken, ended: trio.Event) -> None:
        async def main() -> None:
            self._bridge.attach(asyncio.get_running_loop())
            try:
                if self._server is not None:
                    await self._server.serve(sockets=[self._socket])
            finally:
                self._bridge.detach()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - carried to trio, which decides
            self._failure = error
        finally:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(ended.set)


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
