"""Permission to use data: granted for a purpose, a time and a place, and revoked at will."""

import pytest

from contracts import DAY


@pytest.fixture
def people(chain):
    return chain.parties("vault", "subject-7", "clinic", "insurer")


@pytest.fixture
def permissions(chain, contract, people):
    """The clinic asked for the blood group for 30 days; the subject granted 10."""
    vault, subject, clinic, insurer = people
    made = chain.agree(contract("data_permission.py"), "data", vault=vault)
    until = chain.now + 30 * DAY
    clinic.calls(
        made,
        "request",
        subject=subject,
        purpose="treatment",
        fields=["blood_group"],
        jurisdictions=["nl", "be"],
        until=until,
    )
    subject.calls(made, "grant", number=1, until=chain.now + 10 * DAY)
    return made


def valid(permissions, **changed):
    asked = {"number": 1, "grantee": "clinic", "field": "blood_group", "jurisdiction": "nl"}
    return permissions.ask("valid", **{**asked, **changed})


def test_a_grant_holds_for_what_was_granted_and_nothing_else(people, permissions):
    assert valid(permissions)
    assert not valid(permissions, grantee="insurer")
    assert not valid(permissions, field="weight")
    assert not valid(permissions, jurisdiction="us")
    assert not valid(permissions, number=2)


def test_it_ends_with_its_time(chain, people, permissions):
    chain.passes(10 * DAY)
    assert not valid(permissions)


def test_a_reading_after_revocation_is_denied_and_noted(chain, people, permissions):
    vault, subject, clinic, insurer = people
    reading = {"number": 1, "grantee": clinic, "field": "blood_group", "jurisdiction": "nl"}
    vault.calls(permissions, "log", **reading)
    subject.calls(permissions, "revoke", number=1)
    vault.calls(permissions, "log", **reading)
    assert [event["allowed"] for event in chain.events("Read")] == [True, False]
    assert permissions.ask("history", number=1, after=0) == [
        [1, "blood_group read"],
        [2, "blood_group denied"],
    ]


def test_only_the_subject_grants_and_no_longer_than_was_asked(chain, people, permissions):
    vault, subject, clinic, insurer = people
    with chain.refused("require", "only the subject answers"):
        insurer.calls(permissions, "revoke", number=1)
    insurer.calls(
        permissions,
        "request",
        subject=subject,
        purpose="premium",
        fields=["weight"],
        jurisdictions=["nl"],
        until=chain.now + DAY,
    )
    with chain.refused("require", "no longer than was asked for"):
        subject.calls(permissions, "grant", number=2, until=chain.now + 2 * DAY)
