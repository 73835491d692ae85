"""A treasury of several owners: shared money that no one of them can spend."""

import pytest

from contracts import DAY, MINUTE


@pytest.fixture
def people(chain):
    return chain.parties("ann", "bob", "cas", "dan")


@pytest.fixture
def euro(chain, people):
    return chain.currency("euro", ann=1_000)


@pytest.fixture
def chest(chain, contract, people, euro):
    """Ann, bob and cas; two of them must approve."""
    ann, bob, cas, dan = people
    made = chain.agree(contract("treasury.py"), "chest", founders=[ann, bob, cas], needed=2, unit=euro)
    ann.calls(made, "deposit", amount=1_000)
    return made


def test_two_of_three_pay_and_only_once(chain, people, euro, chest):
    ann, bob, cas, dan = people
    ann.calls(chest, "propose_payment", to=dan, amount=300)
    with chain.refused("require", "not enough owners approve: 1"):
        dan.calls(chest, "execute", number=1)
    bob.calls(chest, "approve", number=1)
    dan.calls(chest, "execute", number=1)
    assert dan.holds(euro) == 300
    with chain.refused("require", "no such open proposal"):
        dan.calls(chest, "execute", number=1)


def test_the_approval_of_a_removed_owner_is_void(chain, people, euro, chest):
    ann, bob, cas, dan = people
    cas.calls(chest, "propose_payment", to=dan, amount=300)
    ann.calls(chest, "propose_removal", account=cas)
    bob.calls(chest, "approve", number=2)
    ann.calls(chest, "execute", number=2)
    bob.calls(chest, "approve", number=1)
    assert chest.ask("owners") == ["ann", "bob"]
    with chain.refused("require", "not enough"):
        bob.calls(chest, "execute", number=1)


def test_a_stranger_proposes_nothing(chain, people, chest):
    ann, bob, cas, dan = people
    with chain.refused("require", "only an owner proposes"):
        dan.calls(chest, "propose_payment", to=dan, amount=1)


def test_a_limit_holds_for_a_period_whoever_approves(chain, contract, people, euro):
    ann, bob, cas, dan = people
    terms = {"founders": [ann, bob], "needed": 1, "unit": euro, "limit": 400, "period": 7 * DAY}
    purse = chain.agree(contract("treasury.py"), "purse", **terms)
    ann.calls(purse, "deposit", amount=1_000)
    with chain.refused("require", "no more than 400 may be spent in a period"):
        ann.calls(purse, "propose_payment", to=dan, amount=401)
    for amount in (300, 101, 100):
        ann.calls(purse, "propose_payment", to=dan, amount=amount)
    bob.calls(purse, "execute", number=1)
    assert purse.ask("spendable") == 100
    with chain.refused("require", "the limit of this period leaves less"):
        bob.calls(purse, "execute", number=2)
    bob.calls(purse, "execute", number=3)  # to the cent
    assert (dan.holds(euro), purse.ask("spendable")) == (400, 0)
    chain.passes(7 * DAY - MINUTE)
    with chain.refused("require", "leaves less"):
        bob.calls(purse, "execute", number=2)
    chain.passes(MINUTE)
    assert purse.ask("spendable") == 400
    bob.calls(purse, "execute", number=2)
    assert (dan.holds(euro), purse.ask("spendable")) == (501, 299)


def test_without_a_limit_all_may_be_spent(chain, people, euro, chest):
    ann, bob, cas, dan = people
    ann.calls(chest, "propose_payment", to=dan, amount=1_000)
    bob.calls(chest, "approve", number=1)
    bob.calls(chest, "execute", number=1)
    assert (dan.holds(euro), chest.ask("spendable")) == (1_000, None)
