"""Build transactions and sign them, on the client's side."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from api.gateway import JsonObject
from consensus.keys import Ed25519Signer, Signer
from consensus.transactions import Call, canonical_json, signed_bytes, transaction_id

SALT_BYTES = 12


@dataclass(frozen=True, slots=True)
class Account:
    """A name and a key that may act for it."""

    name: str
    signer: Signer

    @staticmethod
    def from_seed(name: str, seed: bytes) -> Account:
        """From the 32 bytes of an Ed25519 private key."""
        return Account(name, Ed25519Signer(seed))


def build_transaction(
    chain: str,
    sender: str,
    calls: Sequence[Call],
    expires_ms: int,
    *,
    cosigners: Sequence[str] = (),
    gas_limit: int | None = None,
    salt: str | None = None,
) -> JsonObject:
    """A transaction as it is signed; without a salt of your own it differs from every other."""
    transaction: JsonObject = {
        "chain": chain,
        "sender": sender,
        "calls": [
            {"contract": call.contract, "action": call.action, "args": dict(call.args)} for call in calls
        ],
        "expires_ms": expires_ms,
        "salt": salt or secrets.token_hex(SALT_BYTES),
    }
    if cosigners:
        transaction["cosigners"] = sorted(cosigners)
    if gas_limit is not None:
        transaction["gas_limit"] = gas_limit
    return transaction


def sign_transaction(transaction: JsonObject, signers: Sequence[Signer]) -> JsonObject:
    """What POST /v1/transactions takes: the transaction with one signature for each signer."""
    message = signed_bytes(canonical_json(transaction))
    made = [{"key": signer.public_key.hex(), "signature": signer.sign(message).hex()} for signer in signers]
    return {"transaction": transaction, "signatures": made}


def id_of(transaction: JsonObject) -> str:
    """The transaction's id, hex: known before it is sent."""
    return transaction_id(canonical_json(transaction)).hex()
