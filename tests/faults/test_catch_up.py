"""A node away for thousands of blocks comes back while traffic goes on, whatever befalls those it asks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.demo.partner import wait_until
from tests.consortium.four import Consortium
from tests.consortium.load import Load
from tests.faults.long_chain import LongChain

BLOCKS = int(os.environ.get("QUORATE_AWAY_BLOCKS", "2000"))
"""`make away-long` takes 10,000."""
LEVEL_S = 30.0 + BLOCKS / 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + BLOCKS // 20)]


@contextmanager
def away(folder: Path) -> Iterator[Consortium]:
    """Three nodes with a long chain that goes on under load; the fourth has its genesis and nothing else."""
    consortium = Consortium(folder)
    chain = LongChain(consortium)
    chain.grow(BLOCKS)
    chain.share(consortium.partners[1:3])
    load = Load(consortium.partners[1], consortium.stage.chain, "coopbank")
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
        said: set[str] = set()

        def level() -> bool:
            look = back.look()
            said.add("" if look is None else look["why"])
            return look is not None and look["height"] >= max(BLOCKS, consortium.bank.height() - 2)

        assert wait_until(level, LEVEL_S), said
        took_s = time.monotonic() - began_s
        print(f"{BLOCKS} blocks in {took_s:.1f} s; meanwhile {consortium.bank.height() - height} more")
        assert any("catching up: at height" in sentence and "blocks/s" in sentence for sentence in said), said
        log = back.process.log_path.read_text(errors="replace")
        assert "caught up" in log
        consortium.transfer(back, "coopbank", 1)
