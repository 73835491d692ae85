"""Nobody who posted is left without an answer: what is tracked until a block is executed."""

from __future__ import annotations

from dataclasses import replace

from api.gateway import TransactionState
from consensus.keys import Ed25519Signer
from consensus.transactions import (
    Transaction,
    canonical_json,
    envelope_from_json,
    parse_transaction,
    signed_bytes,
)
from node.pending import PendingTransactions

SIGNER = Ed25519Signer(bytes(32))
EXPIRES_MS = 1_000_000


def transaction(salt: str) -> Transaction:
    body = {
        "chain": "test-1",
        "sender": "acme",
        "calls": [{"contract": "euro", "action": "transfer", "args": {}}],
        "expires_ms": EXPIRES_MS,
        "salt": salt,
    }
    signature = SIGNER.sign(signed_bytes(canonical_json(body)))
    return parse_transaction(envelope_from_json(body, [(SIGNER.public_key, signature)]), "test-1")


def test_a_transaction_goes_from_pending_to_available_until_its_block_is_executed() -> None:
    pending, posted = PendingTransactions(), transaction("a")
    pending.track(b"batch", [posted])
    assert pending.state(posted.id, 0) is TransactionState.PENDING
    assert pending.mark_available(b"batch") == (posted.id,)
    assert pending.mark_available(b"batch") == (), "told once"
    assert pending.state(posted.id, 0) is TransactionState.AVAILABLE
    pending.forget([b"batch"])
    assert pending.state(posted.id, 0) is None
    assert len(pending) == 0


def test_it_is_expired_only_when_a_block_is_past_its_time() -> None:
    """In a block of exactly its time it may still execute."""
    pending, posted = PendingTransactions(), transaction("a")
    pending.track(b"batch", [posted])
    assert pending.state(posted.id, EXPIRES_MS) is TransactionState.PENDING
    assert pending.state(posted.id, EXPIRES_MS + 1) is TransactionState.EXPIRED


def test_the_first_batch_that_carries_a_transaction_speaks_for_it() -> None:
    pending, posted = PendingTransactions(), transaction("a")
    pending.track(b"first", [posted])
    pending.track(b"second", [replace(posted)])
    pending.track(b"first", [posted])
    assert pending.mark_available(b"second") == ()
    pending.forget([b"second", b"unknown"])
    assert posted.id in pending
    pending.forget([b"first"])
    assert posted.id not in pending
