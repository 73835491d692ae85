"""What running code gets of the engine: calls between contracts, money, tables, limits, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from contracts.errors import Revert
from contracts.execution import DEPTH_MAX
from contracts.host import Host
from contracts.receipts import EVENTS_MAX, Status
from contracts.runtime_host import EVENT_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX
from contracts.values import Money
from tests.engine.chain import Chain
from tests.engine.hand_written import BOOL, INT, INTS, PARTY, STR, HandWritten, HandWrittenPrograms


def chain_with(programs: Sequence[HandWritten], instances: Mapping[str, str]) -> Chain:
    """A chain with these instances, each running the program of this source."""
    chain = Chain()
    chain.engine._programs = HandWrittenPrograms(*programs)
    codes = {program.source: chain.deploy(program.source) for program in programs}
    for name, source in instances.items():
        create = {"code": codes[source], "name": name, "terms": {}}
        chain.succeed("bank", ("contracts", "create", create))
    return chain


# ---------------------------------------------------------------- calls between contracts


def relay() -> HandWritten:
    """Calls the next of a chain of instances: relay-2 calls relay-1, which calls relay-0."""

    def call(host: Host, _: Sequence[Any]) -> int:
        number = int(host.instance.removeprefix("relay-"))
        return 1 if number == 0 else int(host.call(f"relay-{number - 1}", "call", {})) + 1

    def call_other(host: Host, arguments: Sequence[Any]) -> Any:
        return host.call(arguments[0], "call_other", {"other": host.instance})

    def ask(host: Host, arguments: Sequence[Any]) -> Any:
        return host.query(arguments[0], "ask", {"other": host.instance})

    return HandWritten(
        "relay",
        actions={"call": ({}, call), "call_other": ({"other": STR}, call_other)},
        queries={"ask": ({"other": STR}, INT, ask)},
    )


def test_calls_go_so_deep_and_no_deeper() -> None:
    chain = chain_with([relay()], {f"relay-{number}": "relay" for number in range(DEPTH_MAX + 1)})
    assert chain.succeed("bank", (f"relay-{DEPTH_MAX - 1}", "call", {})).results == (DEPTH_MAX,)
    receipt = chain.perform("bank", (f"relay-{DEPTH_MAX}", "call", {}))
    assert (receipt.status, receipt.code) == (Status.FAILED, "depth")


@pytest.mark.parametrize("other", ["relay-0", "relay-1"])
def test_a_contract_is_not_called_back(other: str) -> None:
    chain = chain_with([relay()], {"relay-0": "relay", "relay-1": "relay"})
    receipt = chain.perform("bank", ("relay-0", "call_other", {"other": other}))
    assert receipt.code == "depth"
    assert "relay-0 is at work already" in receipt.text


def test_nor_is_it_asked_while_it_is_at_work() -> None:
    """What is half done must not be seen from outside."""
    chain = chain_with([relay()], {"relay-0": "relay", "relay-1": "relay"})
    with pytest.raises(Revert, match="at work already"):
        chain.engine.query(chain.ledger.state, "relay-0", "ask", {"other": "relay-1"}, 1, chain.now_ms)


def purse() -> HandWritten:
    """Takes money of whoever it is told to, and moves its own currency of whoever it is told to."""

    def take(host: Host, arguments: Sequence[Any]) -> None:
        host.take(arguments[0], Money(arguments[1], "euro"))

    def pass_on(host: Host, arguments: Sequence[Any]) -> str:
        host.call(arguments[0], "take", {"account": arguments[1], "amount": arguments[2]})
        return host.sender

    def rob(host: Host, arguments: Sequence[Any]) -> None:
        host.call("euro", "transfer", {"to": arguments[0], "amount": arguments[1]})

    account = {"account": PARTY, "amount": INT}
    return HandWritten(
        "purse",
        actions={
            "take": (account, take),
            "pass_on": ({"other": STR, "account": STR, "amount": INT}, pass_on),
            "rob": (account, rob),
        },
    )


@pytest.fixture
def purses() -> Chain:
    chain = chain_with([purse()], {"good": "purse", "thief": "purse"})
    chain.euro(bigmarket=1_000)
    return chain


def test_money_is_taken_of_who_signed_and_of_nobody_else(purses: Chain) -> None:
    take = ("good", "take", {"account": "bigmarket", "amount": 10})
    purses.succeed("bigmarket", take)
    assert purses.perform("greenfarm", take).code == "unauthorised"
    purses.succeed("greenfarm", take, cosigners=["bigmarket"])
    assert (purses.balance("bigmarket"), purses.balance("contract:good")) == (980, 20)


def test_a_called_contract_can_not_use_the_signature_under_the_transaction(purses: Chain) -> None:
    """Who calls one contract has not agreed to what that one does in his name at others."""
    pass_on = ("good", "pass_on", {"other": "thief", "account": "bigmarket", "amount": 10})
    assert purses.perform("bigmarket", pass_on).code == "unauthorised"
    rob = ("thief", "rob", {"account": "swiftship", "amount": 10})
    receipt = purses.perform("bigmarket", rob)
    assert (receipt.code, purses.balance("bigmarket")) == ("funds", 1_000)
    assert "contract:thief" in receipt.text


def test_a_calling_contract_gives_of_its_own(purses: Chain) -> None:
    purses.succeed("bigmarket", ("good", "take", {"account": "bigmarket", "amount": 10}))
    own = ("good", "pass_on", {"other": "thief", "account": "contract:good", "amount": 7})
    purses.succeed("bigmarket", own)
    assert (purses.balance("contract:good"), purses.balance("contract:thief")) == (3, 7)


def keeper() -> HandWritten:
    """Keeps a list that it is given; a caller keeps the same list and changes it afterwards."""

    def keep(host: Host, arguments: Sequence[Any]) -> list[int]:
        arguments[0].append(99)
        host.store("kept", arguments[0])
        return list(arguments[0])

    def give(host: Host, _: Sequence[Any]) -> list[int]:
        mine = [1, 2]
        host.call("other", "keep", {"items": mine})
        return mine

    def give_wrong(host: Host, _: Sequence[Any]) -> None:
        host.call("other", "keep", {"items": [1, "2"]})

    def kept(host: Host, _: Sequence[Any]) -> list[int]:
        first: list[int] = host.load("kept")
        first.append(100)
        second: list[int] = host.load("kept")
        return second

    return HandWritten(
        "keeper",
        actions={"keep": ({"items": INTS}, keep), "give": ({}, give), "give_wrong": ({}, give_wrong)},
        queries={"kept": ({}, INTS, kept)},
        fields={"kept": (INTS, [])},
    )


def test_lists_are_never_shared() -> None:
    """Neither between caller and called, nor between stored and loaded, nor with a default."""
    chain = chain_with([keeper()], {"one": "keeper", "other": "keeper"})

    def kept(name: str) -> Any:
        return chain.engine.query(chain.ledger.state, name, "kept", {}, chain.height, chain.now_ms)

    assert (kept("one"), kept("one")) == ([], [])
    assert chain.succeed("bank", ("one", "give", {})).results == ([1, 2],)
    assert kept("other") == [1, 2, 99]


def test_a_calling_contract_can_not_pass_what_does_not_fit() -> None:
    chain = chain_with([keeper()], {"one": "keeper", "other": "keeper"})
    receipt = chain.perform("bank", ("one", "give_wrong", {}))
    assert (receipt.code, receipt.text.startswith("items must be an integer")) == ("arguments", True)


def listener() -> tuple[HandWritten, HandWritten]:
    """A bell, and a listener whose rule counts up after each action on it."""

    def ring(host: Host, _: Sequence[Any]) -> None:
        host.call("listener", "hear", {})

    def hear(host: Host, _: Sequence[Any]) -> None:
        host.store("heard", True)

    def count(host: Host) -> int | None:
        if not host.load("heard"):
            return None
        host.store("heard", False)
        host.store("count", host.load("count") + 1)
        return 0

    fields = {"heard": (BOOL, False), "count": (INT, 0)}
    return (
        HandWritten("bell", actions={"ring": ({}, ring)}),
        HandWritten("listener", actions={"hear": ({}, hear)}, rules={"count": count}, fields=fields),
    )


def test_rules_of_a_called_contract_fire_once_the_call_is_over() -> None:
    chain = chain_with(listener(), {"bell": "bell", "listener": "listener"})
    receipt = chain.succeed("bank", ("bell", "ring", {}), ("bell", "ring", {}))
    [first, _] = chain.engine.describe_receipt(receipt, chain.ledger.aux)["firings"]
    assert (first["instance"], first["rule"]) == ("listener", "count")
    assert first["reads"] == {"heard": True, "count": 0}
    assert [field["value"] for field in chain.instance("listener")["fields"]] == [False, 2]


# ---------------------------------------------------------------- queries, rules and what they may not


def _without_arguments(change: Callable[[Host], Any], host: Host, _: Sequence[Any]) -> Any:
    return change(host)


def meddler() -> HandWritten:
    """Tries every change, in a query and in a rule."""
    changes: dict[str, Callable[[Host], Any]] = {
        "set_phase": lambda host: host.set_phase("closed"),
        "store": lambda host: host.store("x", 1),
        "table_set": lambda host: host.table_set("t", 1, 1),
        "table_delete": lambda host: host.table_delete("t", 1),
        "take": lambda host: host.take("bank", Money(1, "euro")),
        "pay": lambda host: host.pay("bank", Money(0, "euro")),
        "mint": lambda host: host.mint("bank", 1),
        "burn": lambda host: host.burn("bank", 0),
        "move": lambda host: host.move("bank", "bigmarket", 1),
        "emit": lambda host: host.emit("Changed", ()),
        "call": lambda host: host.call("meddler", "nothing", {}),
    }
    return HandWritten(
        "meddler",
        actions={"nothing": ({}, lambda host, _: None)},
        queries={name: ({}, INT, partial(_without_arguments, change)) for name, change in changes.items()},
    )


@pytest.mark.parametrize("query", [spec.name for spec in meddler().queries])
def test_a_query_changes_nothing(query: str) -> None:
    chain = chain_with([meddler()], {"meddler": "meddler"})
    with pytest.raises(Revert, match="readonly"):
        chain.engine.query(chain.ledger.state, "meddler", query, {}, chain.height, chain.now_ms)


def test_a_rule_has_no_signature_of_anyone() -> None:
    def robbing(host: Host) -> int | None:
        assert not host.is_signer("bigmarket")
        assert host.sender == "contract:trap"
        host.take("bigmarket", Money(1, "euro"))
        return 0

    trap = HandWritten("trap", actions={"step": ({}, lambda host, _: None)}, rules={"rob": robbing})
    chain = chain_with([trap], {})
    chain.euro(bigmarket=100)
    create = ("contracts", "create", {"code": chain.deploy("trap"), "name": "trap", "terms": {}})
    receipt = chain.perform("bigmarket", create)
    assert (receipt.code, chain.balance("bigmarket")) == ("unauthorised", 100)


# ---------------------------------------------------------------- limits


def glutton() -> HandWritten:
    """Stores, emits and mints as much as it is told to."""

    def store(host: Host, arguments: Sequence[Any]) -> None:
        host.store("text", "x" * arguments[0])

    def put(host: Host, arguments: Sequence[Any]) -> None:
        host.table_set("rows", "x" * arguments[0], 1)

    def events(host: Host, arguments: Sequence[Any]) -> None:
        for _ in range(arguments[0]):
            host.emit("E", ())

    def event(host: Host, arguments: Sequence[Any]) -> None:
        host.emit("E", (("f", "x" * arguments[0]),))

    def mint(host: Host, arguments: Sequence[Any]) -> None:
        host.mint("bank", arguments[0])

    def burn(host: Host, arguments: Sequence[Any]) -> None:
        host.burn("bank", arguments[0])

    count = {"count": INT}
    entries = {"store": store, "put": put, "events": events, "event": event, "mint": mint, "burn": burn}
    return HandWritten(
        "glutton",
        actions={name: (count, body) for name, body in entries.items()},
        fields={"text": (STR, "")},
    )


@pytest.fixture
def gluttony() -> Chain:
    return chain_with([glutton()], {"glutton": "glutton"})


@pytest.mark.parametrize(
    ("action", "most"),
    [
        ("store", VALUE_BYTES_MAX),
        ("put", KEY_BYTES_MAX - 3),  # a byte before the text and two after it
        ("events", EVENTS_MAX),
        ("event", EVENT_BYTES_MAX - 2),  # the names of event and field
    ],
)
def test_limits_at_their_edges(gluttony: Chain, action: str, most: int) -> None:
    gluttony.succeed("bank", ("glutton", action, {"count": most}))
    assert gluttony.perform("bank", ("glutton", action, {"count": most + 1})).code == "size"


def test_what_is_stored_costs_by_its_size(gluttony: Chain) -> None:
    used = [
        gluttony.succeed("bank", ("glutton", "store", {"count": count})).gas_used for count in (1_000, 2_000)
    ]
    assert used[1] - used[0] == 2_000


def test_money_does_not_overflow(gluttony: Chain) -> None:
    most = str(2**255 - 1)
    gluttony.succeed("bank", ("glutton", "mint", {"count": most}))
    assert gluttony.perform("bank", ("glutton", "mint", {"count": 1})).code == "overflow"
    assert gluttony.balance("bank", "glutton") == 2**255 - 1


@pytest.mark.parametrize("action", ["mint", "burn"])
def test_amounts_are_not_negative(gluttony: Chain, action: str) -> None:
    gluttony.succeed("bank", ("glutton", "mint", {"count": 10}))
    receipt = gluttony.perform("bank", ("glutton", action, {"count": -1}))
    assert (receipt.code, gluttony.balance("bank", "glutton")) == ("arguments", 10)


# ---------------------------------------------------------------- tables


def shelf() -> HandWritten:
    """A table of text by (int, str)."""

    def put(host: Host, arguments: Sequence[Any]) -> None:
        for number in arguments[0]:
            host.table_set("rows", (number, "k"), number * 10)

    def drop(host: Host, arguments: Sequence[Any]) -> None:
        for number in arguments[0]:
            host.table_delete("rows", (number, "k"))

    def listed(host: Host, arguments: Sequence[Any]) -> list[int]:
        after, limit = arguments
        start = None if after < 0 else (after, "k")
        return [key[0] for key, value in host.table_scan("rows", start, limit) if value == key[0] * 10]

    numbers = {"numbers": INTS}
    return HandWritten(
        "shelf",
        actions={
            "put": (numbers, put),
            "drop": (numbers, drop),
            "list": ({"after": INT, "limit": INT}, listed),
        },
    )


def test_a_scan_sees_rows_of_this_block_and_of_earlier_ones_in_order() -> None:
    chain = chain_with([shelf()], {"shelf": "shelf", "shelf-2": "shelf"})
    chain.succeed("bank", ("shelf", "put", {"numbers": [300, 2, 10]}), ("shelf-2", "put", {"numbers": [7]}))
    receipt = chain.succeed(
        "bank",
        ("shelf", "put", {"numbers": [5, -1]}),
        ("shelf", "drop", {"numbers": [10]}),
        ("shelf", "list", {"after": -1, "limit": 100}),
        ("shelf", "list", {"after": 2, "limit": 1}),
        ("shelf", "list", {"after": 300, "limit": 100}),
    )
    assert receipt.results[2:] == ([-1, 2, 5, 300], [5], [])


def test_a_scan_pays_for_what_it_passes() -> None:
    """Deleted rows cost too, or a block could be made to pass millions of them for nothing."""
    chain = chain_with([shelf()], {"shelf": "shelf"})
    numbers = list(range(200))
    chain.succeed("bank", ("shelf", "put", {"numbers": numbers}))
    first = ("shelf", "list", {"after": -1, "limit": 1})
    cheap = chain.succeed("bank", first).gas_used
    drop = chain.transaction("bank", ("shelf", "drop", {"numbers": numbers[:-1]}))
    dear = chain.block(drop, chain.transaction("bank", first)).receipts[1]
    assert dear.results == ([199],)
    assert dear.gas_used - cheap >= 20 * 199
