"""Loopback TCP ports for nodes that somebody starts to try something out."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack

FIRST, LAST = 20_000, 32_000
"""Below the ports that the system gives to whoever asks for any: from those another program, or a mere
connection, would take a node's port while the node does not run."""
_CANDIDATES = itertools.cycle(random.SystemRandom().sample(range(FIRST, LAST), LAST - FIRST))
"""In another order in each process; none is given twice soon, though nobody may have opened it yet."""


def free_ports(count: int, preferred: int = 0) -> list[int]:
    """Loopback TCP ports that nobody uses: from `preferred` on if that is given and free, else any."""
    if preferred:
        wanted = range(preferred, preferred + count)
        if _free(wanted, count) == [*wanted]:
            return [*wanted]
    return _free(_CANDIDATES, count)


def _free(candidates: Iterable[int], count: int) -> list[int]:
    """The first `count` of these that can be bound, all at once; fewer where there are no more."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in candidates:
            opened = stack.enter_context(socket.socket())
            # A port whose last connections have just ended counts as free; one that is listened on does not.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                opened.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                break
    return found
