"""Members leave, change keys, stay away and come back, and die at the worst moment, on real nodes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx
import pytest

from contracts.system.changes import rotation_message
from node.demo.partner import Partner, wait_until
from node.demo.stage import Seat
from node.keystore import Keystore
from node.next_key import adopt_next_key, make_next_key
from tests.consortium.four import CURRENCY
from tests.consortium.load import Load, signed_transfers
from tests.membership.growing import (
    LEVEL_S,
    SETTLE_S,
    Growing,
    await_ends,
    connected,
    epoch,
    growing,
    role,
    validators,
)

MINTED = 10_000_000


def log_of(partner: Partner) -> str:
    return partner.process.log_path.read_text()


def rotation(chain: Growing, partner: Partner, which: str) -> dict[str, str]:
    """The change by which a member gets its next key, signed by that key."""
    store = Keystore(partner.seat.home / "keys")
    key = make_next_key(store, which, None)
    chain_hash = bytes.fromhex(partner.client.get("/v1/proof/00")["genesis_hash"])
    signature = key.sign(rotation_message(chain_hash, partner.name, which, key.public_key))
    return {
        "kind": "rotate",
        "member": partner.name,
        "role": which,
        "key": key.public_key.hex(),
        "signature": signature.hex(),
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_removed_member_hands_over_what_it_promised_and_says_that_it_is_out(tmp_path: Path) -> None:
    with growing(tmp_path, 4) as chain:
        alpha, delta = chain["alpha"], chain["delta"]
        chain.open_currency(alpha, MINTED)
        seat = alpha.seat
        through = Partner(Seat("alpha at delta's", seat.actor, seat.home, delta.seat.api_port))
        loads = [Load(through, chain.chain, "alpha", pause_s=0.02), Load(delta, chain.chain, "alpha")]
        alpha.act(CURRENCY, "transfer", {"to": "delta", "amount": "1000000"})
        for load in loads:
            load.start()
        try:
            chain.decide(alpha, {"kind": "remove", "member": "delta"})
            chain.await_epoch("delta", False, [chain[name] for name in ("alpha", "bravo", "coast")])
            assert wait_until(lambda: "delta is no longer a member" in log_of(delta), SETTLE_S)
            assert wait_until(lambda: delta.look() is not None and not connected(delta), SETTLE_S)
        finally:
            for load in loads:
                load.stop()
            through.close()
        assert role(alpha, "delta") == "left"
        assert len(loads[0].acknowledged) > 20
        # What others posted to its node is ordered by the others; who left acts no more, and is told so.
        await_ends(alpha, loads[0].acknowledged, "committed")
        await_ends(delta, loads[1].acknowledged, "committed", "rejected")
        assert delta.client.get("/v1/status")["height"] > 0, "its node goes on answering"
        assert wait_until(lambda: "the members' nodes refuse this one" in log_of(delta), SETTLE_S)
        (transfer,) = signed_transfers(delta, chain.chain, "alpha", 1)
        refused = httpx.post(f"{delta.seat.api_url}/v1/transactions", json=transfer, timeout=60)
        assert refused.status_code == 403, refused.text
        alpha.act(CURRENCY, "transfer", {"to": "bravo", "amount": "1"})
        chain.assert_equal_execution([chain[name] for name in ("alpha", "bravo", "coast")])


def why(partner: Partner) -> str:
    """What its node waits for."""
    look = partner.look()
    return "" if look is None else str(look["why"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_keys_are_replaced_and_the_old_ones_are_worth_nothing(tmp_path: Path) -> None:
    with growing(tmp_path, 4) as chain:
        alpha, bravo = chain["alpha"], chain["bravo"]
        chain.open_currency(alpha, MINTED)
        before = epoch(alpha)
        bravo.process.stop()
        shutil.rmtree(bravo.seat.home / "journal")  # the key must not vote again
        chain.start(bravo)
        assert wait_until(lambda: "its validator key must not again" in why(bravo), SETTLE_S), why(bravo)
        chain.decide(alpha, rotation(chain, bravo, "validator"))
        assert wait_until(lambda: epoch(alpha) == before + 1, SETTLE_S)
        bravo.process.stop()
        adopt_next_key(bravo.seat.keys, "validator")
        chain.start(bravo)
        chain["delta"].process.kill()  # so that its votes are needed
        alpha.act(CURRENCY, "transfer", {"to": "bravo", "amount": "7"})
        chain.start(chain["delta"])
        chain.assert_equal_execution()

        old = tmp_path / "old"
        shutil.copytree(bravo.seat.home, old, ignore=shutil.ignore_patterns("ledger", "journal", "node.json"))
        chain.decide(alpha, rotation(chain, bravo, "network"))
        assert wait_until(lambda: not connected(bravo), SETTLE_S), "its old network key is refused"
        bravo.process.stop()
        adopt_next_key(bravo.seat.keys, "network")
        chain.start(bravo)
        alpha.act(CURRENCY, "transfer", {"to": "bravo", "amount": "7"})
        assert wait_until(lambda: len(connected(bravo)) == 3, SETTLE_S)
        chain.assert_equal_execution()
        assert bravo.balance(CURRENCY) == 14


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_killed_at_a_boundary_and_one_away_for_two_epochs_come_back(tmp_path: Path) -> None:
    with growing(tmp_path, 4) as chain:
        alpha, bravo, coast, delta = chain.partners
        chain.open_currency(alpha, MINTED)
        delta.process.stop()
        load = Load(alpha, chain.chain, "alpha", pause_s=0.5)
        load.start()
        try:
            ember = chain.admit("ember", by=alpha)
            chain.say_ready(ember, alpha)
            chain.decide(alpha, {"kind": "promote", "member": "ember"})
            bravo.process.kill()  # about when the epoch ends
            time.sleep(0.3)
            chain.start(bravo)
            chain.await_epoch("ember", True)
            chain.decide(alpha, rotation(chain, coast, "validator"))
            assert wait_until(lambda: epoch(alpha) == 3, SETTLE_S)
            coast.process.stop()
            adopt_next_key(coast.seat.keys, "validator")
            chain.start(coast)
        finally:
            load.stop()
        chain.start(delta)  # it was away from epoch 1 to 3
        assert wait_until(lambda: epoch(delta) == 3, SETTLE_S)
        chain.assert_equal_execution()
        alpha.process.kill()  # four of five are the quorum, delta one of them
        bravo.act("members", "set_address", {"address": "/ip4/127.0.0.1/tcp/4999"})
        assert delta.await_height(bravo.height(), SETTLE_S)
        chain.start(alpha)
        chain.assert_equal_execution()
        await_ends(alpha, load.acknowledged, "committed", "expired")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_killed_while_it_catches_up_goes_on(tmp_path: Path) -> None:
    with growing(tmp_path, 1) as chain:
        alpha = chain["alpha"]
        chain.open_currency(alpha, MINTED)
        load = Load(alpha, chain.chain, "alpha", pause_s=0.05)
        load.start()
        try:
            assert alpha.await_height(150, LEVEL_S)
            load.pause_s = 1.0  # it goes on, and a slow machine catches up all the same
            bravo = chain.admit("bravo", by=alpha)
            for _ in range(3):
                time.sleep(0.7)
                bravo.process.kill()
                chain.start(bravo)
            chain.promote(bravo, by=alpha)
        finally:
            load.stop()
        assert validators(bravo) == ["alpha", "bravo"]
        chain.assert_equal_execution()
