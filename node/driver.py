"""Performs what the ordering core asks for, in the order that safety needs, and owns its clock.

One loop in trio: take the inputs that wait, let the replica work on them, make everything it wants
durable with one sync of the journal, then send. While a sync is under way new inputs gather, so the
busier the node, the more each sync carries. Batches are checked before the replica sees them
(`node.batch_checks`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import trio

from api.gateway import TransactionState
from consensus.batches import CheckedBatch
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
    ReportKind,
    Send,
    SetTimer,
    SyncNeeded,
)
from consensus.errors import CorruptionError, InvalidMessage
from consensus.keys import Verifier
from consensus.messages import Message, decode_message, encode_message
from consensus.parameters import Parameters
from consensus.replica import Now, Replica
from consensus.transactions import EnvelopeReader, Transaction, read_envelopes
from consensus.types import Batch, FinalBlock, Get, Have, Header, MemberNumber
from node.batch_checks import BatchChecks
from node.clock import Clock
from node.directory import NO_NUMBER
from node.key_binding import AnyJournal
from node.network import Network, TokenBucket
from node.observations import Observations
from node.pending import PendingTransactions
from node.wire import StreamClass

log = structlog.get_logger("driver")

INPUTS_PER_TICK_MAX = 512
"""Inputs that one tick takes before it makes them durable."""
UNSYNCED_BYTES_MAX = 1024 * 1024
"""Records that promise nothing by themselves wait for the next sync, up to so many bytes."""
JOURNAL_BYTES_MAX = 64 * 1024 * 1024
"""A journal segment that passes this size, in bytes, is replaced by one with what is still needed; where that
is much, the next may grow to twice its size."""
SERVED_BYTES_PER_S = 8 * 1024 * 1024
SERVED_BYTES_BURST = 32 * 1024 * 1024
"""Batches and headers that a member may pull, in bytes; beyond that what it asks for is passed over."""
EXECUTION_PAUSE_S = 0.02
"""Between attempts to give the replica blocks for which execution must catch up first."""
SERVED_ITEM_BYTES = 4 * 1024
"""What finding and sending a batch or a header costs besides its bytes, expressed in bytes."""
LANE_TIP_BYTES = 48
"""A lane in a header's cut, about."""


class Diverged(CorruptionError):
    """This node's execution contradicts what a quorum certified."""


class RefusedBlock(InvalidMessage):
    """A block that a peer served is not the final block of its height: that peer's fault."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"block {height}: {reason}")
        self.height = height


class TransactionListener(Protocol):
    """Is told in trio when transactions change state."""

    def __call__(self, transactions: Sequence[bytes], state: TransactionState) -> None: ...


@dataclass(slots=True, eq=False)
class Submission:
    """One client call's transactions on their way to the journal."""

    waiting: set[bytes]
    resolve: Callable[[dict[bytes, TransactionState]], None]
    handed_over_by: MemberNumber | None = None
    """Whose lane may hold copies that no block will order."""
    answer: dict[bytes, TransactionState] = field(default_factory=dict)
    retry_after_ms: int = 0


async def _as_reported(report: Report) -> str:
    return report.text


class Driver:
    """Drives one replica. All methods are called in trio."""

    def __init__(
        self,
        *,
        replica: Replica,
        journal: AnyJournal,
        clock: Clock,
        committee: Committee,
        chain_id: bytes,
        chain: str,
        parameters: Parameters,
        verifier: Verifier,
        read: EnvelopeReader = read_envelopes,
        pending: PendingTransactions,
        finalised: trio.MemorySendChannel[Finalise],
        on_sync_needed: Callable[[SyncNeeded], None],
        on_transactions: TransactionListener,
        on_epoch: Callable[[Committee, int], None] = lambda committee, boundary_height: None,
        on_hand_over: Callable[[Sequence[Transaction]], None] = lambda transactions: None,
        on_heard: Callable[[MemberNumber, Message], None] = lambda member, message: None,
        on_diverged: Callable[[Report], Awaitable[str]] = _as_reported,
    ) -> None:
        """`read` is how the envelopes of others' batches are read.

        `on_epoch` is told the committee that orders from now on, and the height of the block before it;
        `on_hand_over` gets what this node promised to order and can not any more; `on_heard` hears each
        message of a validator that comes on its stream for votes; `on_diverged` says in one line for what
        divergence the node stops, once it is awaited.
        """
        self.replica = replica
        self.network: Network | None = None
        self._journal = journal
        self._clock = clock
        self._committee = committee
        self._on_epoch = on_epoch
        self._on_hand_over = on_hand_over
        self._on_heard = on_heard
        self._on_diverged = on_diverged
        self._pending = pending
        self._finalised = finalised
        self._on_sync_needed = on_sync_needed
        self._on_transactions = on_transactions
        self._inputs: deque[Callable[[Now], None]] = deque()
        self._wake = trio.Event()
        self._deadline_ms: int | None = None
        self._acknowledging: dict[bytes, list[Submission]] = {}
        self._handed: set[bytes] = set()
        """Ids of what is on its way to a validator, because this node can not order it any more."""
        self._unsynced: list[bytes] = []
        self.checks = BatchChecks(
            self, replica, chain_id=chain_id, chain=chain, parameters=parameters, verifier=verifier, read=read
        )
        self._journal_bytes_max = JOURNAL_BYTES_MAX
        self._served: dict[MemberNumber, TokenBucket] = {}
        self._answers: list[Send] = []
        """What this turn found for those who asked."""
        self.seen = Observations(chain_id)
        self.bad_messages = 0

    @property
    def journal_bytes(self) -> int:
        """Length of the journal's segment."""
        return self._journal.size_bytes

    @property
    def committee(self) -> Committee:
        """The validators of the present epoch; any thread may ask."""
        return self._committee

    @property
    def is_validator(self) -> bool:
        """Whether this node votes and has a lane, now."""
        return self.replica.is_validator

    def lanes(self, besides: MemberNumber | None) -> list[MemberNumber]:
        """Whose batches blocks order now, without those of one member."""
        return [number for number in self._committee.numbers if number != besides]

    # -- inputs -------------------------------------------------------------------------------------
    def put(self, action: Callable[[Now], None]) -> None:
        """Let the loop run `action` on the replica, soon and in order."""
        self._inputs.append(action)
        self._wake.set()

    def on_message(self, member: MemberNumber, stream_class: StreamClass, body: bytes) -> None:
        """A message from its authenticated sender. Raises: InvalidMessage."""
        if stream_class is StreamClass.BATCHES:
            self.checks.put(member, body)
            return
        message = decode_message(body)
        if isinstance(message, Batch):
            raise InvalidMessage("a batch came on the stream for votes")
        self.put(lambda now: self._give(member, message, now))

    def on_peer_change(self, member: MemberNumber, connected: bool) -> None:
        """A connection came up or went."""
        if connected:
            self.put(lambda now: self.replica.on_connected(member, now))

    def executed(
        self,
        height: int,
        exec_hash: bytes,
        changed: bool,
        next_wakeup_ms: int | None,
        next_committee: Committee | None,
    ) -> None:
        """The next final block is executed and stored; see `Replica.on_executed`."""
        self.put(
            lambda now: self.replica.on_executed(
                height, exec_hash, changed, next_wakeup_ms, next_committee, now
            )
        )

    def submit(self, transactions: Sequence[Transaction], submission: Submission) -> None:
        """Put admitted transactions into the own lane; `resolve` is called once all are durable."""
        self.put(lambda now: self._submit(transactions, submission, now))

    def _submit(self, transactions: Sequence[Transaction], submission: Submission, now: Now) -> None:
        fresh = []
        for transaction in transactions:
            if transaction.id in self._acknowledging:
                self._acknowledging[transaction.id].append(submission)
            elif self._pending.holds(transaction, self.lanes(submission.handed_over_by)):
                submission.waiting.discard(transaction.id)
                submission.answer[transaction.id] = TransactionState.PENDING
            else:
                fresh.append(transaction)
        admission = self.replica.submit(fresh, now)
        for transaction in fresh[: admission.accepted]:
            self._acknowledging.setdefault(transaction.id, []).append(submission)
        for transaction in fresh[admission.accepted :]:
            submission.waiting.discard(transaction.id)
            submission.answer[transaction.id] = TransactionState.REJECTED
            submission.retry_after_ms = admission.retry_after_ms
        if not submission.waiting:
            submission.resolve(submission.answer)

    def _give(self, member: MemberNumber, message: Message, now: Now) -> None:
        if self.is_shut_out(member):
            return  # it had sent this before
        self.seen.heard(message)
        self._on_heard(member, message)
        try:
            if isinstance(message, Get):
                self._serve(member, message, now)
            else:
                self.replica.on_message(member, message, now)
        except InvalidMessage as error:
            self.blame(member, error)

    def _serve(self, member: MemberNumber, get: Get, now: Now) -> None:
        """Find what a member asks for, unless it has had its share; charged at once, sent with this turn."""
        share, at_s = self._served_to(member), now.mono_ms / 1000
        if member == self.replica.me or share.take(0, at_s):
            return
        for part in self.replica.answer(member, get, now):
            share.take(_cost_bytes(part), at_s)
            self._answers.append(Send(member, part))

    def _served_to(self, member: MemberNumber) -> TokenBucket:
        if member not in self._served:
            self._served[member] = TokenBucket(SERVED_BYTES_PER_S, SERVED_BYTES_BURST)
        return self._served[member]

    # -- what checked batches become (see `node.batch_checks`) -----------------------------------------
    def put_message(self, member: MemberNumber, message: Message) -> None:
        """A message that did not come on the stream for votes."""
        self.put(lambda now: self._give(member, message, now))

    def put_batch(self, member: MemberNumber, batch: CheckedBatch, done: Callable[[], None]) -> None:
        """A batch that is sound in itself; `done` is called once the replica has seen it."""

        def give(now: Now) -> None:
            done()
            try:
                self.replica.on_batch(member, batch, now)
            except InvalidMessage as error:
                self.blame(member, error)
            else:
                if self.replica.batch(batch.digest) is not None:  # it may be a rival
                    self._pending.track(batch.digest, batch.transactions, batch.header.lane)

        self.put(give)

    def put_invalid(self, batch: Batch) -> None:
        """A batch that its author signed and nobody may sign."""
        self.put(lambda now: self.replica.on_invalid_batch(batch, now))

    def blame(self, member: MemberNumber, error: InvalidMessage) -> None:
        """A member sent what no honest one sends."""
        self.bad_messages += 1
        if self.network is not None and member != self.replica.me:
            self.network.report_bad(member, str(error))

    def is_shut_out(self, member: MemberNumber) -> bool:
        """Whether nothing of this member counts for a while."""
        return self.network is not None and self.network.is_shut_out(member)

    # -- catch-up -----------------------------------------------------------------------------------
    async def give_synced(self, blocks: Sequence[tuple[FinalBlock, Sequence[CheckedBatch]]]) -> None:
        """Hand over consecutive final blocks that peers served, in as few ticks as execution allows.

        Raises: RefusedBlock.
        """
        rest = deque(blocks)
        while rest:
            await self._give_blocks(rest)
            if rest:  # the next epoch's committee is known once this one's last blocks are executed
                await trio.sleep(EXECUTION_PAUSE_S)

    async def _give_blocks(self, rest: deque[tuple[FinalBlock, Sequence[CheckedBatch]]]) -> None:
        """Take off what the replica takes, in one tick. Raises: RefusedBlock."""
        done = trio.Event()
        refused: list[RefusedBlock] = []

        def give(now: Now) -> None:
            try:
                while rest and self.replica.on_synced(*rest[0], now):
                    rest.popleft()
            except InvalidMessage as error:
                refused.append(RefusedBlock(rest[0][0].header.height, str(error)))
            done.set()

        self.put(give)
        await done.wait()
        if refused:
            raise refused[0]

    # -- the loop -----------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until cancelled. Raises: JournalFailed, Diverged: the node must stop."""
        async with trio.open_nursery() as nursery:
            self.checks.start(nursery)
            while True:
                effects, answers = self.replica.effects(), self._answers
                self._answers = []
                await self._perform([*effects, *answers])
                await self._compact_journal()
                await self._wait()
                now = self._clock.now()
                for _ in range(min(len(self._inputs), INPUTS_PER_TICK_MAX)):
                    self._inputs.popleft()(now)
                if self._deadline_ms is not None and now.mono_ms >= self._deadline_ms:
                    self._deadline_ms = None
                    self.replica.on_timer(now)

    async def _wait(self) -> None:
        if self._inputs:
            await trio.lowlevel.checkpoint()
            return
        self._wake = trio.Event()
        if self._deadline_ms is None:
            await self._wake.wait()
            return
        with trio.move_on_after(max(0, self._deadline_ms - self._clock.now().mono_ms) / 1000):
            await self._wake.wait()

    async def _perform(self, effects: list[Effect]) -> None:
        """What nothing rests on yet waits for the sync that something needs: one instead of two."""
        self._unsynced += [effect.record for effect in effects if isinstance(effect, Persist)]
        promises = any(not isinstance(effect, Persist | SetTimer) for effect in effects)
        if self._unsynced and (promises or sum(map(len, self._unsynced)) > UNSYNCED_BYTES_MAX):
            records, self._unsynced = self._unsynced, []
            await trio.to_thread.run_sync(self._journal.append, records)
        for effect in effects:
            match effect:
                case Send():
                    self._send((effect.to,), effect.message)
                case Broadcast():
                    self.seen.said(effect.message)
                    self._send(None, effect.message)
                case SetTimer():
                    self._deadline_ms = effect.deadline_ms
                case Finalise():
                    self._note_final(effect)
                    await self._finalised.send(effect)
                case Report(kind=ReportKind.DIVERGED):
                    self.seen.reported(effect)
                    raise Diverged(await self._on_diverged(effect))
                case _:
                    self._tell(effect)

    def _note_final(self, effect: Finalise) -> None:
        held = [(self.replica.transactions(digest), self.replica.batch(digest)) for digest in effect.batches]
        sizes = [(len(carried), batch.header.size_bytes) for carried, batch in held if batch is not None]
        self.seen.block_final(effect, sizes, self._committee.numbers)

    def _tell(self, effect: Effect) -> None:
        """What others in this node want to hear of."""
        match effect:
            case Acknowledged():
                self._acknowledge(effect)
            case Available():
                changed = self._pending.mark_available(effect.tip.digest)
                self._on_transactions(changed, TransactionState.AVAILABLE)
            case SyncNeeded():
                self._on_sync_needed(effect)
            case EpochBegan():
                self._begin_epoch(effect)
            case HandOver():
                self._handed.update(transaction.id for transaction in effect.transactions)
                self._on_hand_over(effect.transactions)
            case Report():
                self._report(effect)

    def _begin_epoch(self, effect: EpochBegan) -> None:
        self._committee = effect.committee
        self._on_epoch(effect.committee, effect.boundary_height)
        if not self.is_validator:
            self.put(lambda now: self._release())  # the HandOver comes after this

    def _release(self) -> None:
        """Nobody waits for a batch that will not be made: what is posted again goes elsewhere."""
        for identifier in self._acknowledging.keys() - self._handed:
            self._answer(identifier, TransactionState.REJECTED)

    def handed_over(self, identifier: bytes, state: TransactionState) -> None:
        """A transaction (id of 32 bytes) that was to be handed over has this state now."""
        self._handed.discard(identifier)
        self._answer(identifier, state)

    def _send(self, members: Sequence[MemberNumber] | None, message: Message) -> None:
        """To these members; None: to all. A node that has no number yet has nothing to say."""
        if self.network is None or self.replica.me == NO_NUMBER:
            return
        stream_class = StreamClass.BATCHES if isinstance(message, Batch | Have | Get) else StreamClass.VOTES
        body = encode_message(message)
        if members is None:
            self.network.broadcast(stream_class, body)
            return
        for member in members:
            if member != self.replica.me:
                # What a full or broken connection loses, the protocol asks for again.
                self.network.send(member, stream_class, body)

    def _acknowledge(self, effect: Acknowledged) -> None:
        self._pending.track(effect.batch, self.replica.transactions(effect.batch), self.replica.me)
        for identifier in effect.transactions:
            self._answer(identifier, TransactionState.PENDING)

    def _answer(self, identifier: bytes, state: TransactionState) -> None:
        for submission in self._acknowledging.pop(identifier, ()):
            submission.answer[identifier] = state
            submission.waiting.discard(identifier)
            if not submission.waiting:
                submission.resolve(submission.answer)

    def _report(self, report: Report) -> None:
        fields = dict(report.fields)
        self.seen.reported(report)
        if report.kind is ReportKind.PROGRESS:
            log.debug(report.text, **fields)
        elif report.kind is ReportKind.BAD_MESSAGE and report.member is not None:
            self.blame(report.member, InvalidMessage(report.text))
        else:
            log.warning(report.text, kind=report.kind.value, member=report.member, **fields)

    async def _compact_journal(self) -> None:
        if self._journal.size_bytes > self._journal_bytes_max:
            self._unsynced = []  # what the replica knows is all in there
            records = self.replica.snapshot_records()
            await trio.to_thread.run_sync(self._journal.rotate, records)
            self._journal_bytes_max = max(JOURNAL_BYTES_MAX, 2 * self._journal.size_bytes)


def _cost_bytes(served: Batch | Header) -> int:
    if isinstance(served, Batch):
        return SERVED_ITEM_BYTES + served.header.size_bytes
    return SERVED_ITEM_BYTES + len(served.cut) * LANE_TIP_BYTES + sum(map(len, served.evidence))
