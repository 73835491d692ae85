"""The execution core: a committed state and a block in, receipts, events and writes out.

Everything a block does follows from the state before it and the block itself, so that every node computes
the same bytes. A contract's failure is a receipt. Any other exception is a fault of ours or of this
machine: it leaves here as it is and must stop the node, which has then stored nothing of the block.

In a block, evidence comes first, then due upgrades and timers, then the transactions in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from consensus.errors import ensure
from consensus.parameters import Parameters
from consensus.transactions import Json, Transaction, canonical_json
from contracts.arguments import to_json
from contracts.block import BlockExecution, BlockInput, Effects, Outcome
from contracts.epochs import NextEpoch, current_epoch, next_epoch
from contracts.execution import Run
from contracts.gas import GasMeter
from contracts.genesis import write_genesis
from contracts.merkle import Tree
from contracts.programs import CodeCache, Programs
from contracts.receipts import (
    Event,
    ExecLink,
    Receipt,
)
from contracts.replay import Executed
from contracts.state import NO_LEDGER, NO_ROWS, LedgerReader, RowsReader, StateReader
from contracts.system.upgrading import (
    Trial,
)
from contracts.tree_pages import EMPTY, PageCache
from contracts.triggers import next_wakeup_ms
from contracts.versions import check_version, version_at
from contracts.views.reader import Views

__all__ = ["BlockInput", "Engine", "Outcome"]

QUERY_GAS_MAX = 5_000_000
"""Gas of one query from outside."""


class Engine(Views):
    """Executes the blocks of one chain, and says what would happen and what is.

    Executing and asking may be done in different threads if each has an engine of its own.
    """

    def __init__(
        self,
        *,
        chain: str,
        parameters: Parameters,
        code_cache: CodeCache | None = None,
    ) -> None:
        check_version(parameters.execution_version, f"chain {chain}")
        super().__init__(Programs(code_cache))
        self.chain = chain
        self._parameters = parameters
        self._pages = PageCache()

    def genesis(self, body: Mapping[str, Any]) -> Outcome:
        """The block at height 0, from the body of a genesis that was checked and signed by all."""
        genesis_hash = sha256(canonical_json(body)).digest()
        block = self._block(NO_ROWS, NO_ROWS, 0, body["time_ms"])
        write_genesis(block.context.overlay, body, genesis_hash)
        start = ExecLink(-1, genesis_hash, EMPTY, EMPTY, EMPTY)
        return self._outcome(block.finish(), NO_LEDGER, start)

    def execute(
        self, ledger: LedgerReader, block: BlockInput, previous: ExecLink, trial: Trial | None = None
    ) -> Outcome:
        """Execute the block after `previous`, whose state `ledger` reads; a rehearsal begins it with `trial`.

        Raises: UnsupportedVersion, StateCorruption, InvariantError and whatever else goes wrong: then the
        node must stop.
        """
        ensure(block.height == previous.height + 1, f"block {block.height} can not follow {previous.height}")
        return self._outcome(self.perform(ledger, block, trial), ledger, previous)

    def perform(self, rows: RowsReader, block: BlockInput, trial: Trial | None = None) -> Effects:
        """What a block does to the state that `rows` are of: its execution, but for the state's tree."""
        execution = self._block(rows.state, rows.aux, block.height, block.time_ms)
        check_version(version_at(execution.context.overlay, block.height), f"height {block.height}")
        execution.begin(block)
        if trial is not None:
            execution.try_upgrade(trial)
        if block.run_timers:
            execution.run_upgrades()
            execution.run_timers()
            execution.deliver_events()
        for transaction in block.transactions:
            execution.run_transaction(transaction)
        return execution.finish()

    def check_version(self, state: StateReader, height: int) -> None:
        """Raises: UnsupportedVersion where this node can not execute the block of a height."""
        check_version(version_at(self.context(state).overlay, height), f"height {height}")

    def simulate(
        self, state: StateReader, transaction: Transaction, height: int, time_ms: int
    ) -> tuple[Receipt, tuple[Event, ...]]:
        """What would become of a transaction at this height and time, if all whom it names signed."""
        execution = self._block(state, NO_ROWS, height, time_ms)
        execution.run_transaction(transaction, signed=True)
        return execution.receipts[0], tuple(execution.events)

    def query(
        self,
        state: StateReader,
        instance: str,
        query: str,
        arguments: Mapping[str, Json],
        height: int,
        time_ms: int,
    ) -> Json:
        """The answer to a query, in JSON. Raises: Revert."""
        context = self.context(state, height, time_ms)
        value = Run(context, GasMeter(QUERY_GAS_MAX)).query(instance, query, arguments)
        contract = context.contract(context.instance(instance).code)
        return to_json(value, contract.queries[query].returns)

    def epoch(self, state: StateReader) -> NextEpoch:
        """The epoch of the newest executed block, with its validators."""
        return current_epoch(self.context(state).overlay)

    def next_epoch(self, state: StateReader) -> NextEpoch | None:
        """What is decided for the epoch after that of the newest executed block."""
        return next_epoch(self.context(state).overlay)

    def next_wakeup_ms(self, state: StateReader) -> int | None:
        """When the earliest timer is due; None where there is none."""
        return next_wakeup_ms(self.context(state))

    def _outcome(self, effects: Effects, ledger: LedgerReader, previous: ExecLink) -> Outcome:
        tree = Tree(ledger.tree, ledger.top(previous.state_root), self._pages)
        top, tree_writes = tree.update(effects.writes)
        return Outcome.of(effects, tree_writes, top, previous)

    def _block(self, state: StateReader, rows: StateReader, height: int, time_ms: int) -> BlockExecution:
        context = self.context(state, height, time_ms)
        return BlockExecution(context, Executed(context.overlay, rows), self._parameters)
