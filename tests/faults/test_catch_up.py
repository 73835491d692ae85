"""A node away for thousands of blocks comes back while traffic goes on, whatever befalls those it asks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.demo.partner import Partner, wait_until
from tests.consortium.four import Consortium
from tests.consortium.load import Load
from tests.faults.long_chain import LongChain
from tests.faults.lying_server import Lie, LyingServer, another_time, without_batches

BLOCKS = int(os.environ.get("QUORATE_AWAY_BLOCKS", "2000"))
"""`make away-long` takes 10,000."""
STILL_S = 120.0
"""How fast it catches up is a matter of the machine; so long it never stands still."""
LOOK_S = 0.25
LEVEL_S = 240.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + BLOCKS // 3)]


def long_chain(folder: Path, blocks: int) -> Consortium:
    """Three ledgers with a long chain, of nodes that do not run; the fourth has its genesis only."""
    consortium = Consortium(folder)
    chain = LongChain(consortium)
    chain.grow(blocks)
    chain.share(consortium.partners[1:3])
    return consortium


@contextmanager
def away(folder: Path) -> Iterator[Consortium]:
    """Three nodes with a long chain that goes on under load."""
    consortium = long_chain(folder, BLOCKS)
    load = Load(consortium.partners[1], consortium.stage.chain, "coopbank", pause_s=0.3)
    try:
        consortium.start(consortium.partners[:3])
        load.start()
        yield consortium
        load.stop()
        assert load.acknowledged
        consortium.assert_equal_execution()
    finally:
        load.stop()
        consortium.stop()


def test_a_node_that_was_away_is_level_again_while_the_chain_grows(tmp_path: Path) -> None:
    with away(tmp_path / "four") as consortium:
        back = consortium.partners[3]
        began_s, height = time.monotonic(), consortium.bank.height()
        consortium.start([back])
        said = watch_until_level(back, lambda: max(BLOCKS, consortium.bank.height() - 2))
        took_s = time.monotonic() - began_s
        print(
            f"{BLOCKS} blocks in {took_s:.1f} s, start included; {consortium.bank.height() - height} more "
            f"meanwhile; peak memory of the process {_peak_mib(back)} MiB, of one that served it "
            f"{_peak_mib(consortium.bank)} MiB"
        )
        assert any("catching up: at height" in sentence and "blocks/s" in sentence for sentence in said), said
        assert wait_until(lambda: "caught up" in back.process.log_path.read_text(errors="replace"), LEVEL_S)
        consortium.transfer(back, "coopbank", 1)


def watch_until_level(back: Partner, goal: Callable[[], int]) -> set[str]:
    """What a node says while it comes nearer to a goal that moves, until it is there."""
    said: set[str] = set()
    height, gained_s = -1, time.monotonic()
    while (look := back.look()) is None or look["height"] < goal():
        if look is not None:
            said.add(look["why"])
        if look is not None and look["height"] > height:
            height, gained_s = look["height"], time.monotonic()
        assert time.monotonic() - gained_s < STILL_S, (height, said, back.process.last_words())
        time.sleep(LOOK_S)
    return said


def _peak_mib(partner: Partner) -> int:
    status = Path(f"/proc/{partner.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024


@pytest.mark.parametrize("lie", [another_time, without_batches])
def test_peers_that_lie_or_die_do_not_stop_it(tmp_path: Path, lie: Lie) -> None:
    """The only one that can be asked at first lies from some height on, and of the two that come after it one
    is killed; nothing wrong is executed.
    """
    blocks = 300
    consortium = long_chain(tmp_path / "four", blocks)
    honest, mortal, liar, back = consortium.partners

    def told() -> int:
        return back.process.log_path.read_text(errors="replace").count("a peer gave wrong blocks, others")

    try:
        with LyingServer(liar, lie, from_height=blocks // 3) as server:
            back.process.start()
            assert wait_until(lambda: told() > 0, LEVEL_S), back.process.last_words()
            assert server.lies > 0
            assert back.await_height(1, LEVEL_S), "what it gave before it lied is true"
            assert back.height() < blocks // 3
            consortium.start([honest, mortal])
            assert wait_until(lambda: back.height() >= blocks // 2, LEVEL_S), back.process.last_words()
            mortal.process.kill()
            assert back.await_height(blocks, LEVEL_S), back.look()
        assert told() == 1, back.process.log_path
        consortium.start([mortal, liar])
        consortium.transfer(liar, "coopbank", 1)
        consortium.assert_equal_execution()
    finally:
        consortium.stop()
