"""Two processes come to the same bytes from the same blocks, whatever their hash seed and Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORY = """
from tests.engine.chain import Chain
from contracts.values import DAY

chain = Chain()
chain.euro(bigmarket=50_000, greenfarm=7)
for name in ("deal-c", "deal-a", "deal-b"):
    chain.delivery(name, price=1_000, days=10)
    chain.succeed("bigmarket", (name, "fund", {}))
chain.perform("greenfarm", ("deal-a", "fund", {}))
chain.perform("bank", ("contracts", "deploy", {"source": "class Nothing:\\n    pass\\n"}))
late = {"fact": "delivered", "value": chain.now_ms + 11 * DAY}
chain.succeed("swiftship", ("deal-b", "report", late), after_ms=12 * DAY)
last = chain.block(after_ms=60 * DAY)
assert [receipt.timer.instance for receipt in last.receipts] == ["deal-c", "deal-a"]
from tests.engine.consortium import join, propose
from contracts.rehearsal import outcome_hash, rehearse
from contracts.system.upgrading import Trial
from tests.engine.chain import DELIVERY
join(chain, "newco")
propose(chain, {"kind": "policy", "code": "all", "guardians": ["bank"]}, reason="caution")
chain.delivery("deal", days=10)
harsh = DELIVERY.replace('default="10"', 'default="20"').replace("price) * days", "price) * days * 2")
args = {"instance": "deal", "code": chain.deploy(harsh), "from_height": chain.height, "height": chain.height}
trial = Trial("deal-b", harsh, {"cap": "30"})
found = rehearse(chain.body, chain.name, chain.parameters, chain.blocks, trial, 1)
assert found["counts"]["balances"], found
args["outcome"] = outcome_hash(found)
print(args["outcome"])
chain.succeed("bigmarket", ("contracts", "propose_upgrade", args), cosigners=["greenfarm"])
assert chain.block().events[0].name == "upgraded"
for outcome in chain.outcomes:
    print(outcome.link.exec_hash.hex(), sum(receipt.gas_used for receipt in outcome.receipts))
"""


def story_told_by(python: str, hash_seed: str) -> str:
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-c", STORY]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.fixture(scope="module")
def told() -> str:
    """What this Python tells with one hash seed."""
    return story_told_by(sys.executable, "1")


@pytest.mark.parametrize("hash_seed", ["2", "random"])
def test_the_hash_seed_makes_no_difference(told: str, hash_seed: str) -> None:
    assert len(told.splitlines()) > 10
    assert story_told_by(sys.executable, hash_seed) == told


@pytest.mark.slow
def test_the_version_of_python_makes_no_difference(told: str, other_python: str) -> None:
    assert story_told_by(other_python, "random") == told
