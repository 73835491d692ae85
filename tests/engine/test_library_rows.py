"""Contracts of the library on the real engine: each does what its row of the catalogue asks."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest

from contracts.errors import Revert
from contracts.receipts import Receipt
from contracts.values import DAY
from tests.engine.chain import LIBRARY, Chain

CIRCLE = ["bank", "bigmarket", "greenfarm"]


class Library(Chain):
    """A chain whose instances are made from the library's contracts."""

    def make(
        self, file: str, name: str, by: str = "bank", cosigners: tuple[str, ...] = (), **terms: Any
    ) -> None:
        code = self.deploy((LIBRARY / f"{file}.py").read_text())
        create = {"code": code, "name": name, "terms": terms, "sign": True}
        self.succeed(by, ("contracts", "create", create), cosigners=cosigners)

    def act(self, by: str, name: str, action: str, after_ms: int = 1_000, **arguments: Any) -> Receipt:
        return self.perform(by, (name, action, arguments), after_ms=after_ms)

    def ok(self, by: str, name: str, action: str, after_ms: int = 1_000, **arguments: Any) -> Receipt:
        receipt = self.act(by, name, action, after_ms, **arguments)
        assert receipt.status == "ok", f"{receipt.code}: {receipt.text}"
        return receipt

    def ask(self, name: str, query: str, **arguments: Any) -> Any:
        return self.engine.query(self.ledger.state, name, query, arguments, self.height, self.now_ms)


@pytest.fixture
def chain() -> Library:
    chain = Library()
    chain.euro(bigmarket=10_000)
    return chain


# ---------------------------------------------------------------- 1: if-then agreement


def agreement(chain: Library, sign: bool = True) -> None:
    terms = {
        "payer": "bigmarket",
        "payee": "greenfarm",
        "witnesses": ["bank", "swiftship", "greenfarm"],
        "price": {"amount": "500", "currency": "euro"},
        "deadline": chain.now_ms + 10 * DAY,
        "prose": sha256(b"We agree.").hexdigest(),
    }
    cosigners = ("greenfarm",) if sign else ()
    chain.make("agreement", "deal", "bigmarket", cosigners, **terms)


def word(chain: Library, by: str, done: bool) -> Receipt:
    return chain.act(by, "deal", "report", fact="done", value=done)


def test_an_unsigned_agreement_holds_no_money_and_fires_nothing(chain: Library) -> None:
    agreement(chain, sign=False)
    assert chain.act("bigmarket", "deal", "fund").code == "phase"
    assert word(chain, "bank", True).code == "phase"
    assert chain.block(after_ms=20 * DAY).receipts == ()
    assert chain.balance("contract:deal") == 0


@pytest.mark.parametrize(("words", "to"), [((True, True), "greenfarm"), ((False, False), "bigmarket")])
def test_witnesses_who_agree_move_the_money_once(chain: Library, words: tuple[bool, bool], to: str) -> None:
    agreement(chain)
    chain.ok("bigmarket", "deal", "fund")
    before = chain.balance(to)
    for by, done in zip(("bank", "swiftship"), words, strict=True):
        assert word(chain, by, done).status == "ok"
    assert chain.balance(to) == before + 500
    assert word(chain, "greenfarm", True).code == "fact"


def test_one_witness_is_not_enough_and_silence_pays_back(chain: Library) -> None:
    agreement(chain)
    chain.ok("bigmarket", "deal", "fund")
    word(chain, "greenfarm", True)
    word(chain, "bank", False)
    assert chain.balance("contract:deal") == 500
    chain.block(after_ms=11 * DAY)
    assert (chain.balance("contract:deal"), chain.balance("bigmarket")) == (0, 10_000)


# ---------------------------------------------------------------- 17: voting with executed calls

WEIGHTS = {"bank": 40, "bigmarket": 30, "greenfarm": 30}


@pytest.fixture
def council(chain: Library) -> Library:
    """A vote that decides over the money of its own instance, and over a treasury's owners."""
    chain.make("governance_token", "votes", issuer="swiftship", by="swiftship")
    for account, weight in WEIGHTS.items():
        chain.ok("swiftship", "votes", "set_weight", account=account, weight=weight)
    chain.make("voting", "council", votes="votes", guardian="swiftship", quorum="50")
    return chain


def propose(chain: Library, by: str = "bank", **call: Any) -> int:
    asked = {"contract": "votes", "action": "delegate", "args": {"to": "bank"}} | call
    chain.ok(by, "council", "propose", text="Let us.", call=asked)
    return int(chain.ask("council", "list", after=0)[-1])


def cast(chain: Library, number: int, **choices: str) -> None:
    for account, choice in choices.items():
        chain.ok(account, "council", "vote", number=number, choice=choice, reason="so")


def test_what_is_accepted_is_executed_exactly_once(council: Library) -> None:
    number = propose(council)
    cast(council, number, bank="for", bigmarket="for")
    assert council.act("bank", "council", "execute", number=number).text == "it is voting"
    council.block(after_ms=8 * DAY)
    assert council.act("bank", "council", "execute", number=number).text == "it is waiting"
    receipt = council.ok("greenfarm", "council", "execute", 3 * DAY, number=number)
    assert [event.name for event in council.outcomes[-1].events] == ["Ended", "Delegated"]
    assert receipt.status == "ok"
    assert council.ask("council", "state", number=number) == "executed"
    assert council.act("bank", "council", "execute", number=number).text == "it is executed"


def test_votes_that_came_after_the_proposal_do_not_count(council: Library) -> None:
    number = propose(council)
    council.ok("swiftship", "votes", "set_weight", account="bank.clerk", weight=1_000)
    refused = council.act("bank.clerk", "council", "vote", number=number, choice="for", reason="")
    assert refused.text == "this account had no votes when the proposal was made"
    council.ok("swiftship", "votes", "set_weight", account="bank", weight=1_000)
    cast(council, number, bank="for")
    assert council.ask("council", "get", number=number)["in_favour"] == 40


def test_votes_of_the_same_block_do_not_count(council: Library) -> None:
    weigh = council.transaction("swiftship", ("votes", "set_weight", {"account": "bank", "weight": 999}))
    call = {"contract": "votes", "action": "delegate", "args": {"to": "bank"}}
    made = council.transaction("bank", ("council", "propose", {"text": "Now.", "call": call}))
    council.block(weigh, made)
    cast(council, 1, bank="for")
    assert council.ask("council", "get", number=1)["in_favour"] == 40


def test_delegated_votes_are_cast_by_the_delegate(council: Library) -> None:
    council.ok("greenfarm", "votes", "delegate", to="bigmarket")
    number = propose(council)
    cast(council, number, bigmarket="for")
    assert (
        council.act("greenfarm", "council", "vote", number=number, choice="for", reason="").code == "require"
    )
    assert council.ask("council", "get", number=number)["in_favour"] == 60


@pytest.mark.parametrize(
    ("choices", "state"),
    [
        ({"bank": "for"}, "rejected"),  # 40 of 100, the quorum is 50
        ({"bank": "for", "bigmarket": "abstain"}, "waiting"),
        ({"bigmarket": "for", "greenfarm": "against"}, "rejected"),  # a tie, and no quorum
        ({"bigmarket": "for", "greenfarm": "for", "bank": "against"}, "waiting"),
    ],
)
def test_quorum_and_majority(council: Library, choices: dict[str, str], state: str) -> None:
    number = propose(council)
    cast(council, number, **choices)
    council.block(after_ms=7 * DAY + 1_000)
    assert council.ask("council", "state", number=number) == state


def test_a_late_swing_leaves_time_to_answer(council: Library) -> None:
    number = propose(council)
    closes = council.ask("council", "get", number=number)["closes"]
    cast(council, number, bank="for")
    council.block(after_ms=closes - council.now_ms - 60_000)
    cast(council, number, bigmarket="for")
    assert council.ask("council", "get", number=number)["closes"] == council.now_ms + DAY


def test_expired_or_cancelled_is_dead(council: Library) -> None:
    first, second = propose(council), propose(council)
    for number in (first, second):
        cast(council, number, bank="for", bigmarket="for")
    assert council.act("greenfarm", "council", "cancel", number=first).code == "require"
    council.ok("swiftship", "council", "cancel", number=first)
    council.block(after_ms=30 * DAY)
    assert council.act("bank", "council", "execute", number=first).text == "it is cancelled"
    assert council.act("bank", "council", "execute", number=second).text == "it is expired"


def test_a_failing_call_does_not_block_the_others(council: Library) -> None:
    broken = propose(council, action="nothing")
    sound = propose(council)
    for number in (broken, sound):
        cast(council, number, bank="for", bigmarket="for")
    council.block(after_ms=9 * DAY + 60_000)
    assert council.act("bank", "council", "execute", number=broken).code == "unknown"
    assert council.ask("council", "state", number=broken) == "due"
    council.ok("bank", "council", "execute", number=sound)


def test_who_has_no_vote_proposes_nothing(council: Library) -> None:
    call = {"contract": "votes", "action": "delegate", "args": {"to": "bank"}}
    assert council.act("swiftship", "council", "propose", text="No.", call=call).code == "require"


# ---------------------------------------------------------------- 18: consent


@pytest.fixture
def circle(chain: Library) -> Library:
    chain.make("consent", "roof", facilitator="bank", circle=CIRCLE)
    chain.ok("bank", "roof", "present", text="We repair the roof.")
    return chain


def phase(chain: Library) -> str:
    return str(chain.instance("roof")["phase"])


def test_silence_is_no_objection(circle: Library) -> None:
    circle.ok("bigmarket", "roof", "concern", reason="Who pays?")
    circle.block(after_ms=7 * DAY + 1)
    assert phase(circle) == "grace"
    circle.block(after_ms=3 * DAY + 2_000)
    assert phase(circle) == "adopted"


def test_one_open_objection_blocks_until_it_is_met(circle: Library) -> None:
    circle.ok("greenfarm", "roof", "object", reason="It rains in.", offer="I know a roofer.")
    circle.block(after_ms=8 * DAY)
    assert phase(circle) == "reacting"
    circle.ok("bank", "roof", "amend", text="We repair the roof in summer.")
    circle.ok("greenfarm", "roof", "resolve", number=1)
    for member in CIRCLE:
        circle.ok(member, "roof", "agree")
    assert phase(circle) == "grace"
    assert circle.ask("roof", "history", version=2) == [[name, "agree"] for name in sorted(CIRCLE)]


def test_what_was_set_aside_can_be_appealed_before_adoption(circle: Library) -> None:
    circle.ok("greenfarm", "roof", "object", reason="I do not like it.", offer="None that helps.")
    circle.ok("bank", "roof", "set_aside", number=1, reason="no harm is shown")
    circle.block(after_ms=8 * DAY)
    assert phase(circle) == "grace"
    assert circle.act("bigmarket", "roof", "appeal", number=1, reason="for another").code == "require"
    circle.ok("greenfarm", "roof", "appeal", number=1, reason="There is.")
    assert phase(circle) == "escalated"


def test_a_reaction_has_its_turn_and_its_reason(circle: Library) -> None:
    assert circle.act("greenfarm", "roof", "object", reason="", offer="x").code == "require"
    assert circle.act("swiftship", "roof", "agree").code == "unauthorised"
    circle.ok("greenfarm", "roof", "agree")
    assert circle.act("greenfarm", "roof", "concern", reason="second turn").code == "require"


def test_patience_ends(circle: Library) -> None:
    circle.ok("greenfarm", "roof", "object", reason="Never.", offer="Nothing.")
    circle.block(after_ms=61 * DAY)
    assert phase(circle) == "escalated"


def test_why_says_part_by_part_what_is_missing(circle: Library) -> None:
    circle.ok("greenfarm", "roof", "object", reason="It rains in.", offer="I know a roofer.")
    [rule] = circle.instance("roof")["rules"]
    branch = rule["branches"][2]
    assert [(part["text"], part["holds"]) for part in branch["parts"]["parts"]] == [
        ('self.phase == "reacting"', True),
        ("self.open_objections == 0", False),
        ("now() > self.until", False),
    ]
    assert branch["because"] == "`self.open_objections == 0`, `now() > self.until` do not hold"
    assert rule["reads"]["open_objections"] == 1
    assert "the node tries it by itself at" in rule["next"]


# ---------------------------------------------------------------- 27: data permission

ASKED: Mapping[str, Any] = {"grantee": "bigmarket", "field": "income", "jurisdiction": "NL"}


@pytest.fixture
def vault(chain: Library) -> Library:
    chain.make("data_permission", "permits", "swiftship", vault="swiftship")
    chain.ok(
        "bigmarket",
        "permits",
        "request",
        subject="greenfarm.clerk",
        purpose="mortgage",
        fields=["income"],
        jurisdictions=["NL"],
        until=chain.now_ms + 10 * DAY,
    )
    return chain


def allow(chain: Library, days: int = 5) -> None:
    chain.ok("greenfarm.clerk", "permits", "grant", number=1, until=chain.now_ms + days * DAY)


def test_a_grant_is_for_one_grantee_field_and_place(vault: Library) -> None:
    assert vault.ask("permits", "valid", number=1, **ASKED) is False
    allow(vault)
    assert vault.ask("permits", "valid", number=1, **ASKED) is True
    for change in ({"grantee": "bank"}, {"field": "health"}, {"jurisdiction": "US"}):
        assert vault.ask("permits", "valid", number=1, **{**ASKED, **change}) is False
    assert vault.ask("permits", "valid", number=2, **ASKED) is False


def test_a_read_after_revocation_is_refused_and_logged(vault: Library) -> None:
    allow(vault)
    vault.ok("swiftship", "permits", "log", number=1, **ASKED)
    vault.ok("greenfarm.clerk", "permits", "revoke", number=1)
    vault.ok("swiftship", "permits", "log", number=1, **ASKED)
    assert vault.ask("permits", "valid", number=1, **ASKED) is False
    assert vault.ask("permits", "history", number=1, after=0) == [[1, "income read"], [2, "income denied"]]


def test_a_grant_ends_by_itself_and_is_never_longer_than_asked(vault: Library) -> None:
    assert (
        vault.act("greenfarm.clerk", "permits", "grant", number=1, until=vault.now_ms + 99 * DAY).code
        == "require"
    )
    allow(vault, days=1)
    vault.block(after_ms=DAY)
    assert vault.ask("permits", "valid", number=1, **ASKED) is False


def test_only_the_subject_answers_and_only_the_vault_logs(vault: Library) -> None:
    until = vault.now_ms + DAY
    assert vault.act("bigmarket", "permits", "grant", number=1, until=until).code == "require"
    assert vault.act("bigmarket", "permits", "log", number=1, **ASKED).code == "unauthorised"
    assert vault.ask("permits", "list", subject="greenfarm.clerk", after=0) == [1]
    with pytest.raises(Revert, match="no entry"):
        vault.ask("permits", "get", number=9)
