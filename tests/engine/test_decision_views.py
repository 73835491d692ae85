"""What people are shown of members, epochs, evidence and proposals, in sentences."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from consensus.transactions import Call
from contracts.epochs import Accused
from contracts.system.decisions import PROPOSAL_MS_DEFAULT
from contracts.views.proposals import change_text, content_text
from contracts.views.sentences import sentence
from tests.engine.chain import MEMBERS, TOKEN, Chain
from tests.engine.consortium import admit, approve, begin_epoch, decide, propose, rotate, say_ready

SUSPEND = {"kind": "suspend", "member": "swiftship"}


@pytest.fixture
def chain() -> Chain:
    return Chain()


def shown(chain: Chain, number: int) -> dict[str, Any]:
    found = chain.engine.describe_proposal(chain.ledger.state, number, chain.now_ms)
    assert found is not None
    assert orjson.loads(orjson.dumps(found)) == found
    return found


def members(chain: Chain) -> dict[str, str]:
    return {each["id"]: each["text"] for each in chain.engine.list_members(chain.ledger.state)}


def test_an_open_proposal_says_who_approved_and_who_is_missing(chain: Chain) -> None:
    number = propose(chain, SUSPEND, reason="it ships nothing")
    approve(chain, number, "greenfarm")
    found = shown(chain, number)
    assert (found["sentence"], found["reason"]) == ("suspend swiftship", "it ships nothing")
    assert (found["approvals"], found["needed"]) == (["bank", "greenfarm"], 3)
    assert found["next"].startswith(
        "bank and greenfarm approved; 1 of bigmarket and swiftship must approve by 2026-"
    )
    assert chain.engine.list_proposals(chain.ledger.state, chain.now_ms) == [found]


def test_a_closed_or_expired_proposal_says_how_it_ended(chain: Chain) -> None:
    done, late = propose(chain, SUSPEND), propose(chain, SUSPEND, by="greenfarm")
    for voter in ("bigmarket", "greenfarm"):
        approve(chain, done, voter)
    assert shown(chain, done)["next"] == f"It was carried out at height {chain.height}."
    assert shown(chain, done)["approvals"] == ["bank", "bigmarket", "greenfarm"]
    chain.block(after_ms=PROPOSAL_MS_DEFAULT)
    assert (shown(chain, late)["status"], shown(chain, late)["missing"]) == ("expired", [])
    assert shown(chain, late)["next"].startswith("It expired at 2026-")
    assert chain.engine.list_proposals(chain.ledger.state, chain.now_ms) == []
    assert chain.engine.describe_proposal(chain.ledger.state, 99, chain.now_ms) is None


def test_all_who_are_left_must_approve(chain: Chain) -> None:
    number = propose(chain, SUSPEND)
    approve(chain, number, "bigmarket")
    chain.succeed("bank", ("members", "revoke", {"proposal": number}))
    chain.succeed("bigmarket", ("members", "revoke", {"proposal": number}))
    assert shown(chain, number)["next"].startswith(
        "Nobody approved yet; 3 of bank, bigmarket, greenfarm and swiftship must approve by"
    )


def test_members_say_where_they_stand(chain: Chain) -> None:
    decide(chain, admit("newco"))
    assert members(chain)["bank"] == "bank validates."
    assert members(chain)["newco"] == "newco observes."
    say_ready(chain, "newco")
    assert members(chain)["newco"].startswith("newco observes and said at 2026-")
    decide(chain, {"kind": "promote", "member": "newco"})
    assert members(chain)["newco"] == "newco observes and validates from the next epoch on."
    assert chain.engine.describe_epoch(chain.ledger.state) == {
        "epoch": 1, "validators": list(MEMBERS), "next": {"epoch": 2, "validators": [*MEMBERS, "newco"]},
    }  # fmt: skip
    begin_epoch(chain)
    assert members(chain)["newco"] == "newco validates."
    decide(chain, {"kind": "remove", "member": "newco"}, voters=MEMBERS)
    left = f"newco left at height {chain.height}"
    assert members(chain)["newco"] == f"{left} and validates until this epoch ends."
    begin_epoch(chain)
    assert members(chain)["newco"] == f"{left}."
    roles = {each["id"]: each["role"] for each in chain.engine.list_members(chain.ledger.state)}
    assert roles == dict.fromkeys(MEMBERS, "validator") | {"newco": "left"}


def test_evidence_says_who_did_what_and_where_it_is_proven(chain: Chain) -> None:
    chain.block(
        evidence=[Accused(2, 1, "two notarisation votes", 17, None), Accused(1, 1, "two batches", None, 5)]
    )
    found = chain.engine.list_evidence(chain.ledger.state)
    assert [each["text"] for each in found] == [
        "bigmarket signed two batches in batch 5 of epoch 1; block 1 proves it.",
        "greenfarm signed two notarisation votes in view 17 of epoch 1; block 1 proves it.",
    ]


def test_changes_are_sentences(chain: Chain) -> None:
    key = rotate(chain, "bank", "validator", "new")["key"]
    for change, text in [
        (admit("newco"), 'admit Newco as newco, at "/ip4/127.0.0.1/tcp/4100", with the key 5b'),
        ({"kind": "promote", "member": "newco"}, "make newco a validator"),
        ({"kind": "remove", "member": "bank"}, "remove bank from the consortium"),
        ({"kind": "reinstate", "member": "bank"}, "reinstate bank as an observer"),
        (rotate(chain, "bank", "validator", "new"), f"replace the validator key of bank by {key[:8]}..."),
        (
            {"kind": "policy", "code": "quorum", "guardians": ["bank.clerk"]},
            "let a quorum of the validators' members approve code, and let bank.clerk pause contracts",
        ),
    ]:
        found = change_text(dict(change))
        assert found[:40] == text[:40]
        assert found.startswith(text) or change["kind"] == "admit"
    code = {"kind": "code", "code": "ab" * 16, "purpose": "our euro", "activate_height": 12}
    assert content_text(code) == 'let code abababab... be used from height 12: "our euro"'


@pytest.mark.parametrize(
    "change", [None, 5, [], {}, {"kind": "admit"}, {"kind": "admit", "card": {"card": []}}]
)
def test_what_was_not_checked_yet_is_shown_all_the_same(change: Any) -> None:
    assert isinstance(change_text(change), str)


def test_transactions_about_decisions_are_sentences(chain: Chain) -> None:
    def said(contract: str, action: str, args: dict[str, Any]) -> str:
        transaction = chain.transaction("bank", (contract, action, args))
        assert transaction.calls[0] == Call(contract, action, args)
        return sentence(transaction, lambda name: None)

    assert said("members", "propose", {"changes": [SUSPEND]}) == "bank proposes to suspend swiftship"
    assert said("members", "propose", {"changes": "all"}) == "bank proposes to all"
    approval = {"proposal": 7, "hash": "ab" * 32}
    assert said("members", "approve", approval) == "bank approves proposal 7 with the hash abababab..."
    assert said("contracts", "propose_code", {"source": TOKEN, "purpose": "our euro"}) == (
        'bank proposes the contract Token as code: "our euro"'
    )
    ready = {"height": 12, "exec_hash": "cd" * 32}
    assert said("members", "ready", ready).endswith("has executed block 12, to cdcdcdcd...")
