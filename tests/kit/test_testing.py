"""The kit that authors test contracts with: what it shows is what the engine does."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import DAY, HOUR, Money, Percent, Span, Time
from contracts.testing import Agreement, Chain, Currency, Refused, to_plain

LIBRARY = Path(__file__).parents[2] / "contracts" / "library"
DELIVERY = LIBRARY / "delivery_or_penalty.py"


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.parties("buyer", "seller", "carrier")
    return made


@pytest.fixture
def euro(chain: Chain) -> Currency:
    return chain.currency("euro", buyer=1_000)


def order(chain: Chain, euro: Currency, name: str = "order", days: int = 2) -> Agreement:
    parties = {role: role for role in ("buyer", "seller", "carrier")}
    return chain.agree(DELIVERY, name, price=euro(250), deadline=chain.now + days * DAY, **parties)


def test_a_late_delivery_is_settled_and_explained(chain: Chain, euro: Currency) -> None:
    buyer, seller, carrier = chain.parties("buyer", "seller", "carrier")
    deal = order(chain, euro)
    buyer.calls(deal, "fund")
    assert (deal.phase, deal.holds(euro), buyer.holds(euro)) == ("funded", 250, 750)
    chain.passes(60 * HOUR)
    carrier.reports(deal, delivered=chain.now)
    assert (deal.phase, deal.holds(euro), seller.holds(euro)) == ("closed", 0, 248)
    [closed] = chain.events("Closed")
    assert closed["penalty"] == euro(2)
    why = chain.why(deal)
    assert "settle fired at 2026-01-03T12:00:00Z, because" in why
    assert "self.delivered and self.delivered <= self.deadline: no" in why
    assert "so it did: pay seller, 248 euro" in why


def test_the_clock_stops_where_a_contract_asked_to_be_woken(chain: Chain, euro: Currency) -> None:
    buyer = chain.party("buyer")
    first, second = order(chain, euro, "first", 2), order(chain, euro, "second", 4)
    buyer.calls(first, "fund")
    buyer.calls(second, "fund")
    due = chain.now + 32 * DAY + Span(1)
    assert chain.next_wakeup == due
    chain.passes(32 * DAY)
    assert first.phase == "funded"
    chain.passes(Span(1))
    assert (first.phase, second.phase) == ("closed", "funded")
    chain.passes(30 * DAY)
    assert second.phase == "closed"
    fired = [chain.firings(deal)[0]["time_ms"] for deal in (first, second)]
    assert fired == [due.ms, (due + 2 * DAY).ms]
    assert chain.now == due + 30 * DAY


def test_a_refusal_is_asserted_by_its_code(chain: Chain, euro: Currency) -> None:
    buyer, seller = chain.parties("buyer", "seller")
    deal = order(chain, euro)
    with chain.refused("unauthorised", "is for buyer"):
        seller.calls(deal, "fund")
    with pytest.raises(AssertionError, match="nothing was refused"), chain.refused("phase"):
        buyer.calls(deal, "fund")
    with pytest.raises(AssertionError, match="refused, but with phase"), chain.refused("funds"):
        buyer.calls(deal, "fund")
    with pytest.raises(Refused, match=r"^phase: "):
        buyer.calls(deal, "fund")


def test_an_agreement_waits_for_its_signatures(chain: Chain, euro: Currency) -> None:
    parties = {role: role for role in ("buyer", "seller", "carrier")}
    deal = chain.propose(DELIVERY, "order", price=euro(1), deadline=chain.now, **parties)
    assert deal.status == "proposed"
    for name in ("buyer", "seller"):
        chain.party(name).signs(deal)
    assert deal.status == "active"


def test_cosigners_queries_and_variables(chain: Chain, euro: Currency) -> None:
    buyer, seller = chain.parties("buyer", "seller")
    gold = chain.agree(LIBRARY / "token.py", "gold", issuer="buyer")
    buyer.calls(gold, "mint", to=seller, amount=7, together_with=[seller])
    assert gold.ask("balance", account=seller) == 7
    chest = chain.agree(LIBRARY / "treasury.py", "chest", founders=[buyer, seller], unit=euro)
    buyer.calls(chest, "propose_payment", to=seller, amount=5)
    assert chest.field("kinds") == [[1, "pay"]]
    with pytest.raises(LookupError, match="no variable"):
        chest.field("kind")


def test_a_late_party_is_told_to_come_earlier(chain: Chain) -> None:
    chain.currency("euro")
    with pytest.raises(LookupError, match="before the first transaction"):
        chain.party("dan")
    with pytest.raises(ValueError, match="no name"):
        Chain().party("Not a Name")


def test_values_become_the_json_of_transactions() -> None:
    given = [Money(5, "euro"), Time(7), 2 * DAY, Percent("7.5"), b"\x01", 2**60, {1: Time(2)}, {"a": (True,)}]
    assert to_plain(given) == [
        {"amount": "5", "currency": "euro"}, 7, 172_800_000, "7.5", "01", str(2**60), [[1, 2]], {"a": [True]}
    ]  # fmt: skip
