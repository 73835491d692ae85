"""A register of members who have paid the entry share."""

import pytest

from contracts import DAY


@pytest.fixture
def people(chain):
    return chain.parties("board", "ann", "bob")


@pytest.fixture
def euro(chain, people):
    return chain.currency("euro", ann=100, bob=100)


@pytest.fixture
def register(chain, contract, people, euro):
    return chain.agree(contract("member_register.py"), "coop", board=["board"], share=euro(60))


def test_who_is_admitted_is_in_the_register(chain, people, euro, register):
    board, ann, bob = people
    ann.calls(register, "apply")
    assert register.ask("is_member", account=ann) is False
    chain.passes(3 * DAY)
    board.calls(register, "admit", applicant=ann)
    assert register.ask("first_members") == [["ann", chain.now.ms]]
    assert register.field("size") == 1


def test_the_share_comes_back_to_who_leaves_or_is_declined(chain, people, euro, register):
    board, ann, bob = people
    ann.calls(register, "apply")
    bob.calls(register, "apply")
    assert register.holds(euro) == 120
    board.calls(register, "admit", applicant=ann)
    board.calls(register, "decline", applicant=bob)
    ann.calls(register, "leave")
    assert [who.holds(euro) for who in (ann, bob)] == [100, 100]
    assert [event["account"] for event in chain.events("Left")] == ["bob", "ann"]


def test_only_the_board_admits_and_nobody_applies_twice(chain, people, euro, register):
    board, ann, bob = people
    ann.calls(register, "apply")
    with chain.refused("unauthorised", "is for board"):
        bob.calls(register, "admit", applicant=ann)
    with chain.refused("require", "you have applied already"):
        ann.calls(register, "apply")
    with chain.refused("require", "no application of bob"):
        board.calls(register, "admit", applicant=bob)
