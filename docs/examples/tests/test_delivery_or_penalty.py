"""An agreement with a penalty."""

import pytest

from contracts import DAY, HOUR, SECOND


@pytest.fixture
def parties(chain):
    return chain.parties("buyer", "seller", "carrier")


@pytest.fixture
def euro(chain, parties):
    return chain.currency("euro", buyer=100_000)


@pytest.fixture
def order(chain, contract, parties, euro):
    """Two days to deliver; the price lies in the agreement."""
    buyer, seller, carrier = parties
    made = chain.agree(
        contract("delivery_or_penalty.py"),
        "order",
        buyer=buyer,
        seller=seller,
        carrier=carrier,
        price=euro(25_000),
        deadline=chain.now + 2 * DAY,
    )
    buyer.calls(made, "fund")
    return made


def test_on_time_the_seller_has_the_price(chain, order, parties, euro):
    buyer, seller, carrier = parties
    chain.passes(2 * DAY)
    carrier.reports(order, delivered=chain.now)
    assert seller.holds(euro) == 25_000
    assert chain.events("Closed")[0]["reason"] == "on time"


def test_half_a_day_late_costs_one_percent(chain, order, parties, euro):
    buyer, seller, carrier = parties
    chain.passes(60 * HOUR)
    carrier.reports(order, delivered=chain.now)
    assert seller.holds(euro) == 24_750
    assert "self.delivered <= self.deadline: no" in chain.why(order)


def test_what_never_comes_is_paid_back_by_itself(chain, order, parties, euro):
    buyer, seller, carrier = parties
    chain.passes(32 * DAY)
    assert order.phase == "funded"
    chain.passes(SECOND)
    assert order.phase == "closed"
    assert buyer.holds(euro) == 100_000


def test_only_the_carrier_reports_and_once(chain, order, parties):
    buyer, seller, carrier = parties
    with chain.refused("unauthorised"):
        seller.reports(order, delivered=chain.now)
    with chain.refused("fact", "future"):
        carrier.reports(order, delivered=chain.now + DAY)
    carrier.reports(order, delivered=chain.now)
    with chain.refused("fact"):
        carrier.reports(order, delivered=chain.now)
