"""Whatever is done: money is conserved, a replay gives the same bytes, and the root is that of the rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.errors import InvariantError
from contracts.encoding import decode_value
from contracts.ledger import Ledger
from contracts.merkle import Tree
from contracts.state import NO_ROWS
from contracts.tree_pages import NO_STATE
from contracts.values import DAY
from tests.engine.chain import MEMBERS, Call, Chain

accounts = st.sampled_from(MEMBERS)
amounts = st.sampled_from([0, 1, 7, 500, 10_000, 2**64, 2**255 - 1])
deals = st.sampled_from(["deal-0", "deal-1", "deal-2"])
money = st.one_of(
    st.tuples(st.just("transfer"), accounts, accounts, amounts),
    st.tuples(st.just("mint"), st.just("bank"), accounts, amounts),
    st.tuples(st.just("burn"), accounts, st.none(), amounts),
)
agreements = st.one_of(
    st.tuples(st.just("create"), st.just("bigmarket"), deals, st.sampled_from([0, 1, 999, 20_000])),
    st.tuples(st.just("fund"), accounts, deals, st.none()),
    st.tuples(st.just("report"), accounts, deals, st.integers(-3, 1)),
)
steps = st.tuples(
    st.sampled_from([1, 1_000, DAY, 20 * DAY, 45 * DAY]), st.lists(money | agreements, max_size=4)
)


def call_of(chain: Chain, code: str, step: tuple[str, str, Any, Any]) -> Call:
    action, _, target, value = step
    if action in ("transfer", "mint"):
        return "euro", action, {"to": target, "amount": str(value)}
    if action == "burn":
        return "euro", action, {"amount": str(value)}
    if action == "fund":
        return target, action, {}
    if action == "report":
        return target, action, {"fact": "delivered", "value": chain.now_ms + value * DAY // 2}
    terms = {
        "buyer": "bigmarket",
        "seller": "greenfarm",
        "carrier": "swiftship",
        "price": {"amount": str(value), "currency": "euro"},
        "deadline": chain.now_ms + 5 * DAY,
    }
    return "contracts", "create", {"code": code, "name": target, "terms": terms, "sign": True}


def check_conserved(chain: Chain) -> None:
    """Nobody owes, and what all hold together is the supply, as the stored bytes say."""
    rows = chain.ledger.state.rows
    amounts = [decode_value(data) for key, data in rows.items() if key.startswith(b"balance/")]
    assert all(type(amount) is int and amount > 0 for amount in amounts)
    assert sum(amounts) == decode_value(rows[b"supply/euro"])


@given(st.lists(steps, max_size=8))
@settings(max_examples=40)
def test_money_is_conserved_and_a_replay_gives_the_same_bytes(
    story: list[tuple[int, list[tuple[str, str, Any, Any]]]],
) -> None:
    chain = Chain()
    chain.euro(bigmarket=50_000, greenfarm=100)
    chain.delivery("deal-0", price=20_000)
    code = chain.instance("deal-0")["code"]
    for after_ms, block in story:
        expires_ms = chain.now_ms + after_ms + 1_000
        transactions = []
        for step in block:
            cosigners = ["greenfarm"] if step[0] == "create" else []
            transactions.append(
                chain.transaction(
                    step[1], call_of(chain, code, step), cosigners=cosigners, expires_ms=expires_ms
                )
            )
        outcome = chain.block(*transactions, after_ms=after_ms)
        assert {receipt.status for receipt in outcome.receipts if receipt.timer} <= {"ok"}
        check_conserved(chain)
    again = chain.replayed()
    assert again.outcomes == chain.outcomes
    assert again.ledger.state.rows == chain.ledger.state.rows
    assert again.ledger.aux.rows == chain.ledger.aux.rows
    top, _ = Tree(NO_ROWS, NO_STATE).update(chain.ledger.state.rows.items())
    assert chain.outcomes[-1].link.state_root == top.root


@pytest.mark.parametrize("fault", ["_give", "_take"])
def test_money_that_vanishes_stops_the_node(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in the ledger is found in what was written, and never becomes a receipt."""
    chain = Chain()
    chain.euro(bigmarket=100)
    transaction = chain.transaction("bigmarket", ("euro", "transfer", {"to": "greenfarm", "amount": 5}))
    monkeypatch.setattr(Ledger, fault, lambda *_: None)
    with pytest.raises(InvariantError, match="money was made or lost"):
        chain.block(transaction)
