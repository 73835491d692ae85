"""The example of the whole project: delivery on time, late, never, and all that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.arguments import time_text
from contracts.receipts import Receipt
from contracts.values import DAY
from tests.engine.chain import Chain

PRICE = 10_000
NAME = "delivery-7"


@pytest.fixture
def chain() -> Chain:
    """The buyer holds 50,000 euro cents and has signed with the seller: 10 days, 1 % a day, 10 % at most."""
    made = Chain()
    made.euro(bigmarket=50_000)
    made.delivery(NAME, price=PRICE, days=10)
    return made


def fund(chain: Chain) -> Receipt:
    return chain.succeed("bigmarket", (NAME, "fund", {}))


def report(chain: Chain, value: Any, *, by: str = "swiftship", after_ms: int = 1_000) -> Receipt:
    call = (NAME, "report", {"fact": "delivered", "value": value})
    return chain.perform(by, call, after_ms=after_ms)


def deadline_ms(chain: Chain) -> int:
    return int(next(term["value"] for term in chain.instance(NAME)["terms"] if term["name"] == "deadline"))


def held(chain: Chain) -> tuple[int, int, int]:
    """What the buyer, the seller and the agreement hold."""
    return chain.balance("bigmarket"), chain.balance("greenfarm"), chain.balance(f"contract:{NAME}")


def closed(chain: Chain) -> list[tuple[str, int]]:
    """The reasons and penalties of all Closed events."""
    fields = [dict(event.fields) for event in chain.events() if event.name == "Closed"]
    return [(str(each["reason"]), int(each["penalty"].amount)) for each in fields]


def test_money_is_held_once_funded(chain: Chain) -> None:
    receipt = fund(chain)
    assert held(chain) == (40_000, 0, PRICE)
    assert chain.instance(NAME)["phase"] == "funded"
    assert receipt.firings == ()


def test_on_time_the_seller_is_paid(chain: Chain) -> None:
    fund(chain)
    receipt = report(chain, chain.now_ms + 9 * DAY, after_ms=9 * DAY + 1)
    assert receipt.status == "ok"
    assert held(chain) == (40_000, PRICE, 0)
    assert closed(chain) == [("on time", 0)]
    assert chain.instance(NAME)["phase"] == "closed"
    assert len(receipt.firings) == 1


def test_at_the_deadline_is_on_time(chain: Chain) -> None:
    fund(chain)
    report(chain, deadline_ms(chain), after_ms=11 * DAY)
    assert closed(chain) == [("on time", 0)]


def test_a_millisecond_late_costs_a_day(chain: Chain) -> None:
    fund(chain)
    report(chain, deadline_ms(chain) + 1, after_ms=11 * DAY)
    assert closed(chain) == [("late", PRICE // 100)]
    assert held(chain) == (40_100, 9_900, 0)


def test_late_by_three_days_costs_three_percent(chain: Chain) -> None:
    fund(chain)
    report(chain, deadline_ms(chain) + 3 * DAY, after_ms=14 * DAY)
    assert held(chain) == (40_300, 9_700, 0)


def test_very_late_costs_no_more_than_the_cap(chain: Chain) -> None:
    fund(chain)
    report(chain, deadline_ms(chain) + 20 * DAY, after_ms=31 * DAY)
    assert closed(chain) == [("late", PRICE // 10)]
    assert held(chain) == (41_000, 9_000, 0)


def test_never_delivered_the_node_wakes_the_contract(chain: Chain) -> None:
    fund(chain)
    due_ms = deadline_ms(chain) + 30 * DAY + 1
    assert chain.outcomes[-1].next_wakeup_ms == due_ms
    assert chain.instance(NAME)["wake_ms"] == due_ms

    quiet = chain.block(after_ms=due_ms - 1 - chain.now_ms)
    assert (quiet.receipts, quiet.events, quiet.changed) == ((), (), False)
    assert quiet.next_wakeup_ms == due_ms

    woken = chain.block(after_ms=1)
    assert chain.now_ms == due_ms
    [receipt] = woken.receipts
    assert receipt.timer == (NAME, due_ms)
    assert receipt.status == "ok"
    assert len(receipt.firings) == 1
    assert [event.transaction for event in woken.events] == [None]
    assert closed(chain) == [("not delivered", 0)]
    assert held(chain) == (50_000, 0, 0)
    assert woken.next_wakeup_ms is None


def test_a_report_in_the_block_of_the_timer_comes_too_late(chain: Chain) -> None:
    """Due timers run before the transactions of their block."""
    fund(chain)
    due_ms = deadline_ms(chain) + 30 * DAY + 1
    receipt = report(chain, due_ms - DAY, after_ms=due_ms - chain.now_ms)
    assert receipt.status == "ok"
    assert closed(chain) == [("not delivered", 0)]
    assert held(chain) == (50_000, 0, 0)


def test_delivery_before_the_money_settles_when_the_money_comes(chain: Chain) -> None:
    assert report(chain, chain.now_ms).firings == ()
    receipt = fund(chain)
    assert len(receipt.firings) == 1
    assert held(chain) == (40_000, PRICE, 0)


def test_only_the_buyer_funds(chain: Chain) -> None:
    before = dict(chain.ledger.state.rows)
    receipt = chain.perform("greenfarm", (NAME, "fund", {}))
    assert (receipt.status, receipt.code) == ("failed", "unauthorised")
    assert "buyer (bigmarket)" in receipt.text
    assert "greenfarm" in receipt.text
    assert without_replay(chain.ledger.state.rows) == without_replay(before)


def test_a_cosigner_is_not_the_caller(chain: Chain) -> None:
    receipt = chain.perform("greenfarm", (NAME, "fund", {}), cosigners=["bigmarket"])
    assert receipt.code == "unauthorised"


def test_funding_twice_is_the_wrong_phase(chain: Chain) -> None:
    fund(chain)
    receipt = chain.perform("bigmarket", (NAME, "fund", {}))
    assert (receipt.code, held(chain)) == ("phase", (40_000, 0, PRICE))
    assert "unfunded" in receipt.text


def test_without_the_money_nothing_happens(chain: Chain) -> None:
    chain.succeed("bigmarket", ("euro", "burn", {"amount": 40_001}))
    receipt = chain.perform("bigmarket", (NAME, "fund", {}))
    assert (receipt.code, held(chain)) == ("funds", (9_999, 0, 0))
    assert chain.instance(NAME)["phase"] == "unfunded"


def test_unsigned_holds_no_money_and_fires_nothing(chain: Chain) -> None:
    terms_hash = chain.delivery("unsigned", signed=False)
    refused = chain.perform("bigmarket", ("unsigned", "fund", {}))
    assert (refused.code, held(chain)) == ("phase", (50_000, 0, 0))
    fact = {"fact": "delivered", "value": chain.now_ms}
    assert chain.perform("swiftship", ("unsigned", "report", fact)).code == "phase"
    gift = ("euro", "transfer", {"to": "contract:unsigned", "amount": 1})
    assert chain.perform("bigmarket", gift).code == "arguments"
    assert chain.outcomes[-1].next_wakeup_ms is None
    assert chain.instance("unsigned")["status"] == "proposed"

    sign = ("contracts", "sign", {"instance": "unsigned", "terms_hash": terms_hash})
    chain.succeed("bigmarket", sign)
    assert chain.perform("bigmarket", ("unsigned", "fund", {})).code == "phase"
    chain.succeed("greenfarm", sign)
    assert chain.instance("unsigned")["status"] == "active"
    chain.succeed("bigmarket", ("unsigned", "fund", {}))


@pytest.mark.parametrize("reporter", ["bigmarket", "greenfarm", "swiftship.clerk"])
def test_only_the_carrier_reports(chain: Chain, reporter: str) -> None:
    assert report(chain, chain.now_ms, by=reporter).code == "unauthorised"


def test_a_fact_is_reported_once(chain: Chain) -> None:
    fund(chain)
    assert report(chain, chain.now_ms).status == "ok"
    before = held(chain)
    again = report(chain, chain.now_ms)
    assert (again.code, held(chain)) == ("fact", before)


def test_a_fact_is_not_from_the_future(chain: Chain) -> None:
    """The block's own time is the latest that can have happened."""
    fund(chain)
    assert report(chain, chain.now_ms + 1_001).code == "fact"
    assert report(chain, chain.now_ms + 1_000).status == "ok"


def test_a_fact_is_not_older_than_agreed(chain: Chain) -> None:
    fund(chain)
    assert report(chain, chain.now_ms + 1_000 - 2 * DAY - 1).code == "fact"
    assert report(chain, chain.now_ms + 1_000 - 2 * DAY).status == "ok"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"fact": "weather", "value": 1}, "unknown"),
        ({"fact": 7, "value": 1}, "unknown"),
        ({"fact": "delivered"}, "arguments"),
        ({"fact": "delivered", "value": 1, "more": 1}, "arguments"),
        ({"fact": "delivered", "value": "yesterday"}, "arguments"),
        ({"fact": "delivered", "value": None}, "arguments"),
    ],
)
def test_a_report_has_a_form(chain: Chain, arguments: dict[str, Any], code: str) -> None:
    receipt = chain.perform("swiftship", (NAME, "report", arguments))
    assert (receipt.status, receipt.code) == ("failed", code)


def test_why_it_fired_is_proven_by_the_receipt(chain: Chain) -> None:
    fund(chain)
    delivered_ms = deadline_ms(chain) + 1
    receipt = report(chain, delivered_ms, after_ms=11 * DAY)
    view = chain.engine.describe_receipt(receipt, chain.ledger.aux)
    [firing] = view["firings"]
    assert firing["hash"] == receipt.firings[0].hex()
    assert [(each["condition"], each["held"]) for each in firing["conditions"]] == [
        ("self.delivered and self.delivered <= self.deadline", False),
        ("self.delivered", True),
    ]
    assert [each["parts"] for each in firing["conditions"]] == [
        [
            {"text": "self.delivered", "held": True},
            {"text": "self.delivered <= self.deadline", "held": False},
        ],
        [],
    ]
    assert firing["reads"] == {
        "phase": "funded",
        "delivered": time_text(delivered_ms),
        "deadline": time_text(deadline_ms(chain)),
        "rate": "1",
        "price": {"amount": str(PRICE), "currency": "euro"},
        "cap": "10",
        "buyer": "bigmarket",
        "seller": "greenfarm",
    }
    assert [(each["verb"], each["operands"][0]) for each in firing["effects"]] == [
        ("pay", "bigmarket"),
        ("pay", "greenfarm"),
        ("phase", "closed"),
        ("emit", "Closed"),
    ]


def without_replay(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {key: value for key, value in rows.items() if not key.startswith(b"replay/")}
