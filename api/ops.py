"""For those who run a node: probes on the API, the ops port with metrics and log levels, a dev node's clock.

The ops port is an application of its own, served in a thread of its own: it answers while the API is full or
hangs, and the API's port gives nothing away that only the operator should see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from api import bodies, node_schemas
from api.access import Access, read_json
from api.catalogue import ApiError
from api.errors import problem
from api.gateway import Gateway, JsonObject, Refused
from api.http import Json, Node
from api.openapi import body_of, problems
from api.probes import ANSWER_S_MAX, missing, readiness
from api.submissions import take_object

CLOCK_MS_MAX = 10 * 366 * 86_400_000
"""A development node's clock moves at most this far at once: ten years."""
CLOCK_BYTES_MAX = 1024
LEVEL_BYTES_MAX = 1024
LEVEL_S_MAX = 7 * 86_400
"""Longest time for which a level of the log may be set, in seconds."""

router = APIRouter(tags=["operations"])


# ---------------------------------------------------------------- on the API's port


@router.get("/livez", summary="Is the process alive?", response_model=dict[str, bool], responses={})
async def live() -> Response:
    """True whenever it can answer at all."""
    return Json({"live": True})


@router.get(
    "/readyz",
    response_model=node_schemas.Readiness,
    summary="Can this node serve?",
    responses={**problems("unavailable")},
)
async def ready(request: Request, node: Node) -> Response:
    """200 when the node runs, reaches a quorum, has caught up and has room on its disk; otherwise 503 with
    what is missing."""
    checks = await readiness(node, stopping=request.app.state.closing.is_set())
    if lacking := missing(checks):
        return problem(request, "unavailable", lacking, {"ready": False, "checks": checks})
    return Json({"ready": True, "checks": checks})


@router.get("/version", response_model=node_schemas.Version, summary="What runs here", responses=problems())
async def version(node: Node) -> Response:
    """The software's version, the chain and the member."""
    return Json(await _version(node))


@router.post(
    "/v1/dev/clock",
    response_model=node_schemas.Clock,
    summary="Move a development node's clock",
    openapi_extra=body_of(bodies.ClockBody),
    responses=problems(
        "not_a_development_node",
        "malformed_json",
        "invalid_body",
        "unsupported_media_type",
        "too_large",
        "origin_refused",
    ),
)
async def clock(request: Request, node: Node) -> Response:
    """Only forward, and only on a node started with `quorate dev`: lets a test reach a deadline at once."""
    body = take_object(await read_json(request, CLOCK_BYTES_MAX), {"by_ms"})
    by_ms = body["by_ms"]
    if type(by_ms) is not int or not 0 <= by_ms <= CLOCK_MS_MAX:
        raise ApiError("invalid_body", f"by_ms: must be an integer from 0 to {CLOCK_MS_MAX}")
    return Json(await node.advance_clock(by_ms))


async def _version(node: Gateway) -> JsonObject:
    now = await node.node()
    return {name: now[name] for name in ("version", "chain", "member")}


# ---------------------------------------------------------------- on the ops port


class LogLevels(Protocol):
    """The least levels that are logged."""

    def describe(self) -> JsonObject:
        """{default, levels: names from least to most, loggers: {name: {level, until_ms | null}}}."""

    def set(self, logger: str | None, level: str | None, for_s: int | None) -> None:
        """Let `logger` (None: every one without a level of its own) log from `level` on (None: from the
        default, as it was at the start), for that long or until it is set again. Raises: ValueError."""


def create_ops_app(
    gateway: Gateway,
    *,
    registry: CollectorRegistry,
    levels: LogLevels,
    stopping: Callable[[], bool],
    access: Access | None = None,
) -> FastAPI:
    """What an operator's machines ask; to be served on an address that only they reach.

    Nothing here is filtered by the header Host but what changes something: probes know a node by address.
    """
    app = FastAPI(title="quorate ops", docs_url=None, redoc_url=None, openapi_url=None)
    access = access or Access()

    @app.get("/livez")
    async def live() -> Response:
        return Json({"live": True})

    @app.get("/readyz")
    async def ready() -> Response:
        checks = await readiness(gateway, stopping=stopping())
        body = {"ready": not missing(checks), "missing": missing(checks), "checks": checks}
        return Response(orjson.dumps(body), 200 if body["ready"] else 503, media_type="application/json")

    @app.get("/version")
    async def version() -> Response:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return Json(await _version(gateway))
        except (TimeoutError, Refused):
            return _refused(503, f"the node gave no answer for {ANSWER_S_MAX:g} s")

    @app.get("/metrics")
    async def metrics() -> Response:
        # In a thread: the node's own collector waits for the node, and probes must not wait with it.
        return Response(await asyncio.to_thread(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/loglevel")
    async def show_levels() -> Response:
        return Json(levels.describe())

    @app.put("/loglevel")
    async def set_level(request: Request) -> Response:
        if not access.allows_host(request.headers.get("host", "")):
            return _refused(421, "changes are taken under an address or localhost only")
        try:
            levels.set(*read_level(await _body(request)))
        except ValueError as error:
            return _refused(422, str(error))
        return Json(levels.describe())

    return app


async def _body(request: Request) -> bytes:
    """Raises: ValueError."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > LEVEL_BYTES_MAX:
            raise ValueError(f"the body is longer than {LEVEL_BYTES_MAX} bytes")
    return data


def read_level(data: bytes) -> tuple[str | None, str | None, int | None]:
    """(logger, level, for_s) of {"logger": "driver", "level": "debug", "for_s": 600}. Raises: ValueError."""
    body = orjson.loads(data)
    known = {"logger": str, "level": str, "for_s": int}
    if type(body) is not dict or "level" not in body or not body.keys() <= known.keys():
        raise ValueError('the body must be {"level": ...}, with "logger" and "for_s" if wanted')
    for name, value in body.items():
        if value is not None and type(value) is not known[name]:
            raise ValueError(f"{name} must be {'an integer' if known[name] is int else 'text'} or null")
    for_s = body.get("for_s")
    if for_s is not None and not 1 <= for_s <= LEVEL_S_MAX:
        raise ValueError(f"for_s must be 1 to {LEVEL_S_MAX}")
    return body.get("logger"), body["level"], for_s


def _refused(status: int, detail: str) -> Response:
    return Response(orjson.dumps({"detail": detail}), status, media_type="application/json")
