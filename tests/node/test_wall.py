"""The second wall: what is behind it reaches nothing, and changes nothing of what a block comes to."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from consensus.errors import InvariantError
from contracts.engine import Engine, Outcome
from contracts.errors import StateCorruption
from contracts.memory import Rows
from node.pipes import MESSAGE_BYTES_MAX, Malformed, Pipe
from node.wall import confinement, process
from node.wall import engine as wall
from node.wall.engine import WalledEngine, WallFailed
from node.wall.messages import KEYS_MAX, effects_of, pack, plain, unpack
from node.wall.process import SCAN_ROWS_MAX, EngineFault
from tests.engine.chain import Chain
from tests.engine.test_determinism import STORY
from tests.node.broken_wall import SECRET

BROKEN = (sys.executable, "-P", "-m", "tests.node.broken_wall")

DEATHS = {
    "memory": "more memory",
    "endless": "more processor time",
    "crash": "SIGSEGV",
    "garbage": "no message",
    "other verb": "it asked for",
}
"""Attacks that end the process, and why it is said to have died."""


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Executed without the wall: deployments, timers, failures, an epoch, an upgrade, transfers."""
    names: dict[str, Chain] = {}
    exec(STORY, names)
    return names["chain"]


@pytest.fixture
def small() -> Chain:
    made = Chain()
    made.euro(bigmarket=1_000)
    return made


def walled(chain: Chain, *command: str) -> WalledEngine:
    return WalledEngine(chain=chain.name, parameters=chain.parameters, command=command or process.COMMAND)


def replay(chain: Chain, engine: Engine) -> Iterator[tuple[Outcome, Outcome]]:
    """Each block's outcome as it was, and as the engine finds it."""
    other = Chain(chain.parameters)
    for block, expected in zip(chain.blocks, chain.outcomes[1:], strict=True):
        found = engine.execute(other.ledger, block, other.outcomes[-1].link)
        other.ledger.commit(found)
        other.outcomes.append(found)
        yield expected, found


def test_behind_the_wall_every_block_comes_to_the_same(chain: Chain, small: Chain) -> None:
    with closing(walled(chain)) as engine:
        for story in (chain, small, chain):  # from one chain to another nothing is taken along
            compared = [expected == found for expected, found in replay(story, engine)]
            assert compared == [True] * story.height


def test_nothing_gets_through_and_the_block_is_executed(
    small: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "correct horse battery staple")
    assert confinement.offered() is None
    with closing(walled(small, *BROKEN, "escape")) as engine:
        assert (engine.missing, engine.where) == ((), "in a confined process")
        assert all(expected == found for expected, found in replay(small, engine))


@pytest.mark.parametrize("attack", DEATHS)
def test_a_process_that_dies_is_replaced_and_the_outcome_is_the_same(
    attack: str, small: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[str] = []
    monkeypatch.setattr(wall.log, "error", lambda _, reason, **__: died.append(reason))
    with closing(walled(small, *BROKEN, attack, str(tmp_path / "attacked"))) as engine:
        engine._block_s = 1
        first = engine._process
        assert all(expected == found for expected, found in replay(small, engine))
        assert engine._process is not first
    [reason] = died
    assert DEATHS[attack] in reason


@pytest.mark.parametrize(("attack", "reason"), [("end", "exit code 7"), ("still", "did nothing for 1 s")])
def test_a_process_that_dies_twice_stops_the_node(
    attack: str, reason: str, small: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(walled(small, *BROKEN, attack)) as engine:
        monkeypatch.setattr(process, "STILL_S", 1)
        with pytest.raises(WallFailed, match=f"block 1 can not be executed.*{reason}.* and again .*{reason}"):
            next(replay(small, engine))
        assert engine._process is None


def test_a_fault_is_told_with_its_traceback(small: Chain) -> None:
    told = pytest.raises(EngineFault, match=r"(?s)in attacked.*ZeroDivisionError")
    with closing(walled(small, *BROKEN, "fault")) as engine, told:
        next(replay(small, engine))


def test_what_stops_a_node_without_the_wall_stops_it_with_it(small: Chain) -> None:
    with closing(walled(small)) as engine:
        block, link = small.next_input(), small.outcomes[-1].link
        with pytest.raises(InvariantError, match="can not follow"):
            engine.execute(small.ledger, block, small.outcomes[0].link)
        epoch = small.ledger.state.rows[b"epoch"]
        small.ledger.state.rows[b"epoch"] = b"\xc1"
        with pytest.raises(StateCorruption, match="epoch"):
            engine.execute(small.ledger, block, link)
        small.ledger.state.rows[b"epoch"] = epoch
        damaged = unreadable(small.ledger.state, StateCorruption("the disk"))
        with damaged, pytest.raises(StateCorruption, match="the disk"):
            engine.execute(small.ledger, block, link)
        assert engine.execute(small.ledger, block, link) == small.engine.execute(small.ledger, block, link)


@contextmanager
def unreadable(rows: Rows, error: Exception) -> Iterator[None]:
    """Reading these rows fails."""

    def fail(_: bytes) -> bytes:
        raise error

    with mock.patch.object(rows, "get", fail):
        yield


def test_it_ends_with_the_node(small: Chain) -> None:
    with closing(walled(small)) as engine:
        assert engine._process is not None
        popen = engine._process._popen
        assert popen.stdin is not None
        popen.stdin.close()
        assert popen.wait(60) == 0


def test_what_the_system_does_not_offer_is_said(small: Chain) -> None:
    without = (
        "import node.wall.confinement as c, node.wall.child as w; c.offered = lambda: 'no filter'; w.main()"
    )
    with closing(walled(small, sys.executable, "-P", "-c", without)) as engine:
        assert engine.missing == ("no filter",)
        assert engine.where == "in a confined process, with gaps: no filter"
        assert all(expected == found for expected, found in replay(small, engine))


def test_nothing_is_taken_along_from_another_state_of_the_same_height(small: Chain) -> None:
    other = Chain()
    other.euro(bigmarket=5)
    ledger = other.replayed().ledger
    assert other.height == small.height
    link, block = (
        other.outcomes[-1].link,
        other.next_input(other.transaction("bigmarket", ("euro", "transfer", {"to": "bank", "amount": 1}))),
    )
    with closing(walled(small)) as engine:
        assert all(expected == found for expected, found in replay(small, engine))
        assert engine.execute(ledger, block, link) == other.engine.execute(other.ledger, block, link)


def test_what_does_not_start_is_told(small: Chain) -> None:
    with pytest.raises(WallFailed, match=r"does not start: \(exit code 5\)"):
        walled(small, sys.executable, "-c", "raise SystemExit(5)")


@pytest.mark.parametrize(
    "message",
    [
        ("get", "journal", [b"key"]),
        ("get", "state", ["key"]),
        ("get", "state", [b"key"] * (KEYS_MAX + 1)),
        ("get", "tree", [b"key"]),
        ("scan", "state", b"", None, SCAN_ROWS_MAX + 1),
        ("scan", "state", b"", None, 0),
        ("scan", "state", b"", "key", 1),
        ("last_before", "tree", b"key"),
        ("put", "state", b"key", b"value"),
        ("failed", 1),
        (1,),
    ],
)
def test_what_no_engine_asks_is_not_answered(message: tuple[Any, ...], small: Chain) -> None:
    with pytest.raises(Malformed, match="asked for"):
        process.answer(small.ledger, unpack(pack(*message)))


def test_what_an_engine_asks_is_answered(small: Chain) -> None:
    keys = [b"epoch", b"nothing"]
    assert process.answer(small.ledger, ("get", "state", (*keys, *[b"x"] * (KEYS_MAX - 2))))[1] is None
    assert len(process.answer(small.ledger, ("scan", "state", b"", None, SCAN_ROWS_MAX))) > 10
    assert process.answer(small.ledger, ("last_before", "aux", b"")) is None


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("value", [1, "x", [b""], [[b"k", 1]], [[b"k"]]])
def test_effects_of_other_types_are_refused(place: int, value: object, small: Chain) -> None:
    done = small.outcomes[1]
    fields = list(unpack(pack(*plain(done))))
    assert Outcome.of(effects_of(tuple(fields)), done.tree_writes, done.top, small.outcomes[0].link) == done
    fields[place] = value
    if (place, value) != (4, 1):  # when the next timer is due, as a number
        with pytest.raises(Malformed, match="no effects"):
            effects_of(tuple(fields))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        b"\x90",
        b"\x01",
        b"\x81\x01\x02",
        b"\x91\x80",
        b"\x91\xd4\0\0",
        b"\x91\x01\x01",
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed, match="no message"):
        unpack(message)


@pytest.mark.parametrize("claim", [10_000, 2**32 - 1])
def test_what_a_list_claims_is_not_believed(claim: int) -> None:
    """Unpacking as it comes would reserve 80,000 bytes for each of these lists, and fail at the end."""
    message = (b"\xdd" + claim.to_bytes(4, "big")) * 500 + bytes(9_999)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="no message"):
            unpack(message)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


def test_a_message_that_is_too_long_is_not_read() -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, (MESSAGE_BYTES_MAX + 1).to_bytes(8, "big"))
        with pytest.raises(Malformed, match="a message of"):
            Pipe(reads, writes).receive()
    finally:
        os.close(reads)
        os.close(writes)
