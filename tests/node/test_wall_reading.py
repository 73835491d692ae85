"""Who reads is answered behind the second wall: with the same, or with an honest error."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from consensus.transactions import Transaction
from contracts.engine import Engine
from contracts.errors import ContractError, Revert
from contracts.language.compiled import CompiledContract
from contracts.values import DAY
from node.demo.partner import wait_until
from node.pipes import Malformed
from node.wall import messages, process, reading
from node.wall.messages import json_of, simulated_of
from node.wall.process import EngineFault
from node.wall.reading import NotAnswered, ReadingEngine
from tests.engine.chain import Chain
from tests.engine.test_determinism import STORY

BROKEN = (sys.executable, "-P", "-m", "tests.node.broken_wall")
BOUND_S = 60

DEATHS = {
    "memory": "more memory",
    "endless": "more processor time",
    "ask for ever": "it asked for next",
    "crash": "SIGSEGV",
    "end": "exit code 7",
    "garbage": "no message",
    "other verb": "it asked for",
    "no answer": "no JSON",
}
"""Attacks that end the process, and why it is said to have died."""


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(STORY, names)
    return names


@pytest.fixture
def chain() -> Chain:
    made = Chain()
    made.euro(bigmarket=50_000)
    made.delivery("deal", price=1_000, days=10)
    return made


@pytest.fixture
def no_code_here(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, a contract that runs in this process fails the test."""

    def forbid() -> None:
        monkeypatch.setattr(CompiledContract, "_functions", property(pytest.fail))

    return forbid


def behind(chain: Chain, *command: str) -> ReadingEngine:
    return ReadingEngine(chain=chain.name, parameters=chain.parameters, command=command or process.COMMAND)


@cache
def transfer(chain: Chain, amount: str) -> Transaction:
    """The same for each engine."""
    return chain.transaction("bigmarket", ("euro", "transfer", {"to": "greenfarm", "amount": amount}))


def queries(chain: Chain) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "euro", "balance", {"account": "bigmarket"}
    yield "euro", "balance", {"who": "bigmarket"}
    yield "euro", "transfer", {}
    yield "nobody", "balance", {}


def answers(engine: Engine, chain: Chain) -> Iterator[object]:
    """What runs contract code, and what says something of contracts without."""
    state, height, now_ms = chain.ledger.state, chain.height, chain.now_ms
    for name in ("euro", "deal", "deal-a", "deal-b", "nobody"):
        for time_ms in (now_ms, now_ms + 40 * DAY):
            yield engine.describe_instance(state, name, height, time_ms)
    for amount in ("1", "1000000"):
        yield engine.simulate(state, transfer(chain, amount), height + 1, now_ms)
    for asked in queries(chain):
        try:
            yield engine.query(state, *asked, height, now_ms)
        except Revert as revert:
            yield revert.code, revert.text
    yield engine.list_instances(state, None, 10)
    yield [engine.describe_code(state, each["code"]) for each in engine.list_codes(state, None, 10)]
    yield engine.sentence(state, transfer(chain, "1"))


def test_behind_the_wall_every_answer_is_the_same(
    story: dict[str, Any], chain: Chain, no_code_here: Callable[[], None]
) -> None:
    expected = {each: list(answers(each.engine, each)) for each in (chain, story["chain"])}
    no_code_here()
    with closing(behind(chain)) as engine:
        for made in (*expected, *expected):  # from one chain to another nothing is taken along
            assert list(answers(engine, made)) == expected[made]
        first = engine._process
        assert first is not None
    assert first._popen.poll() is not None


def test_behind_the_wall_a_rehearsal_comes_to_the_same(
    story: dict[str, Any], no_code_here: Callable[[], None]
) -> None:
    told, trial, found = story["chain"], story["trial"], story["found"]
    past = told.body, told.name, told.parameters, told.blocks[: found["height"]]
    no_code_here()
    with closing(behind(told)) as engine:
        assert engine.rehearse(*past, trial, 1) == found
        with pytest.raises(ContractError, match="line 1, column 1"):
            engine.rehearse(*past, replace(trial, source="nothing"), 1)
        assert engine._process is None


def test_nothing_gets_through(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "correct horse battery staple")
    with closing(behind(chain, *BROKEN, "escape")) as engine:
        assert list(answers(engine, chain)) == list(answers(chain.engine, chain))


def test_what_breaks_out_of_a_rehearsal_is_confined(story: dict[str, Any]) -> None:
    told, trial, found = story["chain"], story["trial"], story["found"]
    with closing(behind(told, *BROKEN, "escape")) as engine:
        blocks = told.blocks[: found["height"]]
        assert engine.rehearse(told.body, told.name, told.parameters, blocks, trial, 1) == found


@pytest.mark.parametrize("attack", DEATHS)
def test_who_asks_is_told_and_the_next_one_answered(
    attack: str, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READ_CPU_S", 1)
    asked = chain.ledger.state, "euro", "balance", {"account": "bigmarket"}, chain.height, chain.now_ms
    with closing(behind(chain, *BROKEN, attack, str(tmp_path / "attacked"))) as engine:
        with pytest.raises(NotAnswered, match=f"died .*({DEATHS[attack]}).*another one starts"):
            engine.query(*asked)
        assert engine._process is None
        assert engine.query(*asked) == chain.engine.query(*asked)


def test_a_rehearsal_that_breaks_its_process_is_told(story: dict[str, Any]) -> None:
    told = story["chain"]
    dies = pytest.raises(NotAnswered, match=r"died \(it asked for next")
    with closing(behind(told, *BROKEN, "ask for ever")) as engine, dies:
        engine.rehearse(told.body, told.name, told.parameters, told.blocks, story["trial"], 1)


def test_a_rehearsal_that_hangs_ends_with_the_node(story: dict[str, Any]) -> None:
    told = story["chain"]
    past = told.body, told.name, told.parameters, told.blocks
    with (
        closing(behind(told, *BROKEN, "still")) as engine,
        ThreadPoolExecutor(1) as thread,
    ):
        engine.end_rehearsal()  # where there is none
        waiting = thread.submit(engine.rehearse, *past, story["trial"], 1)
        assert wait_until(lambda: engine._rehearsing is not None, BOUND_S)
        engine.end_rehearsal()
        with pytest.raises(NotAnswered, match="SIGKILL"):
            waiting.result(BOUND_S)


def test_an_answer_takes_no_longer_than_it_may(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_S_MAX", 0)
    with closing(behind(chain)) as engine, pytest.raises(NotAnswered, match="took too long"):
        engine.describe_instance(chain.ledger.state, "deal", chain.height, chain.now_ms)


def test_an_answer_that_is_too_long_is_said_to_be(chain: Chain) -> None:
    small = "import node.wall.child as child; child.ANSWER_BYTES_MAX = 100; child.main()"
    with (
        closing(behind(chain, sys.executable, "-P", "-c", small)) as engine,
        pytest.raises(NotAnswered, match="at most 100 can be told"),
    ):
        engine.describe_instance(chain.ledger.state, "deal", chain.height, chain.now_ms)


def test_a_fault_is_told_with_its_traceback(chain: Chain) -> None:
    with closing(behind(chain, *BROKEN, "fault")) as engine:
        for _ in range(2):
            with pytest.raises(EngineFault, match=r"(?s)in attacked.*ZeroDivisionError"):
                engine.query(chain.ledger.state, "euro", "balance", {}, chain.height, chain.now_ms)


def test_what_does_not_start_is_told(chain: Chain) -> None:
    with (
        closing(behind(chain, sys.executable, "-c", "raise SystemExit(5)")) as engine,
        pytest.raises(NotAnswered, match="exit code 5"),
    ):
        engine.query(chain.ledger.state, "euro", "balance", {}, chain.height, chain.now_ms)


def test_questions_wait_for_their_turn_and_not_too_many(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAITING_MAX", 3)
    go_on = threading.Event()
    order: list[int] = []

    def read(number: int) -> int:
        order.append(number)
        assert go_on.wait(BOUND_S)
        return number

    async def ask() -> list[int]:
        waiting = [asyncio.ensure_future(engine.in_turn(read, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(NotAnswered, match="3 questions wait"):
            await engine.in_turn(read, 3)
        go_on.set()
        return [*await asyncio.gather(*waiting), await engine.in_turn(read, 4)]

    with closing(behind(chain)) as engine:
        assert asyncio.run(ask()) == order == [0, 1, 2, 4]


def test_who_waits_when_the_node_stops_is_told(chain: Chain) -> None:
    async def stopped() -> list[Any]:
        asked: tuple[Any, ...] = chain.ledger.state, "euro", "balance", {}, chain.height, chain.now_ms
        waiting = [asyncio.ensure_future(engine.in_turn(engine.query, *asked)) for _ in range(2)]
        deadline = asyncio.get_running_loop().time() + BOUND_S
        while engine._process is None:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)
        await asyncio.to_thread(engine.close)
        return await asyncio.gather(*waiting, return_exceptions=True)

    engine = behind(chain, *BROKEN, "still")
    first, second = asyncio.run(stopped())
    assert isinstance(first, NotAnswered)
    assert isinstance(second, asyncio.CancelledError | NotAnswered)
    with pytest.raises(NotAnswered, match="stopping"):
        engine.query(chain.ledger.state, "euro", "balance", {}, chain.height, chain.now_ms)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("json",),
        ("json", "1"),
        ("json", b"nan"),
        ("json", b"1" * (messages.ANSWER_BYTES_MAX + 1)),
        ("revert", "gas"),
        ("revert", b"gas", "x"),
        ("mistakes", ()),
        ("mistakes", ((1, 2),)),
        ("mistakes", (("1", 2, "x"),)),
    ],
)
def test_what_is_no_answer_is_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(Malformed):
        json_of(fields)


@pytest.mark.parametrize("fields", [(), (b"", ()), (1, ()), (b"x", (1,)), (b"x",)])
def test_what_is_no_simulation_is_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(Malformed):
        simulated_of(fields)
