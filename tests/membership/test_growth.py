"""From one validator to several under load, and back: real nodes, real epochs, one chain."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consensus.keys import verify_ed25519
from node.demo.partner import Partner
from node.documents import read_json, write_json
from node.genesis import load_genesis
from node.home import CARD_FILE
from node.known_members import KNOWN_FILE
from node.proof import verify_proof
from tests.consortium.four import CURRENCY
from tests.consortium.load import Load
from tests.membership.growing import NAMES, Growing, await_ends, growing, role, validators
from tests.proofs.standalone import STANDALONE

MINTED = 10_000_000


def grow(chain: Growing, name: str, by: Partner) -> Partner:
    """Another organisation joins, and validates."""
    newcomer = chain.admit(name, by)
    chain.promote(newcomer, by)
    assert role(newcomer, name) == "validator"
    return newcomer


def check_proof(chain: Growing, partner: Partner, folder: Path) -> int:
    """Its node's proof of a balance, checked with the genesis alone, by us and by a stranger; its epoch."""
    key = f"balance/alpha/{CURRENCY}".encode()
    proof = partner.client.get(f"/v1/proof/{key.hex()}")
    agreed = load_genesis(chain.genesis_path)
    proven = verify_proof(
        proof,
        chain=agreed.chain,
        genesis_hash=agreed.hash,
        committee=agreed.committee,
        verifier=verify_ed25519,
    )
    assert proven.key == key
    file = folder / f"proof-{partner.name}.json"
    file.write_text(json.dumps(proof))
    command = [sys.executable, "-I", str(STANDALONE), str(file), str(chain.genesis_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return 1 + len(proof.get("lineage", ()))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_node_grows_to_four_under_load(tmp_path: Path) -> None:
    with growing(tmp_path, 1) as chain:
        alpha = chain["alpha"]
        chain.open_currency(alpha, MINTED)
        assert check_proof(chain, alpha, tmp_path) == 1
        load = Load(alpha, chain.chain, "alpha", pause_s=0.5)
        load.start()
        try:
            for name in NAMES[1:4]:
                grow(chain, name, by=alpha)
        finally:
            load.stop()
        assert validators(alpha) == list(NAMES[:4])
        assert len(load.acknowledged) > 20
        chain.assert_equal_execution()
        await_ends(alpha, load.acknowledged, "committed")
        alpha.act(CURRENCY, "transfer", {"to": "delta", "amount": "1"})  # in the newest epoch
        chain.assert_equal_execution()
        assert check_proof(chain, chain["delta"], tmp_path) == 4

        alpha.process.kill()  # now the others are enough
        chain["bravo"].act("members", "set_address", {"address": "/ip4/127.0.0.1/tcp/4999"})
        chain.assert_equal_execution()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_grow_to_seven_under_load_and_two_may_then_fail(tmp_path: Path) -> None:
    with growing(tmp_path, 4) as chain:
        alpha = chain["alpha"]
        chain.open_currency(alpha, MINTED)
        load = Load(alpha, chain.chain, "alpha", pause_s=0.5)
        load.start()
        try:
            for name in NAMES[4:]:
                grow(chain, name, by=alpha)
        finally:
            load.stop()
        assert validators(alpha) == list(NAMES)
        chain.assert_equal_execution()
        await_ends(alpha, load.acknowledged, "committed")
        alpha.act(CURRENCY, "transfer", {"to": "grove", "amount": "1"})
        chain.assert_equal_execution()
        assert check_proof(chain, chain["grove"], tmp_path) == 4
        for name in ("bravo", "ember"):
            chain[name].process.kill()
        alpha.act(CURRENCY, "transfer", {"to": "grove", "amount": "1"})
        chain.assert_equal_execution()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_newcomer_finds_those_who_are_there_after_all_founders_have_left(tmp_path: Path) -> None:
    with growing(tmp_path, 1) as chain:
        alpha = chain["alpha"]
        chain.open_currency(alpha, MINTED)
        bravo = grow(chain, "bravo", by=alpha)
        chain.decide(alpha, {"kind": "remove", "member": "alpha"})
        chain.await_epoch("alpha", False, [bravo])
        alpha.process.stop()
        coast = chain.seat(chain.home("coast"))
        chain.decide(bravo, {"kind": "admit", "card": read_json(coast.seat.home / CARD_FILE)})
        write_json(coast.seat.home / KNOWN_FILE, bravo.client.get("/v1/members"))
        chain.start(coast)
        chain.promote(coast, by=bravo)
        coast.act("members", "set_address", {"address": "/ip4/127.0.0.1/tcp/4998"})
        chain.assert_equal_execution()
        assert check_proof(chain, coast, tmp_path) == 4
        assert [role(coast, name) for name in NAMES[:3]] == ["left", "validator", "validator"]
