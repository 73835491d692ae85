"""Attacks on deciding together, on upgrades and on pauses, each with its outcome. This file only grows."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.receipts import Receipt
from contracts.system.code_approval import code_id
from contracts.system.decisions import OPEN_PROPOSALS_MAX
from contracts.system.pausing import PAUSE_MS_MAX
from contracts.values import DAY
from tests.engine.chain import MEMBERS, Chain, signer
from tests.engine.consortium import admit, approve, begin_epoch, decide, hash_of, join, propose, say_ready

SUSPEND = {"kind": "suspend", "member": "swiftship"}
OUTCOME = "ab" * 32
SAFE = '''
from contracts import Contract, Money, Party, action, now, query, rule, term


class Safe(Contract):
    """Keeps the money of an owner."""

    owner: Party = term(signs=True)
    warden: Party = term(guards=True)
    count: int = 0

    @action(by="owner")
    def put(self, amount: Money) -> None:
        self.take(self.owner, amount)

    @action(by="owner", exit=True)
    def leave(self, amount: Money) -> None:
        self.pay(self.owner, amount)

    @query
    def counted(self) -> int:
        return self.count
'''
STEALS = SAFE.replace("self.pay(self.owner, amount)", "self.pay(self.warden, amount)")
NO_OWNER = SAFE.replace("owner: Party = term(signs=True)", "owner: Party = term()")


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro(greenfarm=1_000)
    terms = {"owner": "greenfarm", "warden": "bigmarket"}
    create = {"code": made.deploy(SAFE), "name": "safe", "terms": terms, "sign": True}
    made.succeed("greenfarm", ("contracts", "create", create))
    made.succeed("greenfarm", ("safe", "put", {"amount": {"amount": "100", "currency": "euro"}}))
    return made


def upgrade(chain: Chain, source: str, by: str, **changed: Any) -> Receipt:
    chain.deploy(source)
    args = {
        "instance": "safe", "code": code_id(source), "from_height": chain.height, "height": chain.height,
        "outcome": OUTCOME, **changed,
    }  # fmt: skip
    return chain.perform(by, ("contracts", "propose_upgrade", args))


# ---------------------------------------------------------------- votes


def test_a_transaction_that_approves_counts_once_however_often_it_is_ordered() -> None:
    chain = Chain()
    number = propose(chain, SUSPEND)
    args = {"proposal": number, "hash": hash_of(chain, number)}
    vote = chain.transaction("greenfarm", ("members", "approve", args))
    outcomes = [chain.block(vote, vote), chain.block(vote)]
    assert [len(outcome.receipts) for outcome in outcomes] == [1, 0]
    found = chain.engine.describe_proposal(chain.ledger.state, number, chain.now_ms)
    assert found is not None
    assert (found["status"], found["approvals"]) == ("open", ["bank", "greenfarm"])


def test_a_member_has_one_vote_whatever_accounts_and_keys_it_has() -> None:
    chain = Chain()
    number = propose(chain, SUSPEND)
    both = ("members", "approve", {"proposal": number, "hash": hash_of(chain, number)})
    receipt = chain.perform("bank", both, cosigners=["bank.clerk"])
    assert receipt.results == ("open",)
    keys = {"account": "bank", "keys": [signer(name).public_key.hex() for name in ("bank", "b", "c")]}
    chain.succeed("bank", ("accounts", "set_keys", keys))
    assert approve(chain, number, "bank").results == ("open",)


def test_who_was_removed_decides_nothing_any_more() -> None:
    """Its approvals that were given before are void, and its accounts give none."""
    chain = Chain()
    join(chain, "newco")
    number = propose(chain, SUSPEND)
    assert approve(chain, number, "newco").results == ("open",)
    assert decide(chain, {"kind": "remove", "member": "newco"}, voters=MEMBERS).status == "ok"
    assert approve(chain, number, "bigmarket").results == ("open",)  # bank and bigmarket, of four
    late = chain.transaction(
        "newco", ("members", "approve", {"proposal": number, "hash": hash_of(chain, number)})
    )
    [receipt] = chain.block(late).receipts
    assert (receipt.code, receipt.gas_used) == ("unauthorised", 0)
    begin_epoch(chain)
    assert approve(chain, number, "greenfarm").results == ("carried out",)


def test_an_observer_that_was_admitted_to_outvote_the_others_has_no_vote() -> None:
    chain = Chain()
    for member in ("shell-a", "shell-b", "shell-c"):
        assert decide(chain, admit(member)).status == "ok"
    number = propose(chain, SUSPEND, by="shell-a")
    for member in ("shell-a", "shell-b", "shell-c"):
        assert approve(chain, number, member).code == "unauthorised"


def test_nobody_becomes_a_validator_with_what_another_node_executed() -> None:
    """`ready` is said by the member itself; that of one is not that of the other."""
    chain = Chain()
    for member in ("newco", "oldco"):
        decide(chain, admit(member))
    say_ready(chain, "newco")
    refused = decide(chain, {"kind": "promote", "member": "oldco"})
    assert "oldco has not said `ready` yet" in refused.text


def test_one_members_flood_of_proposals_is_its_own_trouble() -> None:
    """It is bounded, over all accounts of the member, and costs nobody else a unit of gas."""
    chain = Chain()
    arguments = {"changes": [SUSPEND]}
    before = chain.succeed("bank", ("members", "propose", arguments)).gas_used
    for number in range(OPEN_PROPOSALS_MAX):
        propose(chain, SUSPEND, by="greenfarm", reason=str(number))
    assert chain.perform("greenfarm", ("members", "propose", arguments)).code == "size"
    mine = chain.succeed("bigmarket", ("members", "propose", arguments)).gas_used
    assert abs(mine - before) < 500


@pytest.mark.parametrize("action", ["approve", "propose", "ready"])
def test_a_contract_does_not_call_what_members_decide_with(chain: Chain, action: str) -> None:
    refused = chain.perform("greenfarm", ("safe", action, {}))
    assert refused.code == "unknown"
    assert chain.perform("bank", ("contracts", "create", {"code": "0", "name": "members", "terms": {}})).code


def test_no_instance_has_the_name_of_a_system_contract(chain: Chain) -> None:
    code = chain.instance("safe")["code"]
    for name in ("members", "contracts", "accounts"):
        create = {"code": code, "name": name, "terms": {"owner": "bank", "warden": "bank"}}
        assert chain.perform("bank", ("contracts", "create", create)).code == "exists"


# ---------------------------------------------------------------- upgrades


@pytest.mark.parametrize("by", ["bigmarket", "bank", "greenfarm.clerk"])
def test_a_guardian_or_stranger_can_not_upgrade_to_code_that_pays_him(chain: Chain, by: str) -> None:
    assert upgrade(chain, STEALS, by).code == "unauthorised"


def test_terms_that_name_another_owner_need_the_owner_that_there_is(chain: Chain) -> None:
    refused = upgrade(chain, STEALS, "bigmarket", terms={"owner": "bigmarket"})
    assert refused.status == "ok"  # bigmarket would sign it, too
    for _ in range(3):
        chain.block()
    assert chain.instance("safe")["code"] == code_id(SAFE)
    assert {each["name"]: each["value"] for each in chain.instance("safe")["terms"]}["owner"] == "greenfarm"


def test_code_that_asks_for_no_signature_still_needs_the_signer(chain: Chain) -> None:
    assert upgrade(chain, NO_OWNER, "bigmarket").code == "unauthorised"


def test_an_approval_of_one_upgrade_is_none_of_its_double(chain: Chain) -> None:
    """The same words and code, proposed again with another activation height: another hash."""
    [first] = upgrade(chain, STEALS, "bigmarket", terms={"owner": "bigmarket"}).results
    [second] = upgrade(
        chain, STEALS, "bigmarket", terms={"owner": "bigmarket"}, activate_height=chain.height + 50
    ).results
    args = {"proposal": second, "hash": hash_of(chain, first), "outcome": OUTCOME}
    assert chain.perform("greenfarm", ("contracts", "approve", args)).code == "arguments"


def test_approving_is_not_replayed_through_the_other_contract(chain: Chain) -> None:
    [number] = upgrade(chain, STEALS, "bigmarket", terms={"owner": "bigmarket"}).results
    args = {"proposal": number, "hash": hash_of(chain, number)}
    assert chain.perform("greenfarm", ("members", "approve", args)).code == "unknown"


def test_money_survives_an_upgrade(chain: Chain) -> None:
    assert upgrade(chain, SAFE.replace("Keeps the", "Guards the"), "greenfarm").status == "ok"
    chain.block()
    assert chain.balance("contract:safe") == 100
    chain.succeed("greenfarm", ("safe", "leave", {"amount": {"amount": "100", "currency": "euro"}}))
    assert chain.balance("greenfarm") == 1_000


# ---------------------------------------------------------------- pauses


def test_a_pause_does_not_stop_an_upgrade_nor_does_an_upgrade_end_a_pause(chain: Chain) -> None:
    until_ms = chain.now_ms + 5 * DAY
    args = {"instance": "safe", "reason": "look", "until_ms": until_ms}
    chain.succeed("bigmarket", ("contracts", "pause", args))
    assert upgrade(chain, SAFE.replace("Keeps the", "Guards the"), "greenfarm").status == "ok"
    chain.block()
    assert chain.instance("safe")["code"] != code_id(SAFE)
    put = ("safe", "put", {"amount": {"amount": "1", "currency": "euro"}})
    assert chain.perform("greenfarm", put).code == "paused"
    chain.block(after_ms=5 * DAY)
    assert chain.perform("greenfarm", put).status == "ok"


def test_a_guardian_that_names_himself_anew_does_not_pause_again(chain: Chain) -> None:
    """The rest belongs to the instance, not to who paused it."""
    args = {"instance": "safe", "reason": "mine", "until_ms": chain.now_ms + PAUSE_MS_MAX}
    chain.succeed("bigmarket", ("contracts", "pause", args))
    assert upgrade(chain, SAFE, "greenfarm", terms={"warden": "bank"}).status == "ok"
    chain.block(after_ms=PAUSE_MS_MAX)
    again = {"instance": "safe", "reason": "mine", "until_ms": chain.now_ms + DAY}
    refused = chain.perform("bank", ("contracts", "pause", again))
    assert (refused.code, "it may be paused again from" in refused.text) == ("phase", True)


def test_a_suspended_guardian_pauses_nothing(chain: Chain) -> None:
    voters = ("bank", "greenfarm", "swiftship")
    assert decide(chain, {"kind": "suspend", "member": "bigmarket"}, voters=voters).status == "ok"
    args = {"instance": "safe", "reason": "mine", "until_ms": chain.now_ms + DAY}
    assert chain.perform("bigmarket", ("contracts", "pause", args)).code == "unauthorised"
