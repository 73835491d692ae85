"""Who the members are and who validates, as the state after the newest executed block has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.committee import Committee
from contracts.engine import Engine
from contracts.epochs import (
    EPOCH_KEY,
    EVIDENCE,
    EVIDENCE_FORM,
    NEXT_EPOCH_KEY,
    Evidence,
    evidence_of,
)
from contracts.layout import MEMBER, MEMBERS, Standing
from contracts.merkle import Write
from contracts.register import committee_of
from contracts.state import Overlay, StateReader
from node.network import Peer
from node.store import View

NO_NUMBER = 65_535
"""In place of a member's number, for a node whose organisation has none yet; none is ever given it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as the state has it. Keys of 32 bytes."""

    number: int
    id: str
    title: str
    address: str
    validator_key: bytes
    network_key: bytes
    standing: Standing
    since_height: int


@dataclass(frozen=True)
class Directory:
    """All members that there are or were, by number, and the epoch with what is decided for the next."""

    members: tuple[Listed, ...]
    committee: Committee
    next_committee: Committee | None

    @property
    def names(self) -> dict[int, str]:
        """Ids by number."""
        return {member.number: member.id for member in self.members}

    def member(self, number: int) -> Listed | None:
        """Who has this number."""
        return next((member for member in self.members if member.number == number), None)

    def is_connected(self, member: Listed) -> bool:
        """Whether its node is in the network: until it has left, and no committee counts on it any more."""
        return member.standing is not Standing.LEFT or member.number in self.committee.numbers

    def peers(self) -> list[Peer]:
        """Whom the network connects."""
        return [Peer(m.number, m.network_key, m.address) for m in self.members if self.is_connected(m)]


def read_directory(engine: Engine, view: View) -> Directory:
    """Raises: StateCorruption."""
    listed = [
        Listed(
            number=member.number,
            id=key.removeprefix(MEMBERS).decode(),
            title=member.title,
            address=member.address,
            validator_key=member.validator_key,
            network_key=member.network_key,
            standing=member.standing,
            since_height=member.since_height,
        )
        for key, member in Overlay(view.state).scan(MEMBERS, None, MEMBER)
        if member is not None
    ]
    following = engine.next_epoch(view.state)
    return Directory(
        tuple(sorted(listed, key=lambda member: member.number)),
        committee_of(engine.epoch(view.state)),
        None if following is None else committee_of(following),
    )


@dataclass(frozen=True, slots=True)
class Proven:
    """What the chain proves against a member."""

    member: int
    epoch: int
    evidence: Evidence


def read_evidence(state: StateReader) -> list[Proven]:
    """By epoch, then by member. Raises: StateCorruption."""
    rows = Overlay(state).scan(EVIDENCE, None, EVIDENCE_FORM)
    found = ((evidence_of(key), row) for key, row in rows if row is not None)
    return [Proven(member, epoch, row) for (epoch, member), row in found]


def concerns_members(writes: Iterable[Write]) -> bool:
    """Whether a block's writes to the state may change the directory."""
    return any(key.startswith((MEMBERS, EPOCH_KEY, NEXT_EPOCH_KEY)) for key, _ in writes)
