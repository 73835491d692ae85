"""The node's side of the ops port, and how its API comes to an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
import trio
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector

from api.access import Access
from api.ops import create_ops_app
from node.bridge import HttpServer
from node.config import NodeConfig
from node.errors import ConfigurationError
from node.gateway import NodeGateway
from node.logs import Levels
from node.look import Look
from node.metrics import NodeCollector
from node.observations import Observations
from node.reader import node_version

log = structlog.get_logger("node")


def ops_server(config: NodeConfig) -> HttpServer | None:
    """The ops port, bound; None where it is off. Raises: ConfigurationError."""
    if config.ops_endpoint is None:
        return None
    host, port = config.ops_endpoint
    try:
        return HttpServer(host, port, name="ops")
    except OSError as error:
        if "ops_address" in config.model_fields_set:
            raise ConfigurationError(
                f"probes and metrics cannot listen on {config.ops_address} ({error.strerror}): "
                "choose another with --ops-address or QUORATE_OPS_ADDRESS, or off"
            ) from None
    # Nobody chose it: several nodes on one machine need not be told.
    log.warning("the usual port for probes and metrics is taken: any free one is used", port=port)
    return HttpServer(host, 0, name="ops")


def ops_app(
    gateway: NodeGateway,
    *,
    registry: CollectorRegistry,
    levels: Levels,
    access: Access,
    ask: Callable[[], Look],
    seen: Observations,
    ledger_dir: Path,
    stopping: Callable[[], bool],
) -> FastAPI:
    """What the ops port serves; `registry` gets the node's own metrics."""
    ProcessCollector(registry=registry)
    registry.register(NodeCollector(ask, seen, ledger_dir, node_version()))
    return create_ops_app(gateway, registry=registry, levels=levels, stopping=stopping, access=access)


async def drain(api: HttpServer, signals: AsyncIterator[int]) -> None:
    """Let open requests end; another signal ends them at once."""
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            await anext(signals)
            log.info("stopping at once")
            api.hurry()

        nursery.start_soon(hurry)
        await api.drain()
        nursery.cancel_scope.cancel()
