"""The block at height 0: what all members signed, as state."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256

from consensus.merkle_list import list_root
from consensus.parameters import Parameters
from consensus.transactions import canonical_json
from contracts.encoding import decode_value
from contracts.engine import Engine
from contracts.merkle import Tree
from tests.engine.chain import GENESIS_MS, MEMBERS, Chain, genesis_body, signer


def test_every_member_is_an_account_of_its_administrator_key() -> None:
    chain = Chain()
    for member in MEMBERS:
        assert chain.engine.authorised(chain.ledger.state, signer(member).public_key, member)
        assert not chain.engine.authorised(
            chain.ledger.state, signer(f"validator of {member}").public_key, member
        )
        clerk = f"{member}.clerk"
        assert chain.engine.authorised(chain.ledger.state, signer(clerk).public_key, clerk)
        assert not chain.engine.authorised(chain.ledger.state, signer(clerk).public_key, member)


def test_genesis_holds_the_parameters_and_the_chain() -> None:
    chain = Chain()
    stored = decode_value(chain.ledger.state.rows[b"parameters"])
    assert stored == asdict(Parameters())
    genesis_hash = sha256(canonical_json(chain.body)).digest()
    assert genesis_hash in chain.ledger.state.rows[b"chain"]


def test_the_first_link_chains_to_the_genesis_hash() -> None:
    """As docs/state.md and docs/proofs.md say, computed by hand."""
    link = Chain().outcomes[0].link
    body = genesis_body(Parameters())
    roots = link.state_root + list_root([]) + list_root([])
    previous = sha256(canonical_json(body)).digest()
    assert link.exec_hash == sha256(b"quorate/exec/1\n" + previous + bytes(8) + roots).digest()
    assert body["time_ms"] == GENESIS_MS


def test_the_state_root_proves_a_row() -> None:
    chain = Chain()
    tree = Tree(chain.ledger.tree, chain.ledger.top(chain.outcomes[0].link.state_root))
    row = chain.ledger.state.rows[b"account/bank"]
    assert tree.value_hash(b"account/bank") == sha256(row).digest()


def test_other_parameters_are_another_chain() -> None:
    bodies = [genesis_body(Parameters()), genesis_body(Parameters(heartbeat_ms=0))]
    links = [Engine(chain="x", parameters=Parameters()).genesis(body).link for body in bodies]
    assert links[0].exec_hash != links[1].exec_hash
    assert links[0].state_root != links[1].state_root
