"""One simulated validator process: a driver for the real replica, with points at which it may crash."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from consensus.batches import InvalidBatch, UnknownSigner, open_batch
from consensus.committee import Committee
from consensus.effects import (
    Acknowledged,
    Available,
    Broadcast,
    Effect,
    EpochBegan,
    Finalise,
    HandOver,
    Persist,
    Report,
    Send,
    SetTimer,
    SyncNeeded,
)
from consensus.errors import CorruptionError, InvalidMessage
from consensus.keys import Signer
from consensus.messages import Message, batch_digest, batch_payload, decode_message
from consensus.records import Succession, decode_record, encode_record
from consensus.replica import Now, Replica
from consensus.transactions import Transaction
from consensus.types import Batch, FinalBlock, LaneTip
from node.journal import JournalFailed
from node.simulator.bounds import JOURNAL_BYTES_MAX, check_bounds
from node.simulator.byzantine import BEHAVIOURS, Behaviour
from node.simulator.checks import SUCCESSION_KIND, Failed
from node.simulator.disk import ERRORS, Disk, refused
from node.simulator.genesis import WALL_START_MS

if TYPE_CHECKING:
    from node.simulator.world import World

TURNS_BETWEEN_CHECKS = 16
SYNC_BLOCKS = 8
"""Blocks in one answer of the simulated catch-up."""
KEY_CHANGE_MS_MAX = 2_000
"""Within this time an operator starts the node with its new key."""
HAND_OVER_AGAIN_MS = 1_000


class Crash(Exception):
    """The process dies here."""


class DamageFound(Exception):
    """The journal says that it was changed, and the process must not go on."""


class Crashes:
    """Decides at each point whether the process dies."""

    def here(self, machine: Machine) -> bool:
        raise NotImplementedError

    def down_ms(self) -> int:
        """How long it stays down."""
        return 1_000


Input = Callable[[Replica, Now], None]


class NoCrashes(Crashes):
    """None."""

    def here(self, machine: Machine) -> bool:
        return False


class Machine:
    """A process with its disk. A Byzantine member has two that know nothing of each other."""

    def __init__(self, world: World, number: int, twin: int) -> None:
        self.world = world
        self.number = number
        self.twin = twin
        self.disk = Disk(self._before_disk_operation)
        self.ledger = world.application.ledger()
        self.lost = False
        """Its journal is damaged: it will not come back."""
        self.replica: Replica | None = None
        self._life = 0
        self._turns = 0
        self._paused: list[Callable[[], None]] | None = None
        self._buffered: list[bytes] = []
        self._executing: deque[Finalise] = deque()
        self._inputs: list[Input] | None = None
        """What gathers while a turn of the loop takes its time; None between turns."""
        self._mono_start_ms = 0
        self._busy = False
        self.available: list[LaneTip] = []
        self.execution_ms = world.swarm.execution_ms
        self._timer = 0
        """Counts SetTimer effects: the last one alone is in force."""
        self._behaviour: Behaviour | None = None
        self.abstains = False
        """Its journal is lost: it is started as one that does not vote with the key that it has."""
        self._key = 0
        """Which of its keys it has; see `node.simulator.membership`."""

    @property
    def name(self) -> str:
        return f"n{self.number}" + "ab"[self.twin] * (self.number in self.world.swarm.twins)

    @property
    def honest(self) -> bool:
        return self.number not in self.world.swarm.byzantine

    @property
    def observes(self) -> bool:
        """Whether it runs and is no validator."""
        return self.replica is not None and not self.replica.is_validator

    @property
    def is_validator(self) -> bool:
        return self.replica is not None and self.replica.is_validator

    def describe(self) -> str:
        if self.replica is None:
            return f"{self.name} down"
        progress = self.replica._state.progress
        return f"{self.name} at {progress}, executed {self.ledger.height}: {self.replica._voting.waiting_for}"

    def has_durably(self, batch: Batch) -> bool:
        """Whether a batch is in the journal, or executed and in the store."""
        return (
            encode_record(batch) in self.disk.durable
            or self.ledger.batch(batch_digest(self.world.application.chain_id, batch.header)) == batch
        )

    def knows_durably(self, committee: Committee) -> bool:
        """Whether a committee is in the store, or in the journal with the boundary that begins its epoch."""
        if self.ledger.anchor().committee.epoch >= committee.epoch:
            return True
        records = (decode_record(data) for data in self.disk.durable if data[1] == SUCCESSION_KIND)
        return any(isinstance(record, Succession) and record.committee == committee for record in records)

    # -- life ---------------------------------------------------------------------------------------
    def now(self) -> Now:
        skews = self.world.swarm.skews_ms
        skew_ms = skews[self.number] if self.number < len(skews) else 0
        return Now(WALL_START_MS + self.world.now_ms + skew_ms, self.world.now_ms - self._mono_start_ms)

    def start(self) -> None:
        self._life += 1
        self._mono_start_ms = self.world.now_ms - self.world.chance.below(1_000_000)
        self._paused, self._buffered, self._executing, self._busy = None, [], deque(), False
        self._inputs = None
        world = self.world
        try:
            records = self._open_journal()
            self.ledger.restart()
            self._key = max(self._key, self.ledger.keys.get(self.number, 0))
            self.replica = Replica(
                chain_id=world.application.chain_id,
                chain=world.application.chain,
                me=self.number,
                signer=self._signer(),
                verifier=world.verifier,
                parameters=world.application.parameters,
                genesis_time_ms=world.application.genesis_time_ms,
                batch_source=self.ledger.batch,
                records=records,
                anchor=self.ledger.anchor(),
                now=self.now(),
                abstains=self.abstains,
            )
            behaviour = dict(world.swarm.behaviours).get(self.number)
            if behaviour is not None:
                self._behaviour = BEHAVIOURS[behaviour](self.replica, self._signer(), world.chance)
            self._perform(self.replica.effects())
        except (Crash, JournalFailed):
            self._die()
        except DamageFound:
            self.world.count("damage found")
            self.world.checks.forgive(self)
            self.lost = True
            self.stop()
        else:
            self.connect_all()

    def _signer(self) -> Signer:
        """With the key that it was started with; the store may know a newer one already."""
        return self.world.membership.signer(self.number, self._key)

    def _open_journal(self) -> list[bytes]:
        world = self.world
        if world.swarm.damaged != self.number or not self.disk.durable or world.chance.happens(0.7):
            return self.disk.open()
        self.disk.files.flip_bit(world.chance)
        try:
            return self.disk.open()
        except CorruptionError as error:
            raise DamageFound from error

    def connect_all(self) -> None:
        for other in self.world.membership.numbers:
            if other != self.number:
                self.tick(partial(self._connect, other))

    @staticmethod
    def _connect(other: int, replica: Replica, now: Now) -> None:
        replica.on_connected(other, now)

    def stop(self) -> None:
        """Kill it; it stays down until `start`."""
        self.replica = None
        self._life += 1

    def _die(self) -> None:
        self.world.count("crash")
        self.stop()
        if self.world.mishaps.happens(self.world.swarm.power_loss):
            self.lose_power()
        self.world.after(self.world.crashes.down_ms(), self._rise)

    def lose_power(self) -> None:
        """What the disk did not sync may be gone."""
        self.world.count("power loss")
        self.disk.files.lose_power(self.world.mishaps)

    def kill(self) -> None:
        """It loses power now, whatever it does, and is started again after a while."""
        if self.replica is not None:
            self.stop()
            self.lose_power()
            self.world.after(self.world.crashes.down_ms(), self._rise)

    def _rise(self) -> None:
        if self.replica is None and not self.lost:
            self.start()

    def pause(self, for_ms: int) -> None:
        if self._paused is None:
            self._paused = []
            self.world.after(for_ms, self.resume)

    def resume(self) -> None:
        if self._paused is not None:
            waiting, self._paused = self._paused, None
            for action in waiting:
                action()

    def _alive(self, action: Callable[[], None]) -> Callable[[], None]:
        """The action, done only in the life that planned it."""
        life = self._life

        def guarded() -> None:
            if life == self._life:
                if self._paused is not None:
                    self._paused.append(guarded)
                else:
                    action()

        return guarded

    def _point(self) -> None:
        if self.world.crashes.here(self):
            raise Crash

    def _before_disk_operation(self, operation: str) -> None:
        self._point()
        world = self.world
        if operation in ("write", "sync") and not world.healed and world.mishaps.happens(world.swarm.disk):
            world.count("disk failure")
            raise refused(world.mishaps.pick(ERRORS))

    # -- inputs -------------------------------------------------------------------------------------
    def tick(self, action: Input) -> None:
        """An input for the driver's loop, taken at once, or with others when the turn under way is over."""
        if self.replica is None:
            return
        if self._paused is not None:
            self._paused.append(self._alive(lambda: self.tick(action)))
        elif self._inputs is not None:
            self._inputs.append(action)
        else:
            self._turn([action])

    def _turn(self, actions: list[Input]) -> None:
        """One turn of the driver's loop."""
        if self.replica is None:
            return
        world, now = self.world, self.now()
        try:
            for action in actions:
                action(self.replica, now)
            self._perform(self.replica.effects())
            crowded = self.disk.size_bytes > JOURNAL_BYTES_MAX
            if (crowded or world.chance.happens(world.swarm.rotate)) and not self._buffered:
                self.disk.rotate(self.replica.snapshot_records())
            self._turns += 1
            if self.honest and self._turns % TURNS_BETWEEN_CHECKS == 0:
                check_bounds(self)
        except (Crash, JournalFailed):
            self._die()
            return
        if world.swarm.turn_ms[1] and self._inputs is None:
            self._inputs = []
            world.after(world.chance.between(*world.swarm.turn_ms), self._alive(self._wake))

    def _wake(self) -> None:
        waiting, self._inputs = self._inputs, None
        if waiting:
            self._turn(waiting)

    def receive(self, sender: int, word: Message | bytes) -> None:
        """What came over the network, as a value or encoded."""
        if isinstance(word, bytes):
            self._blaming(sender, lambda: self._take(sender, decode_message(word)))
        else:
            self._take(sender, word)

    def _take(self, sender: int, message: Message) -> None:
        self.world.trace(self.name, sender, type(message).__name__)
        if isinstance(message, Batch):
            self.tick(lambda replica, now: self._receive_batch(replica, sender, message, now))
        else:
            self.tick(
                lambda replica, now: self._blaming(sender, lambda: replica.on_message(sender, message, now))
            )

    def _receive_batch(self, replica: Replica, sender: int, batch: Batch, now: Now) -> None:
        key = replica.lane_key(batch.header.lane)
        if key is None or not replica.expects(batch.header):
            return
        try:
            checked = self.world.check_batch(batch, key)
        except UnknownSigner as error:
            if replica.is_in_step(sender) and not self._is_of_another_epoch(batch):
                self._blame(sender, error)
        except InvalidMessage as error:
            if isinstance(error, InvalidBatch):
                replica.on_invalid_batch(batch, now)
            self._blame(sender, error)
        else:
            self._blaming(sender, lambda: replica.on_batch(sender, checked, now))

    def _is_of_another_epoch(self, batch: Batch) -> bool:
        """Whether its author signed it, with a key that is news here: the word of that is on its way."""
        world, lane = self.world, batch.header.lane
        payload = batch_payload(world.application.chain_id, batch.header)
        signed = partial(world.verifier, message=payload, signature=batch.signature)
        return world.membership.version(lane, lambda key: signed(public_key=key)) is not None

    def _blaming(self, sender: int, action: Callable[[], object]) -> None:
        try:
            action()
        except InvalidMessage as error:
            self._blame(sender, error)

    def _blame(self, sender: int, error: InvalidMessage) -> None:
        if sender not in self.world.swarm.byzantine:
            raise Failed(f"{self.name} blames the honest {sender}: {error}") from error

    def submit(self, transactions: list[Transaction]) -> bool:
        """Whether at least one was taken."""
        taken: list[int] = []

        def action(replica: Replica, now: Now) -> None:
            taken.append(replica.submit(transactions, now).accepted)

        if self._paused is None:
            gathered, self._inputs = self._inputs, None if self._inputs is None else []
            self._turn([*(gathered or ()), action])
        return bool(taken and taken[0])

    # -- effects ------------------------------------------------------------------------------------
    def _perform(self, effects: list[Effect]) -> None:
        records = [effect.record for effect in effects if isinstance(effect, Persist)]
        others = [effect for effect in effects if not isinstance(effect, Persist)]
        self._buffered += records
        promises = any(not isinstance(effect, SetTimer | Report) for effect in others)
        if self._buffered and (promises or not self.world.swarm.lazy_sync):
            self.disk.append(self._buffered)
            self.world.checks.on_persist(self, self._buffered)
            self._buffered = []
        for effect in others:
            self._perform_one(effect)
        if promises:
            self._point()

    def _perform_one(self, effect: Effect) -> None:  # noqa: C901 - one line for each kind
        world = self.world
        match effect:
            case Send():
                self._send(effect.to, effect.message)
            case Broadcast():
                for other in world.membership.numbers:
                    if other != self.number:
                        self._send(other, effect.message)
            case SetTimer():
                self._set_timer(effect.deadline_ms)
            case Finalise():
                world.checks.on_finalise(self, effect)
                self._executing.append(effect)
                self._plan_execution()
            case EpochBegan():
                world.count("epoch")
                self._change_key(effect.committee)
            case HandOver():
                world.count("hand-over")
                self._hand_over(effect.transactions)
            case Available():
                self.available.append(effect.tip)
            case Acknowledged():
                world.checks.on_acknowledged(self, effect)
            case SyncNeeded():
                self._sync(effect)
            case Report():
                world.count(effect.kind.value)
                world.checks.on_report(self, effect)

    def _send(self, to: int, message: Message) -> None:
        self._point()
        self.world.checks.on_send(self, message)
        for word in [message] if self._behaviour is None else self._behaviour.words(to, message):
            self.world.send(self, to, word)

    def _set_timer(self, deadline_ms: int | None) -> None:
        self._timer += 1
        if deadline_ms is not None:
            self.world.after(deadline_ms - self.now().mono_ms, self._alive(partial(self._fire, self._timer)))

    def _fire(self, timer: int) -> None:
        if timer == self._timer:
            self.tick(lambda replica, now: replica.on_timer(now))

    # -- membership ---------------------------------------------------------------------------------
    def _change_key(self, committee: Committee) -> None:
        """Where the members gave this one another key, its operator starts it with that."""
        key, world = committee.key_of(self.number), self.world
        if key is None or key == self._signer().public_key:
            return
        self._key = world.membership.version(self.number, key.__eq__) or 0
        world.after(world.chance.between(1, KEY_CHANGE_MS_MAX), self._alive(self._restart))

    def _restart(self) -> None:
        self.stop()
        self.start()

    def _hand_over(self, transactions: tuple[Transaction, ...]) -> None:
        """Give them to some validator, again and again until they are executed."""
        world = self.world
        waiting = tuple(one for one in transactions if not self.ledger.settled(one.id))
        able = [machine for machine in world.honest if machine.is_validator]
        if waiting and able:
            target = world.chance.pick(able)
            world.carry(self, target, partial(self._give_over, target, waiting))
        if waiting:
            world.after(HAND_OVER_AGAIN_MS, self._alive(partial(self._hand_over, waiting)))

    @staticmethod
    def _give_over(target: Machine, transactions: tuple[Transaction, ...]) -> None:
        target.submit(list(transactions))

    # -- execution ----------------------------------------------------------------------------------
    def _plan_execution(self) -> None:
        if self._busy or not self._executing:
            return
        self._busy = True
        self.world.after(self.world.chance.between(*self.execution_ms), self._alive(self._execute))

    def _execute(self) -> None:
        if self.replica is None:
            return
        try:
            self._point()
            finalised = self._executing[0]
            ordered = [
                (digest, batch, self.replica.transactions(digest))
                for digest in finalised.batches
                if (batch := self.replica.batch(digest)) is not None
            ]
            exec_hash, changed = self.ledger.commit(finalised, ordered)
            self.world.checks.on_executed(self, finalised.block.header.height, exec_hash)
            self._point()
        except Crash:
            self._die()
            return
        self._busy = False
        self._executing.popleft()
        height, wakeup_ms = finalised.block.header.height, self.ledger.next_wakeup_ms
        following = self.ledger.next_committee
        self.tick(
            lambda replica, now: replica.on_executed(height, exec_hash, changed, wakeup_ms, following, now)
        )
        self._plan_execution()

    # -- catch-up -----------------------------------------------------------------------------------
    def _sync(self, needed: SyncNeeded) -> None:
        """Ask one peer's store for the next blocks."""
        self.world.count("sync asked")
        peer = self.world.chance.pick(needed.peers)
        for target in self.world.machines:
            if target.number == peer:
                self.world.carry(self, target, partial(target.serve, self, needed.from_height))

    def serve(self, client: Machine, from_height: int) -> None:
        if self.replica is None:
            return
        blocks = [
            self.ledger.block(height)
            for height in range(from_height, min(from_height + SYNC_BLOCKS, self.ledger.height + 1))
        ]
        if blocks:
            self.world.carry(self, client, lambda: client.take_blocks(self.number, blocks))

    def take_blocks(self, sender: int, blocks: list[tuple[FinalBlock, tuple[Batch, ...]]]) -> None:
        self.world.count("sync answered")
        for block, batches in blocks:
            self.tick(partial(self._take_block, sender, block, batches))

    def _take_block(
        self, sender: int, block: FinalBlock, batches: tuple[Batch, ...], replica: Replica, now: Now
    ) -> None:
        application = self.world.application
        opened = [open_batch(batch, application.chain_id, application.chain) for batch in batches]
        self._blaming(sender, lambda: replica.on_synced(block, opened, now))
