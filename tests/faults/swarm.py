"""Faults of a network, of machines and of clocks, one after the other and together, while clients go on.

Each fault is a context manager: what it does to the consortium holds for as long as its block. One fault of a
machine at a time, because four nodes stand one; the network may do what it likes.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from node.demo.partner import wait_until
from tests.faults.relayed import RelayedConsortium

ALL = {0, 1, 2, 3}
LASTS_S = (1.0, 9.0)
RECOVERY_S = 90.0
"""Generous, for a machine that does other things; what it took is printed."""
STOPS_WITHIN_S = 20.0
CLOCK_JUMPS_MS = (3_600_000, -3_600_000, 30_000, -30_000, 2_000, -2_000)

Fault = Callable[[RelayedConsortium, random.Random], AbstractContextManager[str]]


@contextmanager
def partition(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """One node alone, or two and two."""
    some = set(chance.sample(sorted(ALL), chance.choice((1, 2))))
    consortium.relay.partition(some)
    yield f"{_names(some)} cut off from {_names(ALL - some)}"


@contextmanager
def one_way_silence(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """A node hears and is not heard, by some."""
    source = chance.choice(sorted(ALL))
    targets = set(chance.sample(sorted(ALL - {source}), chance.choice((1, 2, 3))))
    consortium.relay.silence(source, targets)
    yield f"{_names({source})} is not heard by {_names(targets)}"


@contextmanager
def bad_line(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """200 ms, and 5 % of what is sent arrives late."""
    consortium.relay.slow_down(0.2, 0.05)
    yield "all links have 200 ms and lose 5 %"


@contextmanager
def resets(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """Connections break."""
    yield f"{consortium.relay.reset(chance.uniform(0.3, 1.0))} connections reset"


@contextmanager
def suspended(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """SIGSTOP, later SIGCONT."""
    node = chance.choice(sorted(ALL))
    consortium.processes[node].suspend()
    try:
        yield f"{_names({node})} suspended"
    finally:
        consortium.processes[node].resume()


@contextmanager
def killed(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """kill -9 of one, sometimes of three or all."""
    victims = set(chance.sample(sorted(ALL), chance.choice((1, 1, 1, 3, 4))))
    for node in victims:
        consortium.processes[node].kill()
    try:
        yield f"{_names(victims)} killed"
    finally:
        consortium.start([consortium.partners[node] for node in sorted(victims)])


@contextmanager
def wrong_clock(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """The wall clock of one node jumps, and back."""
    node, offset_ms = chance.choice(sorted(ALL)), chance.choice(CLOCK_JUMPS_MS)
    consortium.processes[node].set_clock(offset_ms)
    try:
        yield f"the clock of {_names({node})} off by {offset_ms} ms"
    finally:
        consortium.processes[node].set_clock(0)


@contextmanager
def full_disk(consortium: RelayedConsortium, chance: random.Random) -> Iterator[str]:
    """The system refuses to let files of one node grow: it must end by itself, and says why."""
    node = chance.choice(sorted(ALL))
    partner, process = consortium.partners[node], consortium.processes[node]
    assert process.pid is not None
    files = (partner.seat.home / "journal").glob("segment-*")
    room = max(file.stat().st_size for file in files) + chance.randint(100, 4_000)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, room))
    try:
        yield f"the disk of {_names({node})} full"
    finally:
        code = process.wait(STOPS_WITHIN_S)
        if code is None:
            process.kill()  # it had nothing to write
        else:
            assert code == 1
            assert process.last_words().startswith("quorate: the node stopped: "), process.last_words()
        consortium.start([partner])


OF_THE_NETWORK: tuple[Fault, ...] = (partition, one_way_silence, bad_line, resets)
OF_A_MACHINE: tuple[Fault, ...] = (suspended, killed, wrong_clock, full_disk)


@dataclass
class Swarm:
    """Rounds of faults; after each everything is well again and all nodes must go on."""

    consortium: RelayedConsortium
    chance: random.Random
    say: Callable[[str], None]
    recoveries_s: list[float] = field(default_factory=list)

    def run(self, for_s: float) -> None:
        began_s = time.monotonic()
        while time.monotonic() - began_s < for_s:
            with ExitStack() as faults:
                what = [faults.enter_context(fault(self.consortium, self.chance)) for fault in self._choose()]
                time.sleep(self.chance.uniform(*LASTS_S))
                self.consortium.relay.heal()
            took_s = self._recover()
            at_s = time.monotonic() - began_s
            self.say(
                f"{at_s:5.0f} s  height {self.consortium.bank.height()}  "
                f"all final {took_s:.1f} s after: {', '.join(what)}"
            )

    def _choose(self) -> list[Fault]:
        network, machine = self.chance.choice(OF_THE_NETWORK), self.chance.choice(OF_A_MACHINE)
        return self.chance.choice(([network], [machine], [network, machine]))

    def _recover(self) -> float:
        """Until every node has executed a block that is newer than the end of the faults."""
        began_s = time.monotonic()
        partners = self.consortium.partners
        goal = max(partner.height() for partner in partners) + 1
        reached = wait_until(lambda: all(partner.height() >= goal for partner in partners), RECOVERY_S)
        assert reached, [(partner.name, partner.look()) for partner in partners]
        self.recoveries_s.append(time.monotonic() - began_s)
        return self.recoveries_s[-1]


def _names(nodes: set[int]) -> str:
    return " ".join(f"n{node + 1}" for node in sorted(nodes))
