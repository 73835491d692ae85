"""The full check of a ledger, block by block from genesis, by whoever stopped the node to be sure.

A starting node checks the newest blocks against each other (`node.integrity`). Here nothing is left out: the
certificates with the committee of their epoch, the index rows, which no hash covers, and on demand every
block is executed again from its transactions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from consensus.committee import Committee, committee_digest
from consensus.effects import Finalise
from consensus.errors import CorruptionError, InvalidMessage, InvariantError
from consensus.keys import verify_ed25519
from consensus.messages import header_digest
from consensus.transactions import Transaction, parse_transaction
from consensus.types import Batch, Digest, VoteKind
from contracts.engine import Engine
from contracts.errors import ProofError, StateCorruption
from contracts.layout import AUX_FIRING
from contracts.receipts import Receipt, firing_hash
from node.errors import NodeError
from node.executor import Executor, places, subjects
from node.genesis import Genesis
from node.integrity import Checked, check_block, check_executed_ids, check_state
from node.proof_json import check_final
from node.store import Place, Store, View

Progress = Callable[[str, int, int], None]
"""Is told what is checked, and how far: of how many."""


class Unsound(NodeError):
    """The ledger is not what the members agreed on; `height` is the first block where that shows."""

    def __init__(self, height: int, problem: str) -> None:
        super().__init__(problem)
        self.height = height


def audit(view: View, genesis: Genesis, progress: Progress) -> Checked:
    """Check everything that a ledger holds. Raises: Unsound."""
    height = view.height()
    _check_first(view, genesis)
    rows: Counter[str] = Counter()
    committees = _committees(view, genesis)
    for at in range(height + 1):
        try:
            check_block(view, at, genesis.hash)
            if at > 0:
                _check_certificate(view, at, genesis.hash, committees)
            rows += _check_index(view, at, genesis.chain)
        except (CorruptionError, StateCorruption, InvalidMessage, InvariantError, ProofError) as error:
            raise Unsound(at, _with_height(at, error)) from None
        progress("blocks", at, height)
    rows["C"] = len(committees) - 1
    _check_nothing_else(view, height, rows)
    try:
        entries, _ = check_state(view, height, None)
        check_executed_ids(view)
    except (CorruptionError, StateCorruption) as error:
        raise Unsound(height, str(error)) from None
    return Checked(height, height + 1, entries, complete=True)


def replay(view: View, genesis: Genesis, engine: Engine, scratch: Path, progress: Progress) -> None:
    """Execute every block again in an empty folder and compare what it comes to. Raises: Unsound."""
    store = Store.open(scratch)
    try:
        executor = Executor(engine, store, genesis)
        executor.start()
        for at in range(1, view.height() + 1):
            ordered = _batches(view, at, genesis.chain)
            digests = tuple(digest for digest, _, _ in ordered)
            link = executor.execute(Finalise(view.final_block(at), digests), ordered).link
            stored = view.link(at)
            for name in ("receipts_root", "events_root", "state_root", "exec_hash"):
                if getattr(link, name) != getattr(stored, name):
                    what = name.replace("_", " ")
                    raise Unsound(
                        at, f"block {at}: executed again, its {what} is another than what is stored"
                    )
            progress("executed again", at, view.height())
    finally:
        store.close()


def _check_first(view: View, genesis: Genesis) -> None:
    """What genesis comes to does not depend on anybody: it is computed again."""
    outcome = Engine(chain=genesis.chain, parameters=genesis.parameters).genesis(genesis.body)
    if view.height() < 0:
        raise Unsound(0, "the ledger is empty: nothing was executed yet")
    if view.link(0) != outcome.link:
        raise Unsound(0, f"block 0: the ledger was not made with this genesis ({genesis.chain})")


def _committees(view: View, genesis: Genesis) -> dict[int, Committee]:
    """By epoch; each is named by the header of the boundary before it, which its predecessors signed."""
    committees = {genesis.committee.epoch: genesis.committee}
    for epoch in view.epochs():
        named = view.final_block(epoch.boundary).header.next_set
        if named != committee_digest(genesis.hash, epoch.committee):
            problem = f"the boundary names another committee for epoch {epoch.committee.epoch} than is stored"
            raise Unsound(epoch.boundary, f"block {epoch.boundary}: {problem}")
        committees[epoch.committee.epoch] = epoch.committee
    return committees


def _check_certificate(view: View, at: int, chain_id: Digest, committees: dict[int, Committee]) -> None:
    block = view.certified_block(at)
    if block is None:
        raise CorruptionError(
            f"block {at}: what certifies it is not in this ledger yet: let the node catch up"
        )
    last = block.descendants[-1] if block.descendants else block.header
    certificate = block.certificate
    signed = certificate.kind, certificate.view, certificate.digest
    if signed != (VoteKind.FINALISE, last.view, header_digest(chain_id, last)):
        raise CorruptionError(f"block {at}: its certificate is for another block")
    committee = committees.get(certificate.epoch)
    if committee is None:
        raise CorruptionError(f"block {at}: nothing is stored of the committee of epoch {certificate.epoch}")
    check_final(block, committee, chain_id, verify_ed25519)


def _batches(view: View, at: int, chain: str) -> list[tuple[Digest, Batch, tuple[Transaction, ...]]]:
    return [
        (digest, batch, tuple(parse_transaction(envelope, chain) for envelope in batch.envelopes))
        for digest, batch in zip(view.batch_digests(at), view.batches_of(at), strict=True)
    ]


def _check_index(view: View, at: int, chain: str) -> Counter[str]:
    """Whether every row that finds something of the block is there and right; how many rows it has."""
    ordered = _batches(view, at, chain) if at > 0 else []
    receipts = [Receipt.decode(data) for data in view.receipts(at)]
    placed = list(places(at, receipts, ordered))
    if view.places_of(at) != [place for _, place in placed]:
        raise CorruptionError(f"block {at}: the list of its transactions is wrong")
    for firing in (firing for receipt in receipts for firing in receipt.firings):
        recorded = view.aux.get(AUX_FIRING + firing)
        if recorded is None or firing_hash(recorded) != firing:
            raise CorruptionError(f"block {at}: why rule {firing.hex()} fired is not on record")
    rows = Counter(X=1, O=1, B=int(at > 0), b=len(ordered), R=len(receipts), E=len(view.events(at)))
    rows["L"] = len(placed)
    for transaction, place in placed:
        rows["t"] += _is_home(view, transaction, place)
        for subject in subjects(transaction):
            if view.mentions_before(subject, (at, place.index + 1), 1) != [place]:
                raise CorruptionError(f"block {at}: transaction {place.index} is not listed under {subject}")
            rows["M"] += 1
    return rows


def _is_home(view: View, transaction: Transaction, place: Place) -> bool:
    """Whether the transaction's id leads here; it may lead to a copy that was executed, or came first."""
    found = view.place(transaction.id)
    if found is None or (found != place and (place.executed or found not in view.places_of(found.height))):
        raise CorruptionError(
            f"block {place.height}: transaction {transaction.id.hex()} is not found under its id"
        )
    return found == place


def _check_nothing_else(view: View, height: int, rows: Counter[str]) -> None:
    found = {space: count for space, count in view.row_counts().items() if count != rows[space]}
    for space, count in found.items():
        raise Unsound(height, f"space {space} of the store has {count} rows, the blocks have {rows[space]}")


def _with_height(at: int, error: Exception) -> str:
    text = str(error)
    return text if f"block {at}" in text else f"block {at}: {text}"
