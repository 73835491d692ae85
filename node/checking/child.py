"""The checking process, `python -m node.checking.child`: the node starts it, and asks it."""

from __future__ import annotations

import gc
import os
import signal
import sys

from node.checking.messages import answer
from node.pipes import Pipe
from node.wall.confinement import confine

NICENESS = 5
"""Where there is too little processor time, ordering and executing what was admitted go before this."""


def main() -> None:
    """Serve the node until it closes the pipe."""
    for sent_to_the_group in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent_to_the_group, signal.SIG_IGN)
    os.nice(NICENESS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    os.closerange(sys.stderr.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
    confine()  # what it can not give up is no loss: it has nothing that is worth taking
    gc.freeze()
    pipe = Pipe(sys.stdin.fileno(), sys.stdout.fileno())
    while True:
        pipe.send(answer(pipe.receive()))


if __name__ == "__main__":
    try:
        main()
    except (EOFError, ConnectionError):  # the node has gone
        os._exit(0)  # an orderly end would need what it gave up
    except BaseException:  # noqa: BLE001 - the node sees it die, and does the work itself
        os._exit(1)
