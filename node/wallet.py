"""Writes transactions and signs them, here and nowhere else: a private key never leaves its house.

The API takes `{"transaction": ..., "signatures": [{"key", "signature"}]}`; several parties may sign the same
document one after the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.keys import Signer
from consensus.transactions import Json, canonical_json, signed_bytes, transaction_id

VALID_MS_DEFAULT = 60_000
"""How long a transaction may wait before it can never take effect any more."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """One call: an action of a contract with its arguments."""

    contract: str
    action: str
    args: Mapping[str, Json]


def write_transaction(
    chain: str,
    sender: str,
    actions: Sequence[Action],
    now_ms: int,
    *,
    cosigners: Sequence[str] = (),
    valid_ms: int = VALID_MS_DEFAULT,
    gas_limit: int | None = None,
) -> dict[str, Json]:
    """A transaction to be signed; its salt makes it differ from every other."""
    transaction: dict[str, Json] = {
        "chain": chain,
        "sender": sender,
        "calls": [{"contract": a.contract, "action": a.action, "args": dict(a.args)} for a in actions],
        "expires_ms": now_ms + valid_ms,
        "salt": secrets.token_hex(8),
    }
    if cosigners:
        transaction["cosigners"] = list(sorted(cosigners))
    if gas_limit is not None:
        transaction["gas_limit"] = gas_limit
    return transaction


def sign_transaction(transaction: Mapping[str, Json], signers: Sequence[Signer]) -> Document:
    """The document to submit, signed by each key. The id of its transaction is `id_of`."""
    message = signed_bytes(canonical_json(transaction))
    signatures = [{"key": s.public_key.hex(), "signature": s.sign(message).hex()} for s in signers]
    return {"transaction": dict(transaction), "signatures": signatures}


def add_signatures(document: Document, signers: Sequence[Signer]) -> Document:
    """The same document with further signatures; a key signs once."""
    added = sign_transaction(document["transaction"], signers)["signatures"]
    keys = {signature["key"] for signature in added}
    kept = [signature for signature in document["signatures"] if signature["key"] not in keys]
    return {"transaction": document["transaction"], "signatures": kept + added}


def id_of(transaction: Mapping[str, Json]) -> str:
    """64 hex digits."""
    return transaction_id(canonical_json(transaction)).hex()
