"""Whatever contracts do with each other, no money is made or lost, and a replay gives the same bytes.

The contracts are put together at random from parts that take, pay, call, keep calls, listen and fail.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.chain import Call, Chain
from tests.engine.test_properties import check_conserved

NAMES = ("first", "second", "third", "fourth")
PEOPLE = ("bigmarket", "greenfarm")
HEAD = '''
class Moved(Event):
    amount: int

class Peer(Interface):
    @action
    def put(self, amount: int) -> None:
        pass
    @action
    def pass_on(self, to: Instance, amount: int) -> None:
        pass

class Purse(Contract):
    """If money is moved then it is all there."""
    unit: Instance = term()
    before: Instance = term()
    kept: Call | None = None
    heard: int = 0
    owed: int = 0

    @action()
    def put(self, amount: int) -> None:
        self.take(sender(), Money(amount, self.unit))
        emit(Moved(amount=amount))
        PUT

    @action()
    def pass_on(self, to: Peer, amount: int) -> None:
        PASS

    @action()
    def around(self, through: Peer, to: Instance, amount: int) -> None:
        through.put(amount)
        through.pass_on(to, amount)

    @action()
    def give(self, to: Party, amount: int) -> None:
        self.pay(to, Money(amount, self.unit))
        GIVE

    @action()
    def keep(self, call: Call) -> None:
        self.kept = call

    @action()
    def make(self) -> None:
        if self.kept is not None:
            perform(self.kept)

    @rule
    def settle(self) -> None:
        if self.owed > 0 and self.held(self.unit).amount >= self.owed:
            self.pay(account_of(self.before), Money(self.owed, self.unit))
            self.owed = 0
'''
LISTENER = """
    @on("before", "Moved")
    def note(self, amount: int) -> None:
        self.heard += amount
        HEARD
"""
PARTS = {
    "PUT": ("self.heard += 1", 'require(amount != 7, "no sevens")', "self.owed += amount // 3"),
    "PASS": (
        "to.put(amount)",
        "to.put(amount // 2)\n        to.put(amount - amount // 2)",
        "to.put(amount + 1)",
    ),
    "GIVE": ("self.heard += 1", 'require(self.held(self.unit).amount > 0, "something must be left")'),
    "HEARD": (
        "self.owed += amount % 5",
        "self.pay(account_of(self.before), Money(amount // 2, self.unit))",
        'require(amount % 2 == 0, "only even ones")',
    ),
}
amounts = st.sampled_from([0, 1, 2, 7, 50, 999, 10**6])
instances = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("put"), instances, instances, amounts),
    st.tuples(st.just("pass_on"), instances, instances, amounts),
    st.tuples(st.just("around"), instances, instances, amounts),
    st.tuples(st.just("give"), instances, st.sampled_from(PEOPLE), amounts),
    st.tuples(st.just("keep"), instances, instances, amounts),
    st.tuples(st.just("make"), instances, instances, amounts),
)
choices = st.fixed_dictionaries({part: st.sampled_from(texts) for part, texts in PARTS.items()})


def source_of(chosen: dict[str, str], listens: bool) -> str:
    text = HEAD + (LISTENER if listens else "")
    for part, instead in chosen.items():
        text = text.replace(part, instead)
    return text


def call_of(step: tuple[str, str, Any, int]) -> Call:
    action, name, other, amount = step
    arguments: dict[str, Any] = {
        "put": {"amount": amount},
        "pass_on": {"to": other, "amount": amount},
        "around": {"through": other, "to": name, "amount": amount},
        "give": {"to": other, "amount": amount},
        "keep": {"call": {"contract": other, "action": "put", "args": {"amount": amount}}},
        "make": {},
    }[action]
    return name, action, arguments


@given(
    st.lists(st.tuples(choices, st.booleans()), min_size=len(NAMES), max_size=len(NAMES)),
    st.lists(st.lists(st.tuples(st.sampled_from(PEOPLE), steps), max_size=4), max_size=8),
)
@settings(max_examples=40, deadline=None)
def test_no_money_is_made_or_lost_among_contracts(
    made: list[tuple[dict[str, str], bool]],
    story: list[list[tuple[str, tuple[str, str, Any, int]]]],
) -> None:
    chain = Chain()
    chain.euro(bigmarket=5_000, greenfarm=2_000)
    before = "euro"
    for name, (chosen, listens) in zip(NAMES, made, strict=True):
        code = chain.deploy(source_of(chosen, listens and before != "euro"))
        terms = {"unit": "euro", "before": before}
        chain.succeed("bank", ("contracts", "create", {"code": code, "name": name, "terms": terms}))
        chain.succeed("bigmarket", (name, "put", {"amount": 60}))
        before = name
    for block in story:
        chain.block(*(chain.transaction(by, call_of(step)) for by, step in block))
        check_conserved(chain)
    chain.block()
    check_conserved(chain)
    again = chain.replayed()
    assert again.outcomes == chain.outcomes
    assert again.ledger.state.rows == chain.ledger.state.rows
