"""When a transaction is executed: once, in time, signed; all of it or nothing; and what its receipt says."""

from __future__ import annotations

import pytest

from consensus.transactions import GAS_LIMIT_MAX, SIGNATURE_GAS, Transaction
from contracts.block import TRANSACTION_GAS
from contracts.errors import StateCorruption
from contracts.gas import ROW
from contracts.memory import MemoryLedger
from contracts.receipts import Receipt, Status
from contracts.replay import BUCKET_MS
from tests.engine.chain import Chain


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro(bigmarket=1_000)
    return made


def transfer(chain: Chain, amount: int = 1, **options: object) -> Transaction:
    call = ("euro", "transfer", {"to": "greenfarm", "amount": amount})
    return chain.transaction("bigmarket", call, **options)  # type: ignore[arg-type]


def test_a_repeat_has_no_receipt_and_no_effect(chain: Chain) -> None:
    transaction = transfer(chain)
    outcome = chain.block(transaction, transaction)
    assert [receipt.id for receipt in outcome.receipts] == [transaction.id]
    assert outcome.skipped == (transaction.id,)
    again = chain.block(transaction)
    assert (again.receipts, again.skipped, again.changed) == ((), (transaction.id,), False)
    assert chain.balance("greenfarm") == 1


def test_another_signature_makes_no_other_transaction(chain: Chain) -> None:
    salt = "same"
    one = transfer(chain, salt=salt)
    other = transfer(chain, salt=salt, keys_of=["bigmarket", "swiftship"])
    assert one.id == other.id
    outcome = chain.block(one, other)
    assert (len(outcome.receipts), chain.balance("greenfarm")) == (1, 1)


def test_a_copy_that_lacks_the_signature_does_not_use_up_the_id(chain: Chain) -> None:
    """Otherwise anyone could stop a transaction that he sees, by being faster with a copy."""
    expires_ms = chain.now_ms + 60_000
    copy = transfer(chain, salt="same", expires_ms=expires_ms, keys_of=["swiftship"])
    outcome = chain.block(copy)
    [receipt] = outcome.receipts
    assert (receipt.status, receipt.code, receipt.gas_used) == (Status.FAILED, "unauthorised", 0)
    assert "bigmarket" in receipt.text
    assert outcome.writes == ()
    genuine = transfer(chain, salt="same", expires_ms=expires_ms)
    assert genuine.id == copy.id
    assert chain.block(genuine).receipts[0].status is Status.OK


def test_every_cosigner_must_have_signed(chain: Chain) -> None:
    transaction = transfer(chain, cosigners=["swiftship"], keys_of=["bigmarket"])
    assert "swiftship" in chain.block(transaction).receipts[0].text
    assert chain.balance("greenfarm") == 0


def test_an_account_that_does_not_exist_signs_nothing(chain: Chain) -> None:
    transaction = chain.transaction("nobody", ("euro", "burn", {"amount": 1}))
    assert chain.block(transaction).receipts[0].code == "unauthorised"


def test_expiry_at_its_edge(chain: Chain) -> None:
    """A transaction is good in a block of exactly its expiry time, and not a millisecond later."""
    edge_ms = chain.now_ms + 5_000
    in_time, too_late = transfer(chain, expires_ms=edge_ms), transfer(chain, expires_ms=edge_ms)
    assert chain.block(in_time, after_ms=5_000).receipts[0].status is Status.OK
    outcome = chain.block(too_late, after_ms=1)
    [receipt] = outcome.receipts
    assert (receipt.status, receipt.code, receipt.gas_used) == (Status.EXPIRED, "expired", 0)
    assert (outcome.expired, outcome.writes) == ((too_late.id,), ())
    assert chain.balance("greenfarm") == 1


def test_expiry_too_far_at_its_edge(chain: Chain) -> None:
    """What is too far ahead is not executed and its id not used up: nobody must remember it for years."""
    latest_ms = chain.now_ms + 1_000 + chain.parameters.expiry_ms_max
    too_far, good = transfer(chain, expires_ms=latest_ms + 1), transfer(chain, expires_ms=latest_ms)
    refused, done = chain.block(too_far, good).receipts
    assert (refused.status, refused.code, done.status) == (Status.FAILED, "expiry_too_far", Status.OK)
    assert refused.gas_used == 0
    assert chain.block(too_far).receipts[0].status == Status.OK  # a second later it is not too far any more


def test_ids_are_forgotten_once_expired(chain: Chain) -> None:
    transaction = transfer(chain)
    chain.block(transaction)
    bucket_end_ms = (transaction.expires_ms // BUCKET_MS + 1) * BUCKET_MS
    chain.block(transfer(chain, expires_ms=bucket_end_ms + 1), after_ms=bucket_end_ms - 1 - chain.now_ms)
    assert any(transaction.id in key for key in chain.ledger.aux.rows)
    chain.block(transfer(chain, expires_ms=bucket_end_ms + 2), after_ms=1)
    assert not any(transaction.id in key for key in chain.ledger.aux.rows)
    assert sum(key.startswith(b"replay/") for key in chain.ledger.state.rows) == 1
    assert chain.block(transaction).receipts[0].status is Status.EXPIRED


def test_all_calls_or_none(chain: Chain) -> None:
    good = ("euro", "transfer", {"to": "greenfarm", "amount": 600})
    receipt = chain.perform("bigmarket", good, good)
    assert (receipt.status, receipt.code, receipt.results) == (Status.FAILED, "funds", ())
    assert (receipt.event_count, chain.outcomes[-1].events) == (0, ())
    assert chain.balance("greenfarm") == 0


def test_a_failure_leaves_the_state_as_it_was_but_for_the_id(chain: Chain) -> None:
    before = dict(chain.ledger.state.rows)
    receipt = chain.perform("bigmarket", ("euro", "transfer", {"to": "greenfarm", "amount": 1_001}))
    assert receipt.code == "funds"
    changed = {key for key, _ in before.items() ^ chain.ledger.state.rows.items()}
    assert all(key.startswith(b"replay/") for key in changed)
    assert len(changed) == 1


def test_a_later_transaction_sees_what_an_earlier_did_and_not_what_failed(chain: Chain) -> None:
    pass_on = ("euro", "transfer", {"to": "swiftship", "amount": 400})
    outcome = chain.block(
        transfer(chain, 1_001), transfer(chain, 400), chain.transaction("greenfarm", pass_on)
    )
    assert [receipt.code for receipt in outcome.receipts] == ["funds", "", ""]
    assert (chain.balance("greenfarm"), chain.balance("swiftship")) == (0, 400)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("dollar", "transfer", {}), "unknown"),
        (("euro", "launder", {}), "unknown"),
        (("euro", "report", {"fact": "x", "value": 1}), "unknown"),
        (("euro", "transfer", {"to": "greenfarm"}), "arguments"),
        (("euro", "transfer", {"to": "greenfarm", "amount": 1, "more": 1}), "arguments"),
        (("euro", "transfer", {"to": "greenfarm", "amount": True}), "arguments"),
        (("euro", "transfer", {"to": "grenfarm", "amount": 1}), "unknown"),
        (("euro", "transfer", {"to": "greenfarm", "amount": 0}), "require"),
        (("euro", "mint", {"to": "greenfarm", "amount": 1}), "unauthorised"),
        (("accounts", "close", {}), "unknown"),
        (("contracts", "deploy", {}), "arguments"),
    ],
)
def test_a_refusal_is_named_and_costs_only_what_ran(
    chain: Chain, call: tuple[str, str, dict[str, object]], code: str
) -> None:
    receipt = chain.perform("bigmarket", call)
    assert (receipt.status, receipt.code) == (Status.FAILED, code)
    assert TRANSACTION_GAS < receipt.gas_used - SIGNATURE_GAS < 10_000


@pytest.mark.parametrize(
    "gas_limit", [SIGNATURE_GAS, SIGNATURE_GAS + TRANSACTION_GAS, SIGNATURE_GAS + TRANSACTION_GAS + 700]
)
def test_without_gas_it_fails_and_pays_the_limit(chain: Chain, gas_limit: int) -> None:
    receipt = chain.block(transfer(chain, gas_limit=gas_limit)).receipts[0]
    assert (receipt.code, receipt.gas_used, chain.balance("greenfarm")) == ("gas", gas_limit, 0)


def test_every_row_that_changes_costs_its_way_up_the_tree(chain: Chain) -> None:
    """How often it is written costs less; what a failure undoes costs nothing at the end."""
    rows = (
        "class Rows(Contract):\n    rows: Table[int, int] = table()\n    @action()\n"
        "    def write(self, first: int, step: int) -> None:\n        for i in range(100):\n"
        "            self.rows[first + i * step] = i\n"
    )
    create = {"code": chain.deploy(rows), "name": "rows", "terms": {}}
    chain.succeed("bank", ("contracts", "create", create))
    many = chain.succeed("bank", ("rows", "write", {"first": 100, "step": 1})).gas_used
    one = chain.succeed("bank", ("rows", "write", {"first": 100, "step": 0})).gas_used
    assert many - one == 99 * ROW
    short = chain.transaction("bank", ("rows", "write", {"first": 500, "step": 1}), gas_limit=many - 1)
    assert chain.block(short).receipts[0].code == "gas"
    assert not any(key.startswith(b"table/rows/rows/\x03\x82\x01\xf4") for key in chain.ledger.state.rows)


def test_gas_used_does_not_depend_on_the_limit(chain: Chain) -> None:
    used = chain.block(transfer(chain, gas_limit=99_999)).receipts[0].gas_used
    more = chain.block(transfer(chain, gas_limit=GAS_LIMIT_MAX)).receipts[0].gas_used
    assert more - used in (0, 1)  # for the digits of the limit itself
    assert chain.block(transfer(chain, gas_limit=used)).receipts[0].status is Status.OK
    assert chain.block(transfer(chain, gas_limit=used - 1)).receipts[0].code == "gas"


def test_events_and_receipts_come_back_from_their_bytes(chain: Chain) -> None:
    chain.delivery("delivery-7", price=100)
    chain.succeed("bigmarket", ("delivery-7", "fund", {}))
    chain.succeed("swiftship", ("delivery-7", "report", {"fact": "delivered", "value": chain.now_ms}))
    for outcome in chain.outcomes:
        for receipt in outcome.receipts:
            assert Receipt.decode(receipt.encode()) == receipt
        for index, event in enumerate(outcome.events):
            assert type(event).decode(event.encode()) == event
            assert (event.height, event.index) == (outcome.link.height, index)


def test_receipts_say_which_events_are_theirs(chain: Chain) -> None:
    outcome = chain.block(transfer(chain), transfer(chain, 2_000), transfer(chain))
    ranges = [(receipt.first_event, receipt.event_count) for receipt in outcome.receipts]
    assert ranges == [(0, 1), (1, 0), (1, 1)]
    assert [event.transaction for event in outcome.events] == [outcome.receipts[0].id, outcome.receipts[2].id]


def test_simulation_changes_nothing_and_tells_the_receipt(chain: Chain) -> None:
    transaction = transfer(chain)
    before = dict(chain.ledger.state.rows)
    receipt, events = chain.engine.simulate(
        chain.ledger.state, transaction, chain.height + 1, chain.now_ms + 1_000
    )
    assert chain.ledger.state.rows == before
    outcome = chain.block(transaction)
    assert (outcome.receipts, outcome.events) == ((receipt,), events)


def test_simulation_asks_for_no_signature(chain: Chain) -> None:
    """What a person is about to sign can be tried first."""
    unsigned = transfer(chain)._replace(signatures=())
    receipt, _ = chain.engine.simulate(chain.ledger.state, unsigned, chain.height + 1, chain.now_ms)
    assert receipt.status is Status.OK


def test_a_block_must_follow_the_last(chain: Chain) -> None:
    link = chain.outcomes[-2].link
    chain.block()
    with pytest.raises(Exception, match="can not follow"):
        chain.engine.execute(chain.ledger, chain.blocks[-1], link)


def test_an_empty_block_only_links(chain: Chain) -> None:
    before = chain.outcomes[-1].link
    outcome = chain.block()
    assert (outcome.changed, outcome.writes, outcome.aux_writes, outcome.tree_writes) == (False, (), (), ())
    assert outcome.link.state_root == before.state_root
    assert outcome.link.exec_hash != before.exec_hash


def test_damaged_state_stops_and_never_becomes_a_receipt(chain: Chain) -> None:
    """A fault of this machine must not be taken for the contract's."""
    chain.ledger.state.rows[b"balance/bigmarket/euro"] = b"\xc1"
    with pytest.raises(StateCorruption):
        chain.block(transfer(chain))


def test_missing_state_stops(chain: Chain) -> None:
    transaction = transfer(chain)
    damaged = MemoryLedger()
    damaged.state.apply(
        (key, value) for key, value in chain.ledger.state.rows.items() if not key.startswith(b"code/")
    )
    chain.ledger = damaged
    with pytest.raises(StateCorruption, match="which is not in the state"):
        chain.block(transaction)
