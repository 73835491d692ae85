"""Loopback TCP ports for nodes that somebody starts to try something out."""

from __future__ import annotations

import socket
from collections.abc import Sequence


def free_ports(count: int, preferred: int | None = None) -> list[int]:
    """Loopback TCP ports that nobody uses: from `preferred` on if those are free, else any."""
    if preferred is not None:
        try:
            return _bind_all(range(preferred, preferred + count))
        except OSError:  # one of them is in use
            pass
    return _bind_all([0] * count)


def _bind_all(ports: Sequence[int]) -> list[int]:
    sockets = [socket.socket() for _ in ports]
    try:
        for opened, port in zip(sockets, ports, strict=True):
            # A port whose last connections have just ended counts as free; one that is listened on does not.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(("127.0.0.1", port))
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()
