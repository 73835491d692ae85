"""The published vectors: made by our code, and true by the specification alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consensus.committee import Committee, Validator
from consensus.keys import verify_ed25519
from contracts.merkle import StateProof, check_proof
from node.genesis import load_genesis
from node.proof import verify_proof
from tests.proofs.reference import reference_root
from tests.proofs.standalone import standalone
from tests.proofs.vectors import FOLDER, tree_vectors

CASES = json.loads((FOLDER / "state_tree.json").read_text())["cases"]


def unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def test_the_published_tree_is_what_our_code_makes() -> None:
    """If this fails a byte of the format has changed: that breaks every verifier that is out there."""
    assert {"cases": CASES}.items() <= tree_vectors().items()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_tree_case_is_true_by_the_specification(case: dict[str, Any]) -> None:
    entries = {bytes.fromhex(e["key_hex"]): bytes.fromhex(e["value_hex"]) for e in case["entries"]}
    root = bytes.fromhex(case["root"])
    assert reference_root(entries) == root
    for proof in case["proofs"]:
        key, value = bytes.fromhex(proof["key_hex"]), unhex(proof["value_hex"])
        assert entries.get(key) == value
        assert standalone.state_root(key, value, proof) == root
        forks, bucket = (tuple(map(bytes.fromhex, proof[part])) for part in ("forks", "bucket"))
        assert check_proof(root, key, value, StateProof(forks, bucket))


def test_the_cases_show_every_kind_of_end() -> None:
    proofs = [proof for case in CASES for proof in case["proofs"]]
    ends = {(proof["value_hex"] is None, proof["bucket"] == []) for proof in proofs}
    assert ends == {(False, False), (True, True), (True, False)}
    assert {len(proof["forks"]) for proof in proofs} == {0, 1, 2, 4}
    assert max(len(proof["bucket"]) for proof in proofs) == 16
    assert any("00" * 32 in fork for proof in proofs for fork in proof["forks"]), "an empty subtree"


@pytest.mark.parametrize("name", ["proof_of_value.json", "proof_of_absence.json", "proof_with_lineage.json"])
def test_a_published_proof_verifies_with_our_code_and_without(name: str) -> None:
    """Files that were published once must verify for ever, so they are not made anew here."""
    proof, genesis_json = (json.loads((FOLDER / file).read_text()) for file in (name, "genesis.json"))
    genesis = load_genesis(FOLDER / "genesis.json")
    validators = tuple(Validator(m.number, m.card.validator_key) for m in genesis.members)
    proven = verify_proof(
        proof,
        chain=genesis.chain,
        genesis_hash=genesis.hash,
        committee=Committee(1, validators),
        verifier=verify_ed25519,
    )
    assert standalone.verify(proof, genesis_json) == (proven.key, proven.value, proven.height, proven.time_ms)
