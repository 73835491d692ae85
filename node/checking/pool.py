"""The checking processes of one node, started when there is much to check.

Called in any thread that may wait.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Lock

import structlog

from consensus.transactions import Found, read_envelopes
from node.checking.messages import Posted, found_of, posted_of, read_posted, request_of
from node.checking.process import Died, Process

log = structlog.get_logger("checking")

OWN_BYTES_MAX = 16 * 1024
"""Content of so many bytes, some 30 transactions, is checked in the node itself: more goes to a process."""
PROCESSES_MAX = 4
"""At most so many, and one for every two processors."""
ORDERED_PROCESSORS_MIN = 4
"""What validators have ordered goes to a process where there are so many processors. With fewer there is none
to spare, and handing it over takes more than it saves."""
RESTART_PAUSE_S = 10.0
"""After a process has died the node checks all itself for so long."""


def usable_processors() -> int:
    """How many this process may use; where that is not to be found out, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def processes_max(processors: int) -> int:
    """What a node may start where it has so many."""
    return min(PROCESSES_MAX, max(1, processors // 2))


class Checks:
    """Reads what comes in, in the node or out of it: what is said of it is the same."""

    def __init__(self) -> None:
        self._lock = Lock()
        processors = usable_processors()
        self._places = processes_max(processors)
        self._takes_ordered = processors >= ORDERED_PROCESSORS_MIN
        self._lines = Condition(self._lock), Condition(self._lock)
        """Who waits for a place: clients' business, and what validators have ordered, which goes first."""
        self._waiting = [0, 0]
        self._idle: list[Process] = []
        self._running: set[Process] = set()
        self._next_start_s = 0.0
        self._ended = False

    def check(self, envelopes: Sequence[bytes], chain: str) -> Iterable[Found]:
        """An EnvelopeReader for what clients want; checks signatures where a process does it."""
        return self._envelopes("check", envelopes, chain, urgent=False)

    def check_ordered(self, envelopes: Sequence[bytes], chain: str) -> Iterable[Found]:
        """The same for what validators order, which goes before what clients want."""
        return self._envelopes("check", envelopes, chain, urgent=True)

    def parse_ordered(self, envelopes: Sequence[bytes], chain: str) -> Iterable[Found]:
        """The same for what a quorum vouches for: nobody looks at signatures."""
        return self._envelopes("parse", envelopes, chain, urgent=True)

    def posted(self, body: bytes, chain: str) -> list[Posted]:
        """What a posted batch holds; checks signatures where a process does it. Raises: ApiError."""
        if len(body) > OWN_BYTES_MAX:
            answer = self._ask(request_of("posted", chain, body), urgent=False)
            if answer is not None:
                return posted_of(answer)
        return read_posted(body, chain)

    def close(self) -> None:
        """End the processes; what they are asked just now is checked in the node."""
        with self._lock:
            self._ended = True
            idle, busy = self._idle, self._running.difference(self._idle)
        for process in busy:
            process.kill()  # who asks it ends it
        for process in idle:
            process.end()

    def _envelopes(
        self, verb: str, envelopes: Sequence[bytes], chain: str, *, urgent: bool
    ) -> Iterable[Found]:
        wanted = self._takes_ordered or not urgent
        if wanted and sum(map(len, envelopes)) > OWN_BYTES_MAX:
            answer = self._ask(request_of(verb, chain, envelopes), urgent=urgent)
            if answer is not None:
                return found_of(answer, envelopes)
        return read_envelopes(envelopes, chain)

    def _ask(self, request: bytes, *, urgent: bool) -> bytes | None:
        """What a process says; None where there is none, and the node must do it."""
        with self._place(urgent):
            process = self._take()
            if process is None:
                return None
            try:
                answer = process.ask(request)
            except Died as error:
                process.end()
                with self._lock:
                    self._running.discard(process)
                self._pause(f"a checking process died {error}")
                return None
            with self._lock:
                self._idle.append(process)
            return answer

    @contextmanager
    def _place(self, urgent: bool) -> Iterator[None]:
        """As many ask at once as there may be processes."""
        with self._lock:
            self._waiting[urgent] += 1
            while not self._places or (self._waiting[True] and not urgent):
                self._lines[urgent].wait()
            self._waiting[urgent] -= 1
            self._places -= 1
        try:
            yield
        finally:
            with self._lock:
                self._places += 1
                self._lines[self._waiting[True] > 0].notify()

    def _take(self) -> Process | None:
        """One that has nothing to do, else a new one, if there may be one now."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._ended or time.monotonic() < self._next_start_s:
                return None
        try:
            process = Process()
        except OSError as error:
            self._pause(f"a checking process does not start ({error.strerror})")
            return None
        with self._lock:
            self._running.add(process)
        return process

    def _pause(self, what: str) -> None:
        with self._lock:
            self._next_start_s = time.monotonic() + RESTART_PAUSE_S
            ended = self._ended
        if not ended:
            log.warning(f"{what}: the node checks transactions itself for {RESTART_PAUSE_S:g} s")
