"""What the simulated validators agree about: the order of what, executed how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from consensus.committee import Committee
from consensus.effects import Finalise
from consensus.parameters import Parameters
from consensus.replica import Anchor
from consensus.transactions import Transaction
from consensus.types import Batch, Digest, FinalBlock, MemberNumber
from node.simulator.chance import Chance

Ordered = Sequence[tuple[Digest, Batch, tuple[Transaction, ...]]]
"""What a block orders, batch by batch: digest (32 bytes), batch, its transactions."""


class Ledger(Protocol):
    """One validator's executor and store. A commit is atomic: it outlives every crash, or was not made."""

    corrupt_from: int | None
    """A height from which this node computes nonsense, for divergence tests."""

    @property
    def height(self) -> int:
        """The last executed block."""

    @property
    def next_wakeup_ms(self) -> int | None:
        """The earliest timer."""

    def restart(self) -> None:
        """The process was started again: only what is stored is left."""

    def commit(self, finalised: Finalise, ordered: Ordered) -> tuple[Digest, bool]:
        """Execute and store a block; returns (execution hash, whether anything changed)."""

    def block(self, height: int) -> tuple[FinalBlock, tuple[Batch, ...]]:
        """An executed block and what it orders, as peers ask for it."""

    def batch(self, digest: Digest) -> Batch | None:
        """A batch of an executed block."""

    def settled(self, identifier: Digest) -> bool:
        """Whether a transaction has been executed, or came too late."""

    @property
    def next_committee(self) -> Committee | None:
        """The decided successor of the last block's epoch, if there is one."""

    @property
    def keys(self) -> Mapping[MemberNumber, int]:
        """Which of its keys each member has that ever was a validator; see `node.simulator.membership`."""

    def anchor(self) -> Anchor:
        """What a replica is told when it starts."""


class Application(Protocol):
    """What is the same for all validators of a world."""

    chain: str
    chain_id: Digest
    genesis_time_ms: int
    parameters: Parameters

    def ledger(self) -> Ledger:
        """A validator's, with nothing in it but genesis."""

    def prelude(self, wall_ms: int) -> list[Transaction]:
        """What must be executed, in this order, before anything else makes sense."""

    def transaction(self, chance: Chance, wall_ms: int, **args: int) -> Transaction:
        """A new one, signed; `args`, where given, are those of its call."""

    def check(self, ledgers: Sequence[Ledger]) -> None:
        """What must hold at the end of a run. Raises: Failed."""
