"""Rehearsals: the chain's past with other code, and the same outcome wherever it is computed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest

from contracts.errors import ContractError
from contracts.rehearsal import LISTED_MAX, outcome_hash, rehearse
from contracts.system.upgrading import Trial
from contracts.values import DAY
from tests.engine.chain import DELIVERY, Chain

PAYS_SELLER = "self.pay(self.seller, self.price)\n            self.close"
PAYS_BUYER = "self.pay(self.buyer, self.price)\n            self.close"
TAKES = "        self.take(self.buyer, self.price)\n"
HARSH = DELIVERY.replace('term(default="1")', 'term(default="5")').replace(PAYS_SELLER, PAYS_BUYER)
REFUSES = DELIVERY.replace(TAKES, f'        require(False, "no more funding")\n{TAKES}').replace(
    "    phases,\n", "    phases,\n    require,\n"
)


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Three agreements: paid, funded, and of others."""
    made = Chain()
    made.euro(bigmarket=50_000)
    made.delivery("deal", days=10)
    made.delivery("other", days=10)
    for name in ("deal", "other"):
        made.succeed("bigmarket", (name, "fund", {}))
    made.succeed("swiftship", ("deal", "report", {"fact": "delivered", "value": made.now_ms}))
    made.block(after_ms=DAY)
    return made


def created(chain: Chain, name: str = "deal") -> int:
    return int(chain.instance(name)["height"])


def run(chain: Chain, source: str, *, from_height: int | None = None, **terms: Any) -> dict[str, Any]:
    start = created(chain) if from_height is None else from_height
    trial = Trial("deal", source, terms)
    found = rehearse(chain.body, chain.name, chain.parameters, chain.blocks, trial, start)
    assert orjson.loads(orjson.dumps(found)) == found
    return found


def test_the_same_code_changes_nothing(chain: Chain) -> None:
    found = run(chain, DELIVERY + "\n# the same\n")
    assert found["migration"]["status"] == "ok"
    assert found["counts"] == {"receipts": 0, "balances": 0, "state": 0}
    assert found["sentences"][1].startswith("None of ")
    assert found["compared"] == 5


def test_money_that_would_have_gone_elsewhere_is_told(chain: Chain) -> None:
    found = run(chain, HARSH)
    assert found["balances"] == [
        {"account": "bigmarket", "currency": "euro", "before": 30_000, "after": 40_000},
        {"account": "greenfarm", "currency": "euro", "before": 10_000, "after": 0},
    ]
    assert "greenfarm would hold 0 euro instead of 10000." in found["sentences"]


def test_what_would_have_been_refused_is_told_with_what_followed(chain: Chain) -> None:
    found = run(chain, REFUSES)
    first, second = found["receipts"][:2]
    assert (first["before"]["status"], first["after"]["code"]) == ("ok", "require")
    assert first["sentence"].startswith("bigmarket calls fund on deal")
    assert any(
        "was done, and would have been refused (no more funding)." in each for each in found["sentences"]
    )
    assert second["sentence"].startswith("swiftship reports to deal")


def test_other_instances_go_on_as_they_did(chain: Chain) -> None:
    found = run(chain, REFUSES)
    assert not any("other" in each["sentence"] for each in found["receipts"])
    assert not any("/other" in each["key"] for each in found["state"])


def test_an_upgrade_now_is_rehearsed_without_a_past(chain: Chain) -> None:
    found = run(chain, HARSH, from_height=chain.height)
    assert (found["from_height"], found["height"]) == (chain.height, chain.height)
    assert (found["migration"]["status"], found["counts"]["balances"]) == ("ok", 0)


def test_an_upgrade_that_can_not_be_done_says_why(chain: Chain) -> None:
    changed = DELIVERY.replace('"unfunded"', '"waiting"')
    found = run(chain, changed)
    assert found["migration"]["status"] == "failed"
    [sentence] = found["sentences"]
    assert sentence.startswith("deal can not take this code: deal is in phase unfunded, which the new code")


def test_source_with_mistakes_is_not_rehearsed(chain: Chain) -> None:
    with pytest.raises(ContractError):
        run(chain, "class X:\n    pass\n")


def test_the_past_begins_when_all_have_signed() -> None:
    """Before, the parties sign the terms that there were; that is not what other code would have changed."""
    chain = Chain()
    chain.euro(bigmarket=50_000)
    terms_hash = chain.delivery("deal", signed=False)
    for party in ("greenfarm", "bigmarket"):
        chain.succeed(party, ("contracts", "sign", {"instance": "deal", "terms_hash": terms_hash}))
    active = chain.height
    chain.succeed("bigmarket", ("deal", "fund", {}))
    found = run(chain, DELIVERY + "\n# the same\n")
    assert (found["from_height"], found["counts"]["receipts"]) == (active, 0)


def test_terms_are_part_of_what_is_rehearsed(chain: Chain) -> None:
    found = run(chain, HARSH, seller="bank")
    assert {each["account"] for each in found["balances"]} >= {"bigmarket", "greenfarm"}
    assert found["terms"] == {"seller": "bank"}


def test_outcomes_differ_by_everything_that_differs(chain: Chain) -> None:
    hashes = {
        outcome_hash(run(chain, DELIVERY + "\n# the same\n")),
        outcome_hash(run(chain, DELIVERY + "\n# the same\n", from_height=chain.height)),
        outcome_hash(run(chain, HARSH)),
        outcome_hash(run(chain, HARSH, seller="bank")),
        outcome_hash(run(chain, REFUSES)),
    }
    assert len(hashes) == 5


def test_what_is_listed_has_a_limit_and_what_is_hashed_has_none() -> None:
    chain = Chain()
    chain.euro()
    for member in range(LISTED_MAX + 5):
        chain.succeed("bank", ("euro", "mint", {"to": "bank", "amount": member + 1}))
    source = chain.engine.describe_code(chain.ledger.state, chain.instance("euro")["code"])
    assert source is not None
    stingy = source["source"].replace("amount > 0", "amount > 1000000")
    trial = Trial("euro", stingy, {})
    height = created(chain, "euro")
    found = rehearse(chain.body, chain.name, chain.parameters, chain.blocks, trial, height)
    assert (found["counts"]["receipts"], len(found["receipts"])) == (LISTED_MAX + 5, LISTED_MAX)
    shorter = rehearse(chain.body, chain.name, chain.parameters, chain.blocks[:-1], trial, height)
    assert shorter["receipts"] == found["receipts"]
    assert shorter["digest"] != found["digest"]


SCRIPT = """
from tests.engine.test_rehearsal import *
made = chain.__wrapped__() if hasattr(chain, "__wrapped__") else chain._get_wrapped_function()()
print(outcome_hash(run(made, HARSH)))
"""


def test_every_node_finds_the_same_outcome(chain: Chain) -> None:
    """In another process, under another hash seed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == outcome_hash(run(chain, HARSH)), done.stderr
