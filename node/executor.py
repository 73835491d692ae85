"""Executes final blocks strictly by height and makes each durable in one write, in a worker thread.

The store's height is the only marker of how far execution came: what was not stored is executed again
after a stop, from the same state, to the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
import trio

from consensus.committee import Committee, committee_digest
from consensus.effects import Finalise
from consensus.errors import ensure
from consensus.merkle_list import list_root
from consensus.parameters import Parameters
from consensus.replica import Anchor
from consensus.transactions import Transaction
from consensus.types import Batch, Digest
from contracts.engine import BlockInput, Engine, Outcome
from contracts.epochs import READY_LAG_MAX, Accused
from contracts.likely import likely_aux, likely_state
from contracts.receipts import Event, ExecLink, Receipt
from contracts.register import committee_of
from node.directory import concerns_members, read_evidence
from node.divergence import ExecutedParts, RecentBlocks
from node.driver import Driver
from node.genesis import Genesis
from node.store import BlockCommit, Place, Store, account_subject, contract_subject

log = structlog.get_logger("executor")

_NOTHING = list_root(())


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """What the rest of the node hears of a block that is executed and stored."""

    height: int
    time_ms: int
    batches: tuple[Digest, ...]
    transactions: tuple[bytes, ...]
    """Ids of what the block settled: executed, failed or expired."""
    concerns_members: bool


class Executor:
    """Runs one engine over one store."""

    def __init__(self, engine: Engine, store: Store, genesis: Genesis) -> None:
        self._engine = engine
        self._store = store
        self._genesis = genesis
        self._link: ExecLink
        self.recent = RecentBlocks()
        self._exec_hashes: deque[tuple[int, bytes]] = deque(maxlen=READY_LAG_MAX)
        self.executed = trio.Event()
        """Set when the next block is done; a new one takes its place then."""

    @property
    def parameters(self) -> Parameters:
        return self._genesis.parameters

    def start(self) -> None:
        """Write genesis into an empty store; else go on from the last block.

        Raises: StateCorruption, UnsupportedVersion.
        """
        if self._store.height() < 0:
            self._commit_genesis()
        height = self._store.height()
        self._engine.check_version(self._store.state, height + 1)
        for recent in range(max(0, height - READY_LAG_MAX + 1), height + 1):
            self._remember(self._store.link(recent))

    def _commit_genesis(self) -> None:
        outcome = self._engine.genesis(self._genesis.body)
        self._store.commit(_commit(outcome))

    def anchor(self) -> Anchor:
        """Where ordering goes on from."""
        height = self._store.height()
        block = self._store.final_block(height) if height > 0 else None
        certified = block.header.exec_height if block is not None else 0
        state = self._store.state
        committee, decided = committee_of(self._engine.epoch(state)), self._decided()
        if decided is not None and block is not None and block.header.next_set is not None:
            committee, decided = decided[1], None
        changed = height
        while changed > certified and not self._changed(changed):
            changed -= 1
        return Anchor(
            block=block,
            exec_hashes=tuple((h, self._store.link(h).exec_hash) for h in range(certified, height + 1)),
            changed_height=changed,
            next_wakeup_ms=self._engine.next_wakeup_ms(state),
            committee=committee,
            next_committee=decided,
            accused=tuple(found.member for found in read_evidence(state) if found.epoch == committee.epoch),
        )

    def _decided(self) -> tuple[int, Committee] | None:
        """The next epoch's committee where the state holds it, with the height whose execution decided it."""
        following = self._engine.next_epoch(self._store.state)
        if following is None:
            return None
        height = self._store.height()
        while not any(_decides_epoch(event) for event in self._store.events(height)):
            height -= 1  # ordering goes on only a few blocks before the epoch ends
            ensure(height > 0, f"a block decided epoch {following.epoch}")
        return height, committee_of(following)

    def _changed(self, height: int) -> bool:
        link = self._store.link(height)
        unchanged_root = self._store.link(height - 1).state_root == link.state_root
        return not (unchanged_root and link.receipts_root == link.events_root == _NOTHING)

    async def run(
        self,
        finalised: trio.MemoryReceiveChannel[Finalise],
        driver: Driver,
        announce: Callable[[ExecutedBlock], None],
    ) -> None:
        """Execute what becomes final, until cancelled."""
        async for block in finalised:
            replica = driver.replica
            batches = [
                (digest, replica.batch(digest), replica.transactions(digest)) for digest in block.batches
            ]
            held = [(digest, batch, txs) for digest, batch, txs in batches if batch is not None]
            outcome = await trio.to_thread.run_sync(self.execute, block, held)
            link = outcome.link
            following = None if outcome.next_epoch is None else committee_of(outcome.next_epoch)
            driver.executed(link.height, link.exec_hash, outcome.changed, outcome.next_wakeup_ms, following)
            executed, self.executed = self.executed, trio.Event()
            executed.set()
            settled = tuple(receipt.id for receipt in outcome.receipts if receipt.is_transaction)
            changes = concerns_members(outcome.writes)
            announce(ExecutedBlock(link.height, block.block.header.time_ms, block.batches, settled, changes))

    def execute(
        self, block: Finalise, batches: Sequence[tuple[Digest, Batch, Sequence[Transaction]]]
    ) -> Outcome:
        """The next block, executed and stored; one thread at a time."""
        header = block.block.header
        transactions = tuple(transaction for _, _, batch in batches for transaction in batch)
        run_timers = header.height - header.exec_height <= self.parameters.exec_lag_max
        given = BlockInput(
            header.height,
            header.time_ms,
            transactions,
            run_timers,
            header.epoch,
            tuple(self._exec_hashes),
            tuple(Accused(a.member, a.epoch, a.kind, a.view, a.seq) for a in block.accusations),
        )
        self._store.state.prefetch(likely_state(transactions))
        self._store.aux.prefetch(likely_aux(transactions))
        outcome = self._engine.execute(self._store, given, self._link)
        commit = _commit(outcome, block, batches)
        if header.next_set is not None:
            ensure(
                commit.next_committee is not None
                and committee_digest(self._genesis.hash, commit.next_committee) == header.next_set,
                f"block {header.height} ends its epoch with the committee that the members decided",
            )
        self._store.commit(commit)
        self.recent.add(
            ExecutedParts(
                self._link.exec_hash, commit.link, commit.receipts, commit.events, commit.state_writes
            )
        )
        self._remember(outcome.link)
        return outcome

    def _remember(self, link: ExecLink) -> None:
        self._link = link
        self._exec_hashes.append((link.height, link.exec_hash))


def _commit(
    outcome: Outcome,
    block: Finalise | None = None,
    batches: Sequence[tuple[Digest, Batch, Sequence[Transaction]]] = (),
) -> BlockCommit:
    placed = list(places(outcome.link.height, outcome.receipts, batches))
    ends_epoch = block is not None and block.block.header.next_set is not None
    return BlockCommit(
        link=outcome.link,
        block=None if block is None else block.block,
        next_committee=committee_of(outcome.next_epoch) if ends_epoch and outcome.next_epoch else None,
        batches=tuple((digest, batch) for digest, batch, _ in batches),
        transactions=tuple((transaction.id, place) for transaction, place in placed),
        mentions=tuple((subject, place.index) for item, place in placed for subject in subjects(item)),
        receipts=outcome.receipt_rows,
        events=outcome.event_rows,
        state_writes=outcome.writes,
        aux_writes=outcome.aux_writes,
        tree_writes=outcome.tree_writes,
        top=outcome.top,
    )


def _decides_epoch(event: bytes) -> bool:
    decoded = Event.decode(event)
    return (decoded.contract, decoded.name) == ("members", "epoch_decided")


def subjects(transaction: Transaction) -> list[str]:
    """The accounts that signed and the instances that were called, each once."""
    signers = (account_subject(name) for name in (transaction.sender, *transaction.cosigners))
    called = (contract_subject(call.contract) for call in transaction.calls)
    return sorted({*signers, *called})


def places(
    height: int, receipts: Sequence[Receipt], batches: Sequence[tuple[Digest, Batch, Sequence[Transaction]]]
) -> Iterator[tuple[Transaction, Place]]:
    """Pair receipts with envelopes: both are in order, and a repeat of what was executed has no receipt."""
    of_transactions = [(index, receipt) for index, receipt in enumerate(receipts) if receipt.is_transaction]
    at = 0
    for digest, _, transactions in batches:
        for position, transaction in enumerate(transactions):
            if at < len(of_transactions) and of_transactions[at][1].id == transaction.id:
                index, receipt = of_transactions[at]
                at += 1
                executed = receipt.gas_used > 0  # what was refused before execution has used none
                yield transaction, Place(height, index, digest, position, executed)
    ensure(at == len(of_transactions), "every receipt belongs to a transaction of its block")
