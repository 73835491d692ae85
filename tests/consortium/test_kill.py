"""kill -9 again and again under load: nothing acknowledged is lost, nothing executed twice, all agree."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from node.demo.partner import Partner, wait_until
from tests.consortium.four import CURRENCY, Consortium, running
from tests.consortium.load import Load, await_ends

KILLS = int(os.environ.get("QUORATE_KILLS", "10"))
SEED = int(os.environ.get("QUORATE_KILL_SEED", "7"))
SETTLE_S = 90.0
MINTED = 10_000_000
ENOUGH = 50
"""Acknowledged transactions, without which a run proves little."""


@pytest.mark.slow
@pytest.mark.timeout(300 + 40 * KILLS)
def test_killed_nodes_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """QUORATE_KILLS and QUORATE_KILL_SEED choose how often and when; `make kill-long` does 50."""
    chance = random.Random(SEED)
    print(f"replay: QUORATE_KILL_SEED={SEED} QUORATE_KILLS={KILLS} make test ARGS=tests/consortium")
    with running(tmp_path / "four") as consortium:
        consortium.open_currency(MINTED)
        loads = [Load(partner, consortium.stage.chain, "coopbank") for partner in consortium.partners[1:]]
        for load in loads:
            load.start()
        try:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.2, 1.5))
                victim = chance.choice(consortium.partners)
                victim.process.kill()
                time.sleep(chance.uniform(0.0, 1.0))
                consortium.start([victim])
        finally:
            for load in loads:
                load.stop()
        _assert_nothing_lost(consortium, loads)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_four_killed_at_once_come_back_and_go_on(tmp_path: Path) -> None:
    with running(tmp_path / "four") as consortium:
        consortium.open_currency(MINTED)
        loads = [Load(partner, consortium.stage.chain, "coopbank") for partner in consortium.partners[1:]]
        for load in loads:
            load.start()
        assert wait_until(lambda: all(len(load.acknowledged) > ENOUGH for load in loads), SETTLE_S)
        for partner in consortium.partners:
            partner.process.kill()
        for load in loads:
            load.stop()
        consortium.start()
        _assert_nothing_lost(consortium, loads)
        before = consortium.bank.height()
        consortium.transfer(consortium.partners[1], "millworks", 1)
        assert consortium.bank.await_height(before + 1, SETTLE_S)


def _assert_nothing_lost(consortium: Consortium, loads: list[Load]) -> None:
    """Everything acknowledged has an end, each end is counted once in the balances, and all nodes agree."""
    assert sum(len(load.acknowledged) for load in loads) > ENOUGH, "the load never got through"
    await_ends(loads, SETTLE_S)
    consortium.assert_equal_execution()
    for load in loads:
        sent = _committed_transfers(load.partner)
        assert MINTED - load.partner.balance(CURRENCY) == sent, "a transfer was executed twice or not at all"
        assert sent >= sum(1 for _ in load.acknowledged)


def _committed_transfers(partner: Partner) -> int:
    """Successful transfers of 1 that the chain holds from this partner, counted from the ledger itself."""
    transactions = partner.client.items("/v1/transactions", account=partner.name, limit="100")
    identifiers = [item["id"] for item in transactions if item["outcome"] == "ok"]
    assert len(set(identifiers)) == len(identifiers), "the ledger lists a transaction twice"
    return len(identifiers)
