"""Nobody who posted is left without an answer: what is tracked until a block is executed."""

from __future__ import annotations

import time

from api.gateway import TransactionState
from consensus.keys import Ed25519Signer
from consensus.transactions import (
    Transaction,
    canonical_json,
    envelope_from_json,
    parse_transaction,
    signed_bytes,
)
from node.pending import EXPIRED_KEPT_MS, PendingTransactions

SIGNER = Ed25519Signer(bytes(32))
STRANGER = Ed25519Signer(bytes([1]) * 32)
EXPIRES_MS = 1_000_000
ME, OTHER = 0, 1
LANES = (ME, OTHER)


def transaction(salt: str, signer: Ed25519Signer = SIGNER) -> Transaction:
    body = {
        "chain": "test-1",
        "sender": "acme",
        "calls": [{"contract": "euro", "action": "transfer", "args": {}}],
        "expires_ms": EXPIRES_MS,
        "salt": salt,
    }
    signature = signer.sign(signed_bytes(canonical_json(body)))
    return parse_transaction(envelope_from_json(body, [(signer.public_key, signature)]), "test-1")


def test_a_transaction_goes_from_pending_to_available_until_its_block_is_executed() -> None:
    pending, posted = PendingTransactions(ME), transaction("a")
    pending.track(b"batch", [posted], ME)
    assert pending.state(posted.id, 0) is TransactionState.PENDING
    assert pending.mark_available(b"batch") == (posted.id,)
    assert pending.mark_available(b"batch") == (), "told once"
    assert pending.state(posted.id, 0) is TransactionState.AVAILABLE
    pending.forget([b"batch"])
    assert pending.state(posted.id, 0) is None
    assert len(pending) == 0


def test_it_is_expired_only_when_a_block_is_past_its_time() -> None:
    """In a block of exactly its time it may still execute."""
    pending, posted = PendingTransactions(ME), transaction("a")
    pending.track(b"batch", [posted], ME)
    assert pending.state(posted.id, EXPIRES_MS) is TransactionState.PENDING
    assert pending.state(posted.id, EXPIRES_MS + 1) is TransactionState.EXPIRED


def test_a_transaction_stays_known_until_its_last_copy_is_executed() -> None:
    pending, posted = PendingTransactions(ME), transaction("a")
    pending.track(b"first", [posted], ME)
    pending.track(b"second", [transaction("a")], OTHER)
    pending.track(b"first", [posted], ME)
    pending.forget([b"first", b"unknown"])
    assert pending.state(posted.id, 0) is TransactionState.PENDING
    pending.forget([b"second"])
    assert pending.state(posted.id, 0) is None
    assert len(pending) == 0


def test_what_this_node_promised_is_told_by_its_own_copy() -> None:
    """A copy signed by a stranger may be available long before, and will be refused: it proves nothing."""
    pending, posted, copied = PendingTransactions(ME), transaction("a"), transaction("a", STRANGER)
    pending.track(b"copied", [copied], OTHER)
    assert pending.holds(copied, LANES)
    assert not pending.holds(posted, LANES), "the genuine one is still to be taken"
    pending.mark_available(b"copied")
    pending.track(b"batch", [posted], ME)
    assert pending.holds(posted, LANES)
    assert pending.state(posted.id, 0) is TransactionState.PENDING
    pending.mark_available(b"batch")
    assert pending.state(posted.id, 0) is TransactionState.AVAILABLE
    pending.forget([b"batch"])
    assert pending.state(posted.id, 0) is TransactionState.AVAILABLE, "nothing of this node's own is left"


def test_a_copy_in_a_lane_that_nobody_cuts_any_more_does_not_keep_a_transaction_out() -> None:
    pending, posted = PendingTransactions(ME), transaction("a")
    pending.track(b"batch", [posted], OTHER)
    assert pending.holds(posted, LANES)
    assert not pending.holds(posted, [ME]), "the other one has left, and hands it over"


def test_what_was_entrusted_is_pending_until_it_is_executed_or_too_late() -> None:
    pending, executed, expired = PendingTransactions(ME), transaction("a"), transaction("b")
    for posted in (executed, expired):
        pending.entrust(posted)
        assert pending.holds(posted, ())
        assert pending.state(posted.id, 0) is TransactionState.PENDING
    pending.track(b"batch", [executed], OTHER)
    pending.settle([executed.id], EXPIRES_MS)
    assert pending.state(executed.id, 0) is TransactionState.PENDING, "the batch is still to be forgotten"
    pending.forget([b"batch"])
    assert pending.state(executed.id, 0) is None
    assert pending.state(expired.id, EXPIRES_MS + 1) is TransactionState.EXPIRED
    pending.settle([], EXPIRES_MS + EXPIRED_KEPT_MS)
    assert len(pending) == 1, "its poster may still ask"
    pending.settle([], EXPIRES_MS + EXPIRED_KEPT_MS + 1)
    assert len(pending) == 0


def test_it_is_known_since_when_the_own_lane_waits_for_others() -> None:
    pending = PendingTransactions(ME)

    def seen() -> float | None:
        return pending.spreading_since_s

    pending.track(b"other", [transaction("a")], OTHER)
    assert seen() is None
    began_s = time.monotonic()
    pending.track(b"first", [transaction("b")], ME)
    then_s = time.monotonic()
    pending.track(b"second", [transaction("c")], ME)
    assert began_s <= (seen() or 0) <= then_s
    pending.mark_available(b"first")
    assert (seen() or 0) >= then_s
    pending.forget([b"second"])  # a block orders it before this node hears that a quorum holds it
    assert seen() is None


def test_what_waits_in_the_own_lane_is_counted_until_it_is_executed() -> None:
    pending = PendingTransactions(ME)
    posted = [transaction(salt) for salt in "abc"]
    pending.track(b"own", posted[:2], ME)
    pending.track(b"own", posted[:2], ME)
    pending.track(b"other", posted, OTHER)
    pending.entrust(posted[2])
    assert pending.own == 2
    pending.forget([b"other", b"unknown"])
    assert pending.own == 2
    pending.forget([b"own"])
    pending.forget([b"own"])
    assert pending.own == 0
