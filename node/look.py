"""A node at one moment, as its metrics and its answers to "why" need it; taken in the node's own thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.types import MemberNumber
from consensus.why import Why
from node.network import PeerStatus
from node.peer_clocks import Offset
from node.sync import Progress


@dataclass(frozen=True, slots=True)
class Look:
    """What the core says and what is around it."""

    me: MemberNumber
    names: Mapping[MemberNumber, str]
    consensus: Mapping[str, Any]
    """See `consensus.why.describe`."""
    why: Why
    peers: tuple[PeerStatus, ...]
    clocks: Mapping[MemberNumber, Offset]
    precision_ms: int
    """How far ahead of a voter's clock a block's time may be."""
    progress: Progress | None
    key: str | None
    """Why this node's validator key does not vote, where it must not, or may not yet."""
    executed_height: int
    waiting_transactions: int
    journal_bytes: int
    bad_messages: int
    now_ms: int
    """Civil time."""

    @property
    def validators(self) -> list[MemberNumber]:
        numbers: list[MemberNumber] = self.consensus["validators"]
        return numbers

    def name(self, member: MemberNumber) -> str:
        return self.names.get(member, f"member {member}")

    @property
    def away(self) -> dict[MemberNumber, int | None]:
        """Members out of reach, and for how many ms; None: not reached since this node started."""
        return {
            peer.member: None if peer.last_heard_ms is None else max(0, self.now_ms - peer.last_heard_ms)
            for peer in self.peers
            if not peer.connected
        }
