"""One block while it is executed: upgrades, timers and events that are due, then transactions in their order.

Whatever a contract does wrong becomes a receipt, and undoes what it did. Upgrades, timers and told events are
paid by nobody, so each has a limit of its own, and all of a kind in a block share another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice

from consensus.merkle_list import list_root
from consensus.parameters import Parameters
from consensus.transactions import SIGNATURE_GAS, Transaction
from contracts.arguments import time_text
from contracts.context import Context
from contracts.epochs import Accused, NextEpoch, enter_epoch, next_epoch, record_evidence
from contracts.errors import Revert
from contracts.execution import Run
from contracts.gas import ROW, GasMeter, bytes_gas
from contracts.layout import AUX_FIRING, VALUE
from contracts.listening import Task, queue_events, tasks
from contracts.merkle import Write
from contracts.program import Value
from contracts.receipts import (
    TEXT_LENGTH_MAX,
    Delivery,
    Event,
    ExecLink,
    Receipt,
    Status,
    Timer,
    delivery_id,
    firing_hash,
    timer_id,
)
from contracts.replay import Executed
from contracts.system.upgrading import (
    TRIAL_RECEIPT,
    UPGRADE_GAS_MAX,
    UPGRADES,
    Trial,
    begin_trial,
    carry_out_trial,
    carry_out_upgrade,
    due_upgrades,
    fail_upgrade,
)
from contracts.tree_pages import Top
from contracts.triggers import TIMER_REST_MS, due_timers, next_wakeup_ms, settle

TRANSACTION_GAS = 2_000
"""Gas of any transaction, beside what its bytes and calls cost."""
CALL_GAS = 500
"""Gas of each call of a transaction, beside what it does."""
_UPGRADE_TAG = b"quorate/upgrade/1\n"


@dataclass(frozen=True, slots=True)
class BlockInput:
    """What execution needs of a final block. `run_timers` is false in blocks that must stay empty.

    `exec_hashes` are (height, execution hash of 32 bytes) of the last READY_LAG_MAX heights before this
    block, ascending; `evidence` is what the header proves of members.
    """

    height: int
    time_ms: int
    transactions: tuple[Transaction, ...]
    run_timers: bool
    epoch: int
    exec_hashes: tuple[tuple[int, bytes], ...] = ()
    evidence: tuple[Accused, ...] = ()


@dataclass(frozen=True, slots=True)
class Effects:
    """What a block did.

    `receipt_rows` and `event_rows` are the canonical bytes of `receipts` and `events`. `writes` go to the
    state, `aux_writes` to the rows beside it; each sorted by key. `skipped` are ids of transactions that were
    executed before and have no receipt here, `expired` those that came too late. `next_epoch` is what the
    state after the block holds as decided for the epoch after its own.
    """

    receipts: tuple[Receipt, ...]
    events: tuple[Event, ...]
    receipt_rows: tuple[bytes, ...]
    event_rows: tuple[bytes, ...]
    writes: tuple[Write, ...]
    aux_writes: tuple[Write, ...]
    next_wakeup_ms: int | None
    skipped: tuple[bytes, ...]
    expired: tuple[bytes, ...]
    next_epoch: NextEpoch | None

    @property
    def changed(self) -> bool:
        """Whether a later header has something to vouch for."""
        return bool(self.writes or self.receipts)


@dataclass(frozen=True, slots=True)
class Outcome(Effects):
    """What a block did, what that made of the state's tree, and the link that stands for all of it.

    `tree_writes` are pages of the tree to store, sorted by key; its `top` is only kept.
    """

    tree_writes: tuple[Write, ...]
    top: Top
    link: ExecLink

    @classmethod
    def of(cls, effects: Effects, tree_writes: tuple[Write, ...], top: Top, previous: ExecLink) -> Outcome:
        """Of the block after `previous`."""
        receipts_root, events_root = list_root(effects.receipt_rows), list_root(effects.event_rows)
        link = previous.next(top.root, receipts_root, events_root)
        done = {field.name: getattr(effects, field.name) for field in dataclasses.fields(Effects)}
        return cls(**done, tree_writes=tree_writes, top=top, link=link)


class BlockExecution:
    """One block while it is executed."""

    def __init__(self, context: Context, executed: Executed, parameters: Parameters) -> None:
        self.context = context
        self.receipts: list[Receipt] = []
        self.events: list[Event] = []
        self._executed = executed
        self._parameters = parameters
        self._firings: list[Write] = []
        self._skipped: list[bytes] = []
        self._expired: list[bytes] = []

    def begin(self, block: BlockInput) -> None:
        """Enter the block's epoch, and note what its header proves of members."""
        self.context.exec_hashes = dict(block.exec_hashes)
        enter_epoch(self.context.overlay, block.epoch)
        new = record_evidence(self.context.overlay, block.evidence, block.height, block.time_ms)
        for accused in new:
            fields = (("member", accused.member), ("epoch", accused.epoch), ("kind", accused.kind),
                      ("view", accused.view), ("seq", accused.seq))  # fmt: skip
            self.events.append(Event(block.height, len(self.events), "members", "evidence", fields, None))
        self.context.overlay.commit()

    def run_upgrades(self) -> None:
        """Carry out the upgrades that are due, within the gas of one batch; the rest of them stays due.

        Where one can not be done, the instance keeps its code.
        """
        left = self._parameters.batch_gas_max
        for key, number, instance in due_upgrades(self.context.overlay, self.context.height):
            if left < UPGRADE_GAS_MAX and self.receipts:
                break
            self.context.overlay.put(key, None, VALUE, UPGRADES)
            self.context.overlay.commit()
            subject = sha256(_UPGRADE_TAG + key).digest()
            receipt = self._upgrade(instance, subject, partial(carry_out_upgrade, number=number))
            if receipt.status is Status.FAILED:
                run = Run(self.context, GasMeter(UPGRADE_GAS_MAX))
                fail_upgrade(run, number, instance, f"{receipt.code}: {receipt.text}")
                self._keep(run, None)
            self.context.overlay.commit()
            left -= receipt.gas_used

    def try_upgrade(self, trial: Trial) -> None:
        """Let an instance take code, whether it is deployed or not, as a rehearsal asks for."""
        begin_trial(self.context, trial)
        self._upgrade(trial.instance, TRIAL_RECEIPT, partial(carry_out_trial, trial=trial))
        self.context.overlay.commit()

    def _upgrade(self, instance: str, subject: bytes, upgrade: Callable[[Run], None]) -> Receipt:
        run = Run(self.context, GasMeter(UPGRADE_GAS_MAX))

        def work() -> tuple[Value, ...]:
            upgrade(run)
            settle(run, rest_ms=TIMER_REST_MS)
            return ()

        timer = Timer(instance, self.context.time_ms)
        return self._attempt(run, UPGRADE_GAS_MAX, subject, work, timer=timer)

    def run_timers(self) -> None:
        """Run what is due; a timer whose rule fails is disarmed.

        Nobody pays for timers, so all of a block together may use no more gas than one batch of transactions;
        the rest of them stays due, and comes first in the next block.
        """
        gas, left = self._parameters.timer_gas_max, self._parameters.batch_gas_max
        for timer in due_timers(self.context, self._parameters.timers_per_block_max):
            if left < gas and self.receipts:
                break
            if self.context.instance(timer.instance).wake_ms != timer.due_ms:
                continue  # an earlier timer of this block acted on the instance
            run = Run(self.context, GasMeter(gas))
            subject = timer_id(timer, self.context.height)
            receipt = self._attempt(run, gas, subject, partial(_wake, run, timer.instance), timer=timer)
            if receipt.status is Status.FAILED:
                self.context.arm(timer.instance, None)
            self.context.overlay.commit()
            left -= receipt.gas_used

    def deliver_events(self) -> None:
        """Tell listeners of events of earlier blocks, within half of what a batch of transactions may use."""
        gas, left = self._parameters.timer_gas_max, self._parameters.batch_gas_max // 2
        for task in islice(tasks(self.context), self._parameters.timers_per_block_max):
            self.context.overlay.commit()
            run = Run(self.context, GasMeter(gas))
            subject = delivery_id(task.delivery, self.context.height)
            work, generation = partial(_tell, run, task), task.queued.generation
            receipt = self._attempt(run, gas, subject, work, delivery=task.delivery, generation=generation)
            self.context.overlay.commit()
            left -= receipt.gas_used
            if left < gas:
                break

    def run_transaction(self, transaction: Transaction, *, signed: bool = False) -> None:
        """Execute a transaction, unless it was executed before, has expired, lives too long or is not signed.

        Only what was executed uses up its id: anyone can make a copy that lacks a signature. `signed` takes
        for granted that all who are named have signed.
        """
        if self._executed.contains(transaction.id, transaction.expires_ms):
            self._skipped.append(transaction.id)
        elif self.context.time_ms > transaction.expires_ms:
            self._expired.append(transaction.id)
            valid, now = time_text(transaction.expires_ms), time_text(self.context.time_ms)
            text = f"valid until {valid}, the block is of {now}"
            self.receipts.append(_not_executed(transaction, Status.EXPIRED, "expired", text))
        elif transaction.expires_ms > (latest_ms := self.context.time_ms + self._parameters.expiry_ms_max):
            # Its id is not used up, because it would have to be remembered beyond the window.
            text = f"expires_ms may be at most {latest_ms} in this block, it is {transaction.expires_ms}"
            self.receipts.append(_not_executed(transaction, Status.FAILED, "expiry_too_far", text))
        elif (reason := self.context.unauthorised(transaction, signed=signed)) is not None:
            self.receipts.append(_not_executed(transaction, Status.FAILED, "unauthorised", reason))
        else:
            run = Run(
                self.context, GasMeter(transaction.gas_limit), (transaction.sender, *transaction.cosigners)
            )
            work = partial(self._perform_calls, run, transaction)
            self._attempt(run, transaction.gas_limit, transaction.id, work)
            self.context.overlay.commit()
            self._executed.add(transaction.id, transaction.expires_ms)

    def _perform_calls(self, run: Run, transaction: Transaction) -> tuple[Value, ...]:
        signatures = SIGNATURE_GAS * len(transaction.signatures)
        run.meter.spend(TRANSACTION_GAS + signatures + bytes_gas(len(transaction.body)))
        results = []
        for call in transaction.calls:
            run.meter.spend(CALL_GAS)
            results.append(run.call(call))
            settle(run)
        return tuple(results)

    def _attempt(
        self,
        run: Run,
        gas_limit: int,
        subject: bytes,
        work: Callable[[], tuple[Value, ...]],
        timer: Timer | None = None,
        delivery: Delivery | None = None,
        generation: int = 0,
    ) -> Receipt:
        """Do the work, or undo all of it, and write the receipt."""
        transaction = subject if timer is None and delivery is None else None
        savepoint = self.context.overlay.savepoint()
        first_event = len(self.events)
        status, code, text = Status.OK, "", ""
        results: tuple[Value, ...] = ()
        firings: tuple[bytes, ...] = ()
        try:
            results = work()
            queue_events(run, generation, transaction)
            changes = self.context.overlay.changes(savepoint)
            run.meter.spend(ROW * len(changes))
            gas_used = gas_limit - run.meter.gas
        except Revert as revert:
            self.context.overlay.rollback(savepoint)
            status, code, text = Status.FAILED, revert.code, revert.text[:TEXT_LENGTH_MAX]
            gas_used = gas_limit if revert.consumes_all else gas_limit - run.meter.gas
        else:
            self.context.ledger.check_conservation(changes)
            firings = self._keep(run, transaction)
        count = len(self.events) - first_event
        receipt = Receipt(
            subject, timer, status, code, text, gas_used, results, firings, first_event, count, delivery
        )
        self.receipts.append(receipt)
        return receipt

    def _keep(self, run: Run, transaction: bytes | None) -> tuple[bytes, ...]:
        """Take over a run's events and firings; the hashes of the firings."""
        height = self.context.height
        for contract, name, fields in run.events:
            self.events.append(Event(height, len(self.events), contract, name, fields, transaction))
        if not run.firings:
            return ()
        hashes = tuple(map(firing_hash, run.firings))
        self._firings += ((AUX_FIRING + key, firing) for key, firing in zip(hashes, run.firings, strict=True))
        return hashes

    def finish(self) -> Effects:
        """What the block did; nothing may be executed after."""
        executed = self._executed.finish(self.context.time_ms)
        self.context.overlay.commit()
        return Effects(
            receipts=tuple(self.receipts),
            events=tuple(self.events),
            receipt_rows=tuple([receipt.encode() for receipt in self.receipts]),
            event_rows=tuple([event.encode() for event in self.events]),
            writes=self.context.overlay.writes(),
            aux_writes=tuple(sorted((*executed, *self._firings))),
            next_wakeup_ms=next_wakeup_ms(self.context),
            skipped=tuple(self._skipped),
            expired=tuple(self._expired),
            next_epoch=next_epoch(self.context.overlay),
        )


def _wake(run: Run, instance: str) -> tuple[Value, ...]:
    run.contract(instance)  # which is paid for
    run.touched[instance] = None
    settle(run, rest_ms=TIMER_REST_MS)
    return ()


def _tell(run: Run, task: Task) -> tuple[Value, ...]:
    for handler in task.handlers:
        run.tell(task, handler)
        settle(run, rest_ms=TIMER_REST_MS)
    return ()


def _not_executed(transaction: Transaction, status: Status, code: str, text: str) -> Receipt:
    """A receipt that has used no gas is of a transaction that was not executed."""
    return Receipt(transaction.id, None, status, code, text, 0, (), (), 0, 0)
