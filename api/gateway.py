"""All that the API knows of a node: submit, read, follow.

The node implements `Gateway` (through its bridge, since the API runs in another thread and event loop).
Everything returned is plain data, ready to become JSON: digests are lower-case hex, amounts that may
pass 2^53 are text, times are milliseconds since 1970 in fields named `..._ms`. The models in `api.schemas`
give each shape in full and are what the OpenAPI document promises; a key may be added, never left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

JsonObject = dict[str, Any]


class TransactionState(StrEnum):
    """Where a transaction stands. `rejected`: never ordered; a contract's refusal: `committed`, failed."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    AVAILABLE = "available"
    COMMITTED = "committed"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """What a client is told of its transaction.

    `outcome` is "ok" or "failed" once committed; `code`, `detail` and `hint` say why where it failed or
    was rejected; `receipt` is the whole receipt once committed. `known` is true in the answer to a
    submission that this node had admitted before.
    """

    id: str
    state: TransactionState
    height: int | None = None
    index: int | None = None
    outcome: Literal["ok", "failed"] | None = None
    code: str | None = None
    detail: str | None = None
    hint: str | None = None
    receipt: JsonObject | None = None
    known: bool = False


class Refused(Exception):
    """The node cannot do what was asked; `status` is the HTTP status, `code` names a page under /problems.

    `retry_after_s` is set where trying again later helps.
    """

    def __init__(self, status: int, code: str, detail: str, *, retry_after_s: int | None = None,
                 fields: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.fields = dict(fields or {})


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a subscriber wants; None means any."""

    contract: str | None = None
    name: str | None = None
    transaction: str | None = None


class Gateway(Protocol):
    """The node, as the API sees it. Every method may raise Refused."""

    @property
    def chain(self) -> str: ...

    @property
    def height(self) -> int:
        """Height of the newest executed block, at once and without a crossing of threads."""

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing new is taken now; at once."""

    async def submit(self, envelopes: Sequence[bytes]) -> Sequence[TransactionStatus]:
        """Admit envelopes, each on its own; returns once the admitted ones are durable here.

        A refused one comes back as state `rejected` with its code; back-pressure as `rejected` with code
        `overloaded`; one that was posted before with the status it has.
        """

    async def submit_batch(self, body: bytes) -> Sequence[TransactionStatus]:
        """The same for a posted batch as it came, which `api.submissions` reads; the id of an item in which
        there is none to be found is empty. Raises: ApiError where the whole of it is refused.
        """

    async def wait(
        self, transaction: str, until: Literal["available", "committed"], timeout_s: float
    ) -> TransactionStatus:
        """The status as soon as it is at least `until` (or terminal), or as it is when time is up."""

    async def status(self, transaction: str) -> TransactionStatus: ...

    async def explain(self, transaction: Mapping[str, Any]) -> JsonObject:
        """{sentence, id, signed_bytes_hex, body}: what a person signs, before signing."""

    async def simulate(self, transaction: Mapping[str, Any]) -> JsonObject:
        """The receipt it would get now, without committing anything."""

    async def node(self) -> JsonObject:
        """{member, version, chain, height, time_ms, clock_ms, state_root, exec_hash, dev,
        disk_free_bytes, execution_wall: words, why: sentence,
        consensus: {epoch, view, quorum, ...}, peers: [{member, connected, height, ...}]}."""

    async def why(self) -> JsonObject:
        """{sentence, phase, missing: [{member, unreachable_ms, behind_blocks, ...}], next_ms, ...}, see
        `api.node_schemas.Why`."""

    async def members(self) -> JsonObject:
        """{epoch, height, items: [{id, number, title, role, since_height, height | null, reachable,
        state: "here" | "connected" | "unreachable", ...}]}, by number."""

    async def epochs(self) -> JsonObject:
        """{items: [{epoch, quorum, validators, boundary | null}], next | null}."""

    async def evidence(self) -> Sequence[JsonObject]:
        """{member, number, epoch, kind, view | null, seq | null, height, time_ms, text}, by epoch."""

    async def genesis(self) -> JsonObject: ...

    async def blocks(self, before: int | None, limit: int) -> Sequence[JsonObject]:
        """Newest first, heights below `before`."""

    async def block(self, height: int) -> JsonObject:
        """With its transactions and receipts."""

    async def transaction(self, transaction: str) -> JsonObject:
        """{id, sentence, outcome, transaction, signatures, receipt, height, index, time_ms}, if committed."""

    async def transactions(
        self,
        before: tuple[int, int] | None,
        limit: int,
        *,
        account: str | None = None,
        contract: str | None = None,
    ) -> Sequence[JsonObject]:
        """Committed ones, newest first, strictly before (height, index): those that `account` signed for, or
        that call `contract` (an instance's name)."""

    async def accounts(self, after: str | None, limit: int) -> Sequence[JsonObject]: ...

    async def account(self, account: str) -> JsonObject:
        """{id, keys, balances: [{currency, amount}]}."""

    async def contracts(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        """Deployed code: {code, name, text, author, height}."""

    async def contract(self, code: str) -> JsonObject:
        """With source, terms, actions, rules, queries."""

    async def contract_schema(self, code: str) -> JsonObject:
        """JSON Schemas of its terms, actions, facts, queries and events, as `$defs`."""

    async def instances(self, after: str | None, limit: int) -> Sequence[JsonObject]: ...

    async def instance(self, name: str) -> JsonObject:
        """{name, code, contract, text, status, phase, terms, signatures, facts, fields, balances, rules,
        actions}; a rule comes with what holds now and its next wake-up.
        """

    async def versions(self, name: str) -> JsonObject:
        """{items: what the instance runs and ran, oldest first, pause: whether and by whom it is paused}."""

    async def rehearse(
        self,
        name: str,
        source: str,
        terms: Mapping[str, Any],
        from_height: int | None,
        height: int | None,
    ) -> JsonObject:
        """{outcome, rehearsal}: what would have happened with other code, and the hash of it."""

    async def proposals(self) -> Sequence[JsonObject]:
        """What waits for approvals: {proposal, contract, hash, sentence, content, reason, proposer, status,
        expires_ms, approvals, needed, missing, next, ...}, by number."""

    async def proposal(self, proposal: int) -> JsonObject:
        """One of them, or one that is closed."""

    async def query(self, instance: str, query: str, arguments: Mapping[str, Any]) -> JsonObject:
        """{value, height}."""

    async def state(self, key: str) -> JsonObject:
        """{key, value_hex | null, height}: one entry of the authenticated state by its hex key."""

    async def proof(self, key: str, timeout_s: float) -> JsonObject:
        """A proof of `key` (hex) for `quorate verify` and the standalone verifier; see docs/proofs.md."""

    def events(self, after: tuple[int, int], wanted: EventFilter) -> AsyncIterator[JsonObject]:
        """Events from strictly after (height, index); never ends, never skips.

        Items are {height, index, contract, name, fields, transaction, time_ms}. An index of -1 is before the
        first. Reads on from the store at the reader's pace, so a slow reader costs no memory.
        """

    async def advance_clock(self, by_ms: int) -> JsonObject:
        """Only a development node: move its clock forward; {time_ms}."""
