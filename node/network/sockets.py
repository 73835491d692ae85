"""TCP by multiaddr: where to listen, whom to dial, and what to tell the operator when it does not work.

Sockets are opened here and not by py-libp2p, whose listeners set SO_REUSEPORT (so that two processes share
one port without a word) and whose host starts although it could not listen.
"""

from __future__ import annotations

import errno
import os

import trio
from multiaddr import Multiaddr

from node.network.errors import ConnectFailed, ListenFailed

_HOSTS_TO_DIAL = ("ip4", "ip6", "dns", "dns4", "dns6")
_HOSTS_TO_LISTEN = ("ip4", "ip6")

_LISTEN_ADVICE = {
    errno.EADDRINUSE: "the port is taken by another program: stop that one or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: use one of its own, or 0.0.0.0 for all of them",
    errno.EACCES: "this user may not listen there: choose a port of 1024 or above",
}


async def listen(address: str) -> trio.SocketListener:
    """A listening socket.

    Raises: ListenFailed, whose text says what to do.
    """
    try:
        host, port = _host_and_port(address, _HOSTS_TO_LISTEN)
        (listener,) = await trio.open_tcp_listeners(port, host=host)
    except ValueError as error:
        raise ListenFailed(f"cannot listen on {address}: {error}") from error
    except OSError as error:
        advice = _LISTEN_ADVICE.get(error.errno or 0, str(error))
        raise ListenFailed(f"cannot listen on {address}: {advice}") from error
    return listener


async def connect(address: str) -> trio.SocketStream:
    """A TCP connection to `address`. Raises: ConnectFailed."""
    try:
        return await trio.open_tcp_stream(*_host_and_port(address, _HOSTS_TO_DIAL))
    except ValueError as error:
        raise ConnectFailed(f"cannot dial {address}: {error}") from error
    except OSError as error:
        raise ConnectFailed(f"cannot reach {address}: {_reason(error)}") from error


def address_of(listener: trio.SocketListener) -> str:
    """The multiaddr that a listener really has: with the port that the system chose."""
    host, port = listener.socket.getsockname()[:2]
    return f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}"


def _host_and_port(address: str, kinds: tuple[str, ...]) -> tuple[str, int]:
    """Raises: ValueError."""
    parts = [(protocol.name, value) for protocol, value in Multiaddr(address).items()]
    if len(parts) != 2 or parts[0][0] not in kinds or parts[1][0] != "tcp":
        raise ValueError(f"expected /<kind>/<host>/tcp/<port> with a kind of {', '.join(kinds)}")
    (_, host), (_, port) = parts
    return str(host), int(str(port))


def _reason(error: OSError) -> str:
    """What the system said; trio groups the errors of all the addresses that a name stands for."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return error.strerror or str(error)
