"""The shapes of answers about members, epochs, evidence, proposals and the genesis; see `api.schemas`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.bodies import Hex32
from api.schemas import HeightField, Open, TimeMs

Role = Literal["validator", "observer", "left"]


class Member(Open):
    """An organisation of the consortium and its node."""

    id: str
    number: int = Field(description="Given once, and never to another.")
    title: str
    role: Role = Field(
        description="validator: its node votes in the present epoch. observer: its node follows. "
        "left: it is no member any more."
    )
    standing: Literal["active", "suspended", "left"] = Field(
        description="suspended: its accounts may not act. Who is suspended, or leaves, validates until the "
        "epoch ends."
    )
    text: str = Field(description="Where it stands, in a sentence.")
    since_height: HeightField = Field(description="Height of the last decision on it; 0: as in genesis.")
    state: Literal["here", "connected", "unreachable"] = Field(description="As this node sees it.")
    reachable: bool = Field(description="This node has a connection with its node, or is it.")
    height: int | None = Field(description="Newest height that the member's node is known to have.")


class Members(Open):
    """All members that there are or were, by number."""

    epoch: int = Field(description="The epoch that the chain is in: each has its own validators.")
    height: HeightField
    items: list[Member]


class Validator(Open):
    """A member that votes in an epoch."""

    number: int
    member: str | None
    validator_key: Hex32


class Committee(Open):
    """Who votes in an epoch."""

    epoch: int
    quorum: int = Field(description="Votes that make a block final.")
    validators: list[Validator]


class Boundary(Open):
    """The block that ended the epoch before, and names this one's validators."""

    height: HeightField
    time_ms: TimeMs
    certified_by: list[int] = Field(description="Numbers of the members whose votes made it final.")


class Epoch(Committee):
    """An epoch that has begun; the blocks after its boundary are of it. The first comes from genesis."""

    boundary: Boundary | None


class Epochs(Open):
    """Every epoch from genesis on, and what is decided for the next one."""

    items: list[Epoch]
    next: Committee | None = Field(description="Decided, and about to begin.")


class Evidence(Open):
    """What the chain proves against a member, by that member's own signatures."""

    member: str | None
    number: int
    epoch: int
    kind: str
    view: int | None = Field(description="Where it voted twice, if it did.")
    seq: int | None = Field(description="Which of its batches, if it is about those.")
    height: HeightField
    time_ms: TimeMs


class EvidenceList(Open):
    """All evidence on the chain, by epoch; at most one for each member in each epoch."""

    items: list[Evidence]


class Proposal(Open):
    """Something to be decided by several."""

    proposal: int = Field(ge=1, description="Its number.")
    contract: Literal["members", "contracts"] = Field(description="Whose action `approve` it waits for.")
    hash: Hex32 = Field(description="What approvals name; it covers all that is proposed.")
    sentence: str = Field(description="What would be done, for a person.")
    content: dict[str, Any]
    reason: str
    proposer: str
    height: HeightField
    expires_ms: TimeMs
    status: Literal["open", "approved", "carried out", "failed", "withdrawn", "expired"]
    closed_height: int | None
    approvals: list[str] = Field(description="Who approved and whose approval counts.")
    needed: int = Field(ge=0, description="How many approvals it takes.")
    missing: list[str] = Field(description="Who could still approve.")
    next: str = Field(description="What is missing, or how it ended, for a person.")


class Proposals(Open):
    """Open proposals, by number."""

    items: list[Proposal]


class Genesis(Open):
    """What all members signed: members, accounts, parameters."""

    body: dict[str, Any]
    signatures: dict[str, str]
