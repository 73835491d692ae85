"""Reads the stores of nodes that have stopped, and says whether the promises were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from consensus.messages import header_digest
from consensus.transactions import parse_transaction
from node.audit import audit
from node.genesis import load_genesis
from node.store import Store, View


@dataclass(frozen=True, slots=True)
class Findings:
    """What was compared."""

    heights: tuple[int, ...]
    transactions: int
    acknowledged: int
    expired: int


def check(homes: Sequence[Path], acknowledged: Mapping[str, int]) -> Findings:
    """Prefix agreement, equal execution, each transaction executed once, every acknowledged one with an end.

    `acknowledged` are ids with the time at which they expire, in ms. Raises: AssertionError, CorruptionError.
    """
    genesis = load_genesis(homes[0] / "genesis.json")
    with ExitStack() as stack:
        views: list[View] = []
        for home in homes:
            store = Store.open(home / "ledger")
            stack.callback(store.close)
            audit(store, genesis, lambda *_: None)
            views.append(store)
        longest = max(views, key=lambda view: view.height())
        for home, view in zip(homes, views, strict=True):
            _assert_prefix(view, longest, genesis.hash, home.name)
        executed = _executed_once(longest, genesis.chain)
        last_ms = longest.final_block(longest.height()).header.time_ms
        lost = [
            identifier
            for identifier, expires_ms in acknowledged.items()
            if bytes.fromhex(identifier) not in executed and expires_ms > last_ms
        ]
        assert not lost, f"{len(lost)} acknowledged transactions are neither executed nor expired: {lost[:3]}"
        found = sum(1 for identifier in acknowledged if bytes.fromhex(identifier) in executed)
        return Findings(
            tuple(view.height() for view in views),
            len(executed),
            len(acknowledged),
            len(acknowledged) - found,
        )


def _assert_prefix(view: View, longest: View, genesis_hash: bytes, name: str) -> None:
    """The same blocks with the same content and the same execution, as far as this node came."""
    for height in range(1, view.height() + 1):
        mine, theirs = (one.final_block(height).header for one in (view, longest))
        assert header_digest(genesis_hash, mine) == header_digest(genesis_hash, theirs), (
            f"{name} has another block {height}"
        )
        assert view.batch_digests(height) == longest.batch_digests(height), f"{name}: order of block {height}"
        assert view.link(height) == longest.link(height), f"{name} executed block {height} otherwise"


def _executed_once(view: View, chain: str) -> set[bytes]:
    """Ids of executed transactions, counted from the lists of each block."""
    executed: set[bytes] = set()
    for height in range(1, view.height() + 1):
        ids = [
            [parse_transaction(envelope, chain).id for envelope in batch.envelopes]
            for batch in view.batches_of(height)
        ]
        digests = view.batch_digests(height)
        for place in view.places_of(height):
            if place.executed:
                identifier = ids[digests.index(place.batch)][place.position]
                assert identifier not in executed, f"{identifier.hex()} was executed twice, again in {height}"
                executed.add(identifier)
    return executed
