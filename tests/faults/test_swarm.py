"""Real nodes under everything that may befall them at once; afterwards their stores are read."""

from __future__ import annotations

import os
import random
import statistics
from pathlib import Path

import pytest

from tests.consortium.load import Load, await_ends
from tests.faults.checker import check
from tests.faults.relayed import relayed
from tests.faults.swarm import Swarm

SECONDS = float(os.environ.get("QUORATE_SWARM_S", "120"))
SEED = int(os.environ.get("QUORATE_SWARM_SEED") or random.SystemRandom().randrange(10**6))
SETTLE_S = 120.0


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
def test_nothing_is_lost_and_all_agree(tmp_path: Path) -> None:
    """QUORATE_SWARM_S and QUORATE_SWARM_SEED choose; `make soak` takes 20 minutes."""
    print(f"\nreplay: QUORATE_SWARM_SEED={SEED} QUORATE_SWARM_S={SECONDS:.0f} make soak", flush=True)
    with relayed(tmp_path / "four", SEED) as consortium:
        consortium.open_currency(10_000_000)
        loads = [Load(partner, consortium.stage.chain, "coopbank") for partner in consortium.partners[1:]]
        for load in loads:
            load.start()
        swarm = Swarm(consortium, random.Random(SEED), lambda line: print(line, flush=True))
        try:
            swarm.run(SECONDS)
        finally:
            for load in loads:
                load.stop()
        await_ends(loads, SETTLE_S)
        consortium.assert_equal_execution()
    acknowledged = {identifier: at_ms for load in loads for identifier, at_ms in load.acknowledged.items()}
    findings = check([partner.seat.home for partner in consortium.partners], acknowledged)
    worst, median = max(swarm.recoveries_s), statistics.median(swarm.recoveries_s)
    print(f"{findings}\nall nodes final after healing: median {median:.1f} s, longest {worst:.1f} s")
    assert findings.acknowledged > 50, "the load never got through"
