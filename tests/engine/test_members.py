"""The members decide who belongs to the consortium and who validates."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.cards import Card, card_json, card_message
from contracts.epochs import READY_LAG_MAX
from contracts.layout import MEMBER, Member, Standing, member_key
from contracts.receipts import Status
from contracts.system.changes import READY_MS_MAX
from contracts.system.decisions import (
    OPEN_PROPOSALS_MAX,
    PROPOSAL_MS_DEFAULT,
    PROPOSAL_MS_MAX,
    REASON_LENGTH_MAX,
)
from contracts.system.members import CHANGES_MAX
from tests.engine.chain import MEMBERS, TOKEN, Chain, signer
from tests.engine.consortium import (
    admit,
    approve,
    begin_epoch,
    card,
    decide,
    hash_of,
    join,
    propose,
    rotate,
    say_ready,
)

PROMOTE = {"kind": "promote", "member": "newco"}


def suspend(member: str) -> dict[str, str]:
    return {"kind": "suspend", "member": member}


def remove(member: str) -> dict[str, str]:
    return {"kind": "remove", "member": member}


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def five(chain: Chain) -> Chain:
    join(chain, "newco")
    return chain


@pytest.fixture(scope="module")
def seven() -> Chain:
    """Not to be changed: f is 2."""
    chain = Chain()
    for member in ("newco", "oldco", "zedco"):
        join(chain, member, voters=voters_of(chain))
    return chain


def voters_of(chain: Chain) -> list[str]:
    """As many as decide."""
    names = [name for name, _ in validators(chain)]
    return names[: len(names) - (len(names) - 1) // 3]


def row(chain: Chain, name: str) -> Member:
    return MEMBER.decode(chain.ledger.state.rows[member_key(name)])


def validators(chain: Chain) -> list[tuple[str, str]]:
    """Names with whose validator key it is."""
    rows = [key for key in chain.ledger.state.rows if key.startswith(b"member/")]
    names = {MEMBER.decode(chain.ledger.state.rows[key]).number: key[7:].decode() for key in rows}
    epoch = chain.engine.epoch(chain.ledger.state)
    return [(names[number], key.hex()) for number, key in epoch.validators]


def attempt(chain: Chain, *changes: Any, by: str = "bank", **options: Any) -> tuple[str, str]:
    """Code and text of a proposal's receipt."""
    receipt = chain.perform(by, ("members", "propose", {"changes": list(changes), **options}))
    return receipt.code, receipt.text


# ---------------------------------------------------------------- the way of a member


def test_a_member_joins_and_validates(chain: Chain) -> None:
    number = propose(chain, admit("newco", accounts=["newco.desk"]))
    assert approve(chain, number, "greenfarm").results == ("open",)
    assert chain.engine.describe_account(chain.ledger.state, "newco") is None
    assert approve(chain, number, "swiftship").results == ("carried out",)
    newco = row(chain, "newco")
    assert (newco.number, newco.standing, newco.since_height) == (4, Standing.ACTIVE, chain.height)
    assert chain.engine.authorised(chain.ledger.state, signer("newco.desk").public_key, "newco.desk")
    assert not any(outcome.next_epoch for outcome in chain.outcomes)  # an observer changes no committee

    assert say_ready(chain, "newco").status == "ok"
    assert decide(chain, PROMOTE).status == "ok"
    decided = chain.outcomes[-1].next_epoch
    assert decided is not None
    assert (decided.epoch, [number for number, _ in decided.validators]) == (2, [0, 1, 2, 3, 4])
    assert [name for name, _ in validators(chain)] == list(MEMBERS)  # until the epoch begins
    begin_epoch(chain)
    assert [name for name, _ in validators(chain)] == [*MEMBERS, "newco"]
    names = [event.name for event in chain.events() if event.contract == "members"]
    assert names == [
        "proposed", "approved", "approved", "approved", "admitted", "decided", "ready",
        "proposed", "approved", "approved", "approved", "promoted", "epoch_decided", "decided",
    ]  # fmt: skip
    assert chain.replayed().outcomes[-1].link == chain.outcomes[-1].link


def test_a_member_leaves_at_once_and_its_vote_counts_no_more(five: Chain) -> None:
    assert decide(five, remove("newco"), voters=MEMBERS[:4]).status == "ok"
    assert row(five, "newco").standing is Standing.LEFT
    refused = five.perform("newco", ("members", "set_address", {"address": "/ip4/10.0.0.1/tcp/1"}))
    assert (refused.status, refused.code, refused.gas_used) == (Status.FAILED, "unauthorised", 0)
    assert "newco left the consortium at height" in refused.text
    begin_epoch(five)
    assert [name for name, _ in validators(five)] == list(MEMBERS)


def test_numbers_names_and_keys_are_given_once(five: Chain) -> None:
    decide(five, remove("newco"), voters=MEMBERS[:4])
    begin_epoch(five)
    assert "newco left, and names are given once" in attempt(five, admit("newco"))[1]
    stolen = card("other", validator_key=signer("validator of newco").public_key)
    assert "not signed by its validator key" in attempt(five, {"kind": "admit", "card": stolen})[1]
    decide(five, admit("other"))
    assert row(five, "other").number == 5


def test_a_card_with_a_key_that_somebody_had_is_refused(chain: Chain) -> None:
    key = signer("validator of bank")
    made = card("newco")["card"]
    network, admin = (bytes.fromhex(made[name]) for name in ("network_key", "admin_key"))
    forged = Card("newco", "Newco", made["address"], key.public_key, network, admin)
    signers = {"validator": key, "network": signer("network of newco"), "administrator": signer("newco")}
    signatures = {role: signer_.sign(card_message(forged)).hex() for role, signer_ in signers.items()}
    change = {"kind": "admit", "card": {"card": card_json(forged), "signatures": signatures}}
    code, text = attempt(chain, change)
    assert (code, text) == (
        "exists", "the validator key in the card of newco is or was a key of bank: make a new one",
    )  # fmt: skip


def test_names_that_are_taken_are_not_admitted(chain: Chain) -> None:
    chain.euro()
    assert attempt(chain, admit("euro"))[0] == "exists"
    assert "is a member" in attempt(chain, admit("bank"))[1]
    create = {"code": chain.deploy(TOKEN), "name": "newco.coin", "terms": {"issuer": "bank"}}
    chain.succeed("bank", ("contracts", "create", create))
    assert "or a name that begins with it, is taken" in attempt(chain, admit("newco"))[1]


def test_a_card_that_was_changed_is_refused(chain: Chain) -> None:
    changed = card("newco")
    changed["card"]["title"] = "Somebody else"
    code, text = attempt(chain, {"kind": "admit", "card": changed})
    assert (code, "not signed by its administrator key" in text) == ("arguments", True)


@pytest.mark.parametrize("title", ["", "x" * 121, "a\nb", "a\u202eb", "a\u200bb"])
def test_titles_that_print_otherwise_are_refused(chain: Chain, title: str) -> None:
    made = card("newco")
    made["card"]["title"] = title
    assert "a title has 1 to 120 printable characters" in attempt(chain, {"kind": "admit", "card": made})[1]


# ---------------------------------------------------------------- deciding


def test_a_quorum_decides_and_not_fewer(seven: Chain) -> None:
    chain = seven.replayed()
    chain.now_ms, chain.epoch = seven.now_ms, seven.epoch
    number = propose(chain, {"kind": "suspend", "member": "zedco"})
    for voter in ("bigmarket", "greenfarm", "newco"):
        assert approve(chain, number, voter).results == ("open",)
    assert row(chain, "zedco").standing is Standing.ACTIVE
    assert approve(chain, number, "oldco").results == ("carried out",)  # 5 of 7
    assert row(chain, "zedco").standing is Standing.SUSPENDED


def test_approving_twice_counts_once(chain: Chain) -> None:
    number = propose(chain, suspend("swiftship"))
    for _ in range(3):
        assert approve(chain, number, "bank").results == ("open",)
    approve(chain, number, "greenfarm")
    assert approve(chain, number, "greenfarm").results == ("open",)


def test_a_transaction_that_several_sign_approves_for_all(chain: Chain) -> None:
    changes = ("members", "propose", {"changes": [suspend("swiftship")]})
    chain.succeed("bank", changes, cosigners=["bigmarket", "greenfarm"])
    assert row(chain, "swiftship").standing is Standing.SUSPENDED


@pytest.mark.parametrize("stranger", ["bank.clerk", "newco"])
def test_only_validators_members_approve(chain: Chain, stranger: str) -> None:
    decide(chain, admit("newco"))
    number = propose(chain, suspend("swiftship"))
    receipt = approve(chain, number, stranger)
    assert receipt.code == "unauthorised"
    assert "a quorum of the validators' members (bank, bigmarket, greenfarm, swiftship)" in receipt.text


def test_an_observer_may_propose_but_an_account_may_not(chain: Chain) -> None:
    decide(chain, admit("newco"))
    propose(chain, PROMOTE, by="newco")
    assert attempt(chain, PROMOTE, by="bank.clerk")[0] == "unauthorised"


def test_an_approval_names_what_it_approves(chain: Chain) -> None:
    """So that it can not be used for another proposal, nor for the same change proposed again."""
    first, second = propose(chain, suspend("swiftship")), propose(chain, suspend("swiftship"))
    args = {"proposal": second, "hash": hash_of(chain, first)}
    receipt = chain.perform("greenfarm", ("members", "approve", args))
    assert (receipt.code, "look at it before you approve" in receipt.text) == ("arguments", True)


def test_an_approval_can_be_taken_back(chain: Chain) -> None:
    number = propose(chain, suspend("swiftship"))
    approve(chain, number, "greenfarm")
    assert chain.perform("bigmarket", ("members", "revoke", {"proposal": number})).code == "unauthorised"
    chain.succeed("greenfarm", ("members", "revoke", {"proposal": number}))
    assert approve(chain, number, "bigmarket").results == ("open",)


def test_a_proposal_can_be_withdrawn_by_its_proposer(chain: Chain) -> None:
    number = propose(chain, suspend("swiftship"))
    withdraw = ("members", "withdraw_proposal", {"proposal": number})
    assert chain.perform("greenfarm", withdraw).code == "unauthorised"
    chain.succeed("bank", withdraw)
    receipt = approve(chain, number, "greenfarm")
    assert (receipt.code, receipt.text) == ("phase", f"proposal {number} was withdrawn at height 3")


def test_a_decided_proposal_is_not_decided_again(chain: Chain) -> None:
    number = propose(chain, suspend("swiftship"))
    approve(chain, number, "greenfarm")
    approve(chain, number, "bigmarket")
    assert "was carried out at height" in approve(chain, number, "greenfarm").text


def test_a_proposal_expires(chain: Chain) -> None:
    number = propose(chain, suspend("swiftship"))
    made_ms = chain.now_ms
    chain.block(after_ms=PROPOSAL_MS_DEFAULT - 2_000)
    assert approve(chain, number, "greenfarm").results == ("open",)  # one second before
    assert chain.now_ms == made_ms + PROPOSAL_MS_DEFAULT - 1_000
    assert "expired at" in approve(chain, number, "bigmarket").text


def test_the_span_of_a_proposal_has_a_limit(chain: Chain) -> None:
    latest = chain.now_ms + 1_000 + PROPOSAL_MS_MAX
    assert attempt(chain, suspend("bank"), expires_ms=latest + 1)[0] == "arguments"
    latest = chain.now_ms + 1_000 + PROPOSAL_MS_MAX
    assert attempt(chain, suspend("bank"), expires_ms=latest)[0] == ""
    assert attempt(chain, suspend("bank"), expires_ms=chain.now_ms + 1_000)[0] == "arguments"


def test_a_reason_has_a_limit(chain: Chain) -> None:
    assert attempt(chain, suspend("bank"), reason="x" * REASON_LENGTH_MAX)[0] == ""
    assert attempt(chain, suspend("bank"), reason="x" * (REASON_LENGTH_MAX + 1))[0] == "arguments"


def test_open_proposals_of_one_member_have_a_limit(chain: Chain) -> None:
    for _ in range(OPEN_PROPOSALS_MAX):
        propose(chain, suspend("swiftship"))
    assert attempt(chain, suspend("swiftship"))[0] == "size"
    propose(chain, suspend("swiftship"), by="greenfarm")
    chain.block(after_ms=PROPOSAL_MS_DEFAULT)
    propose(chain, suspend("swiftship"))  # those that expired make room
    waiting = [key[-1] for key in chain.ledger.state.rows if key.startswith(b"proposal/")]
    assert waiting == [OPEN_PROPOSALS_MAX + 1, OPEN_PROPOSALS_MAX + 2]  # greenfarm's, and the newest


def test_changes_of_one_proposal_have_a_limit(chain: Chain) -> None:
    many = [suspend(f"m{number}") for number in range(CHANGES_MAX + 1)]
    assert attempt(chain, *many)[1] == f"changes must be a list of 1 to {CHANGES_MAX}"
    assert attempt(chain, *many[:-1])[0] == "unknown"
    assert attempt(chain)[0] == "arguments"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"kind": "elect", "member": "bank"}, "arguments", "kind must be one of admit, promote"),
        ("suspend", "arguments", "kind must be one of"),
        ({"kind": "suspend"}, "arguments", "exactly the fields kind, member"),
        ({"kind": "suspend", "member": "bank", "more": 1}, "arguments", "exactly the fields"),
        ({"kind": "suspend", "member": "nobody"}, "unknown", "there is no member 'nobody'"),
        ({"kind": "suspend", "member": 7}, "unknown", "there is no member 7"),
        ({"kind": "reinstate", "member": "bank"}, "phase", "bank is not suspended"),
        ({"kind": "promote", "member": "bank"}, "phase", "bank is a validator already"),
        ({"kind": "admit", "card": {}}, "arguments", "member.json"),
        ({"kind": "admit", "card": {"card": {"id": "x"}}}, "arguments", "card lacks signatures"),
    ],
)
def test_changes_that_say_nothing_are_refused(chain: Chain, change: Any, code: str, words: str) -> None:
    found, text = attempt(chain, change)
    assert (found, words in text) == (code, True), text


def test_changes_of_one_proposal_happen_together_or_not_at_all(chain: Chain) -> None:
    decide(chain, admit("newco"))
    say_ready(chain, "newco")
    address = {"kind": "suspend", "member": "newco"}
    assert attempt(chain, address, suspend("newco"))[0] == "arguments"  # each about another member
    decide(chain, PROMOTE, rotate(chain, "bank", "network", "bank's new network key"))
    assert row(chain, "bank").network_key == signer("bank's new network key").public_key
    assert chain.outcomes[-1].next_epoch is not None


# ---------------------------------------------------------------- ready


def test_nobody_is_promoted_before_it_is_ready(chain: Chain) -> None:
    decide(chain, admit("newco"))
    refused = decide(chain, PROMOTE)
    assert (refused.code, "has not said `ready` yet" in refused.text) == ("phase", True)
    say_ready(chain, "newco")
    number = next(
        int.from_bytes(key[-8:], "big") for key in chain.ledger.state.rows if key.startswith(b"proposal/")
    )
    assert approve(chain, number, "greenfarm").results == ("carried out",)  # given again


def test_ready_is_checked_against_what_the_chain_executed(chain: Chain) -> None:
    decide(chain, admit("newco"))
    link = chain.outcomes[-1].link
    wrong = {"height": link.height, "exec_hash": "00" * 32}
    receipt = chain.perform("newco", ("members", "ready", wrong))
    assert (receipt.code, link.exec_hash.hex() in receipt.text) == ("arguments", True)
    assert row(chain, "newco").ready_ms is None
    assert say_ready(chain, "bank").text == "bank is a validator already"
    assert say_ready(chain, "bank.clerk").code == "unauthorised"


def test_ready_may_lag_so_far_and_no_further(chain: Chain) -> None:
    decide(chain, admit("newco"))
    for _ in range(READY_LAG_MAX):
        chain.block()
    refused = say_ready(chain, "newco", back=READY_LAG_MAX)
    assert (refused.code, "is not one of the 64 blocks before" in refused.text) == ("phase", True)
    assert say_ready(chain, "newco", back=READY_LAG_MAX - 1).status == "ok"


def test_ready_lasts_a_day(chain: Chain) -> None:
    decide(chain, admit("newco"))
    say_ready(chain, "newco")
    number = propose(chain, PROMOTE)
    approve(chain, number, "bigmarket")
    said_ms = row(chain, "newco").ready_ms
    assert said_ms is not None
    chain.block(after_ms=said_ms + READY_MS_MAX - chain.now_ms)
    assert "it must say so again" in approve(chain, number, "greenfarm").text
    say_ready(chain, "newco")
    assert approve(chain, number, "greenfarm").results == ("carried out",)


# ---------------------------------------------------------------- epochs


def test_one_change_of_the_validators_at_a_time(five: Chain) -> None:
    decide(five, suspend("newco"), voters=MEMBERS[:4])
    number = propose(five, suspend("swiftship"))
    approve(five, number, "bigmarket")
    refused = approve(five, number, "greenfarm")
    assert (refused.code, "epoch 3 is decided and has not begun" in refused.text) == ("phase", True)
    assert row(five, "swiftship").standing is Standing.ACTIVE
    begin_epoch(five)
    assert approve(five, number, "greenfarm").results == ("carried out",)


def test_as_many_change_at_once_as_may_fail(seven: Chain) -> None:
    three = [suspend("newco"), suspend("oldco"), suspend("zedco")]
    assert attempt(seven, *three) == (
        "size", "3 validators change at once, at most 2 may: decide it in several steps, an epoch for each",
    )  # fmt: skip
    chain = seven.replayed()
    chain.now_ms, chain.epoch = seven.now_ms + 10_000, seven.epoch
    assert decide(chain, *three[:2], voters=voters_of(chain)).status == "ok"
    begin_epoch(chain)
    assert [name for name, _ in validators(chain)] == [*MEMBERS, "zedco"]


def test_at_four_only_one_changes_at_once(chain: Chain) -> None:
    assert attempt(chain, suspend("bank"), remove("greenfarm"))[0] == "size"


def test_a_validator_remains() -> None:
    """From four down to one, which can not be suspended; of three or fewer all must agree, as in ordering."""
    chain = Chain()
    left = list(MEMBERS)
    while len(left) > 1:
        assert decide(chain, remove(left[-1]), voters=left[:3]).status == "ok"
        left.pop()
        begin_epoch(chain)
    assert "no validator would remain" in attempt(chain, suspend("bank"))[1]


# ---------------------------------------------------------------- suspension and keys


def test_a_suspended_member_does_not_act_nor_vote(five: Chain) -> None:
    number = propose(five, {"kind": "remove", "member": "swiftship"}, by="newco")
    decide(five, suspend("newco"), voters=MEMBERS[:4])
    refused = five.perform("newco", ("members", "revoke", {"proposal": number}))
    assert "newco is suspended since height" in refused.text
    for voter in ("bank", "bigmarket"):  # newco's approval is void: 3 of 4 are needed
        assert approve(five, number, voter).results == ("open",)
    begin_epoch(five)
    decide(five, {"kind": "reinstate", "member": "newco"})
    assert five.perform("newco", ("members", "revoke", {"proposal": number})).code == "unauthorised"
    assert [name for name, _ in validators(five)] == list(MEMBERS)
    assert say_ready(five, "newco").status == "ok"
    assert decide(five, PROMOTE).status == "ok"


def test_accounts_of_a_suspended_member_do_not_act(chain: Chain) -> None:
    decide(chain, suspend("swiftship"))
    keys = {"account": "swiftship.clerk", "keys": [signer("x").public_key.hex()]}
    assert chain.perform("swiftship.clerk", ("accounts", "set_keys", keys)).code == "unauthorised"
    cosigned = chain.perform("bank", ("accounts", "register", keys), cosigners=["swiftship.clerk"])
    assert "swiftship is suspended" in cosigned.text
    assert chain.engine.authorised(chain.ledger.state, signer("bank").public_key, "bank")
    assert not chain.engine.authorised(chain.ledger.state, signer("swiftship").public_key, "swiftship")


def test_a_validator_key_is_replaced_with_the_next_epoch(chain: Chain) -> None:
    change = rotate(chain, "bank", "validator", "bank's new key")
    decide(chain, change)
    assert validators(chain)[0] == ("bank", signer("validator of bank").public_key.hex())
    begin_epoch(chain)
    assert validators(chain)[0] == ("bank", signer("bank's new key").public_key.hex())
    back = rotate(chain, "bank", "validator", "validator of bank")
    assert "is or was a key of bank" in attempt(chain, back)[1]


def test_a_network_key_is_replaced_at_once(chain: Chain) -> None:
    decide(chain, rotate(chain, "bank", "network", "bank's new key"))
    assert chain.outcomes[-1].next_epoch is None
    assert row(chain, "bank").network_key == signer("bank's new key").public_key


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"role": "administrator"}, "role must be validator or network"),
        ({"signature": "00" * 64}, "has not signed that it is to be this"),
        ({"member": "greenfarm"}, "has not signed that it is to be this"),
        ({"role": "network"}, "has not signed that it is to be this"),
        ({"key": "00"}, "key must be 64 lower-case hex digits"),
    ],
)
def test_a_new_key_must_sign_what_it_is_for(chain: Chain, changed: dict[str, str], words: str) -> None:
    change = {**rotate(chain, "bank", "validator", "bank's new key"), **changed}
    code, text = attempt(chain, change)
    assert (code, words in text) == ("arguments", True), text


def test_a_key_of_another_member_is_no_new_key(chain: Chain) -> None:
    change = rotate(chain, "bank", "validator", "network of greenfarm")
    assert attempt(chain, change)[0] == "exists"


@pytest.mark.parametrize("role", ["validator", "network"])
def test_one_proposal_gives_no_key_to_two_members(chain: Chain, role: str) -> None:
    changes = [rotate(chain, member, role, "one key for both") for member in ("bank", "greenfarm")]
    code, text = attempt(chain, *changes)
    assert (code, "one proposal gives the same key" in text) == ("exists", True), text


def test_one_proposal_admits_no_two_members_with_one_key(chain: Chain) -> None:
    newco, other = card("newco"), card("newco", id="other")
    code, text = attempt(chain, {"kind": "admit", "card": newco}, {"kind": "admit", "card": other})
    assert (code, "one proposal gives the same key" in text) == ("exists", True), text
    moved = rotate(chain, "bank", "network", "validator of newco")
    assert attempt(chain, moved, {"kind": "admit", "card": newco})[0] == "exists"


def test_a_member_moves_its_node(chain: Chain) -> None:
    chain.succeed("bank", ("members", "set_address", {"address": "/dns4/bank.example.org/tcp/4001"}))
    assert row(chain, "bank").address == "/dns4/bank.example.org/tcp/4001"
    bad = chain.perform("bank", ("members", "set_address", {"address": "bank.example.org"}))
    assert (bad.code, "write it like" in bad.text) == ("arguments", True)


def test_texts_of_refusals_do_not_depend_on_the_python() -> None:
    """Newer Pythons print newer characters as they are, where older ones escape them: none of ours does."""
    newest = "\U0001fae9"  # of Unicode 16: printable in some Pythons only
    for place, words in (("id", "is no member id"), ("address", "is no address of a node")):
        made = card("newco")
        made["card"][place] = newest
        text = attempt(Chain(), {"kind": "admit", "card": made})[1]
        assert text.startswith("'\\U0001fae9' " + words)
