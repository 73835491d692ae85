"""Whatever a contract can come to can be shown, and showing it costs little."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
import pytest

from contracts.receipts import EXPLAINED_BYTES_MAX, PARTS_MAX, Firing, Receipt
from contracts.values import INT_MAX, MS_MAX, TIME_MS_MAX
from contracts.views import instance as instance_view
from tests.engine.chain import Call, Chain

EXTREMES = '''
class Seen(Event):
    """All that an event can carry."""

    time: Time
    span: Span
    share: Percent
    price: Money
    data: bytes
    number: int
    text: str


class Extremes(Contract):
    who: Party = term()
    price: Money = term()
    at: Time = term()
    length: Span = term()
    share: Percent = term(default="999999999.9999")
    number: int = 0
    data: bytes = b""
    text: str = ""
    last: Span = 0 * DAY
    total: Percent = Percent("0")
    sum: Money = Money(0, "euro")
    pairs: Table[tuple[int, bytes], list[Money]] = table()
    maps: dict[str, list[int]] = {}
    mark: Time = fact(by="who")

    @action()
    def fill(self, number: int, text: str, data: bytes) -> None:
        self.number = number
        self.text = text
        self.data = data
        self.last = self.length + (now() - now())
        self.total = self.share * 10 ** 60
        self.sum = Money(number, self.price.currency)
        self.pairs[number, data[:50]] = [self.sum]
        self.maps = {text: [number]}
        emit(
            Seen(
                time=self.at + self.length, span=self.length, share=self.total, price=self.sum, data=data,
                number=number, text=text,
            )
        )

    @rule
    def grow(self) -> None:
        if self.number > 0 and reported(self.mark) and now() > self.mark and self.length > self.last - DAY:
            self.number = -self.number
'''

VALUES = [
    (str(INT_MAX), "\u0000\u202e\U0001f600" * 300, "ff" * 4096),
    (str(-INT_MAX), "x" * 4096, ""),
    (2**53 - 1, "", "00"),
    (str(2**63), '"}{\\', "80"),
]


def is_safe(value: Any) -> bool:
    """True for JSON whose numbers every reader has exactly, those without integers of 64 bits included."""
    if isinstance(value, dict):
        return all(type(key) is str and is_safe(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_safe, value))
    return type(value) is not float and (type(value) is not int or abs(value) <= 2**53 - 1)


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro()
    price = {"amount": str(INT_MAX), "currency": "euro"}
    terms = {"who": "bank", "price": price, "at": TIME_MS_MAX, "length": TIME_MS_MAX}
    create = {"code": made.deploy(EXTREMES), "name": "deal", "terms": terms}
    made.succeed("bank", ("contracts", "create", create))
    return made


def test_whatever_is_reached_is_shown(chain: Chain) -> None:
    engine, state = chain.engine, chain.ledger.state
    for number, text, data in VALUES:
        calls: list[Call] = [("deal", "fill", {"number": number, "text": text, "data": data})]
        if number == 2**53 - 1:
            calls.append(("deal", "report", {"fact": "mark", "value": chain.now_ms}))
        transaction = chain.transaction("bank", *calls)
        assert is_safe(engine.sentence(state, transaction))
        [receipt] = chain.block(transaction).receipts
        assert receipt.code == ""
        views: list[Any] = [engine.describe_receipt(receipt, chain.ledger.aux)]
        views += [engine.describe_event(event, chain.now_ms) for event in chain.outcomes[-1].events]
        views += [
            engine.describe_instance(state, "deal", chain.height, now_ms)
            for now_ms in (0, chain.now_ms, TIME_MS_MAX, MS_MAX)
        ]
        assert is_safe(views)
        assert orjson.loads(orjson.dumps(views)) == views
    assert [len(receipt.firings) for receipt in chain.receipts()][-2:] == [1, 1]


HEAVY = """
class Heavy(Contract):
    number: int = 0
    rows: Table[int, str] = table()

    @action()
    def fill(self, first: int, length: int) -> None:
        text = "x"
        while len(text) < length:
            text = text + text
        for i in range(3):
            self.rows[first + i] = text

    @action()
    def start(self) -> None:
        self.number = 1

    @rule
    def fails(self) -> None:
        if 1 // self.number > 1:
            self.number = 0

"""
RULE = """
    @rule
    def {}(self) -> None:
        if {}:
            self.number = 2
"""
READS_ALL = " and ".join(["self.number == 1", *(f"self.rows.get({row}, '') != ''" for row in range(30))])


def heavy(*rules: str) -> Chain:
    chain = Chain()
    source = HEAVY + "".join(RULE.format(f"rule_{place}", text) for place, text in enumerate(rules))
    create = {"code": chain.deploy(source.replace("if 1 //", "if self.number > 5 and 1 //")), "name": "deal"}
    chain.succeed("bank", ("contracts", "create", {**create, "terms": {}}))
    return chain


def test_large_rows_are_not_all_shown() -> None:
    chain = heavy()
    for first in range(0, 60, 3):
        chain.succeed("bank", ("deal", "fill", {"first": first, "length": 4096}))
    [_, table] = chain.instance("deal")["fields"]
    shown = sum(len(value) for _, value in table["rows"])
    assert table["more"]
    assert instance_view.TABLE_BYTES_SHOWN // 2 < shown <= instance_view.TABLE_BYTES_SHOWN


def test_looking_at_rules_has_one_limit_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = heavy(*["self.rows.get(1, '') == 'y'"] * 20)
    monkeypatch.setattr(instance_view, "EVALUATION_GAS_MAX", 1_500)
    rules = chain.instance("deal")["rules"]
    told = [rule["branches"][0]["holds"] for rule in rules]
    assert told == [False] * 9 + [None] * 12
    assert rules[-1]["next"] == "can not be told: its conditions fail, or cost too much to look at"


def test_a_rule_whose_condition_fails_says_so() -> None:
    """And so does every action on the agreement."""
    chain = Chain()
    create = {"code": chain.deploy(HEAVY), "name": "deal", "terms": {}}
    assert chain.perform("bank", ("contracts", "create", create)).code == "division"


def recorded(chain: Chain, receipt: Receipt) -> bytes:
    """The only firing of a receipt, as it is on record."""
    encoded = chain.ledger.aux.get(b"firing/" + receipt.firings[0])
    assert encoded is not None
    return encoded


def test_the_record_of_a_firing_is_bounded() -> None:
    """It ends before it has all that the rule looked at."""
    chain = heavy(READS_ALL)
    for first in range(0, 30, 3):
        chain.succeed("bank", ("deal", "fill", {"first": first, "length": 4096}))
    receipt = chain.succeed("bank", ("deal", "start", {}))
    [firing] = chain.engine.describe_receipt(receipt, chain.ledger.aux)["firings"]
    assert [len(text) for text in firing["reads"].values() if type(text) is str] == [4096] * 15
    encoded = recorded(chain, receipt)
    assert EXPLAINED_BYTES_MAX // 2 < len(encoded) < EXPLAINED_BYTES_MAX + 4096
    assert Firing.decode(encoded).effects[0].verb == "set"


@pytest.mark.parametrize(("parts", "listed"), [(PARTS_MAX, PARTS_MAX), (PARTS_MAX + 1, 0)])
def test_the_record_of_a_firing_lists_so_many_parts(parts: int, listed: int) -> None:
    """What of them was not looked at, because another had decided, is there with nothing."""
    test = " or ".join(["self.number == 1", *(f"self.number > {number}" for number in range(3, parts + 2))])
    chain = heavy(test)
    receipt = chain.succeed("bank", ("deal", "start", {}))
    [firing] = chain.engine.describe_receipt(receipt, chain.ledger.aux)["firings"]
    [tried] = firing["conditions"]
    assert (tried["condition"], tried["held"], len(tried["parts"])) == (test, True, listed)
    assert (
        tried["parts"][:2]
        == [
            {"text": "self.number == 1", "held": True},
            {"text": "self.number > 3", "held": None},
        ][:listed]
    )
    assert receipt.firings == (sha256(b"quorate/firing/1\n" + recorded(chain, receipt)).digest(),)


def test_an_accounts_view_shows_so_many_balances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone can make currencies, and give of them to whom he likes."""
    monkeypatch.setattr("contracts.views.reader.BALANCES_SHOWN", 2)
    chain = Chain()
    token = chain.deploy(
        "class Token(Contract):\n    @action()\n    def give(self, to: Party) -> None:\n"
        "        self.currency.mint(to, 1)\n"
    )
    for name in ("one", "two", "three"):
        chain.succeed("bank", ("contracts", "create", {"code": token, "name": name, "terms": {}}))
        chain.succeed("bank", (name, "give", {"to": "greenfarm"}))
    view = chain.engine.describe_account(chain.ledger.state, "greenfarm")
    assert view is not None
    assert [balance["currency"] for balance in view["balances"]] == ["one", "three"]
