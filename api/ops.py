"""For those who run a node: probes, metrics, version; and a development node's clock."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import bodies, schemas
from api.access import read_json
from api.errors import ApiError, problem
from api.gateway import Gateway, JsonObject, Refused
from api.http import Json, Node, take_object
from api.openapi import body_of, problems

BLOCKS_BEHIND_MAX = 10
"""A node that is further behind its peers is not ready."""
CLOCK_MS_MAX = 10 * 366 * 86_400_000
"""A development node's clock moves at most this far at once: ten years."""
CLOCK_BYTES_MAX = 1024

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="Is the process alive?", response_model=dict[str, bool], responses={})
async def live() -> Response:
    """True whenever it can answer at all."""
    return Json({"live": True})


@router.get(
    "/readyz",
    response_model=schemas.Readiness,
    summary="Can this node serve?",
    responses={**problems("unavailable")},
)
async def ready(request: Request, node: Node) -> Response:
    """200 when the node runs, reaches a quorum and has caught up; otherwise 503 with what is missing."""
    checks = await _checks(node, stopping=request.app.state.closing.is_set())
    missing = [check["detail"] for check in checks if not check["ok"]]
    if missing:
        return problem(request, "unavailable", "; ".join(missing), {"ready": False, "checks": checks})
    return Json({"ready": True, "checks": checks})


@router.get("/version", response_model=schemas.Version, summary="What runs here", responses=problems())
async def version(node: Node) -> Response:
    """The software's version, the chain and the member."""
    now = await node.node()
    return Json({name: now[name] for name in ("version", "chain", "member")})


@router.get(
    "/metrics", summary="Metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
async def metrics(request: Request, node: Node) -> Response:
    """In the text format of Prometheus."""
    measures: Metrics = request.app.state.metrics
    measures.streams.set(request.app.state.streams.taken)
    try:
        measures.observe(await node.node())
    except Refused:
        measures.up.set(0)
    return Response(generate_latest(measures.registry), media_type=CONTENT_TYPE_LATEST)


@router.post(
    "/v1/dev/clock",
    response_model=schemas.Clock,
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


class Metrics:
    """What the API measures; the node's own measures may share the registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "quorate_api_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.streams = Gauge("quorate_api_streams", "Event streams open", registry=registry)
        self.up = Gauge("quorate_up", "1 when the node answers the API", registry=registry)
        self._height = Gauge("quorate_consensus_height", "Newest executed block", registry=registry)
        self._validators = Gauge("quorate_consensus_validators", "Validators of the epoch", registry=registry)
        self._missing = Gauge(
            "quorate_consensus_missing_validators", "Validators out of reach", registry=registry
        )
        self._peers = Gauge("quorate_p2p_peers", "Peers connected", registry=registry)

    def observe(self, now: JsonObject) -> None:
        """Take over what the gateway says of the node."""
        connected = _connected(now)
        self.up.set(1)
        self._height.set(now["height"])
        self._validators.set(len(now["peers"]) + 1)
        self._missing.set(len(now["peers"]) - connected)
        self._peers.set(connected)


class CountRequests:
    """ASGI middleware that counts answers by method, route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The route's pattern, never the path: a client must not be able to make up series.
                route = getattr(scope.get("route"), "path", "none")
                self._requests.labels(scope["method"], route, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, send_and_count if scope["type"] == "http" else send)


async def _checks(gateway: Gateway, *, stopping: bool) -> list[dict[str, Any]]:
    """Every condition of readiness, whether it holds, and how."""
    checks = [_check("running", not stopping, "the node is stopping" if stopping else "the node runs")]
    try:
        now = await gateway.node()
    except Refused as refused:
        return [*checks, _check("node", False, refused.detail)]
    reached, quorum = _connected(now) + 1, now["consensus"]["quorum"]
    heights = [peer["height"] for peer in now["peers"] if peer["height"] is not None]
    behind = max([*heights, now["height"]]) - now["height"]
    return [
        *checks,
        _check(
            "peers",
            reached >= quorum,
            f"{reached} of {quorum} validators for a quorum in reach, this one included",
        ),
        _check(
            "caught up",
            behind <= BLOCKS_BEHIND_MAX,
            f"{behind} blocks behind the peers, {BLOCKS_BEHIND_MAX} allowed",
        ),
    ]


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}


def _connected(now: JsonObject) -> int:
    return sum(1 for peer in now["peers"] if peer["connected"])
