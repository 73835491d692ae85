"""How many HTTP connections the API holds: whoever opens thousands must not take the node's files from it.

Without files the store cannot write, and the node stops.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from functools import cache

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

CONNECTIONS_MAX = 4096
"""More are taken only in place of one that asks nothing at the moment."""
FILES_DIVISOR = 4
"""At most one in so many of the files that the system allows the node is an HTTP connection."""


def use_all_files() -> None:
    """Raise the limit of open files to what the system allows; many start a process with far less."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@cache
def connections_max() -> int:
    """The bound, under the limit of open files that there is at the first call."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, soft // FILES_DIVISOR)


class BoundedHttp(H11Protocol):
    """Uvicorn's HTTP with a bound on connections, and on the time in which one must say something."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for a new connection, or hang up."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        if len(self.connections) > connections_max():
            idle = (other for other in self.connections if isinstance(other, BoundedHttp) and other.is_idle)
            leaving = next((other for other in idle if other is not self), self)
            self.connections.discard(leaving)  # now, so that the next one makes another leave
            leaving.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered; half of one counts as none."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete
