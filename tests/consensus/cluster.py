"""A few simulated validators for scenarios, with no fault but those that the test brings."""

from typing import Any

from consensus.effects import Report, ReportKind
from consensus.replica import Replica
from consensus.transactions import Transaction
from node.simulator.counting import CountingLedger
from node.simulator.machine import Machine
from node.simulator.swarm import Swarm
from node.simulator.world import World


class Cluster:
    """Members 0 to n - 1 on a network with delays of 1 to 5 ms."""

    def __init__(self, size: int = 4, **swarm: Any) -> None:
        self.world = World(Swarm(**{"size": size, "delay_ms": (1, 5), "execution_ms": (1, 3), **swarm}))
        self.world.start()

    def __getitem__(self, number: int) -> Machine:
        """The member's (first) process."""
        return next(machine for machine in self.world.machines if machine.number == number)

    def ledger(self, number: int) -> CountingLedger:
        """What the member has executed."""
        ledger = self[number].ledger
        assert isinstance(ledger, CountingLedger)
        return ledger

    def replica(self, number: int) -> Replica:
        replica = self[number].replica
        assert replica is not None, f"member {number} is down"
        return replica

    def run(self, for_ms: int) -> None:
        self.world.run_until(self.world.now_ms + for_ms)

    def submit(self, number: int, **args: int) -> Transaction:
        """One transaction to one member, which must take it."""
        transaction = self.world.transaction(**args)
        assert self[number].submit([transaction])
        return transaction

    def commit(self, number: int = 0, within_ms: int = 60_000) -> int:
        """Submit and wait until every running honest member executed it; how long it took."""
        transaction, begun_ms = self.submit(number), self.world.now_ms
        done = self.world.run_until(begun_ms + within_ms, lambda: self.has_executed(transaction))
        assert done, f"not committed within {within_ms} ms: {self.world.describe()}"
        return self.world.now_ms - begun_ms

    def has_executed(self, transaction: Transaction) -> bool:
        running = [machine for machine in self.world.honest if machine.replica is not None]
        return all(machine.ledger.settled(transaction.id) for machine in running)

    def heights(self) -> list[int]:
        """Executed heights, by machine."""
        return [machine.ledger.height for machine in self.world.machines]

    def reports(self, kind: ReportKind) -> list[tuple[int, Report]]:
        """(who says it, what)."""
        return [(number, report) for number, report in self.world.checks.reports if report.kind is kind]

    def available(self, number: int) -> list[int]:
        """Sequences of the member's batches that it was told a quorum holds."""
        return [tip.seq for tip in self[number].available]

    def why(self, number: int) -> str:
        names = dict(enumerate(["acme", "bolt", "cargo", "delta", "echo", "fox", "gull"]))
        return self.replica(number).why(self[number].now()).sentence(names)
