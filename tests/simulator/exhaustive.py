"""A crash at every persist and every send: each point of a short run in turn, on each member in turn."""

from node.simulator.machine import Crashes, Machine
from node.simulator.swarm import Swarm
from node.simulator.world import World

DOWN_MS = 1_500
SHORT = Swarm(seed=3, size=4, heal_at_ms=1_200, submit_every_ms=200, execution_ms=(1, 20), delay_ms=(1, 20))
"""Three blocks and a few more; without any fault but the one crash."""


class CrashAt(Crashes):
    """Kills one member at its `index`-th point, once."""

    def __init__(self, member: int, index: int | None) -> None:
        self.member = member
        self.index = index
        self.passed = 0

    def here(self, machine: Machine) -> bool:
        if machine.number != self.member:
            return False
        self.passed += 1
        return self.passed - 1 == self.index

    def down_ms(self) -> int:
        return DOWN_MS


def points(member: int) -> int:
    """How many points a member passes in the short run."""
    counting = CrashAt(member, None)
    World(SHORT, counting).run()
    return counting.passed


def world(member: int, index: int) -> World:
    """The short run with one crash."""
    return World(SHORT, CrashAt(member, index))
