"""Code by proposal: who approves it is the consortium's policy, and from which height it may be used."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.layout import CODE, PURPOSE_LENGTH_MAX, Code, code_key
from contracts.system.code_approval import ACTIVATION_BLOCKS_MAX, code_id
from contracts.system.policy import GUARDIANS_MAX
from tests.engine.chain import TOKEN, Chain
from tests.engine.consortium import approve, decide

CODE_ID = code_id(TOKEN)
PURPOSE = "the euro of our region"


def policy(code: str, guardians: list[str] | None = None) -> dict[str, Any]:
    return {"kind": "policy", "code": code, "guardians": guardians or []}


def strict(code: str = "quorum") -> Chain:
    chain = Chain()
    assert decide(chain, policy(code)).status == "ok"
    return chain


def propose(chain: Chain, by: str = "bank", **options: Any) -> Any:
    return chain.perform(by, ("contracts", "propose_code", {"source": TOKEN, "purpose": PURPOSE, **options}))


def create(chain: Chain) -> Any:
    args = {"code": CODE_ID, "name": "euro", "terms": {"issuer": "bank"}, "sign": True}
    return chain.perform("bank", ("contracts", "create", args))


def row(chain: Chain) -> Code:
    return CODE.decode(chain.ledger.state.rows[code_key(CODE_ID)])


def test_until_decided_otherwise_anybody_deploys() -> None:
    chain = Chain()
    chain.deploy(TOKEN, by="swiftship.clerk")
    assert row(chain).active_height == chain.height
    assert create(chain).status == "ok"


def test_deploying_is_refused_where_code_is_approved() -> None:
    chain = strict()
    receipt = chain.perform("bank", ("contracts", "deploy", {"source": TOKEN}))
    assert (receipt.code, "use propose_code" in receipt.text) == ("phase", True)
    assert code_key(CODE_ID) not in chain.ledger.state.rows


@pytest.mark.parametrize(("code", "needed"), [("any", 1), ("quorum", 3), ("all", 4)])
def test_the_policy_says_how_many_approve(code: str, needed: int) -> None:
    chain = strict(code)
    [number] = propose(chain, by="swiftship.clerk").results
    for count, voter in enumerate(("bank", "bigmarket", "greenfarm", "swiftship")[:needed], 1):
        assert create(chain).code == "phase"
        done = "carried out" if count == needed else "open"
        assert approve(chain, number, voter, contract="contracts").results == (done,)
    assert (row(chain).author, row(chain).purpose) == ("swiftship.clerk", PURPOSE)
    assert create(chain).status == "ok"


def test_who_proposes_approves() -> None:
    chain = strict("any")
    propose(chain)
    assert row(chain).active_height == chain.height


def test_an_account_that_is_no_member_does_not_approve() -> None:
    chain = strict("any")
    [number] = propose(chain, by="bank.clerk").results
    receipt = approve(chain, number, "bank.clerk", contract="contracts")
    assert (receipt.code, "any of the validators' members" in receipt.text) == ("unauthorised", True)


def test_code_is_active_from_its_height_on() -> None:
    chain = strict("any")
    height = chain.height + 4
    propose(chain, activate_height=height)
    assert create(chain).text == f"code {CODE_ID} is active from height {height} on"
    chain.block()
    assert chain.height == height - 1
    assert create(chain).status == "ok"


def test_an_activation_height_lies_ahead_and_not_too_far() -> None:
    chain = strict("any")
    for height in (chain.height + 1, chain.height + 2 + ACTIVATION_BLOCKS_MAX + 1, "5", True):
        assert propose(chain, activate_height=height).code == "arguments"
    assert propose(chain, activate_height=chain.height + 1 + ACTIVATION_BLOCKS_MAX).status == "ok"


def test_a_purpose_is_stated() -> None:
    chain = strict("any")
    assert propose(chain, purpose="").code == "arguments"
    assert propose(chain, purpose="x" * (PURPOSE_LENGTH_MAX + 1)).code == "arguments"
    assert propose(chain, purpose="x" * PURPOSE_LENGTH_MAX).status == "ok"


def test_source_with_mistakes_is_not_proposed() -> None:
    assert propose(strict(), source="class X:\n    pass\n").code == "contract_error"


def test_approved_code_is_not_approved_again() -> None:
    chain = strict("quorum")
    [first], [second] = propose(chain).results, propose(chain, by="greenfarm").results
    approve(chain, first, "bigmarket", contract="contracts")
    assert approve(chain, first, "greenfarm", contract="contracts").results == ("carried out",)
    approve(chain, second, "bigmarket", contract="contracts")
    assert "is approved already" in approve(chain, second, "bank", contract="contracts").text
    assert propose(chain).code == "exists"


def test_an_approval_of_one_contract_is_none_of_another() -> None:
    """Proposals of members and of code are numbered together, and each answers to its own contract."""
    chain = strict("quorum")
    [number] = propose(chain).results
    assert approve(chain, number, "greenfarm", contract="members").code == "unknown"


def test_proposed_code_is_rejected_by_no_policy_change() -> None:
    """What was deployed under the old policy stays; what is proposed needs what the policy now asks for."""
    chain = Chain()
    chain.deploy(TOKEN)
    decide(chain, policy("all"))
    assert create(chain).status == "ok"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (policy("most"), "arguments"),
        (policy("any", ["nobody"]), "unknown"),
        (policy("any", ["bank.clerk"] * (GUARDIANS_MAX + 1)), "arguments"),
        (policy("any", ["bank.clerk"] * GUARDIANS_MAX), ""),
    ],
)
def test_a_policy_is_checked(change: Any, code: str) -> None:
    receipt = Chain().perform("bank", ("members", "propose", {"changes": [change]}))
    assert receipt.code == code
