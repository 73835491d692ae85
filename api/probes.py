"""Whether a node can serve: what both the API and the ops port answer to a probe."""

from __future__ import annotations

import asyncio
from typing import Any

from api.gateway import Gateway, JsonObject, Refused

BLOCKS_BEHIND_MAX = 10
"""A node that is further behind its peers is not ready."""
DISK_FREE_BYTES_MIN = 256 * 1024 * 1024
"""A node with less room for its data folder is not ready: rewriting the journal takes about as much."""
ANSWER_S_MAX = 2.0
"""A node that does not say how it is within this time is not ready."""


async def readiness(gateway: Gateway, *, stopping: bool) -> list[JsonObject]:
    """Every condition of readiness, whether it holds, and how."""
    checks = [_check("running", not stopping, "the node is stopping" if stopping else "the node runs")]
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            now = await gateway.node()
    except Refused as refused:
        return [*checks, _check("node", False, refused.detail)]
    except TimeoutError:
        return [*checks, _check("node", False, f"the node gave no answer for {ANSWER_S_MAX:g} s")]
    others = [peer for peer in now["peers"] if peer["role"] == "validator"]
    own, quorum = now["role"] == "validator", now["consensus"]["quorum"]
    reached = own + sum(peer["connected"] for peer in others)
    heights = sorted((peer["height"] for peer in others if peer["height"] is not None), reverse=True)
    liars_max = max(0, own + len(others) - quorum)  # who must not take all nodes out of service by a word
    behind = max([now["height"], *heights[liars_max:]]) - now["height"]
    free_bytes = now["disk_free_bytes"]
    return [
        *checks,
        _check(
            "peers",
            reached >= quorum,
            f"{reached} of {quorum} validators for a quorum in reach{', this one included' if own else ''}",
        ),
        _check(
            "caught up",
            behind <= BLOCKS_BEHIND_MAX,
            f"{behind} blocks behind the peers, {BLOCKS_BEHIND_MAX} allowed",
        ),
        _check(
            "disk",
            free_bytes >= DISK_FREE_BYTES_MIN,
            f"{free_bytes >> 20} MiB free for the data folder, {DISK_FREE_BYTES_MIN >> 20} MiB needed",
        ),
    ]


def missing(checks: list[JsonObject]) -> str:
    """What does not hold, in words; empty where the node is ready."""
    return "; ".join(check["detail"] for check in checks if not check["ok"])


def _check(name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}
