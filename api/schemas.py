"""The shapes of everything that a node answers, as the OpenAPI document promises them.

Handlers do not build answers through these models, for speed: answers are the gateway's own objects. That
they keep to the models is tested against every gateway there is. A model may be given more than it promises.

Here is what all have in common, and transactions, the ledger and contracts; `member_schemas` and
`node_schemas` have the rest.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.bodies import EXAMPLE_ID, Hex32, SignatureBody, TransactionBody
from api.gateway import TransactionState

HexBytes = Annotated[str, Field(pattern="^([0-9a-f]{2})*$", description="Bytes, hex.")]
HeightField = Annotated[int, Field(ge=0, description="Height of a block; genesis is 0.")]
IndexField = Annotated[int, Field(ge=0, description="Place within the block, from 0.")]
TimeMs = Annotated[int, Field(description="Agreed time of the block, milliseconds since 1970 UTC.")]


class Open(BaseModel):
    """What a node answers: fields may be added later, so a client ignores those it does not know."""

    model_config = ConfigDict(extra="allow")


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

    code: str = Field(description="The source's SHA-256.")
    name: str
    text: str = Field(description="What the author says of it.")
    author: str
    height: HeightField


class Contract(ContractSummary):
    """Deployed contract code with all that it declares."""

    source: str


class Part(Open):
    """A condition, or a part of one: where it joins `parts` by `and` or `or`, `word` says which."""

    text: str
    holds: bool | None = Field(description="null: it asks for what is not there yet, or was not reached.")
    word: str | None = None
    parts: list[Part] | None = None


class Branch(Open):
    """One "if X then Y" of a rule; `holds` is null where X was not reached or cannot be read now."""

    condition: str
    consequence: list[str]
    holds: bool | None
    parts: Part
    because: str = Field(description="Which parts decide, in words; empty where there is one.")


class Rule(Open):
    """A rule that fires by itself."""

    name: str
    text: str
    branches: list[Branch]
    in_phase: bool
    reads: dict[str, Any] = Field(description="What its conditions looked at, by name.")
    wake_ms: int | None = Field(description="When time alone may change what holds; null: never.")
    next: str = Field(description="What the rule waits for, in words.")


class Handler(Open):
    """What is done on an event of another instance."""

    name: str
    text: str
    emitter: str
    event: str
    waiting: int = Field(description="Events of the other that are still to be told, to whomever.")
    next: str = Field(description="What it waits for, in words.")


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
    possible: bool = Field(description="Whether phase and pause allow it now.")


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
    handlers: list[Handler]
    actions: list[Action]


class CodeVersion(Open):
    """What an instance runs, or ran until an upgrade."""

    version: int = Field(ge=1)
    code: str
    contract: str
    terms_hash: Hex32
    from_height: HeightField
    until_height: int | None = Field(description="null: it still does.")
    proposal: int | None = Field(description="The proposal that brought it; null for the first.")


class PauseState(Open):
    """Whether an instance is paused."""

    paused: bool
    until_ms: int | None
    text: str | None
    guardians: list[str] = Field(description="Accounts that may pause it.")
    again_ms: int | None = Field(description="From when on it may be paused again.")


class Versions(Open):
    """The life of an instance."""

    items: list[CodeVersion] = Field(description="Oldest first; the last runs.")
    pause: PauseState


class RehearsalAnswer(Open):
    """What would have happened with other code."""

    outcome: Hex32 = Field(description="The hash that approvals of the upgrade name.")
    rehearsal: dict[str, Any] = Field(description="What it is the hash of; `sentences` says it in words.")


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


Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` is the cursor of the part that follows and absent on the last."""

    items: list[Item]
    next: str | None = None
