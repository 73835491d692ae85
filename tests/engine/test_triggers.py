"""Rules fire by themselves until quiet; timers wake them in order and within a budget."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.parameters import Parameters
from consensus.transactions import GAS_LIMIT_MAX
from contracts.engine import Outcome
from contracts.receipts import FIRINGS_MAX, Receipt, Status, Timer
from contracts.triggers import TIMER_REST_MS
from tests.engine.chain import GENESIS_MS, Chain

ALARM = '''
from contracts import SECOND, Contract, Event, Span, Time, action, emit, now, require, rule, term


class Rang(Event):
    """It rang."""

    times: int


class Alarm(Contract):
    """Rings at a time, again and again, unless it is broken."""

    at: Time = term()
    every: Span = term(default=0 * SECOND)
    repeats: bool = term(default=False)
    rings: int = 0
    broken: bool = False

    @action()
    def touch(self) -> None:
        """Do nothing."""

    @action()
    def mend(self, broken: bool) -> None:
        """Break it or mend it."""
        self.broken = broken

    @rule()
    def ring(self) -> None:
        """Ring when it is time."""
        if now() > self.at + self.every * self.rings and (self.repeats or self.rings == 0):
            require(not self.broken, "the alarm is broken")
            self.rings += 1
            emit(Rang(times=self.rings))
'''

COUNTER = '''
from contracts import Contract, action, rule, term


class Counter(Contract):
    """Counts down, two rules taking turns."""

    left: int = 0
    trace: str = ""

    @action()
    def start(self, count: int) -> None:
        """Set the count."""
        self.left = count
        self.trace = ""

    @rule()
    def even(self) -> None:
        """Halve."""
        if self.left > 0 and self.left % 2 == 0:
            self.left = self.left // 2
            self.trace = self.trace + "e"

    @rule()
    def odd(self) -> None:
        """Take one."""
        if self.left % 2 == 1:
            self.left -= 1
            self.trace = self.trace + "o"

    @rule()
    def never_rests(self) -> None:
        """For ever, once below 0."""
        if self.left < 0:
            self.left -= 2
'''


def create(chain: Chain, source: str, name: str, **terms: Any) -> None:
    code = chain.deploy(source)
    chain.succeed("bank", ("contracts", "create", {"code": code, "name": name, "terms": terms}))


def alarms(*names: str, parameters: Parameters | None = None, **terms: Any) -> tuple[Chain, int]:
    """A chain with alarms that all ring at a time 10 s ahead, and this time."""
    chain = Chain(parameters)
    at_ms = chain.now_ms + 10_000
    for name in names:
        create(chain, ALARM, name, at=at_ms, **terms)
    return chain, at_ms


def timers(outcome: Outcome) -> list[tuple[Timer | None, Status]]:
    return [(receipt.timer, receipt.status) for receipt in outcome.receipts]


def field(chain: Chain, instance: str, name: str) -> Any:
    return next(each["value"] for each in chain.instance(instance)["fields"] if each["name"] == name)


@pytest.fixture
def counter() -> Chain:
    chain = Chain()
    create(chain, COUNTER, "counter")
    return chain


def start(chain: Chain, count: int) -> Receipt:
    return chain.perform("bank", ("counter", "start", {"count": str(count)}))


def test_rules_fire_in_the_order_of_the_source_until_quiet(counter: Chain) -> None:
    receipt = start(counter, 12)
    assert field(counter, "counter", "trace") == "eeoeo"
    assert len(receipt.firings) == 5
    fired = counter.engine.describe_receipt(receipt, counter.ledger.aux)["firings"]
    assert [each["rule"] for each in fired] == ["even", "even", "odd", "even", "odd"]


def test_rules_that_never_rest_undo_the_action(counter: Chain) -> None:
    start(counter, 4)
    receipt = start(counter, -2)
    assert (receipt.status, receipt.code, receipt.firings) == (Status.FAILED, "rules", ())
    assert field(counter, "counter", "trace") == "eeo"


def test_the_cap_of_firings_at_its_edge(counter: Chain) -> None:
    most = 2**FIRINGS_MAX // 2
    assert len(start(counter, most).firings) == FIRINGS_MAX
    assert start(counter, 2 * most).code == "rules"


def test_timers_run_by_time_and_then_by_name_before_transactions() -> None:
    chain, at_ms = alarms()
    for name, late_ms in (("b", 0), ("c", -1), ("a", 0)):
        create(chain, ALARM, name, at=at_ms + late_ms)
    touch = chain.transaction("bank", ("b", "touch", {}), expires_ms=at_ms + 60_000)
    outcome = chain.block(touch, after_ms=20_000)
    expected = [(Timer(name, at_ms + 1 + late), Status.OK) for name, late in (("c", -1), ("a", 0), ("b", 0))]
    assert timers(outcome) == [*expected, (None, Status.OK)]
    assert [event.contract for event in outcome.events] == ["c", "a", "b"]


def test_not_a_millisecond_early() -> None:
    chain, at_ms = alarms("a")
    assert chain.outcomes[-1].next_wakeup_ms == at_ms + 1
    assert chain.block(after_ms=at_ms - chain.now_ms).receipts == ()
    assert timers(chain.block(after_ms=1)) == [(Timer("a", at_ms + 1), Status.OK)]


def test_the_rest_of_the_timers_waits_for_the_next_block() -> None:
    chain, at_ms = alarms("a", "b", "c", parameters=Parameters(timers_per_block_max=2))
    first = chain.block(after_ms=10_000)
    assert ([timer for timer, _ in timers(first)], first.next_wakeup_ms) == (
        [Timer("a", at_ms + 1), Timer("b", at_ms + 1)],
        at_ms + 1,
    )
    assert timers(chain.block()) == [(Timer("c", at_ms + 1), Status.OK)]


BURNER = """
class Burner(Contract):
    at: Time = term()
    rings: int = 0

    @rule
    def burn(self) -> None:
        if self.rings == 0 and now() > self.at:
            self.rings += 1
            while True:
                pass
"""


def test_timers_of_a_block_share_the_gas_of_one_batch() -> None:
    """Nobody pays for them, so they must not take what is there for transactions."""
    parameters = Parameters(batch_gas_max=GAS_LIMIT_MAX, timer_gas_max=GAS_LIMIT_MAX // 3)
    chain, at_ms = Chain(parameters), GENESIS_MS + 60_000
    for name in "abcde":
        create(chain, BURNER, name, at=at_ms)
    first, second = chain.block(after_ms=60_000), chain.block()
    assert [receipt.code for receipt in (*first.receipts, *second.receipts)] == ["gas"] * 5
    assert ([timer and timer.instance for timer, _ in timers(first)], first.next_wakeup_ms) == (
        ["a", "b", "c"],
        at_ms + 1,
    )
    assert [timer and timer.instance for timer, _ in timers(second)] == ["d", "e"]


def test_a_block_that_must_stay_empty_runs_no_timer() -> None:
    chain, at_ms = alarms("a")
    held = chain.block(after_ms=20_000, run_timers=False)
    assert (held.receipts, held.changed, held.next_wakeup_ms) == ((), False, at_ms + 1)
    assert len(chain.block().receipts) == 1


def broken_alarm() -> Chain:
    chain, _ = alarms("a")
    chain.succeed("bank", ("a", "mend", {"broken": True}))
    return chain


def test_a_timer_that_fails_leaves_a_receipt_and_is_disarmed() -> None:
    chain = broken_alarm()
    outcome = chain.block(after_ms=20_000)
    [receipt] = outcome.receipts
    assert (receipt.status, receipt.code, receipt.text) == (Status.FAILED, "require", "the alarm is broken")
    assert (outcome.events, outcome.next_wakeup_ms) == ((), None)
    assert chain.block(after_ms=20_000).receipts == ()
    assert "failed when its time had come" in chain.instance("a")["rules"][0]["next"]


def test_an_action_arms_a_disarmed_timer_again_or_fires_at_once() -> None:
    chain = broken_alarm()
    chain.block(after_ms=20_000)
    refused = chain.perform("bank", ("a", "touch", {}))
    assert refused.code == "require"
    mended = chain.succeed("bank", ("a", "mend", {"broken": False}))
    assert len(mended.firings) == 1
    assert field(chain, "a", "rings") == 1


def test_a_timer_out_of_gas_fails_alone() -> None:
    chain, _ = alarms("a", "b", parameters=Parameters(timer_gas_max=30))
    outcome = chain.block(chain.transaction("bank", ("euro", "x", {})), after_ms=20_000)
    used = [(receipt.code, receipt.gas_used) for receipt in outcome.receipts[:2]]
    assert used == [("gas", 30), ("gas", 30)]
    assert outcome.receipts[2].code == "unknown"


def test_a_timer_rests_after_each_firing() -> None:
    """A rule that wants to fire every millisecond must not keep an idle chain busy for ever."""
    chain, at_ms = alarms("a", every=20_000, repeats=True)
    outcome = chain.block(after_ms=at_ms + 19_999 - chain.now_ms)
    assert (field(chain, "a", "rings"), outcome.next_wakeup_ms) == (1, chain.now_ms + TIMER_REST_MS)
    assert chain.block(after_ms=TIMER_REST_MS - 1).receipts == ()
    assert len(chain.block(after_ms=1).receipts[0].firings) == 1


def test_an_action_moves_the_timer() -> None:
    chain = Chain()
    chain.euro(bigmarket=20_000)
    chain.delivery("deal", price=10_000)
    chain.succeed("bigmarket", ("deal", "fund", {}))
    armed = [key for key in chain.ledger.state.rows if key.startswith(b"due/")]
    assert len(armed) == 1
    chain.succeed("swiftship", ("deal", "report", {"fact": "delivered", "value": chain.now_ms}))
    assert not any(key.startswith(b"due/") for key in chain.ledger.state.rows)
    assert chain.outcomes[-1].next_wakeup_ms is None
    assert chain.engine.next_wakeup_ms(chain.ledger.state) is None
