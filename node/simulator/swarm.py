"""Which faults a seed brings. Each run draws its own mix, so that no fault hides another in all of them."""

from dataclasses import dataclass, field, replace

from consensus.parameters import Parameters
from node.simulator.chance import Chance
from node.simulator.genesis import PARAMETERS

WRONG_CLOCK_MS = 3_600_000
BEHAVIOURS = (
    "withhold",
    "old-parent",
    "forge",
    "misdate",
    "pick-and-choose",
    "wrong-execution",
    "bad-batch",
    "slander",
    "usurp",
    "garbage",
    "cross-epoch",
)


@dataclass(frozen=True)
class Swarm:
    """The faults of one run. Probabilities are per message or crash point; times in simulated ms."""

    seed: int = 0
    size: int = 4
    ed25519: bool = False
    loss: float = 0.0
    duplication: float = 0.0
    delay_ms: tuple[int, int] = (1, 10)
    crash: float = 0.0
    down_ms: tuple[int, int] = (100, 8_000)
    partition_every_ms: int = 0
    one_way: bool = False
    slow: int | None = None
    """A member whose messages take ten times as long."""
    pause: int | None = None
    """A member that stops now and then, and goes on as if nothing had been."""
    skews_ms: tuple[int, ...] = ()
    """How wrong each member's civil clock is."""
    twins: tuple[int, ...] = ()
    """Byzantine members: two processes each, with one key and separate memories."""
    behaviours: tuple[tuple[int, str], ...] = ()
    """Byzantine members that lie: (member, name in `node.simulator.byzantine`)."""
    execution_ms: tuple[int, int] = (1, 20)
    submit_every_ms: int = 300
    turn_ms: tuple[int, int] = (0, 0)
    """How long a turn of the driver's loop takes, most of it for the sync, while inputs gather."""
    power_loss: float = 0.0
    """Probability that a crash takes the machine down with the process."""
    disk: float = 0.0
    """Probability that a write or a sync of the journal fails."""
    damaged: int | None = None
    """A member whose journal has a bit flipped at some restart."""
    blackout_ms: int = 0
    """When more members than may be faulty lose power together; 0: never."""
    rotate: float = 0.0
    """Probability that a tick starts a fresh journal."""
    lazy_sync: bool = False
    """Records of ticks that promise nothing wait for the next frame."""
    heal_at_ms: int = 15_000
    healed_delay_ms: tuple[int, int] = (1, 50)
    """Message delays after the healing; a long one needs timers that grow."""
    timers: bool = False
    """Some transactions set contract timers."""
    change: float = 0.0
    """Probability that a block with transactions decides a change of the committee."""
    candidates: int = 0
    """Members that are no validators at the start."""
    plan: tuple[tuple[int, tuple[tuple[int, int], ...]], ...] = ()
    """What each epoch decides in place of chance: from which height on, and who follows, as (number, key)."""
    parameters: Parameters = field(default=PARAMETERS)

    @property
    def byzantine(self) -> tuple[int, ...]:
        return tuple(sorted({*self.twins, *(member for member, _ in self.behaviours)}))

    @property
    def faulty(self) -> tuple[int, ...]:
        """Members that lie, have a wrong clock, or lose their journal."""
        wrong = {number for number, skew_ms in enumerate(self.skews_ms) if abs(skew_ms) >= WRONG_CLOCK_MS}
        damaged = set() if self.damaged is None else {self.damaged}
        return tuple(sorted({*self.byzantine, *wrong, *damaged}))


def draw(
    seed: int,
    *,
    ed25519: bool = False,
    size: int | None = None,
    liars: int | None = None,
    changes: bool = True,
) -> Swarm:
    """The faults of a seed; where a size or a number of liars is given, with that.

    `changes` says whether the committee may change.
    """
    chance = Chance(seed)
    drawn = chance.pick([4, 4, 4, 5, 6, 7])
    alone = size is None and chance.happens(0.04)
    size = size or (1 if alone else drawn)
    faults = (size - 1) // 3
    liars_count = chance.between(0, faults)
    lying = chance.some(range(size), liars_count if liars is None else liars)
    twins = tuple(sorted(liar for liar in lying if chance.happens(0.5)))
    behaviours = tuple((liar, chance.pick(BEHAVIOURS)) for liar in sorted(lying) if liar not in twins)
    wrong_clocks = chance.some(range(size), faults - len(lying)) if chance.happens(0.3) else []
    skews = tuple(
        chance.pick([-WRONG_CLOCK_MS, WRONG_CLOCK_MS])
        if number in wrong_clocks
        else chance.between(-200, 200)
        for number in range(size)
    )
    honest = [number for number in range(size) if number not in lying and number not in wrong_clocks]
    spare = len(lying) + len(wrong_clocks) < faults
    damaged = chance.pick(honest) if spare and chance.happens(0.3) else None
    swarm = Swarm(
        seed=seed,
        size=size,
        ed25519=ed25519,
        loss=chance.pick([0.0, 0.0, 0.05, 0.15, 0.3]),
        duplication=chance.pick([0.0, 0.1, 0.3]),
        delay_ms=chance.pick([(1, 20), (1, 100), (5, 500), (50, 2_000)]),
        crash=chance.pick([0.0, 0.001, 0.004, 0.01]),
        partition_every_ms=chance.pick([0, 1_500, 5_000]),
        one_way=chance.happens(0.3),
        slow=chance.below(size) if chance.happens(0.3) else None,
        pause=chance.below(size) if chance.happens(0.3) else None,
        skews_ms=skews,
        twins=twins,
        behaviours=behaviours,
        execution_ms=chance.pick([(1, 5), (1, 50), (100, 800)]),
        submit_every_ms=chance.pick([100, 400, 1_500]),
        rotate=chance.pick([0.0, 0.01]),
        turn_ms=chance.pick([(0, 0), (1, 10), (5, 40), (5, 40)]),
        power_loss=chance.pick([0.0, 0.5, 1.0]),
        disk=chance.pick([0.0, 0.0, 0.002]),
        damaged=damaged,
        blackout_ms=chance.between(500, 6_000) if chance.happens(0.2) else 0,
        lazy_sync=chance.happens(0.5),
        heal_at_ms=chance.pick([4_000, 8_000, 20_000]),
        healed_delay_ms=chance.pick([(1, 50), (1, 50), (1, 50), (700, 1_500)]),
        timers=chance.happens(0.3),
    )
    if chance.happens(0.4) and changes:
        swarm = replace(swarm, change=chance.pick([0.1, 0.5]), candidates=chance.between(0, 3))
    if chance.happens(0.15):  # crashes alone, many of them
        return replace(swarm, loss=0.0, crash=0.02, partition_every_ms=0, delay_ms=(1, 20))
    return swarm
