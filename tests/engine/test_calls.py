"""Contracts that call, ask and hear each other, in the language itself."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.parameters import Parameters
from consensus.transactions import GAS_LIMIT_MAX
from contracts.errors import Revert
from contracts.listening import GENERATIONS_MAX, LISTENERS_MAX, QUEUE_MAX
from contracts.receipts import Receipt
from tests.engine.chain import Chain

SHOP = '''
class Sold(Event):
    what: str
    price: int

class Purse(Interface):
    """Who keeps the money."""
    @action
    def put(self, amount: int) -> None:
        """Take it."""
    @query
    def count(self) -> int:
        """How often."""

class Shop(Contract):
    """If something is sold then the purse has the money."""
    purse: Purse = term()
    unit: Instance = term()
    sales: int = 0

    @action()
    def sell(self, what: str, price: int) -> None:
        self.take(sender(), Money(price, self.unit))
        self.sales += 1
        self.purse.put(amount=price)
        emit(Sold(what=what, price=price))

    @rule
    def restock(self) -> None:
        if self.sales > 2 and self.purse.count() > 2:
            self.sales = 0

    @query
    def puts(self) -> int:
        return self.purse.count() * 10
'''
PURSE = '''
class Purse(Contract):
    """If money is put then it is here."""
    unit: Instance = term()
    owner: Instance | None = term(default=None)
    puts: int = 0
    last: Party | None = None

    @action()
    def put(self, amount: int) -> None:
        require(amount != 13, "no thirteen")
        self.take(sender(), Money(amount, self.unit))
        self.puts += 1
        self.last = sender()

    @query
    def count(self) -> int:
        return self.puts
'''
LISTENER = '''
class Noted(Event):
    what: str

class Listener(Contract):
    """If the shop sells then it is written down."""
    shop: Instance = term()
    sold: Table[str, int] = table()
    total: int = 0
    full: bool = False

    @on("shop", "Sold")
    def note(self, what: str, price: int) -> None:
        """Write a sale down."""
        require(price != 7, "no sevens")
        self.sold[what] = self.sold.get(what, 0) + price
        self.total += price
        emit(Noted(what=what))

    @rule
    def fill(self) -> None:
        if self.total >= 100 and not self.full:
            self.full = True
'''


def create(chain: Chain, source: str, name: str, by: str = "bank", **terms: Any) -> Receipt:
    arguments = {"code": chain.deploy(source), "name": name, "terms": terms}
    return chain.perform(by, ("contracts", "create", arguments))


def value(chain: Chain, name: str, field: str) -> object:
    return next(shown["value"] for shown in chain.instance(name)["fields"] if shown["name"] == field)


def ask(chain: Chain, name: str, query: str, **arguments: Any) -> object:
    return chain.engine.query(chain.ledger.state, name, query, arguments, chain.height, chain.now_ms)


@pytest.fixture
def shops() -> Chain:
    chain = Chain()
    chain.euro(bigmarket=10_000)
    assert create(chain, PURSE, "purse", unit="euro").status == "ok"
    assert create(chain, SHOP, "shop", purse="purse", unit="euro").status == "ok"
    return chain


def sell(price: int, what: str = "tea") -> tuple[str, str, dict[str, object]]:
    return ("shop", "sell", {"what": what, "price": price})


def test_a_call_moves_money_in_the_name_of_the_caller(shops: Chain) -> None:
    shops.succeed("bigmarket", sell(30))
    assert shops.balance("bigmarket") == 9_970
    assert (shops.balance("contract:shop"), shops.balance("contract:purse")) == (0, 30)
    assert (value(shops, "purse", "last"), ask(shops, "shop", "puts")) == ("contract:shop", 10)


def test_a_refusal_of_the_called_undoes_all(shops: Chain) -> None:
    receipt = shops.perform("bigmarket", sell(13))
    assert (receipt.code, receipt.text) == ("require", "no thirteen")
    assert (shops.balance("bigmarket"), value(shops, "shop", "sales")) == (10_000, 0)


def test_a_rule_asks_another_and_says_what_it_read(shops: Chain) -> None:
    receipt = shops.succeed("bigmarket", sell(1), sell(2), sell(3))
    [firing] = shops.engine.describe_receipt(receipt, shops.ledger.aux)["firings"]
    assert firing["reads"] == {"sales": 3, "purse": "purse", "purse.count()": 3}
    assert value(shops, "shop", "sales") == 0


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("def put(self, amount: int)", "def put(self, amount: Span)", "it offers no such thing"),
        ("def count(self) -> int", "def count(self) -> str", "it offers no such thing"),
        ("def put(", "def take_it(", "it offers no such thing"),
        ("@query\n    def count(self) -> int:\n        return self.puts", "", "it offers no such thing"),
    ],
)
def test_terms_name_instances_that_offer_what_is_asked(before: str, after: str, problem: str) -> None:
    chain = Chain()
    chain.euro()
    source = PURSE.replace(before, after).replace("Money(amount", "Money(1").replace("amount != 13", "True")
    source = source.replace(
        "return self.puts", "return str(self.puts)" if "str" in after else "return self.puts"
    )
    create(chain, source, "purse", unit="euro")
    receipt = create(chain, SHOP, "shop", purse="purse", unit="euro")
    assert (receipt.code, problem in receipt.text) == ("interface", True), receipt.text


# ---------------------------------------------------------------- events


@pytest.fixture
def heard(shops: Chain) -> Chain:
    assert create(shops, LISTENER, "listener", shop="shop").status == "ok"
    return shops


def test_an_event_is_told_in_the_next_block(heard: Chain) -> None:
    sold = heard.block(heard.transaction("bigmarket", sell(40)))
    assert value(heard, "listener", "total") == 0
    assert sold.next_wakeup_ms == heard.now_ms
    told = heard.block()
    [receipt] = told.receipts
    assert (receipt.status, receipt.delivery) == ("ok", ("listener", "shop", 0))
    assert [event.name for event in told.events] == ["Noted"]
    assert (value(heard, "listener", "total"), told.next_wakeup_ms) == (40, None)
    [firing] = heard.engine.describe_receipt(receipt, heard.ledger.aux)["firings"]
    assert firing["rule"] == "note"
    assert firing["conditions"] == [{"condition": "shop emitted Sold", "held": True, "parts": []}]
    assert firing["reads"] == {"what": "tea", "price": 40, "sold['tea']": None, "total": 0}
    assert heard.block().receipts == ()


def test_rules_follow_an_event(heard: Chain) -> None:
    heard.succeed("bigmarket", sell(60), sell(60))
    heard.block()
    assert value(heard, "listener", "full") is True


SEVERAL = '''
class Several(Contract):
    """If a shop sells then several things happen."""
    one: Instance = term()
    other: Instance = term()
    limit: int = term(default=100)
    phase = phases("open", "full")
    done: str = ""
    count: int = 0

    @rule(phase="open")
    def fill(self) -> None:
        if self.count >= self.limit:
            self.phase = "full"

    @on("one", "Sold")
    def second_name_first(self, price: int) -> None:
        self.done += "first " + str(price) + "; "
        self.count += 1

    @on("other", "Sold", phase="open")
    def again(self, price: int) -> None:
        require(price != 7, "no sevens")
        self.done += "again " + str(price) + "; "

    @on("one", "Sold")
    def afterwards(self, what: str) -> None:
        self.done += "afterwards " + what + "; "
'''


def test_all_that_is_for_an_event_is_done_in_the_order_of_the_source(shops: Chain) -> None:
    """Also where two terms name the same emitter; it is one delivery, with one receipt."""
    assert create(shops, SEVERAL, "several", one="shop", other="shop").status == "ok"
    shops.succeed("bigmarket", sell(4))
    [receipt] = shops.block().receipts
    assert value(shops, "several", "done") == "first 4; again 4; afterwards tea; "
    firings = shops.engine.describe_receipt(receipt, shops.ledger.aux)["firings"]
    assert [firing["rule"] for firing in firings] == ["second_name_first", "again", "afterwards"]
    assert shops.block().receipts == ()


def test_only_what_is_for_the_emitter_is_done(shops: Chain) -> None:
    assert create(shops, SHOP, "stall", purse="purse", unit="euro").status == "ok"
    assert create(shops, SEVERAL, "several", one="stall", other="shop").status == "ok"
    shops.succeed("bigmarket", sell(4))
    shops.block()
    assert value(shops, "several", "done") == "again 4; "


def test_what_one_does_may_lead_to_a_phase_in_which_the_next_is_not_done(shops: Chain) -> None:
    """Rules are tried after each of them."""
    assert create(shops, SEVERAL, "several", one="shop", other="shop", limit=1).status == "ok"
    shops.succeed("bigmarket", sell(4))
    shops.block()
    assert value(shops, "several", "done") == "first 4; afterwards tea; "


def test_one_of_several_that_fails_undoes_all_of_them(shops: Chain) -> None:
    assert create(shops, SEVERAL, "several", one="shop", other="shop").status == "ok"
    shops.succeed("bigmarket", sell(7), sell(5))
    failed, told = shops.block().receipts
    assert (failed.code, failed.firings, told.status) == ("require", (), "ok")
    assert value(shops, "several", "done") == "first 5; again 5; afterwards tea; "


def test_a_failing_handler_leaves_the_emitter_alone(heard: Chain) -> None:
    heard.succeed("bigmarket", sell(7), sell(8))
    failed, told = heard.block().receipts
    assert (failed.status, failed.code, failed.text) == ("failed", "require", "no sevens")
    assert (told.status, told.delivery) == ("ok", ("listener", "shop", 1))
    assert (heard.balance("contract:purse"), value(heard, "listener", "total")) == (15, 8)


def test_who_comes_later_hears_what_comes_later(heard: Chain) -> None:
    heard.block(heard.transaction("bigmarket", sell(1)), heard.transaction("bigmarket", sell(2)))
    late = {"code": heard.deploy(LISTENER), "name": "late", "terms": {"shop": "shop"}}
    heard.block(
        heard.transaction("bigmarket", sell(4)), heard.transaction("bank", ("contracts", "create", late))
    )
    heard.succeed("bigmarket", sell(8))
    heard.block()
    assert (value(heard, "listener", "total"), value(heard, "late", "total")) == (15, 8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"Sold")', '"Bought")'),
        ("what: str, price: int)", "what: str, price: Span)"),
        ("price: int)", "cost: int)"),
    ],
)
def test_the_event_must_be_one_of_the_other(shops: Chain, before: str, after: str) -> None:
    source = LISTENER.replace(before, after)
    for old, new in (("price != 7", "True"), ("+ price", "+ 1"), ("+= price", "+= 1")):
        source = source.replace(old, new)
    assert create(shops, source, "listener", shop="shop").code == "interface"


def test_a_member_has_so_many_listeners_and_others_have_theirs(shops: Chain) -> None:
    for number in range(LISTENERS_MAX):
        assert create(shops, LISTENER, f"ear-{number}", shop="shop").status == "ok"
    assert create(shops, LISTENER, "ear-more", shop="shop").code == "size"
    assert create(shops, LISTENER, "ear-of-another", by="greenfarm", shop="shop").status == "ok"
    shops.succeed("bigmarket", sell(1))
    assert len(shops.block().receipts) == LISTENERS_MAX + 1


ECHO = '''
class Called(Event):
    count: int

class Echo(Contract):
    """If another calls then this calls back."""
    count: int = 0
    @action()
    def shout(self, times: int) -> None:
        for i in range(times):
            emit(Called(count=i))
    @query
    def heard(self) -> int:
        return self.count
'''
ANSWER = (
    ECHO.replace("    count: int = 0", "    other: Instance = term()\n    count: int = 0")
    + """
    @on("other", "Called")
    def answer(self, count: int) -> None:
        self.count += 1
        emit(Called(count=count))
"""
)


def test_events_do_not_feed_on_each_other_for_ever() -> None:
    chain = Chain()
    create(chain, ECHO, "echo-0")
    for number in range(1, GENERATIONS_MAX + 3):
        create(chain, ANSWER, f"echo-{number}", other=f"echo-{number - 1}")
    chain.succeed("bank", ("echo-0", "shout", {"times": 1}))
    blocks = 0
    while chain.block().receipts:
        blocks += 1
    assert blocks == GENERATIONS_MAX
    assert [value(chain, f"echo-{number}", "count") for number in (GENERATIONS_MAX, GENERATIONS_MAX + 1)] == [
        1,
        0,
    ]


def test_a_queue_has_an_end_and_counts_what_it_missed() -> None:
    chain = Chain()
    create(chain, ECHO, "echo-0")
    create(chain, ANSWER, "echo-1", other="echo-0")
    shouts = [chain.transaction("bank", ("echo-0", "shout", {"times": 100})) for _ in range(3)]
    assert {receipt.status for receipt in chain.block(*shouts).receipts} == {"ok"}
    told = 0
    while receipts := chain.block().receipts:
        assert len(receipts) <= chain.parameters.timers_per_block_max
        told += len(receipts)
    assert (told, value(chain, "echo-1", "count")) == (QUEUE_MAX, QUEUE_MAX)
    chain.succeed("bank", ("echo-0", "shout", {"times": 1}))
    assert len(chain.block().receipts) == 1


ENDLESS = LISTENER.replace(
    "        self.total += price", "        while True:\n            self.total += price"
)


def test_what_listeners_compute_is_bounded_for_each_and_for_a_block() -> None:
    """Half of a batch's gas, here for ten of sixteen; the others have their turn in the next block."""
    chain = Chain(Parameters(batch_gas_max=GAS_LIMIT_MAX))
    chain.euro(bigmarket=100)
    create(chain, PURSE, "purse", unit="euro")
    create(chain, SHOP, "shop", purse="purse", unit="euro")
    for number in range(LISTENERS_MAX):
        create(chain, ENDLESS, f"ear-{number:02}", shop="shop")
    chain.succeed("bigmarket", sell(1))
    first, second, third = (chain.block().receipts for _ in range(3))
    assert {(receipt.code, receipt.gas_used) for receipt in (*first, *second)} == {("gas", 1_000_000)}
    assert (len(first), len(second), len(third)) == (10, LISTENERS_MAX - 10, 0)
    told = [receipt.delivery.instance for receipt in (*first, *second) if receipt.delivery]
    assert told == [f"ear-{number:02}" for number in range(LISTENERS_MAX)]


def test_two_nodes_tell_alike(heard: Chain) -> None:
    heard.block(*(heard.transaction("bigmarket", sell(price)) for price in range(1, 9)))
    heard.block(run_timers=False)
    heard.block()
    assert heard.replayed().outcomes[-1].link == heard.outcomes[-1].link


# ---------------------------------------------------------------- kept calls

COURT = '''
class Court(Contract):
    """If somebody brings a call then it is made in the name of the court."""
    kept: Call | None = None
    rank: int = 0

    @action()
    def keep(self, call: Call) -> None:
        self.kept = call

    @action()
    def make(self) -> None:
        require(self.kept is not None, "nothing is kept")
        if self.kept is not None:
            perform(self.kept)
        self.rank += 1

    @action()
    def raise_rank(self, by: int) -> None:
        require(sender() == account_of(this()), "only the court itself")
        self.rank += by
'''


@pytest.fixture
def court() -> Chain:
    chain = Chain()
    chain.euro(bigmarket=100)
    create(chain, COURT, "court")
    return chain


def kept(contract: str, action: str, **arguments: object) -> tuple[str, str, dict[str, object]]:
    return ("court", "keep", {"call": {"contract": contract, "action": action, "args": arguments}})


def test_a_kept_call_is_made_in_the_name_of_the_instance(court: Chain) -> None:
    create(court, PURSE, "purse", unit="euro")
    court.succeed("bigmarket", ("euro", "transfer", {"to": "bigmarket", "amount": 1}))
    court.succeed("bank", kept("court", "raise_rank", by=5), ("court", "make", {}))
    assert value(court, "court", "rank") == 6
    assert court.perform("bank", ("court", "raise_rank", {"by": 1})).text == "only the court itself"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (kept("euro", "transfer", to="bank", amount=5), "funds"),
        (kept("euro", "mint", to="bank", amount=5), "unauthorised"),
        (kept("euro", "nothing"), "unknown"),
        (kept("euro", "transfer", to="bank"), "arguments"),
        (kept("court", "raise_rank", by="many"), "arguments"),
    ],
)
def test_a_kept_call_that_fails_undoes_the_transaction(court: Chain, call: object, code: str) -> None:
    court.succeed("bank", call)  # type: ignore[arg-type]
    assert court.perform("bank", ("court", "make", {})).code == code
    assert value(court, "court", "rank") == 0


@pytest.mark.parametrize("contract", ["contracts", "accounts", "nobody"])
def test_only_instances_are_called(court: Chain, contract: str) -> None:
    assert court.perform("bank", kept(contract, "deploy", source="x")).code == "unknown"


def test_a_call_that_calls_itself_ends(court: Chain) -> None:
    court.succeed("bank", kept("court", "make"))
    assert court.perform("bank", ("court", "make", {})).status == "failed"


# ---------------------------------------------------------------- facts of several

WEATHER = '''
class Weather(Contract):
    """If enough stations report then the temperature is known."""
    stations: list[Oracle] = term()
    needed: int = term(default=3)
    celsius: Decimal = fact(by="stations", quorum="needed", agree="median")
    rain: bool = fact(by="stations", quorum=2)
    warm: bool = False

    @rule
    def judge(self) -> None:
        if reported(self.celsius) and self.celsius > Decimal("20.5") and not self.warm:
            self.warm = True
'''
STATIONS = ["bank", "bigmarket", "greenfarm", "swiftship"]


@pytest.fixture
def weather() -> Chain:
    chain = Chain()
    assert create(chain, WEATHER, "weather", stations=STATIONS).status == "ok"
    return chain


def report(chain: Chain, by: str, fact: str, given: object) -> Receipt:
    return chain.perform(by, ("weather", "report", {"fact": fact, "value": given}))


def test_the_median_of_a_quorum_counts(weather: Chain) -> None:
    for by, given in zip(STATIONS, ("20", "99", "21.5"), strict=False):
        assert report(weather, by, "celsius", given).status == "ok"
    [celsius, _] = weather.instance("weather")["facts"]
    assert (celsius["value"], value(weather, "weather", "warm")) == ("21.5", True)
    assert report(weather, "swiftship", "celsius", "0").code == "fact"


def test_equal_reports_of_a_quorum_count(weather: Chain) -> None:
    for by, given in zip(STATIONS, (True, False, True), strict=False):
        [_, rain] = weather.instance("weather")["facts"]
        assert rain["value"] is None
        assert report(weather, by, "rain", given).status == "ok"
    [_, rain] = weather.instance("weather")["facts"]
    assert (rain["value"], rain["needed"], len(rain["reports"])) == (True, 2, 3)


def test_nobody_counts_twice(weather: Chain) -> None:
    assert report(weather, "bank", "rain", True).status == "ok"
    assert report(weather, "bank", "rain", True).code == "fact"
    assert report(weather, "bank.clerk", "rain", True).code == "unauthorised"


@pytest.mark.parametrize("terms", [{"needed": 5}, {"needed": 0}, {"stations": ["bank"] * 5}])
def test_a_quorum_that_nobody_can_reach_is_refused(terms: dict[str, Any]) -> None:
    assert create(Chain(), WEATHER, "weather", **({"stations": STATIONS} | terms)).code == "arguments"


def test_a_query_is_answered_by_the_one_it_was_made_for() -> None:
    chain = Chain()
    with pytest.raises(Revert, match="there is no contract"):
        ask(chain, "nobody", "asked")
