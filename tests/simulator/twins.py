"""Twins, bounded: every way to cut the network in two and to choose leaders, in each of two views.

Four validators of which one is two processes with one key: five processes. They fall into at most two groups
in 16 ways, and each view has one of 4 leaders: 64 settings a view, 4,096 for two views. From the third view
on everybody hears everybody. Source: Bano et al., Twins: BFT Systems Made Robust (OPODIS 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from unittest import mock

from consensus.committee import Committee
from consensus.messages import Message
from consensus.types import Certificate, MemberNumber, Proposal, Vote
from node.simulator.machine import Machine
from node.simulator.swarm import Swarm
from node.simulator.world import World

SIZE = 4
TWIN = 0
VIEWS = 2
GROUPINGS = 2**SIZE
"""Of five processes into at most two groups: where the other four stand, seen from the first."""
SCENARIOS = (SIZE * GROUPINGS) ** VIEWS
SHORT = Swarm(seed=5, size=SIZE, twins=(TWIN,), heal_at_ms=3_500, delay_ms=(1, 20), execution_ms=(1, 5))


@dataclass(frozen=True)
class Setting:
    """One view's leader, and the processes that are cut off from the first one (by place)."""

    leader: MemberNumber
    others: frozenset[int]

    def parts(self, one: int, two: int) -> bool:
        """Whether these two processes do not hear each other."""
        return (one in self.others) != (two in self.others)


def scenario(number: int) -> tuple[Setting, ...]:
    """The settings of both views."""
    settings = []
    for _ in range(VIEWS):
        number, setting = divmod(number, SIZE * GROUPINGS)
        bits, leader = divmod(setting, SIZE)
        settings.append(Setting(leader, frozenset(place + 1 for place in range(SIZE) if bits >> place & 1)))
    return tuple(settings)


class TwinsWorld(World):
    """A world whose network is cut by view, not by time."""

    def __init__(self, number: int) -> None:
        super().__init__(SHORT)
        self._settings = scenario(number)
        self._places = {machine: place for place, machine in enumerate(self.machines)}

    def send(self, source: Machine, to: int, message: Message | bytes) -> None:
        for target in self.machines:
            if target.number == to and target is not source and not self._cut(source, target, message):
                self.carry(source, target, partial(target.receive, source.number, message))

    def _cut(self, source: Machine, target: Machine, message: Message | bytes) -> bool:
        view = _view(source, message)
        if self.healed or not 1 <= view <= VIEWS:
            return False
        return self._settings[view - 1].parts(self._places[source], self._places[target])

    def _submit(self) -> None:
        """One transaction for each process, at the beginning."""
        for machine in self.machines:
            machine.submit([self.transaction()])

    def run(self) -> int:
        usual, settings = Committee.leader, self._settings

        def leader(committee: Committee, view: int) -> MemberNumber:
            return settings[view - 1].leader if 1 <= view <= VIEWS else usual(committee, view)

        with mock.patch.object(Committee, "leader", leader):
            return super().run()


def _view(source: Machine, message: Message | bytes) -> int:
    """The view that a message is of, or that its sender is in."""
    match message:
        case Proposal():
            return message.header.view
        case Vote() | Certificate():
            return message.view
        case _:
            return 0 if source.replica is None else source.replica._state.certificates.frontier
