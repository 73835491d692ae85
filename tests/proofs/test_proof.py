"""Proofs from a store: what is true verifies, with our code and without it, and nothing else does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.committee import Committee, committee_digest
from consensus.keys import verify_ed25519
from consensus.messages import header_digest, vote_payload
from consensus.types import Header, VoteKind
from contracts.errors import ProofError
from node.genesis import load_genesis
from node.lineage import Boundary, lineage_json
from node.proof import Entry, Proven, certify, read_entry, verify_proof
from node.proof_json import read_header
from node.store import Store
from tests.proofs.minichain import BEGIN_MS, MiniChain, committee_of, signer
from tests.proofs.standalone import STANDALONE, standalone
from tests.proofs.vectors import lineage_chain, lineage_vectors, proof_vectors

Verify = Callable[[MiniChain, Any], Proven]


def by_node(chain: MiniChain, proof: Any) -> Proven:
    genesis = chain.genesis
    return verify_proof(
        proof,
        chain=genesis.chain,
        genesis_hash=genesis.hash,
        committee=chain.committee,
        verifier=verify_ed25519,
    )


def by_stranger(chain: MiniChain, proof: Any) -> Proven:
    key, value, height, time_ms = standalone.verify(proof, chain.genesis_json)
    return Proven(height, key, value, time_ms)


both_verifiers = pytest.mark.parametrize("verify", [by_node, by_stranger])
REFUSALS = (ProofError, standalone.Invalid, KeyError, TypeError, ValueError, AttributeError)
"""What a verifier may raise; the standalone command turns each into NOT VALID."""

STATE = {b"account/%d" % number: b"%d" % number for number in range(50)}


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return proof_vectors()


@pytest.fixture(scope="module")
def grown(vectors: dict[str, Any]) -> tuple[MiniChain, dict[str, Any], dict[str, Any]]:
    """A chain, a proof of a value and one of absence, each with all that a proof can have."""
    return MiniChain(), vectors["proof_of_value.json"], vectors["proof_of_absence.json"]


@both_verifiers
def test_a_true_proof_verifies(grown: tuple[MiniChain, Any, Any], verify: Verify) -> None:
    chain, present, absent = grown
    time_ms = BEGIN_MS + 5000
    assert verify(chain, present) == Proven(3, b"account/7", b"now 2", time_ms)
    assert verify(chain, absent) == Proven(3, b"account/none", None, time_ms)
    assert (len(present["exec"]["links"]), len(present["descendants"]), len(present["votes"])) == (2, 2, 3)
    assert present["header"]["cut"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value that is no container, with its path; and every container."""
    yield path, value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))


def replaced(proof: Any, path: tuple[Any, ...], new: Any) -> Any:
    changed = copy.deepcopy(proof)
    *outer, last = path
    target = changed
    for step in outer:
        target = target[step]
    target[last] = new
    return changed


def alternatives(value: Any) -> list[Any]:
    """Other values for a place in a proof: near misses first, then nonsense."""
    if isinstance(value, bool) or value is None:
        return ["00" * 32, "", 0, []]
    if isinstance(value, int):
        return [value + 1, value - 1, 2**53, 2**64, -1, str(value), None, float(value), value == 1]
    if isinstance(value, str):
        flipped = (
            f"{value[:-1]}{int(value[-1], 16) ^ 1:x}" if value and value[-1] in "0123456789abcdef" else "x"
        )
        return [flipped, value[2:], value + "00", value.upper() + "0", " " + value, None, 0, []]
    if isinstance(value, list):
        return [
            value[:-1] if value else ["00"],
            [*value, value[0]] if value else [{}],
            [*value[::-1], None],
            None,
            {},
        ]
    assert isinstance(value, dict)
    return [{}, None, [], 0, *({k: v for k, v in value.items() if k != left_out} for left_out in value)]


@both_verifiers
@pytest.mark.parametrize("which", [1, 2])
def test_a_proof_with_anything_changed_is_refused(
    grown: tuple[MiniChain, Any, Any], verify: Verify, which: int
) -> None:
    """But for one case: the way to an empty place proves the absence of every key that would be there."""
    chain, proof = grown[0], grown[which]
    refused = 0
    for path, value in leaves(proof):
        for new in alternatives(value) if path else ():
            if type(new) is type(value) and new == value:
                continue
            try:
                proven = verify(chain, replaced(proof, path, new))
            except REFUSALS:
                refused += 1
            else:
                assert path == ("key_hex",), (path, new)
                assert proven.value is None
                assert proven.key not in STATE
    assert refused > 500


@both_verifiers
def test_the_order_of_parts_counts(grown: tuple[MiniChain, Any, Any], verify: Verify) -> None:
    chain, proof, _ = grown
    for path, value in leaves(proof):
        if isinstance(value, list) and len(value) > 1:
            with pytest.raises(REFUSALS):
                verify(chain, replaced(proof, path, value[::-1]))


@both_verifiers
def test_a_value_is_no_proof_of_absence_and_the_other_way_round(
    grown: tuple[MiniChain, Any, Any], verify: Verify
) -> None:
    chain, present, absent = grown
    with pytest.raises(REFUSALS, match="not in the state"):
        verify(chain, present | {"value_hex": None})
    with pytest.raises(REFUSALS):
        verify(chain, absent | {"value_hex": b"1".hex()})
    with pytest.raises(REFUSALS, match="not in the state"):
        verify(chain, present | {"key_hex": b"account/8".hex()})


@both_verifiers
def test_too_few_strange_or_repeated_voters_are_no_quorum(
    grown: tuple[MiniChain, Any, Any], verify: Verify
) -> None:
    chain, proof, _ = grown
    certified = read_header(proof["descendants"][-1], "header")

    def voted_by(*voters: int) -> dict[str, Any]:
        votes = chain.finalise(certified, voters=voters).certificate.votes
        return {**proof, "votes": [{"voter": voter, "signature": vote.hex()} for voter, vote in votes]}

    for voters in ([0, 1], [0, 1, 1], [0, 1, 9], [2, 1, 0]):
        with pytest.raises(REFUSALS):
            verify(chain, voted_by(*voters))
    verify(chain, voted_by(0, 1, 3))
    verify(chain, voted_by(0, 1, 2, 3))


@both_verifiers
def test_votes_of_another_kind_or_epoch_do_not_count(
    grown: tuple[MiniChain, Any, Any], verify: Verify
) -> None:
    """A quorum that notarised, or one of a later committee, has not said that the block is final."""
    chain, proof, _ = grown
    last = read_header(proof["descendants"][-1], "header")
    digest = header_digest(chain.chain_id, last)

    def signed(message: bytes) -> list[dict[str, Any]]:
        return [{"voter": voter, "signature": signer(voter, 0).sign(message).hex()} for voter in range(4)]

    notarised = vote_payload(chain.chain_id, VoteKind.NOTARISE, last.epoch, last.view, digest)
    with pytest.raises(REFUSALS):
        verify(chain, proof | {"votes": signed(notarised)})
    later = replace(last, epoch=2)
    final = vote_payload(
        chain.chain_id, VoteKind.FINALISE, 2, last.view, header_digest(chain.chain_id, later)
    )
    headers = [*proof["descendants"][:-1], proof["descendants"][-1] | {"epoch": 2}]
    with pytest.raises(REFUSALS, match="epoch"):
        verify(chain, proof | {"votes": signed(final), "descendants": headers})


@both_verifiers
def test_a_proof_of_another_chain_is_refused(grown: tuple[MiniChain, Any, Any], verify: Verify) -> None:
    _, proof, _ = grown
    other = MiniChain(["acme", "bolt", "coop", "else"])
    with pytest.raises(REFUSALS):
        verify(other, proof)
    named_so = proof | {"genesis_hash": other.chain_id.hex(), "chain": other.genesis.chain}
    with pytest.raises(REFUSALS):
        verify(other, named_so)


# ---------------------------------------------------------------- lineage


@pytest.fixture(scope="module")
def aged() -> tuple[MiniChain, dict[str, Any]]:
    """A chain in its third epoch, and a proof that its third committee signed."""
    return lineage_chain()[0], lineage_vectors()["proof_with_lineage.json"]


@both_verifiers
def test_a_later_committees_proof_verifies_by_its_lineage(
    aged: tuple[MiniChain, Any], verify: Verify
) -> None:
    chain, proof = aged
    assert [len(boundary["committee"]) for boundary in proof["lineage"]] == [5, 4]
    assert [len(boundary["descendants"]) for boundary in proof["lineage"]] == [0, 1]
    assert verify(chain, proof) == Proven(6, b"account/7", b"at 6", BEGIN_MS + 7000)


@both_verifiers
def test_a_lineage_with_anything_changed_is_refused(aged: tuple[MiniChain, Any], verify: Verify) -> None:
    """But for the votes beyond a quorum that somebody leaves out, and nothing is then said otherwise."""
    chain, proof = aged
    refused = 0
    for path, value in leaves(proof["lineage"]):
        for new in (
            alternatives(value) if path else [[], proof["lineage"][:1], proof["lineage"][1:], None, {}]
        ):
            if type(new) is type(value) and new == value:
                continue
            with pytest.raises(REFUSALS):
                verify(chain, replaced(proof, ("lineage", *path), new))
            refused += 1
    assert refused > 500


@both_verifiers
def test_only_the_epoch_that_ends_names_the_next_committee(
    aged: tuple[MiniChain, Any], verify: Verify
) -> None:
    """Forged lineages of a quorum of strangers, of another epoch, of too few, and for the wrong committee."""
    chain, proof = aged
    boundary = chain.boundaries[0].block

    def forged(header: Header, committee: Committee, voters: Sequence[int]) -> dict[str, Any]:
        named = replace(header, next_set=committee_digest(chain.chain_id, committee))
        first = lineage_json([Boundary(chain.finalise(named, voters=voters), committee)])
        return {**proof, "lineage": [*first, *proof["lineage"][1:]]}

    strangers = committee_of(2, range(4, 8))
    verify(chain, forged(boundary.header, chain.committees[1], [0, 1, 2]))
    for header, committee, voters in (
        (boundary.header, chain.committees[1], [0, 1]),
        (boundary.header, chain.committees[1], [4, 5, 6]),
        (boundary.header, strangers, [0, 1, 4]),
        (replace(boundary.header, epoch=2), chain.committees[1], [0, 1, 2, 3]),
        (boundary.header, replace(chain.committees[1], epoch=3), [0, 1, 2]),
    ):
        with pytest.raises(REFUSALS):
            verify(chain, forged(header, committee, voters))
    with pytest.raises(REFUSALS):  # a true committee of epoch 2 does not sign for epoch 3
        verify(chain, forged(boundary.header, strangers, [0, 1, 2]))


@both_verifiers
def test_a_committees_name_covers_epoch_numbers_and_keys(aged: tuple[MiniChain, Any], verify: Verify) -> None:
    chain, proof = aged
    boundary = chain.boundaries[0].block
    unnamed = lineage_json([Boundary(replace(boundary, header=replace(boundary.header, next_set=None)),
                                     chain.committees[1])])  # fmt: skip
    with pytest.raises(REFUSALS):
        verify(chain, proof | {"lineage": [*unnamed, *proof["lineage"][1:]]})
    for change in ({"number": 9}, {"validator_key": signer(9, 0).public_key.hex()}):
        with pytest.raises(REFUSALS):
            verify(
                chain,
                replaced(proof, ("lineage", 0, "committee", 4), proof["lineage"][0]["committee"][4] | change),
            )


@both_verifiers
def test_each_format_has_just_its_own_fields(
    aged: tuple[MiniChain, Any], grown: tuple[MiniChain, Any, Any], verify: Verify
) -> None:
    chain, proof = aged
    without = {name: value for name, value in proof.items() if name != "lineage"}
    for wrong in (
        without,
        without | {"format": "quorate-proof-1"},
        proof | {"format": "quorate-proof-3"},
        proof | {"lineage": []},
        grown[1] | {"format": "quorate-proof-2", "lineage": []},
    ):
        with pytest.raises(REFUSALS):
            verify(chain, wrong)


def test_a_store_keeps_what_a_lineage_needs(tmp_path: Path) -> None:
    """Proofs from before, between and after two changes, all with nothing but the genesis."""
    chain, commits = lineage_chain()
    store = Store.open(tmp_path)
    epochs = []
    for commit in commits:
        before = read_entry(store, b"account/7") if store.height() >= 0 else None
        store.commit(commit)
        if before is not None:
            proof = certify(store, before, chain=chain.genesis.chain, genesis_hash=chain.chain_id)
            assert proof is not None
            assert by_node(chain, proof) == by_stranger(chain, proof)
            epochs.append(1 + len(proof.get("lineage", ())))
    assert epochs == [1, 1, 1, 2, 2, 3, 3]
    assert [(row.committee, row.boundary) for row in store.epochs()] == [
        (chain.committees[1], 3),
        (chain.committees[2], 5),
    ]
    store.close()


# ---------------------------------------------------------------- from a store


def test_a_store_proves_what_a_later_block_vouches_for(tmp_path: Path) -> None:
    chain, store = MiniChain(), Store.open(tmp_path)
    store.commit(chain.grow(sorted(STATE.items())))

    def certified(entry: Entry) -> dict[str, Any] | None:
        return certify(store, entry, chain=chain.genesis.chain, genesis_hash=chain.chain_id)

    entry = read_entry(store, b"account/7")
    assert certified(entry) is None, "no block vouches for genesis yet"
    store.commit(chain.grow([(b"account/7", b"changed")]))
    proof = certified(entry)
    assert proof is not None
    assert by_stranger(chain, proof) == Proven(0, b"account/7", b"7", BEGIN_MS + 1000)

    entry = read_entry(store, b"account/7")
    store.commit(chain.grow([(b"account/8", b"x")], exec_lag=2))
    assert certified(entry) is None, "block 2 vouches for block 0"
    store.commit(chain.grow([(b"account/8", b"y")]))
    proof = certified(entry)
    assert proof is not None
    assert (proof["exec"]["height"], len(proof["exec"]["links"])) == (1, 2), "block 3 vouches for block 2"
    assert (
        by_node(chain, proof)
        == by_stranger(chain, proof)
        == Proven(1, b"account/7", b"changed", BEGIN_MS + 3000)
    )
    store.close()


def test_on_a_chain_at_rest_a_proof_does_not_wait(tmp_path: Path) -> None:
    """The newest block is empty and vouches for the one before, whose state is the same."""
    chain, store = MiniChain(), Store.open(tmp_path)
    store.commit(chain.grow(sorted(STATE.items())))
    for _ in range(3):
        store.commit(chain.grow())
    entry = read_entry(store, b"account/7")
    proof = certify(store, entry, chain=chain.genesis.chain, genesis_hash=chain.chain_id)
    assert proof is not None
    assert (
        by_stranger(chain, proof) == by_node(chain, proof) == Proven(2, b"account/7", b"7", BEGIN_MS + 3000)
    )
    store.close()


# ---------------------------------------------------------------- the standalone file


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Without our packages: isolated, in a folder of its own, with the bare interpreter."""
    command = [sys.executable, "-I", "-S", str(STANDALONE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd="/")


@pytest.fixture
def files(tmp_path: Path, grown: tuple[MiniChain, Any, Any]) -> tuple[Path, Path, Path]:
    chain, present, absent = grown
    paths = (tmp_path / "present.json", tmp_path / "absent.json", tmp_path / "genesis.json")
    for path, value in zip(paths, (present, absent, chain.genesis_json), strict=True):
        path.write_text(json.dumps(value, indent=1))
    return paths


def test_the_command_says_what_is_proven(files: tuple[Path, Path, Path]) -> None:
    present, absent, genesis = files
    load_genesis(genesis)  # a node would start from it
    done = run(present, genesis)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "after block 3, key 'account/7' has value 'now 2'" in done.stdout
    done = run(absent, genesis, "--key", "account/none", "--absent")
    assert done.returncode == 0
    assert "key 'account/none' has no value" in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--key", "account/7", "--value", "now 2"], 0, "VALID"),
        (["--key", "0x" + b"account/7".hex(), "--value", "0x" + b"now 2".hex()], 0, "VALID"),
        (["--key", "account/8"], 1, "NOT VALID: the proof is about 'account/7'"),
        (["--value", "now 3"], 1, "NOT VALID: the proof shows another value"),
        (["--absent"], 1, "NOT VALID: the proof shows a value"),
        (["--value", "x", "--absent"], 2, "not allowed with"),
        (["--key", "0xzz"], 2, "invalid"),
    ],
)
def test_the_command_checks_what_was_expected(
    files: tuple[Path, Path, Path], options: list[str], code: int, text: str
) -> None:
    present, _, genesis = files
    done = run(present, genesis, *options)
    assert (done.returncode, text in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


def test_the_command_refuses_files_that_are_none(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    present, absent, genesis = files
    assert run(tmp_path / "nothing.json", genesis).returncode == 2
    text = tmp_path / "text.json"
    text.write_text("not JSON")
    assert run(text, genesis).returncode == 2
    text.write_text("[]")
    done = run(text, genesis)
    assert (done.returncode, done.stdout[:20]) == (1, "NOT VALID: malformed")
    assert run(absent, genesis, "--value", "1").returncode == 1
    assert run(present, present).returncode == 1
