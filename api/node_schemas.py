"""The shapes of answers about the node itself; see `api.schemas`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.bodies import Hex32
from api.member_schemas import Role
from api.schemas import HeightField, Open, TimeMs


class Peer(Open):
    """Another member's node, as this one sees it."""

    member: str
    role: Role
    connected: bool
    height: int | None


class Consensus(Open):
    """Where ordering stands."""

    epoch: int
    view: int
    quorum: int


class NodeStatus(Open):
    """This node now."""

    member: str
    role: Role | Literal["stranger"] = Field(
        description="Of its member; stranger: no member has this node's network key (yet, or any more)."
    )
    version: str
    chain: str
    height: HeightField
    time_ms: TimeMs
    clock_ms: int = Field(description="This node's clock now, milliseconds since 1970 UTC.")
    state_root: Hex32
    exec_hash: Hex32 = Field(description="Equal on every node at equal height.")
    consensus: Consensus
    peers: list[Peer]
    dev: bool
    disk_free_bytes: int = Field(description="Room left for the node's data folder.")
    execution_wall: str = Field(description="Where this node executes blocks, and what that lacks here.")
    why: str = Field(description="What the node is doing or waiting for, in a sentence.")


class Absentee(Open):
    """A validator that is waited for, and what is known of it."""

    member: str
    connected: bool
    unreachable_ms: int | None = Field(description="Since it was heard last, where it is out of reach.")
    silent_ms: int | None = Field(description="Since its last message about the vote.")
    behind_blocks: int | None
    clock_offset_ms: int | None = Field(description="Its clock minus this node's, as measured.")


class Divergence(Open):
    """A validator that says it executed otherwise than this node."""

    member: str
    height: HeightField


class CatchUp(Open):
    """How far a node is that fetches what it missed."""

    height: int
    target: int
    blocks_per_s: float
    growth_per_s: float = Field(description="By how much the chain grows meanwhile.")
    remaining_s: float | None = Field(description="Until it is level, at these rates.")


class Why(Open):
    """Why there is no new block, or that all is well.

    `phase`: idle, proposal, notarise, skip, finalise, batches, clock, execution, behind, catching_up,
    no_quorum, observer, boundary or diverged.
    """

    phase: str
    sentence: str
    role: str = Field(description="What this node is in the present epoch: validator or observer.")
    view: int
    leader: str
    waiting_ms: int | None = Field(description="How long a block has been wanted and none became final.")
    next_ms: int | None = Field(description="When something happens at the latest, if nothing arrives.")
    votes: int
    quorum: int
    missing: list[Absentee]
    diverged: list[Divergence]
    clock_offset_ms: int | None = Field(
        description="This node's clock minus the others', where most of them agree that it is wrong."
    )
    catch_up: CatchUp | None
    height: HeightField
    time_ms: TimeMs
    consensus: Consensus
    peers: list[Peer]


class Clock(Open):
    """A development node's clock."""

    time_ms: int


class Version(Open):
    """What runs here."""

    version: str
    chain: str
    member: str


class Readiness(Open):
    """Whether this node can serve: every check with its reason."""

    ready: bool
    checks: list[dict[str, Any]]
