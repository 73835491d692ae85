"""The shapes of everything that goes in and out, as the OpenAPI document promises them.

Handlers neither validate nor build through these models, for speed: bodies are checked by the one parser of
transactions, answers are the gateway's own objects. That answers keep to the models is tested against every
gateway there is. Models that end with `extra` may carry more than they promise.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.gateway import TransactionState
from consensus.transactions import BODY_BYTES_MAX, CALLS_MAX, GAS_LIMIT_DEFAULT, GAS_LIMIT_MAX, SIGNATURES_MAX

Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="32 bytes, hex.")]
Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{128}$", description="64 bytes, hex.")]
HexBytes = Annotated[str, Field(pattern="^([0-9a-f]{2})*$", description="Bytes, hex.")]
HeightField = Annotated[int, Field(ge=0, description="Height of a block; genesis is 0.")]
IndexField = Annotated[int, Field(ge=0, description="Place within the block, from 0.")]
TimeMs = Annotated[int, Field(description="Agreed time of the block, milliseconds since 1970 UTC.")]

EXAMPLE_ID = "6ef7a1a3a6bb2b4c8a3f2b1f2e6d7b7c0d1e8e7f0b5a4c3d2e1f00112233aabb"
EXAMPLE_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
EXAMPLE_TRANSACTION: dict[str, Any] = {
    "calls": [
        {
            "contract": "euro",
            "action": "transfer",
            "args": {"to": "bolt", "amount": "2500"},
        }
    ],
    "chain": "quorate-demo-0011223344556677",
    "expires_ms": 1767225900000,
    "salt": "5f0c6b1d9f1e4f0e",
    "sender": "greenfarm",
}
EXAMPLE_SIGNATURE = {"key": EXAMPLE_KEY, "signature": "00" * 64}
EXAMPLE_SUBMISSION: dict[str, Any] = {"transaction": EXAMPLE_TRANSACTION, "signatures": [EXAMPLE_SIGNATURE]}


class Strict(BaseModel):
    """What a client sends: no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    """What a node answers: fields may be added later, so a client ignores those it does not know."""

    model_config = ConfigDict(extra="allow")


class CallBody(Strict):
    """One action of one contract."""

    contract: str = Field(description="Name of a contract instance, or `accounts` or `contracts`.")
    action: str
    args: dict[str, Any] = Field(description="Arguments by name. Integers beyond 2^53 - 1 travel as text.")


class TransactionBody(Strict):
    """What is signed: its RFC 8785 canonical JSON, after `quorate-tx-v1` and a line feed."""

    chain: str = Field(description="The chain's name, from /v1/status.")
    sender: str = Field(description="Account that acts.")
    cosigners: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=SIGNATURES_MAX - 1,
        description="Further accounts that act, sorted.",
    )
    calls: list[CallBody] = Field(
        min_length=1,
        max_length=CALLS_MAX,
        description="Executed in order; all succeed or none has an effect.",
    )
    expires_ms: int = Field(ge=0, description="Time after which it can never take effect, ms since 1970.")
    gas_limit: int = Field(default=GAS_LIMIT_DEFAULT, ge=1, le=GAS_LIMIT_MAX)
    salt: str = Field(pattern="^[!-~]{1,64}$", description="Makes two otherwise equal transactions differ.")


class SignatureBody(Strict):
    """An Ed25519 signature over the signed bytes."""

    key: Hex32
    signature: Hex64


class SubmitBody(Strict):
    """A signed transaction. The node puts `transaction` into canonical form, so spaces do not matter."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_SUBMISSION]})
    transaction: TransactionBody = Field(description=f"At most {BODY_BYTES_MAX} bytes in canonical form.")
    signatures: list[SignatureBody] = Field(min_length=1, max_length=SIGNATURES_MAX)


class BatchBody(Strict):
    """Many signed transactions, each for itself."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"transactions": [EXAMPLE_SUBMISSION]}]}
    )
    transactions: list[SubmitBody] = Field(min_length=1, max_length=1000)


class DraftBody(Strict):
    """A transaction before signing; signatures may be there, so that one document serves all three calls."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"transaction": EXAMPLE_TRANSACTION}]}
    )
    transaction: TransactionBody
    signatures: list[SignatureBody] | None = None


class QueryBody(Strict):
    """Arguments of a query."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"arguments": {"account": "bolt"}}]}
    )
    arguments: dict[str, Any] = Field(default_factory=dict)


class ClockBody(Strict):
    """How far to move a development node's clock forward."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"by_ms": 86400000}]})
    by_ms: int = Field(ge=0, le=10 * 366 * 86_400_000)


class Problem(Open):
    """RFC 9457: what is wrong, where, and what to do."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/unauthorised",
                    "title": "The keys may not act for the account",
                    "status": 403,
                    "detail": "greenfarm has none of its keys among the signatures",
                    "code": "unauthorised",
                    "hint": "Sign with a key that GET /v1/accounts/{id} lists; `detail` names the account.",
                    "instance": "/v1/transactions",
                    "transaction": EXAMPLE_ID,
                }
            ]
        },
    )
    type: str = Field(description="A page of this node that explains the problem.")
    title: str
    status: int
    detail: str = Field(description="What is wrong in this case, and where.")
    code: str = Field(description="Stable; programs decide by it.")
    hint: str = Field(description="What to do.")
    instance: str | None = None
    transaction: str | None = Field(default=None, description="Id of the transaction that this is about.")


class Status(Open):
    """Where a transaction stands. Fields that do not apply are absent."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"id": EXAMPLE_ID, "state": "committed", "height": 17, "index": 0, "outcome": "ok"}]
        },
    )
    id: Hex32
    state: TransactionState = Field(
        description="pending: durable on this node. available: a quorum holds it. committed: final; "
        "`outcome` says whether its calls succeeded. expired: it can never take effect any more. "
        "rejected: never ordered."
    )
    height: HeightField | None = None
    index: IndexField | None = None
    outcome: Literal["ok", "failed"] | None = None
    code: str | None = Field(default=None, description="Why it failed or was rejected; see /problems/{code}.")
    detail: str | None = None
    hint: str | None = None
    receipt: dict[str, Any] | None = None


class BatchItem(Status):
    """Result of one transaction of a batch; `id` is absent where the item cannot be read."""

    id: Hex32 | None = None  # type: ignore[assignment]


class BatchAnswer(Open):
    """One result per transaction, in the order given."""

    items: list[BatchItem]
    accepted: int = Field(description="Items that are not rejected.")
    rejected: int


class Committed(Status):
    """A transaction's status and, once it is committed, the transaction itself."""

    sentence: str | None = Field(default=None, description="What it does, for a person.")
    transaction: TransactionBody | None = None
    signatures: list[SignatureBody] | None = None
    time_ms: TimeMs | None = None


class LedgerTransaction(Open):
    """A committed transaction."""

    id: Hex32
    sentence: str = Field(description="What it does, for a person.")
    outcome: Literal["ok", "failed"]
    transaction: TransactionBody
    signatures: list[SignatureBody]
    receipt: dict[str, Any]
    height: HeightField
    index: IndexField
    time_ms: TimeMs


class Explanation(Open):
    """What a person signs, before signing."""

    sentence: str
    id: Hex32
    signed_bytes_hex: HexBytes
    body: Any = Field(description="The transaction in canonical form.")


class BlockSummary(Open):
    """A block without its transactions."""

    height: HeightField
    hash: Hex32
    time_ms: TimeMs
    transaction_count: int = Field(ge=0)


class Block(BlockSummary):
    """A block with its transactions and their receipts."""

    transactions: list[LedgerTransaction]


class Balance(Open):
    """Money of one currency, in minor units."""

    currency: str
    amount: str = Field(pattern="^-?[0-9]+$")


class Account(Open):
    """An account; its keys act for it."""

    id: str
    keys: list[Hex32]
    balances: list[Balance] | None = None


class AccountSummary(Open):
    """An account in a list."""

    id: str


class ContractSummary(Open):
    """Deployed contract code."""

    code: str = Field(description="First 32 hex digits of the source's SHA-256.")
    name: str
    text: str = Field(description="What the author says of it.")
    author: str
    height: HeightField


class Contract(ContractSummary):
    """Deployed contract code with all that it declares."""

    source: str


class Branch(Open):
    """One "if X then Y" of a rule; `holds` is null where X was not reached or cannot be read now."""

    condition: str
    consequence: list[str]
    holds: bool | None


class Rule(Open):
    """A rule that fires by itself."""

    name: str
    text: str
    branches: list[Branch]
    in_phase: bool
    wake_ms: int | None = Field(description="When time alone may change what holds; null: never.")
    next: str = Field(description="What the rule waits for, in words.")


class Named(Open):
    """A term, a fact or a field."""

    name: str
    type: str
    value: Any = None


class Party(Open):
    """A party that has to sign."""

    party: str
    signed: bool


class Action(Open):
    """Something that may be done."""

    name: str
    text: str
    accounts: list[str] = Field(description="Who may; empty: anyone.")
    possible: bool = Field(description="Whether the instance's phase allows it now.")


class InstanceSummary(Open):
    """An instance of contract code."""

    name: str
    code: str
    contract: str = Field(description="Name of the contract code.")
    status: str
    phase: str


class Instance(InstanceSummary):
    """An instance with its terms, its state and its rules as they stand now."""

    text: str = Field(description="What the author of the code says of it.")
    terms: list[Named] = Field(description="What was agreed; each with its type.")
    signatures: list[Party] = Field(description="Whose signature the agreement needs.")
    facts: list[Named] = Field(description="What oracles report; null: not yet.")
    fields: list[Named] = Field(
        description="What the contract remembers; a table has `rows` instead of `value`."
    )
    balances: list[Balance] = Field(description="Money that the instance holds.")
    rules: list[Rule]
    actions: list[Action]


class QueryAnswer(Open):
    """A query's value and the height that it was computed at."""

    value: Any
    height: HeightField


class StateEntry(Open):
    """One entry of the authenticated state."""

    key: HexBytes
    value_hex: HexBytes | None = Field(description="null: there is no such entry.")
    height: HeightField


class Proof(Open):
    """A proof that the standalone verifier accepts; see the documentation on proofs."""


class Event(Open):
    """Something that a contract announced."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "height": 17,
                    "index": 0,
                    "contract": "euro",
                    "name": "transferred",
                    "fields": {"source": "greenfarm", "target": "bolt", "amount": "2500"},
                    "transaction": EXAMPLE_ID,
                    "time_ms": 1767225600000,
                }
            ]
        },
    )
    height: HeightField
    index: IndexField
    contract: str
    name: str
    fields: Any
    transaction: str | None = Field(description="null: a timer did it.")
    time_ms: TimeMs


class Member(Open):
    """An organisation of the consortium and its node."""

    id: str
    number: int
    title: str
    state: Literal["here", "connected", "unreachable"] = Field(description="As this node sees it.")
    height: int | None = Field(description="Newest height that the member's node is known to have.")


class Members(Open):
    """All members, by number."""

    items: list[Member]


class Genesis(Open):
    """What all members signed: members, accounts, parameters."""

    body: dict[str, Any]
    signatures: dict[str, str]


class Peer(Open):
    """Another member's node, as this one sees it."""

    member: str
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
    version: str
    chain: str
    height: HeightField
    time_ms: TimeMs
    state_root: Hex32
    exec_hash: Hex32 = Field(description="Equal on every node at equal height.")
    consensus: Consensus
    peers: list[Peer]
    dev: bool
    why: str = Field(description="What the node is doing or waiting for, in a sentence.")


class Why(Open):
    """Why there is no new block, or that all is well."""

    sentence: str
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


Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` is the cursor of the part that follows and absent on the last."""

    items: list[Item]
    next: str | None = None
