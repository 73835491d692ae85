"""Epochs and evidence as execution sees them: whose epoch a block is of, and what its header proves."""

from __future__ import annotations

import dataclasses

import pytest

from consensus.errors import InvariantError
from contracts.epochs import EPOCH, FIRST_EPOCH, NEXT_EPOCH_KEY, READY_LAG_MAX, Accused, NextEpoch
from tests.engine.chain import MEMBERS, Chain, signer


def decide(chain: Chain, decided: NextEpoch) -> None:
    """As a decision of the members would leave it in the state."""
    chain.ledger.state.apply([(NEXT_EPOCH_KEY, EPOCH.encode(decided))])


def test_all_members_of_genesis_validate_the_first_epoch() -> None:
    chain = Chain()
    expected = tuple(
        (number, signer(f"validator of {member}").public_key) for number, member in enumerate(MEMBERS)
    )
    assert chain.engine.epoch(chain.ledger.state) == NextEpoch(FIRST_EPOCH, expected)
    assert chain.outcomes[0].next_epoch is None


def test_what_is_decided_is_told_until_its_epoch_begins() -> None:
    chain = Chain()
    decided = NextEpoch(2, chain.engine.epoch(chain.ledger.state).validators[:3])
    decide(chain, decided)
    assert chain.engine.next_epoch(chain.ledger.state) == decided
    assert [chain.block().next_epoch for _ in range(2)] == [decided, decided]
    chain.epoch = 2
    outcome = chain.block()
    assert (outcome.next_epoch, outcome.changed) == (None, True)
    assert chain.engine.epoch(chain.ledger.state) == decided
    assert not chain.block().changed


@pytest.mark.parametrize(("decided", "epoch"), [(None, 2), (2, 3), (None, 0), (3, 2)])
def test_an_epoch_that_nobody_decided_stops_the_node(decided: int | None, epoch: int) -> None:
    chain = Chain()
    if decided is not None:
        decide(chain, NextEpoch(decided, chain.engine.epoch(chain.ledger.state).validators[:3]))
    chain.epoch = epoch
    with pytest.raises(InvariantError, match="has not decided epoch"):
        chain.block()


def test_evidence_is_kept_once_for_each_member_and_epoch() -> None:
    chain = Chain()
    first = Accused(2, 1, "two notarisation votes", 17, None)
    again = dataclasses.replace(first, view=18)
    other = Accused(3, 1, "two batches at one place", None, 4)
    outcome = chain.block(evidence=[first, again, other])
    assert [event.name for event in outcome.events] == ["evidence", "evidence"]
    assert dict(outcome.events[0].fields) == {
        "member": 2, "epoch": 1, "kind": "two notarisation votes", "view": 17, "seq": None,
    }  # fmt: skip
    assert outcome.changed
    assert not chain.block(evidence=[again]).changed
    assert chain.replayed().outcomes[-1].link == chain.outcomes[-1].link


def test_a_block_knows_the_last_execution_hashes() -> None:
    chain = Chain()
    for _ in range(READY_LAG_MAX + 5):
        chain.block()
    known = chain.blocks[-1].exec_hashes
    assert [height for height, _ in known] == list(range(chain.height - READY_LAG_MAX, chain.height))
