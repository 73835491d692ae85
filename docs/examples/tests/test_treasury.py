"""A treasury of several owners: shared money that no one of them can spend."""

import pytest


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
