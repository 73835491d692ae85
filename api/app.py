"""Wires the API together: one FastAPI application over one gateway."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware

from api import contracts, decisions, errors, ledger, openapi, ops, stream, transactions
from api.access import Access, Bodies, Guard, Slots
from api.gateway import Gateway
from api.metrics import ApiMetrics, CountRequests
from api.pages import routes as pages


def create_app(
    gateway: Gateway,
    *,
    access: Access | None = None,
    registry: CollectorRegistry | None = None,
    version: str = "0",
) -> FastAPI:
    """The API and the pages of one node.

    `access` says which host names and origins are let in; what the API measures goes into `registry`, which
    the ops port shows. Serve it with uvicorn and a `timeout_graceful_shutdown`, else an open event stream
    holds up the exit; calling `begin_shutdown` first lets streams end by themselves.
    """
    access = access or Access()
    app = FastAPI(
        title="quorate",
        version=version,
        summary="A permissioned blockchain node for consortia",
        description=openapi.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.gateway = gateway
    app.state.closing = asyncio.Event()
    app.state.streams = Slots(access.streams_max)
    app.state.waits = Slots(access.waits_max)
    app.state.bodies = Bodies(access.bodies_bytes_max, access.body_s_max)
    metrics = ApiMetrics(registry or CollectorRegistry(), app.state.streams)
    errors.install(app, lambda path: openapi.methods_of(app, path))
    app.include_router(transactions.posting)
    for module in (transactions, contracts, decisions, ledger, stream, ops):
        app.include_router(module.router)
    pages.install(app)
    # Starlette runs the middleware that was added last first.
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=access.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "Last-Event-ID"],
            expose_headers=["Chain-Height", "ETag", "Location", "Retry-After"],
        )
    app.add_middleware(Guard, gateway=gateway, access=access)
    app.add_middleware(CountRequests, metrics=metrics)

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> JSONResponse:
        return JSONResponse(openapi.document(app))

    return app


def begin_shutdown(app: FastAPI) -> None:
    """Say that the node is about to stop, from the API's event loop: not ready, streams and waits end."""
    app.state.closing.set()
