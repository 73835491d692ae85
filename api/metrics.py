"""What the API measures of itself; the node's own measures share the registry (`node.metrics`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Slots


class ApiMetrics:
    """Requests answered, and event streams open."""

    def __init__(self, registry: CollectorRegistry, streams: Slots) -> None:
        self.requests = Counter(
            "quorate_api_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        Gauge("quorate_api_streams", "Event streams open", registry=registry).set_function(
            lambda: streams.taken
        )


class CountRequests:
    """ASGI middleware that counts answers by method, route and status."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
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
