"""Rehearsals on this node's own blocks: the chain's past as the engine needs it, one rehearsal at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.gateway import JsonObject, Refused
from consensus.transactions import parse_transaction
from contracts.engine import BlockInput, Engine
from contracts.epochs import READY_LAG_MAX, Accused
from contracts.errors import ContractError
from contracts.rehearsal import outcome_hash, rehearse
from contracts.system.upgrading import Trial
from node.directory import Proven, read_evidence
from node.genesis import Genesis
from node.store import Store, View
from node.wall.reading import NotAnswered, ReadingEngine

TRANSACTIONS_MAX = 100_000
"""Transactions of a chain up to the height of a rehearsal, which executes all of them twice."""
BLOCKS_MAX = 1_000_000
"""Highest height of a rehearsal: a block costs time also where only time acts in it."""


class Rehearsals:
    """Executes a chain's past again, in memory and in the caller's thread."""

    def __init__(self, engine: Engine, store: Store, genesis: Genesis) -> None:
        """`engine` is for reading only, another one than execution uses."""
        self._engine = engine
        self._store = store
        self._genesis = genesis
        self._busy = threading.Lock()
        self._ended = threading.Event()

    def end(self) -> None:
        """Break off what runs, and rehearse no more: the process does not end before its threads do."""
        self._ended.set()
        if isinstance(self._engine, ReadingEngine):
            self._engine.end_rehearsal()

    def rehearse(
        self,
        instance: str,
        source: str,
        terms: Mapping[str, Any],
        from_height: int | None,
        height: int | None,
    ) -> JsonObject:
        """{outcome: the hash that approvals name, rehearsal: what it is the hash of}. Raises: Refused."""
        if not self._busy.acquire(blocking=False):
            detail = "another rehearsal is running on this node, which does one at a time"
            raise Refused(429, "rehearsing", detail, retry_after_s=10)
        try:
            with self._store.snapshot() as view:
                return self._rehearse(view, Trial(instance, source, terms), from_height, height)
        except ContractError as error:
            raise Refused(422, "contract_error", str(error)) from None
        except NotAnswered as error:
            raise Refused(503, "unavailable", str(error), retry_after_s=10) from None
        finally:
            self._busy.release()

    def _rehearse(self, view: View, trial: Trial, from_height: int | None, height: int | None) -> JsonObject:
        context = self._engine.context(view.state)
        if not context.has_instance(trial.instance):
            raise Refused(404, "unknown_instance", f"there is no contract instance {trial.instance!r}")
        created, newest = context.instance(trial.instance).height, view.height()
        last = newest if height is None else height
        first = created if from_height is None else from_height
        if not created <= first <= last <= newest:
            detail = f"a rehearsal of {trial.instance} goes from {created} at the earliest to {newest}"
            raise Refused(422, "arguments", detail)
        if last > BLOCKS_MAX:
            detail = f"a rehearsal goes up to height {BLOCKS_MAX} at most, not to {last}"
            raise Refused(422, "too_long_to_rehearse", detail)
        genesis = self._genesis
        blocks = self._until_ended(_blocks(view, genesis, last))
        run = self._engine.rehearse if isinstance(self._engine, ReadingEngine) else rehearse
        found = run(genesis.body, genesis.chain, genesis.parameters, blocks, trial, first)
        return {"outcome": outcome_hash(found), "rehearsal": found}

    def _until_ended(self, blocks: Iterable[BlockInput]) -> Iterator[BlockInput]:
        for block in blocks:
            if self._ended.is_set():
                raise Refused(503, "unavailable", "the node is stopping")
            yield block


def _accused(found: Proven) -> Accused:
    evidence = found.evidence
    return Accused(found.member, found.epoch, evidence.kind, evidence.view, evidence.seq)


def _blocks(view: View, genesis: Genesis, height: int) -> Iterator[BlockInput]:
    """The blocks from the first to the one at `height`, as execution got them. Raises: Refused."""
    evidence = read_evidence(view.state)
    links = deque([(0, view.link(0).exec_hash)], maxlen=READY_LAG_MAX)
    count = 0
    for at in range(1, height + 1):
        header = view.final_block(at).header
        transactions = []
        for place in view.places_of(at):
            batch = view.batch(place.batch)
            if batch is None:
                raise Refused(
                    410, "pruned", f"a batch of height {at} is gone here, so nothing can be rehearsed"
                )
            transactions.append(parse_transaction(batch.envelopes[place.position], genesis.chain))
        count += len(transactions)
        if count > TRANSACTIONS_MAX:
            detail = f"the chain has more than {TRANSACTIONS_MAX} transactions up to height {height}"
            raise Refused(422, "too_long_to_rehearse", detail)
        yield BlockInput(
            at,
            header.time_ms,
            tuple(transactions),
            at - header.exec_height <= genesis.parameters.exec_lag_max,
            header.epoch,
            tuple(links),
            tuple(_accused(found) for found in evidence if found.evidence.height == at),
        )
        links.append((at, view.link(at).exec_hash))
