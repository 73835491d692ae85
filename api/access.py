"""Who and what may come in: host names, origins, sizes of bodies, numbers of waiting requests.

A node is reached by programs and by its own pages. The dangers at this door are a foreign web site that
reaches the node through a visitor's browser, and requests that hold memory or places without end. Whether
a transaction may be written is decided by its signatures, never here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.catalogue import ApiError
from api.errors import problem
from api.gateway import Gateway
from api.submissions import read_json_text

PROBES = frozenset({"/livez", "/readyz", "/version"})
"""Asked by machines that know the node by an address only; never filtered by host."""
STREAMS_MAX = 256
"""Event streams open at a time."""
WAITS_MAX = 1024
"""Requests that wait for a transaction at a time."""
BODIES_BYTES_MAX = 128 * 1024 * 1024
"""Bodies under way at a time, together, in bytes."""
BODY_S_MAX = 30.0
"""Longest time for one body to arrive."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?\Z")
_IP_LITERAL = re.compile(r"\[.*\]\Z|[0-9]{1,3}(\.[0-9]{1,3}){3}\Z")
_CONTENT_SECURITY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _CONTENT_SECURITY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """What an operator may open: `hosts` are names beside localhost and IP addresses that the node answers
    to ("*": any), `origins` are other web sites whose pages may use the API (empty: CORS is off)."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    streams_max: int = STREAMS_MAX
    waits_max: int = WAITS_MAX
    bodies_bytes_max: int = BODIES_BYTES_MAX
    body_s_max: float = BODY_S_MAX

    def allows_host(self, header: str) -> bool:
        """An IP address cannot be rebound by a foreign name server, so it is always right."""
        match = _HOST.match(header)
        if match is None:
            return False
        name = match["name"].lower()
        return _IP_LITERAL.match(name) is not None or name in ("localhost", *self.hosts) or "*" in self.hosts

    def allows_origin(self, origin: str, host: str) -> bool:
        """True for the node's own pages and for the sites that the operator named."""
        return origin in (f"http://{host}", f"https://{host}", *self.origins)


class Slots:
    """Places for requests that stay: `take` holds one, or refuses when all are taken."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self.taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Raises: ApiError too_many_streams."""
        if self.taken >= self._count_max:
            raise ApiError("too_many_streams", f"{self._count_max} are open, the most that this node allows")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Bodies:
    """What bodies may hold while they arrive: bytes of all together, and time of each."""

    def __init__(self, bytes_max: int, seconds_max: float) -> None:
        self.bytes_held = 0
        self._bytes_max = bytes_max
        self._seconds_max = seconds_max

    async def read(self, request: Request, bytes_max: int) -> bytes:
        """The whole body. Raises: ApiError; ClientDisconnect."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds_max):
                async for chunk in request.stream():
                    body += chunk
                    self.bytes_held += len(chunk)
                    if len(body) > bytes_max:
                        raise ApiError("too_large", f"the body is longer than {bytes_max} bytes")
                    if self.bytes_held > self._bytes_max:
                        detail = f"{self._bytes_max} bytes of bodies are under way, the most that is allowed"
                        raise ApiError("overloaded", detail)
        except TimeoutError:
            detail = f"the body was not complete after {self._seconds_max:g} s"
            raise ApiError("malformed_json", detail) from None
        finally:
            self.bytes_held -= len(body)
        return bytes(body)


class Guard:
    """ASGI middleware: refuses foreign hosts and origins, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, gateway: Gateway, access: Access) -> None:
        self._app = app
        self._gateway = gateway
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Read before the answer is made, so that the answer reflects at least this height.
        height = str(self._gateway.height) if scope["path"].startswith("/v1/") else None

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS:
                    headers.setdefault(name, value)
                if height is not None:
                    headers["Chain-Height"] = height
            await send(message)

        try:
            self._check(scope)
        except ApiError as error:
            await problem(Request(scope), error.code, error.detail)(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            # Only a server that ends cancels a request, and after it has waited for it.
            if started or not scope["app"].state.closing.is_set():
                raise
            answer = problem(Request(scope), "unavailable", "the node is stopping")
            await answer(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        if scope["path"] in PROBES:
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._access.allows_host(host):
            raise ApiError("host_refused", f"the header Host says {host[:100]!r}")
        origin = headers.get("origin")
        if origin is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        if not self._access.allows_origin(origin, host):
            raise ApiError("origin_refused", f"the header Origin says {origin[:100]!r}")


async def read_json(request: Request, bytes_max: int) -> Any:
    """The request's body as a JSON value. Raises: ApiError, as `read_body`, and where it is not JSON."""
    return read_json_text(await read_body(request, bytes_max))


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The request's body, which should be JSON.

    Raises: ApiError where it is not declared as JSON, longer than `bytes_max`, or too slow.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        detail = f"Content-Type is {content_type[:100]!r}, not application/json"
        raise ApiError("unsupported_media_type", detail)
    if _length(request.headers.get("content-length")) > bytes_max:
        raise ApiError("too_large", f"the body is longer than {bytes_max} bytes")
    under_way: Bodies = request.app.state.bodies
    try:
        return await under_way.read(request, bytes_max)
    except ClientDisconnect:
        raise ApiError("malformed_json", "the connection ended within the body") from None


def _length(text: str | None) -> int:
    """What the header Content-Length says, 0 where it is absent or something else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else 0
