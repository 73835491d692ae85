"""Records, values that may be None, decimals, the calendar, interfaces: what they mean, what is refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import calendar, lang_values
from contracts.compiler import check, compile_contract
from contracts.errors import Revert
from contracts.language.runtime_decimals import divided
from contracts.values import (
    CEILING,
    DAY,
    DECIMAL_ONE,
    FLOOR,
    HALF_EVEN,
    HALF_UP,
    INT_MAX,
    MS_MAX,
    Call,
    Money,
)
from tests.contracts_lang.sources import answer, host_of, members, method

MEANT: dict[str, tuple[str, str, Any]] = {
    "a record has its fields": ("p = Pair(text='a', number=3)\nreturn p.number", "int", 3),
    "a record is equal by its fields": ("return Pair(number=1, text='a').number == 1", "bool", True),
    "a changed record leaves the old": (
        "p = Pair(number=1, text='a')\nq = replace(p, number=2)\nreturn p.number * 10 + q.number",
        "int",
        12,
    ),
    "fields are computed in the order written": (
        "p = Pair(text=str(1 // 1), number=7)\nreturn p.text + str(p.number)",
        "str",
        "17",
    ),
    "a record is answered": ("return Pair(number=1, text='a')", "Pair", (1, "a")),
    "none": ("x: int | None = None\nreturn 1 if x is None else x", "int", 1),
    "not none": ("x: int | None = 5\nreturn x + 1", "int", 6),
    "none by a branch": (
        "x: Pair | None = None\nif True:\n    x = Pair(number=4, text='')\nreturn 4 if x is not None else 0",
        "int",
        4,
    ),
    "an entry that is not there": ("return self.scores.get(self.buyer) is None", "bool", True),
    "a decimal by its text": ("return str(Decimal('-1.250'))", "str", "-1.25"),
    "times": ("return str(Decimal('1.5').times(Decimal('0.000000001'), HALF_EVEN))", "str", "0.000000002"),
    "over": ("return str(Decimal(1).over(Decimal(3), CEILING))", "str", "0.333333334"),
    "of money": ("return Decimal('0.0015').of(self.price, HALF_UP).amount", "int", 2),
    "a share rounded up": ("return Percent('0.05').of(self.price, CEILING).amount", "int", 1),
    "money divided": ("return self.price.over(3, HALF_UP).amount", "int", 333),
    "money divided below 0": ("return (self.price * -1).over(3, FLOOR).amount", "int", -334),
    "the end of a month": ("return Time('2024-01-31').add_months(1).day", "int", 29),
    "months back": ("return Time('2024-03-31T12:00:00Z').add_months(-13).month", "int", 2),
    "weekday": ("return Time('2026-11-21').weekday", "int", 6),
    "start of day": ("return (Time('2026-11-21T13:14:15.678Z').start_of_day()).ms % DAY.ms", "int", 0),
    "before 1970": ("return Time('1969-12-31').year", "int", 1969),
    "the account of an instance": ("return account_of(this())", "Party", "contract:deal"),
    "rows of one first part": (
        "x = 0\nfor text, number in self.pairs.items(of=self.buyer, limit=9):\n    x += number\nreturn x",
        "int",
        0,
    ),
    "the least unit of time": ("return DAY // MILLISECOND", "int", DAY),
}
FAILS = {
    "a decimal too large": ("return Decimal(2 ** 254).rounded(FLOOR)", "int", "overflow"),
    "times too large": ("x = Decimal(10 ** 60)\nreturn x.times(x, FLOOR).rounded(FLOOR)", "int", "overflow"),
    "over nothing": ("return Decimal(1).over(Decimal(0), FLOOR).rounded(FLOOR)", "int", "division"),
    "money over nothing": ("return self.price.over(0, FLOOR).amount", "int", "division"),
    "months without end": ("return Time('2026-01-01').add_months(10 ** 9).ms", "int", "overflow"),
    "a moment too far": (
        "x = Time('9999-12-31')\nfor i in range(30):\n    x = x.add_months(120_000)\nreturn x.ms",
        "int",
        "overflow",
    ),
    "rows without a limit": (
        "for a, b in self.pairs.items(of=self.buyer, limit=0):\n    pass\nreturn 1",
        "int",
        "size",
    ),
}
REFUSED = {
    "may be None": ("x: int | None = self.scores.get(self.buyer)\nreturn $x + 1", "ask `is not None` first"),
    "None without a type": ("x = $None\nreturn 1", "None stands only where"),
    "never None": ("return 1 if $self.count is None else 2", "which is never None"),
    "None after a call": (
        "x: int | None = 1\nfor i in range(2):\n    y = $x + 1\n    x = None\nreturn 1",
        "is not available; ask",
    ),
    "field of what may be None": ("x = self.kept\nreturn $x.number", "this may be None"),
    "forgotten field": ("p = $Pair(number=1)\nreturn 1", "name every field of the record"),
    "unknown field": ("p = Pair(number=1, text='')\nreturn $replace(p, other=1)", "has no field `other`"),
    "record of another type": ("p = Pair(number=$'a', text='')\nreturn 1", "this is str, but int is needed"),
    "changing a field": ("p = Pair(number=1, text='')\n$p.number = 2\nreturn 1", "one at a time"),
    "decimal and int": ("return $Decimal('1') + 1", "`+` of Decimal and int"),
    "without rounding": ("return $Decimal('1').times(Decimal('2')).rounded(FLOOR)", "is not available for"),
    "rounding as text": ("return $Decimal('1').rounded('FLOOR')", "is not available for"),
    "wrong decimal": ("return Decimal($'1.0000000001').rounded(FLOOR)", "write a Decimal as text"),
    "wrong time": ("return Time($'2026-02-30').ms", "write a Time as text"),
    "of without pair": (
        "for a, b in self.scores.items(of=$self.buyer, limit=1):\n    pass\nreturn 1",
        "keyed by a pair",
    ),
    "instance without interface": (
        "return $self.price.currency.balance(self.buyer)",
        "declare its interface",
    ),
}
OUTSIDE = {
    "record of a record": ("class Two(Record):\n    pair: $Pair", "a field is a scalar"),
    "empty record": ("$class None_(Record):\n    pass", "a record has fields"),
    "interface with a body": (
        "class Shop(Interface):\n    @query\n    def price(self) -> int:\n        $return 1",
        "the other contract says what is done",
    ),
    "interface with who may": (
        "class Shop(Interface):\n    @action(by=$'a')\n    def sell(self) -> None:\n        pass",
        "no term of this contract",
    ),
    "interface with a private method": (
        "class Shop(Interface):\n    $def price(self) -> int:\n        pass",
        "a method of an interface is",
    ),
    "interface with a field": ("class Shop(Interface):\n    $price: int", "an interface has only methods"),
}
MEMBERS = {
    "table of what may be None": ("x: Table[int, int $| None] = table()", "at the end of a type"),
    "list or None": ("x: $list[int] | None = None", "only a scalar or a record may be None"),
    "record at once": ("x: Pair = $Pair(number=1, text='')", "start with None"),
    "quorum of one": ("x: int = fact(by='carrier', quorum=$2)", "is one account"),
    "quorum of none": ("x: int = fact(by='owners', quorum=$0)", "the quorum is a number"),
    "quorum by text": (
        "x: int = fact(by='owners', quorum=$'price')",
        "no term of this contract that is an int",
    ),
    "median of texts": ("x: str = fact(by='owners', quorum=2, agree=$'median')", "no middle one"),
    "other agreement": ("x: int = fact(by='owners', quorum=2, agree=$'most')", '"equal" or "median"'),
    "agreement of one": ("x: int = fact(by='owners', agree=$'equal')", "say how many must report"),
    "event of no instance": (
        "@on($'buyer', 'Sold')\ndef heard(self) -> None:\n    self.count = 1",
        "that is an Instance",
    ),
    "event without a name": (
        "@$on('buyer')\ndef heard(self) -> None:\n    self.count = 1",
        "say whose event",
    ),
    "event with a sender": (
        "@on('shop', 'Sold')\n$def heard(self) -> None:\n    self.take(self.buyer, self.price)",
        "an event comes by itself",
    ),
    "event that returns": ("@on('shop', 'Sold')\n$def heard(self) -> int:\n    return 1", "returns nothing"),
    "call in a condition": (
        "@rule\ndef r(self) -> None:\n    if self.count == $self.mine.change():\n        self.count = 1",
        "a rule's condition changes nothing",
    ),
    "no such method": ("def m(self) -> None:\n    $self.mine.other()", "the interface Mine has no `other`"),
    "wrong arguments": ("def m(self) -> None:\n    $self.mine.change(1)", "`change` takes ()"),
}
MORE = """class Mine(Interface):
    @query
    def count(self) -> int:
        pass
    @action
    def change(self) -> None:
        pass
"""


@pytest.mark.parametrize("name", MEANT)
def test_meaning(name: str) -> None:
    body, returns, expected = MEANT[name]
    assert answer(body, returns) == expected


@pytest.mark.parametrize("name", FAILS)
def test_failing(name: str) -> None:
    body, returns, code = FAILS[name]
    with pytest.raises(Revert) as caught:
        answer(body, returns)
    assert caught.value.code == code


def refused(source: str, text: str) -> None:
    before, _, after = source.partition("$")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    problems = check(before + after)
    assert problems, "this is accepted"
    assert (problems[0].line, problems[0].column) == (line, column), str(problems[0])
    assert text in problems[0].text


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_method(name: str) -> None:
    body, text = REFUSED[name]
    kept = method(body, "def tried(self) -> int:").replace(
        "count: int = 0", "count: int = 0\n    kept: Pair | None = None"
    )
    refused(kept, text)


@pytest.mark.parametrize("name", OUTSIDE)
def test_refused_outside(name: str) -> None:
    source, text = OUTSIDE[name]
    refused(f"class Pair(Record):\n    number: int\n{source}\nclass A(Contract):\n    pass", text)


@pytest.mark.parametrize("name", MEMBERS)
def test_refused_in_the_class(name: str) -> None:
    source, text = MEMBERS[name]
    whole = members(source).replace(
        "price: Money = term()", "price: Money = term()\n    shop: Instance = term()\n    mine: Mine = term()"
    )
    refused(MORE + whole, text)


# ---------------------------------------------------------------- rounding and the calendar, against others


@given(st.integers(-(10**40), 10**40), st.integers(-(10**20), 10**20).filter(bool))
def test_rounding_is_what_it_says(dividend: int, divisor: int) -> None:
    low, high = divided(dividend, divisor, FLOOR), divided(dividend, divisor, CEILING)
    assert low == dividend // divisor
    assert high - low == (dividend % divisor != 0)
    for rounding in (HALF_UP, HALF_EVEN):
        found = divided(dividend, divisor, rounding)
        assert abs(2 * (found * divisor - dividend)) <= abs(divisor)
        assert found == lang_values._divided(dividend, divisor, lang_values.Rounding(rounding))


@pytest.mark.parametrize(
    ("halves", "up", "even"), [(1, 1, 0), (3, 2, 2), (5, 3, 2), (-1, -1, 0), (-3, -2, -2), (-5, -3, -2)]
)
def test_halves(halves: int, up: int, even: int) -> None:
    assert (divided(halves, 2, HALF_UP), divided(halves, 2, HALF_EVEN)) == (up, even)


@given(st.dates(), st.integers(0, DAY - 1))
def test_the_calendar_is_pythons(day: date, of_day: int) -> None:
    time_ms = (day - date(1970, 1, 1)).days * DAY + of_day
    assert calendar.date_of(time_ms) == (day.year, day.month, day.day)
    assert calendar.weekday_of(time_ms) == day.isoweekday()
    assert calendar.parse_time(day.isoformat()) == time_ms - of_day


@given(st.integers(-MS_MAX, MS_MAX), st.integers(-100_000, 100_000))
def test_months_are_added_and_taken_away(time_ms: int, months: int) -> None:
    moved = calendar.add_months(time_ms, months)
    year, month, day = calendar.date_of(time_ms)
    later = calendar.date_of(moved)
    assert later[0] * 12 + later[1] == year * 12 + month + months
    assert later[2] <= day
    assert moved % DAY == time_ms % DAY


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "0000-01-01",
        "2026-1-1",
        "2026-01-01T24:00:00Z",
        "2026-01-01Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert calendar.parse_time(text) is None


def test_a_kept_call_is_noted_for_later() -> None:
    program = compile_contract(
        members(
            "kept: Call | None = None\n@action()\ndef run(self, call: Call) -> None:\n"
            "    self.kept = call\n    perform(call)"
        )
    )
    host = host_of(program)
    call = Call("euro", "transfer", "{}")
    program.run_action("run", host, (call,))
    assert (host.performed, host.fields["kept"]) == ([call], call)


BAGS = """
rows: Table[int, Bag] = table()
@action()
def run(self) -> None:
    items = [1]
    self.rows[1] = Bag(items=items)
    items.append(2)
    bag = self.rows[1]
    more = bag.items
    more.append(3)
    self.count = len(self.rows[1].items)
"""


def test_records_in_tables_are_copies() -> None:
    source = members(BAGS).replace("class Sample", "class Bag(Record):\n    items: list[int]\n\nclass Sample")
    program = compile_contract(source)
    host = host_of(program)
    program.run_action("run", host, ())
    assert host.fields["count"] == 1


def test_the_largest_decimal() -> None:
    assert answer(f"return Decimal({INT_MAX // DECIMAL_ONE}).rounded(FLOOR)", "int") == INT_MAX // DECIMAL_ONE
    assert answer(
        "return Decimal('0.000000001').of(Money(10 ** 9, self.price.currency), FLOOR)", "Money"
    ) == Money(1, "euro")
