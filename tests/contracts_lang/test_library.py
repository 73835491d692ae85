"""The library's contracts do what they say, run on a host in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import library
from contracts.compiler import compile_contract
from contracts.errors import Revert
from contracts.values import DAY, Money, escrow_account
from tests.contracts_lang.memory_host import MemoryHost

FOLDER = Path(str(library.__file__)).parent
DELIVERY = compile_contract((FOLDER / "delivery_or_penalty.py").read_text())
TREASURY = compile_contract((FOLDER / "treasury.py").read_text())
TOKEN = compile_contract((FOLDER / "token.py").read_text())
DEADLINE = 100 * DAY
PRICE = 250_000


@pytest.fixture
def deal() -> MemoryHost:
    """An agreement over 2,500.00 euro that the buyer has funded."""
    terms = {
        "buyer": "shop",
        "seller": "farm",
        "carrier": "truck",
        "price": Money(PRICE, "euro"),
        "deadline": DEADLINE,
    }
    host = MemoryHost(DELIVERY, terms)
    host.balances["euro", "shop"] = PRICE
    host.sign("shop")
    DELIVERY.run_action("fund", host, ())
    host.sign()
    return host


def paid(host: MemoryHost) -> tuple[int, int, int]:
    """What buyer, seller and agreement hold."""
    accounts = ("shop", "farm", escrow_account("deal"))
    return tuple(host.balance("euro", account) for account in accounts)  # type: ignore[return-value]


def test_funding_moves_the_price_into_the_agreement(deal: MemoryHost) -> None:
    assert paid(deal) == (0, 0, PRICE)
    assert deal.phase == "funded"
    assert deal.events == [("Funded", {"buyer": "shop", "price": Money(PRICE, "euro")})]


def test_before_delivery_nothing_fires_and_the_node_is_told_when_to_look_again(deal: MemoryHost) -> None:
    assert DELIVERY.run_rule("settle", deal) is None
    assert deal.wakes == [DEADLINE + 30 * DAY + 1]
    assert paid(deal) == (0, 0, PRICE)


def test_delivery_at_the_last_moment_is_on_time(deal: MemoryHost) -> None:
    deal.facts["delivered"] = DEADLINE
    assert DELIVERY.run_rule("settle", deal) == 0
    assert paid(deal) == (0, PRICE, 0)
    assert deal.phase == "closed"
    assert deal.events[-1] == ("Closed", {"reason": "on time", "penalty": Money(0, "euro")})


@pytest.mark.parametrize(
    ("late_ms", "penalty"),
    [
        (1, 2_500),
        (DAY, 2_500),
        (DAY + 1, 5_000),
        (10 * DAY, 25_000),
        (10 * DAY + 1, 25_000),
        (99 * DAY, 25_000),
    ],
)
def test_each_day_started_costs_a_percent_up_to_the_cap(deal: MemoryHost, late_ms: int, penalty: int) -> None:
    deal.facts["delivered"] = DEADLINE + late_ms
    assert DELIVERY.run_rule("settle", deal) == 1
    assert paid(deal) == (penalty, PRICE - penalty, 0)
    assert DELIVERY.run_rule("settle", deal) is None  # closed: nothing fires twice


def test_without_delivery_the_buyer_gets_the_money_back_one_moment_after_giving_up(deal: MemoryHost) -> None:
    deal.now_ms = DEADLINE + 30 * DAY
    assert DELIVERY.run_rule("settle", deal) is None
    deal.now_ms += 1
    assert DELIVERY.run_rule("settle", deal) == 2
    assert paid(deal) == (PRICE, 0, 0)


def test_the_rule_can_be_looked_at_without_effect(deal: MemoryHost) -> None:
    state = DELIVERY.inspect_rule("settle", deal)
    assert state.in_phase
    assert [branch.holds for branch in state.branches] == [False, False, False]
    assert state.branches[1].condition == "self.delivered"
    assert state.wake_ms == DEADLINE + 30 * DAY + 1
    deal.facts["delivered"] = DEADLINE + 1
    assert [branch.holds for branch in DELIVERY.inspect_rule("settle", deal).branches] == [False, True, None]
    assert paid(deal) == (0, 0, PRICE)
    assert deal.wakes == []


def test_what_the_contract_shows_to_the_world() -> None:
    assert DELIVERY.name == "DeliveryOrPenalty"
    assert DELIVERY.text.startswith("If delivery is confirmed by the deadline")
    assert DELIVERY.phases == ("unfunded", "funded", "closed")
    assert [(term.name, str(term.type), term.signs, term.default) for term in DELIVERY.terms] == [
        ("buyer", "Party", True, None),
        ("seller", "Party", True, None),
        ("carrier", "Oracle", False, None),
        ("price", "Money", False, None),
        ("deadline", "Time", False, None),
        ("rate", "Percent", False, 10_000),
        ("cap", "Percent", False, 100_000),
        ("give_up", "Span", False, 30 * DAY),
    ]
    (fact,) = DELIVERY.facts
    assert (fact.name, fact.by, fact.max_age_ms) == ("delivered", "carrier", 2 * DAY)
    (action,) = DELIVERY.actions
    assert (action.name, action.by, action.phases) == ("fund", ("buyer",), ("unfunded",))
    assert [event.name for event in DELIVERY.events] == ["Funded", "Closed"]
    assert not DELIVERY.is_currency
    assert TOKEN.is_currency


def test_a_token_is_minted_moved_and_burned_and_nothing_is_lost() -> None:
    host = MemoryHost(TOKEN, {"issuer": "bank", "cap": 100}, instance="euro")
    host.sign("bank")
    TOKEN.run_action("mint", host, ("shop", 100))
    host.sign("shop")
    TOKEN.run_action("transfer", host, ("farm", 30))
    TOKEN.run_action("burn", host, (20,))
    assert [TOKEN.run_query("balance", host, (name,)) for name in ("shop", "farm", "bank")] == [50, 30, 0]
    assert TOKEN.run_query("supply", host, ()) == 80
    assert [name for name, _ in host.events] == ["Minted", "Transferred", "Burned"]


@pytest.mark.parametrize(
    ("action", "arguments", "code"),
    [
        ("mint", ("shop", 101), "require"),
        ("mint", ("shop", 0), "require"),
        ("transfer", ("farm", -1), "require"),
        ("transfer", ("farm", 1), "funds"),
        ("burn", (1,), "funds"),
    ],
)
def test_a_token_refuses(action: str, arguments: tuple[object, ...], code: str) -> None:
    host = MemoryHost(TOKEN, {"issuer": "bank", "cap": 100}, instance="euro")
    host.sign("bank")
    with pytest.raises(Revert) as refused:
        TOKEN.run_action(action, host, arguments)
    assert refused.value.code == code
    assert refused.value.consumes_all == (code != "require")


@pytest.fixture
def treasury() -> MemoryHost:
    """A treasury of ann, bob and cas that needs two of them and holds 100 euro."""
    host = MemoryHost(TREASURY, {"founders": ["ann", "bob", "cas"], "needed": 2, "unit": "euro"}, "chest")
    host.balances["euro", "ann"] = 100
    act(host, "ann", "deposit", 100)
    return host


def act(host: MemoryHost, sender: str, action: str, *arguments: object) -> None:
    host.sign(sender)
    TREASURY.run_action(action, host, arguments)


def test_a_treasury_pays_once_two_owners_approve_and_only_once(treasury: MemoryHost) -> None:
    act(treasury, "ann", "propose_payment", "dan", 40)
    with pytest.raises(Revert, match="not enough owners approve: 1"):
        act(treasury, "dan", "execute", 1)
    act(treasury, "bob", "approve", 1)
    act(treasury, "dan", "execute", 1)
    assert treasury.balance("euro", "dan") == 40
    with pytest.raises(Revert, match="no such open proposal"):
        act(treasury, "dan", "execute", 1)


def test_a_removed_owners_approval_is_void(treasury: MemoryHost) -> None:
    act(treasury, "cas", "propose_payment", "dan", 40)
    act(treasury, "bob", "approve", 1)
    act(treasury, "ann", "propose_removal", "cas")
    act(treasury, "bob", "approve", 2)
    act(treasury, "bob", "execute", 2)
    assert TREASURY.run_query("owners", treasury, ()) == ["ann", "bob"]
    assert TREASURY.run_query("approvals_of", treasury, (1,)) == 1
    with pytest.raises(Revert, match="not enough"):
        act(treasury, "cas", "execute", 1)
    with pytest.raises(Revert, match="only an owner"):
        act(treasury, "cas", "approve", 1)
    assert TREASURY.run_query("open_proposals", treasury, (0,)) == [1]


def test_a_treasury_keeps_as_many_owners_as_it_needs(treasury: MemoryHost) -> None:
    for number, leaving in ((1, "cas"), (2, "bob")):
        act(treasury, "ann", "propose_removal", leaving)
        act(treasury, "bob", "approve", number)
    act(treasury, "ann", "execute", 1)
    with pytest.raises(Revert, match="fewer owners"):
        act(treasury, "ann", "execute", 2)


def test_an_approval_can_be_taken_back(treasury: MemoryHost) -> None:
    act(treasury, "ann", "propose_owner", "dan")
    act(treasury, "bob", "approve", 1)
    act(treasury, "ann", "revoke", 1)
    with pytest.raises(Revert, match="not enough"):
        act(treasury, "ann", "execute", 1)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[a-z]*.py")), ids=lambda path: path.name)
def test_every_contract_of_the_library_compiles_and_can_be_imported(path: Path) -> None:
    program = compile_contract(path.read_bytes())
    namespace: dict[str, object] = {}
    exec(compile(path.read_text(), path.name, "exec"), namespace)
    assert program.name in namespace
    specs = (*program.actions, *program.queries, *program.rules)
    names = [spec.name for spec in specs]  # type: ignore[attr-defined]
    assert all(hasattr(namespace[program.name], name) for name in names)
