"""The world: simulated time, a network, machines, clients, and the faults of a swarm."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256

from consensus.batches import CheckedBatch, check_batch
from consensus.messages import Message, encode_message
from consensus.rules import timeout_ms
from consensus.transactions import (
    Transaction,
)
from consensus.types import Batch
from node.simulator.application import Application
from node.simulator.chance import Chance
from node.simulator.checks import Checks, Failed
from node.simulator.counting import Counting
from node.simulator.genesis import WALL_START_MS
from node.simulator.keys import scheme
from node.simulator.machine import Crashes, Machine, NoCrashes
from node.simulator.membership import Membership
from node.simulator.swarm import Swarm

EVENTS_MAX = 500_000
PRELUDE_MS_MAX = 60_000


class World:
    """One run."""

    def __init__(
        self, swarm: Swarm, crashes: Crashes | None = None, application: Application | None = None
    ) -> None:
        self.swarm = swarm
        self.application = application or Counting(swarm)
        self.chance = Chance(swarm.seed ^ 0x5EED)
        self.clients = Chance(swarm.seed ^ 0xC11E)
        self.mishaps = Chance(swarm.seed ^ 0x0DD5)
        """Three streams, so that a run without one fault is otherwise much the same."""
        self.now_ms = 0
        self.healed = False
        self.show: Callable[[str], None] | None = None
        """Is told every step."""
        self.events = 0
        self.counts: Counter[str] = Counter()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._trace = sha256()
        self.crashes = crashes or (RandomCrashes(self) if swarm.crash else NoCrashes())
        _, self.verifier = scheme(swarm.ed25519)
        self.membership = Membership(swarm)
        self.checks = Checks(swarm, self.membership.first)
        self.machines = [
            Machine(self, number, twin)
            for number in self.membership.numbers
            for twin in range(2 if number in swarm.twins else 1)
        ]
        self._sides = dict.fromkeys(self.machines, 0)
        self._mute: set[tuple[Machine, Machine]] = set()
        self._begun_ms = 0
        self._checked: dict[bytes, CheckedBatch] = {}

    # -- time ---------------------------------------------------------------------------------------
    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, delay_ms), self._serial, action))

    def run_until(self, time_ms: int, done: Callable[[], bool] | None = None) -> bool:
        """Let the world go on to a time, or until `done`; says whether `done` holds."""
        while self._heap and self._heap[0][0] <= time_ms:
            self.now_ms, _, action = heapq.heappop(self._heap)
            self.events += 1
            if self.events > EVENTS_MAX:
                raise Failed("the run does not end: an event storm")
            action()
            if done is not None and done():
                return True
        self.now_ms = max(self.now_ms, time_ms)
        return done is not None and done()

    def count(self, what: str) -> None:
        """Something happened that a run should see now and then."""
        self.counts[what] += 1
        self.trace(what)

    def trace(self, *what: object) -> None:
        line = f"{self.now_ms} {what}"
        self._trace.update(line.encode())
        if self.show is not None:
            self.show(line)

    @property
    def trace_hash(self) -> str:
        return self._trace.hexdigest()[:16]

    # -- network ------------------------------------------------------------------------------------
    def send(self, source: Machine, to: int, message: Message | bytes) -> None:
        """Every machine of the member gets it, if the network lets it through."""
        word = encode_message(message) if self.swarm.ed25519 and not isinstance(message, bytes) else message
        for target in self.machines:
            if target.number == to and target is not source:
                self.carry(source, target, partial(target.receive, source.number, word))

    def carry(self, source: Machine, target: Machine, deliver: Callable[[], None]) -> None:
        """Take one message over the network; `deliver` runs when and if it arrives."""
        swarm, chance = self.swarm, self.chance
        if self.healed:
            self.after(chance.between(*swarm.healed_delay_ms), deliver)
            return
        if self._sides[source] != self._sides[target] or (source, target) in self._mute:
            return
        copies = 1 + chance.happens(swarm.duplication)
        for _ in range(copies):
            if chance.happens(swarm.loss):
                continue
            delay_ms = chance.between(*swarm.delay_ms)
            if swarm.slow in (source.number, target.number):
                delay_ms *= 10
            self.after(delay_ms, deliver)

    def check_batch(self, batch: Batch, key: bytes) -> CheckedBatch:
        """As a driver does in a thread; the result is shared, as it depends on the arguments alone."""
        place = batch.signature + batch.header.root + key
        if place not in self._checked:
            self._checked[place] = check_batch(
                batch,
                chain_id=self.application.chain_id,
                chain=self.application.chain,
                key=key,
                verifier=self.verifier,
                parameters=self.application.parameters,
            )
        return self._checked[place]

    # -- faults -------------------------------------------------------------------------------------
    def _repartition(self) -> None:
        if self.healed:
            return
        sides = self.chance.pick([1, 2, 2, 3])
        for machine in self.machines:
            self._sides[machine] = self.chance.below(sides)
        self._mute = set()
        if self.swarm.one_way:
            for _ in range(self.chance.between(1, self.swarm.size)):
                self._mute.add((self.chance.pick(self.machines), self.chance.pick(self.machines)))
        self.after(self.chance.between(1, 2 * self.swarm.partition_every_ms), self._repartition)

    def _pause(self) -> None:
        if self.healed:
            return
        for machine in self.machines:
            if machine.number == self.swarm.pause:
                machine.pause(self.chance.between(500, 6_000))
        self.after(self.chance.between(3_000, 12_000), self._pause)

    def _black_out(self) -> None:
        """More than f lose power at once."""
        self.count("blackout")
        for machine in self.chance.some(self.machines, self.membership.first.faults_max + 1):
            machine.kill()

    def heal(self) -> None:
        """All faults end, but for the lies and the wrong clocks of up to f members."""
        self.healed = True
        self.crashes = NoCrashes()
        for machine in self.machines:
            machine.resume()
            if machine.replica is None and not machine.lost:
                machine.start()

    # -- clients ------------------------------------------------------------------------------------
    def transaction(self, **args: int) -> Transaction:
        """A new one, signed; `args`, where given, are those of its call."""
        return self.application.transaction(self.clients, WALL_START_MS + self.now_ms, **args)

    def _submit(self) -> None:
        if self.healed:
            return
        machine = self.clients.pick(self.machines)
        machine.submit([self.transaction() for _ in range(self.clients.between(1, 12))])
        self.after(self.clients.between(1, 2 * self.swarm.submit_every_ms), self._submit)

    # -- a run --------------------------------------------------------------------------------------
    @property
    def honest(self) -> list[Machine]:
        """Those that must make progress."""
        return [machine for machine in self.machines if machine.honest and not machine.lost]

    def start(self) -> None:
        """Start and connect all machines."""
        for machine in self.machines:
            machine.start()
        for machine in self.machines:
            machine.connect_all()

    def _are_settled(self, transactions: Sequence[Transaction]) -> bool:
        return all(machine.ledger.settled(t.id) for machine in self.honest for t in transactions)

    def part(self, *numbers: int) -> None:
        """Cut these members off from the others; none: everybody hears everybody."""
        for machine in self.machines:
            self._sides[machine] = 1 if machine.number in numbers else 0

    def begin(self) -> None:
        """Start machines, let what the application needs become final, then start clients and faults."""
        crashes, self.crashes, self.healed = self.crashes, NoCrashes(), True
        self.start()
        prelude = self.application.prelude(WALL_START_MS + self.now_ms)
        if prelude and not self.honest[0].submit(prelude):
            raise Failed("the prelude is not taken")
        if not self.run_until(self.now_ms + PRELUDE_MS_MAX, partial(self._are_settled, prelude)):
            raise Failed(f"the prelude is not executed: {self.describe()}")
        self.crashes, self.healed, self._begun_ms = crashes, False, self.now_ms
        self._submit()
        if self.swarm.partition_every_ms:
            self._repartition()
        if self.swarm.pause is not None:
            self._pause()
        if self.swarm.blackout_ms:
            self.after(self.swarm.blackout_ms, self._black_out)

    def run(self) -> int:
        """Faults, healing, progress, rest; returns how long after the healing all was well, in simulated ms.

        Raises: Failed.
        """
        self.begin()
        self.run_until(self._begun_ms + self.swarm.heal_at_ms)
        self.heal()
        healed_ms = self.now_ms
        waiting = {machine: self.transaction() for machine in self.honest}

        def well() -> bool:
            for machine in [m for m in waiting if m.observes or m.submit([waiting[m]])]:
                del waiting[machine]
            return not waiting and self.checks.all_committed(self.honest)

        while not well():
            if self.now_ms - healed_ms > recovery_max_ms(self.swarm):
                raise Failed(f"no progress after healing: {self.describe()}")
            self.run_until(self.now_ms + 200)
        took_ms = self.now_ms - healed_ms
        self.rest()
        self.application.check([machine.ledger for machine in self.honest])
        return took_ms

    def rest(self) -> None:
        """Without work the chain must come to rest; only timers that are due soon may keep it going."""
        last = -1
        for round_ in range(60):
            self.run_until(self.now_ms + 10_000)
            heights = {machine.ledger.height for machine in self.honest}
            soon_ms = WALL_START_MS + self.now_ms + 60_000
            wakeups = [machine.ledger.next_wakeup_ms for machine in self.honest]
            waiting = any(wakeup_ms is not None and wakeup_ms < soon_ms for wakeup_ms in wakeups)
            if (heights == {last} and not waiting) or (waiting and round_ > 6 and min(heights) > last):
                return
            last = max(heights)
        raise Failed(f"an idle chain keeps growing or nodes stay behind: {self.describe()}")

    def describe(self) -> str:
        return "; ".join(machine.describe() for machine in self.machines)


def recovery_max_ms(swarm: Swarm) -> int:
    """Simulated time within which everything must be final and executed after the faults end.

    The view that the healing finds may last as long as timeouts have grown by then, under each of f faulty
    leaders in turn. Timeouts then grow from T0 to four message delays, which is what a block takes, and f
    leaders more may be faulty. That twice, for a block and what it changes; ten T0 for machines to start.
    """
    faults_max, parameters = (swarm.size + swarm.candidates - 1) // 3, swarm.parameters
    delay_ms = swarm.healed_delay_ms[1] + swarm.turn_ms[1]
    block_ms, view, good_views = 0, 0, 0
    while good_views <= faults_max:
        view += 1
        timeout = timeout_ms(view, 0, faults_max, parameters)
        block_ms += timeout + 2 * delay_ms
        good_views += timeout >= 4 * delay_ms
    grown_ms = (faults_max + 1) * swarm.heal_at_ms // 3
    return grown_ms + 2 * block_ms + 10 * parameters.base_timeout_ms


class RandomCrashes(Crashes):
    """Crashes at persist and send points, aimed there because that is where memory is lost."""

    def __init__(self, world: World) -> None:
        self._world = world

    def here(self, machine: Machine) -> bool:
        return self._world.mishaps.happens(self._world.swarm.crash)

    def down_ms(self) -> int:
        return self._world.mishaps.between(*self._world.swarm.down_ms)
