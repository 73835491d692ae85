"""Deciding together on a `tests.engine.chain.Chain`: cards, proposals, approvals, epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from consensus.transactions import canonical_json
from contracts.cards import Account, Card, card_json, card_message
from contracts.receipts import Receipt
from contracts.system.changes import rotation_message
from contracts.system.decisions import find_proposal, proposal_hash
from tests.engine.chain import MEMBERS, Chain, signer

Change = Mapping[str, Any]


def card(member: str, *, accounts: Sequence[str] = (), **changed: Any) -> dict[str, Any]:
    """The signed card of a member whose keys are made from its name; `changed` is changed before signing."""
    keys = {role: signer(f"{role} of {member}") for role in ("validator", "network")}
    keys["administrator"] = signer(member)
    fields: dict[str, Any] = {
        "id": member,
        "title": member.title(),
        "address": "/ip4/127.0.0.1/tcp/4100",
        "validator_key": keys["validator"].public_key,
        "network_key": keys["network"].public_key,
        "admin_key": keys["administrator"].public_key,
        "accounts": tuple(Account(name, (signer(name).public_key,)) for name in accounts),
    }
    made = Card(**(fields | changed))
    signatures = {role: key.sign(card_message(made)).hex() for role, key in keys.items()}
    return {"card": card_json(made), "signatures": signatures}


def admit(member: str, **options: Any) -> Change:
    return {"kind": "admit", "card": card(member, **options)}


def rotate(chain: Chain, member: str, role: str, key_of: str) -> Change:
    """A new key for a member, made from the name `key_of`, which signs that it is to be this."""
    key = signer(key_of)
    message = rotation_message(sha256(canonical_json(chain.body)).digest(), member, role, key.public_key)
    signature = key.sign(message).hex()
    return {
        "kind": "rotate", "member": member, "role": role, "key": key.public_key.hex(), "signature": signature,
    }  # fmt: skip


def propose(chain: Chain, *changes: Change, by: str = "bank", **options: Any) -> int:
    """The number of a proposal that was taken."""
    arguments = {"changes": [dict(change) for change in changes], **options}
    return int(chain.succeed(by, ("members", "propose", arguments)).results[0])


def hash_of(chain: Chain, number: int) -> str:
    """The hash that approvals of a proposal name."""
    found = find_proposal(chain.engine.context(chain.ledger.state).overlay, number)
    assert found is not None
    return proposal_hash(number, found).hex()


def approve(chain: Chain, number: int, by: str, contract: str = "members", **beside: Any) -> Receipt:
    arguments = {"proposal": number, "hash": hash_of(chain, number), **beside}
    return chain.perform(by, (contract, "approve", arguments))


def decide(chain: Chain, *changes: Change, voters: Sequence[str] = MEMBERS[:3]) -> Receipt:
    """Propose and approve; the receipt of the last approval."""
    number = propose(chain, *changes, by=voters[0])
    receipts = [approve(chain, number, by=voter) for voter in voters[1:]]
    return receipts[-1]


def begin_epoch(chain: Chain) -> None:
    """The boundary is final: the next block is of the epoch that is decided."""
    assert chain.outcomes[-1].next_epoch is not None
    chain.epoch += 1
    chain.block()


def say_ready(chain: Chain, member: str, *, back: int = 0) -> Receipt:
    link = chain.outcomes[-1 - back].link
    args = {"height": link.height, "exec_hash": link.exec_hash.hex()}
    return chain.perform(member, ("members", "ready", args))


def join(chain: Chain, member: str, *, voters: Sequence[str] = MEMBERS[:3]) -> None:
    """From a card to a validator."""
    assert decide(chain, admit(member), voters=voters).status == "ok"
    assert say_ready(chain, member).status == "ok"
    receipt = decide(chain, {"kind": "promote", "member": member}, voters=voters)
    assert receipt.status == "ok", receipt.text
    begin_epoch(chain)
