"""A guardian pauses an instance: for a bounded time, with open exits, and not again and again."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.errors import Revert
from contracts.execution import Run
from contracts.gas import GasMeter
from contracts.layout import PURPOSE_LENGTH_MAX
from contracts.receipts import Receipt
from contracts.system.pausing import PAUSE_MS_MAX, PAUSE_REST_MS
from contracts.values import DAY
from tests.engine.chain import Chain
from tests.engine.consortium import decide

VAULT = '''
from contracts import DAY, Contract, Money, Oracle, Party, Time, action, fact, now, reported, rule, term


class Vault(Contract):
    """Keeps money, and counts the days."""

    owner: Party = term(signs=True)
    guardian: Party = term(guards=True)
    oracle: Oracle = term()
    start: Time = term()
    days: int = 0
    seen: int = 0
    price: int = fact(by="oracle")

    @action(by="owner")
    def put(self, amount: Money) -> None:
        self.take(self.owner, amount)

    @action(by="owner", exit=True)
    def leave(self, amount: Money) -> None:
        self.pay(self.owner, amount)

    @rule
    def count(self) -> None:
        if now() > self.start + self.days * DAY:
            self.days += 1

    @rule
    def look(self) -> None:
        if reported(self.price) and self.seen == 0:
            self.seen = self.price
'''


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro(greenfarm=1_000)
    terms = {"owner": "greenfarm", "guardian": "bigmarket", "oracle": "swiftship", "start": made.now_ms + DAY}
    create = {"code": made.deploy(VAULT), "name": "vault", "terms": terms, "sign": True}
    made.succeed("greenfarm", ("contracts", "create", create))
    made.succeed("greenfarm", ("vault", "put", {"amount": euro(100)}))
    return made


def euro(amount: int) -> dict[str, str]:
    return {"amount": str(amount), "currency": "euro"}


def pause(chain: Chain, by: str = "bigmarket", ms: int = PAUSE_MS_MAX, **changed: Any) -> Receipt:
    args = {"instance": "vault", "reason": "a fault", "until_ms": chain.now_ms + 1_000 + ms, **changed}
    return chain.perform(by, ("contracts", "pause", args))


def fields(chain: Chain) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in chain.instance("vault")["fields"]}


def test_while_it_is_paused_only_exits_are_open(chain: Chain) -> None:
    assert pause(chain).status == "ok"
    refused = chain.perform("greenfarm", ("vault", "put", {"amount": euro(1)}))
    assert refused.code == "paused"
    assert refused.text.startswith("vault is paused by bigmarket until 2026-")
    assert refused.text.endswith("Z: a fault; open are leave")
    assert chain.perform("greenfarm", ("vault", "leave", {"amount": euro(100)})).status == "ok"
    assert chain.balance("greenfarm") == 1_000


def test_a_pause_is_told_wherever_people_look(chain: Chain) -> None:
    pause(chain)
    view = chain.instance("vault")
    assert view["pause"]["text"].startswith("vault is paused by bigmarket until 2026-")
    assert view["pause"]["guardians"] == ["bigmarket"]
    assert {each["name"]: each["possible"] for each in view["actions"]} == {"put": False, "leave": True}
    assert all(rule["next"].startswith("rests: the agreement is paused until") for rule in view["rules"])
    chain.block(after_ms=PAUSE_MS_MAX)
    assert not chain.instance("vault")["pause"]["paused"]


def test_a_pause_ends_by_itself_and_rules_catch_up(chain: Chain) -> None:
    pause(chain, ms=3 * DAY)
    until_ms = chain.now_ms + 3 * DAY
    chain.block(after_ms=until_ms - 1 - chain.now_ms)
    assert fields(chain)["days"] == 0  # two days are over, and no rule has fired
    assert chain.perform("greenfarm", ("vault", "put", {"amount": euro(1)}), after_ms=1).status == "ok"
    assert chain.now_ms == until_ms
    assert fields(chain)["days"] > 0


def test_rules_are_tried_when_the_pause_ends_though_nobody_acts(chain: Chain) -> None:
    pause(chain, ms=3 * DAY)
    assert chain.outcomes[-1].next_wakeup_ms == chain.now_ms + 3 * DAY
    chain.block(after_ms=3 * DAY)
    assert fields(chain)["days"] > 0


def test_facts_are_taken_and_wait(chain: Chain) -> None:
    """A fact may be too old after the pause; what it leads to comes then."""
    pause(chain)
    chain.succeed("swiftship", ("vault", "report", {"fact": "price", "value": 7}))
    assert fields(chain)["seen"] == 0
    chain.block(after_ms=PAUSE_MS_MAX)
    assert fields(chain)["seen"] == 7


@pytest.mark.parametrize("by", ["greenfarm", "swiftship", "bigmarket.clerk"])
def test_only_a_guardian_pauses(chain: Chain, by: str) -> None:
    refused = pause(chain, by)
    assert (refused.code, "for its guardians (bigmarket)" in refused.text) == ("unauthorised", True)


def test_the_policy_names_guardians_of_all_instances(chain: Chain) -> None:
    assert decide(chain, {"kind": "policy", "code": "none", "guardians": ["bank.clerk"]}).status == "ok"
    assert pause(chain, "bank.clerk").status == "ok"


def test_nobody_pauses_what_has_no_guardian(chain: Chain) -> None:
    refused = pause(chain, instance="euro")
    assert (refused.code, "it has no guardian" in refused.text) == ("unauthorised", True)
    assert pause(chain, instance="nothing").code == "unknown"
    assert pause(chain, instance="Nothing").code == "arguments"


def test_a_pause_has_a_limit(chain: Chain) -> None:
    assert pause(chain, ms=PAUSE_MS_MAX + 1).code == "arguments"
    assert pause(chain, ms=0).code == "arguments"
    assert pause(chain, reason="").code == "arguments"
    assert pause(chain, reason="x" * (PURPOSE_LENGTH_MAX + 1)).code == "arguments"
    assert pause(chain, ms=PAUSE_MS_MAX, reason="x" * PURPOSE_LENGTH_MAX).status == "ok"


def test_pauses_do_not_follow_each_other(chain: Chain) -> None:
    """So that no guardian, nor several in turn, keeps an instance silent for ever."""
    decide(chain, {"kind": "policy", "code": "none", "guardians": ["bank.clerk"]})
    pause(chain, ms=DAY)
    until_ms = chain.now_ms + DAY
    chain.block(after_ms=DAY + PAUSE_REST_MS - 2_000)
    for guardian in ("bigmarket", "bank.clerk"):
        refused = pause(chain, guardian)
        assert refused.code == ("phase" if guardian == "bigmarket" else ""), refused.text
    assert chain.now_ms == until_ms + PAUSE_REST_MS


def test_a_pause_that_is_extended_is_refused(chain: Chain) -> None:
    pause(chain, ms=DAY)
    assert "it may be paused again from" in pause(chain, ms=DAY).text


def test_a_guardian_ends_a_pause_before_its_time(chain: Chain) -> None:
    resume = ("contracts", "resume", {"instance": "vault"})
    assert chain.perform("bigmarket", resume).code == "phase"
    pause(chain, ms=3 * DAY)
    chain.block(after_ms=2 * DAY)
    assert chain.perform("greenfarm", resume).code == "unauthorised"
    chain.succeed("bigmarket", resume)
    assert fields(chain)["days"] > 0
    assert chain.perform("greenfarm", ("vault", "put", {"amount": euro(1)})).status == "ok"
    assert pause(chain).code == "phase"  # the rest counts from here


def test_an_agreement_that_is_not_signed_is_not_paused(chain: Chain) -> None:
    code = chain.instance("vault")["code"]
    terms = {"owner": "greenfarm", "guardian": "bigmarket", "oracle": "swiftship", "start": chain.now_ms}
    chain.succeed("bank", ("contracts", "create", {"code": code, "name": "other", "terms": terms}))
    assert pause(chain, instance="other").code == "phase"


def test_other_contracts_can_not_get_around_a_pause(chain: Chain) -> None:
    """A call from a contract meets the same refusal as a transaction's."""
    pause(chain)
    run = Run(chain.engine.context(chain.ledger.state, chain.height, chain.now_ms), GasMeter(10**6))
    with pytest.raises(Revert, match="vault is paused"):
        run.call_from("greenfarm", "vault", "put", {"amount": None})
