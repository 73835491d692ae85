"""The committee changes while the chain goes on."""

from collections.abc import Iterable

from tests.consensus.cluster import Cluster
from tests.consensus.support import PARAMETERS

BASE_MS = PARAMETERS.base_timeout_ms
Step = tuple[int, tuple[tuple[int, int], ...]]


def first(count: int) -> tuple[tuple[int, int], ...]:
    """The members 0 to `count` - 1 with their first keys."""
    return tuple((number, 0) for number in range(count))


def reach(cluster: Cluster, epoch: int, submit_to: Iterable[int] = (0,)) -> None:
    """Go on, under load, until every running member is in this epoch."""
    for _ in range(60):
        for number in submit_to:
            cluster[number].submit([cluster.world.transaction()])
        cluster.run(300)
        running = [machine for machine in cluster.world.machines if machine.replica is not None]
        if all(machine.replica and machine.replica.committee.epoch >= epoch for machine in running):
            return
    raise AssertionError(f"epoch {epoch} is not reached: {cluster.world.describe()}")


class TestGrowth:
    def test_from_one_to_four_to_seven_and_back(self) -> None:
        sizes = [2, 3, 4, 5, 6, 7, 6, 5, 4]
        plan: list[Step] = [(1, first(size)) for size in sizes]
        cluster = Cluster(size=1, candidates=6, plan=tuple(plan))
        reach(cluster, len(sizes) + 1, submit_to=range(7))
        assert [committee.size for committee in cluster.world.checks.committees.values()] == [1, *sizes]
        assert [machine.is_validator for machine in cluster.world.machines] == [True] * 4 + [False] * 3
        for number in range(4):
            cluster.commit(number)
        assert cluster.world.checks.all_committed(cluster.world.machines)
