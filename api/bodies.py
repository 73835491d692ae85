"""The shapes of everything that a client sends, as the OpenAPI document describes them.

Handlers do not parse through these models: bodies are checked by the one parser of transactions.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from consensus.transactions import BODY_BYTES_MAX, CALLS_MAX, GAS_LIMIT_DEFAULT, GAS_LIMIT_MAX, SIGNATURES_MAX

Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="32 bytes, hex.")]
Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{128}$", description="64 bytes, hex.")]

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


class RehearsalBody(Strict):
    """Which code an instance would get, and over which blocks that is rehearsed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"source": "class Token(Contract): ..."}]}
    )
    source: str = Field(description="The new code's source; it need not be deployed.")
    terms: dict[str, Any] = Field(default_factory=dict, description="Terms that are new or change.")
    from_height: int | None = Field(
        default=None, ge=0, description="After this block it is upgraded; by default that of its creation."
    )
    height: int | None = Field(default=None, ge=0, description="The last block; by default the newest.")


class ClockBody(Strict):
    """How far to move a development node's clock forward."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"by_ms": 86400000}]})
    by_ms: int = Field(ge=0, le=10 * 366 * 86_400_000)
