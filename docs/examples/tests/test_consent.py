"""A decision by consent: an objection has a reason and an offer, and silence is none."""

import pytest

from contracts import DAY, SECOND


@pytest.fixture
def people(chain):
    return chain.parties("lead", "ann", "bob", "cas")


@pytest.fixture
def decision(chain, contract, people):
    """A week to react, three days of grace; the proposal is before the circle."""
    lead, *circle = people
    made = chain.agree(contract("consent.py"), "roof", facilitator=lead, circle=circle)
    lead.calls(made, "present", text="We repair the roof.")
    return made


def test_silence_is_no_objection(chain, people, decision):
    chain.passes(10 * DAY + SECOND)
    assert decision.phase == "adopted"
    assert chain.events("Decided")[0]["outcome"] == "adopted"


def test_an_open_objection_blocks_until_it_is_met(chain, people, decision):
    lead, ann, bob, cas = people
    bob.calls(decision, "object", reason="Who pays?", offer="I ask three builders.")
    chain.passes(30 * DAY)
    assert decision.phase == "reacting"
    lead.calls(decision, "amend", text="We repair the roof for at most 5000.")
    bob.calls(decision, "resolve", number=1)
    for member in (ann, bob, cas):
        member.calls(decision, "agree")
    assert decision.phase == "grace"
    chain.passes(3 * DAY + SECOND)
    assert decision.phase == "adopted"


def test_an_objection_that_was_set_aside_can_be_appealed(chain, people, decision):
    lead, ann, bob, cas = people
    bob.calls(decision, "object", reason="Too loud", offer="none of my own")
    lead.calls(decision, "set_aside", number=1, reason="noise is no harm")
    with chain.refused("require", "only who objected says so"):
        ann.calls(decision, "appeal", number=1, reason="it is")
    bob.calls(decision, "appeal", number=1, reason="I work at night")
    assert decision.phase == "escalated"


def test_an_objection_needs_a_reason_and_an_offer(chain, people, decision):
    lead, ann, bob, cas = people
    with chain.refused("require", "a reason and an offer"):
        ann.calls(decision, "object", reason="no", offer="")
    with chain.refused("unauthorised"):
        lead.calls(decision, "agree")
