"""A checking process, from the node's side."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

from node.pipes import Malformed, Pipe

COMMAND = (sys.executable, "-P", "-m", "node.checking.child")
ANSWER_S_MAX = 60
"""A process that neither takes nor says anything for so long is stuck."""
END_S = 10
"""How long a process that closed its pipe may take to end."""
PIPE_BYTES = 256 * 1024
"""What a pipe holds, in bytes, where the system gives so much: most messages, so that none is handed over in
many pieces."""


class Died(Exception):
    """A process that is gone, or must go; the text says why."""


class Process:
    """A running checking process; one thread at a time asks it."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # nothing of the node's own
            cwd="/",
            # Signals to the node's group are not for it. It stays in the node's session, though: between two
            # sessions Linux may share processors evenly, however nice one is.
            process_group=0,
        )
        streams = self._popen.stdin, self._popen.stdout
        to, back = (stream.fileno() for stream in streams if stream is not None)
        if sys.platform == "linux":
            for descriptor in (to, back):
                with suppress(OSError):
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(to, False)
        self._pipe = Pipe(back, to, _wait)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def ask(self, request: bytes) -> bytes:
        """The answer to a request. Raises: Died."""
        try:
            self._pipe.send(request)
            return self._pipe.receive()
        except (OSError, EOFError):
            raise Died(self._why()) from None
        except Malformed as error:
            raise Died(f"({error})") from None

    def kill(self) -> None:
        """Whoever waits for it, in another thread, is told that it died."""
        self._popen.kill()

    def end(self) -> None:
        """Leave nothing of it."""
        self.kill()
        with self._popen:  # closes the pipes, and waits
            pass

    def _why(self) -> str:
        try:
            code = self._popen.wait(END_S)
        except subprocess.TimeoutExpired:
            return "(it closed the pipe)"
        return f"({signal.Signals(-code).name})" if code < 0 else f"(exit code {code})"


def _wait(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(1000 * ANSWER_S_MAX):
        raise Died(f"(it did nothing for {ANSWER_S_MAX} s)")
