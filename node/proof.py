"""Proofs that the chain's state has an entry or lacks it: made of what is stored, checked with genesis alone.

    key, value, bucket, forks -> state root -> execution hash -> header -> descendants -> quorum's signatures
    genesis -> boundaries of earlier epochs -> the committee of which it is a quorum

A header names the execution of an earlier block, so a proof joins the two with the execution links from the
proven height up to the one that the header names. `docs/proofs.md` specifies the JSON and the checks, and
`docs/verify_proof.py` does them without anything of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DIGEST_BYTES
from consensus.committee import Committee
from consensus.errors import InvalidMessage, ensure
from consensus.keys import Verifier
from consensus.types import Digest, FinalBlock
from contracts.errors import ProofError
from contracts.merkle import StateProof, Tree, check_proof
from contracts.receipts import ExecLink
from contracts.tree_pages import EMPTY
from node.documents import fields, hex_bytes, shown
from node.errors import ConfigurationError
from node.lineage import Boundary, check_lineage, lineage_json
from node.proof_json import (
    FINAL_FIELDS,
    check_final,
    final_json,
    read_blob,
    read_digest,
    read_final,
    read_integer,
    read_list,
    require,
)
from node.store import View

PROOF_FORMAT = "quorate-proof-1"
"""Of a proof that the genesis' own committee signed."""
PROOF_FORMAT_LINEAGE = "quorate-proof-2"
"""Of one that a later committee signed: the same, and the lineage of that."""

_PROOF = {"format", "chain", "genesis_hash", "key_hex", "value_hex", "state", "exec", *FINAL_FIELDS}
_ROOTS = ("state_root", "receipts_root", "events_root")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one committed state says of a key: its value (None: none), and the way to the root (32 bytes)."""

    height: int
    root: Digest
    key: bytes
    value: bytes | None
    proof: StateProof


@dataclass(frozen=True, slots=True)
class Proven:
    """What a valid proof shows: after block `height`, `key` had `value` (None: none).

    `time_ms` is the time of the later block that vouches for it.
    """

    height: int
    key: bytes
    value: bytes | None
    time_ms: int


def before_genesis(genesis_hash: Digest) -> ExecLink:
    """What the link at height 0 follows."""
    return ExecLink(-1, genesis_hash, EMPTY, EMPTY, EMPTY)


def read_entry(view: View, key: bytes) -> Entry:
    """What the newest state of `view` says of `key`. Raises: StateCorruption."""
    height = view.height()
    root = view.link(height).state_root
    return Entry(height, root, key, view.state.get(key), Tree(view.tree, view.top(root)).prove(key))


def certify(view: View, entry: Entry, *, chain: str, genesis_hash: Digest) -> dict[str, Any] | None:
    """The proof of an entry that was read before, or None until a block of `view` vouches for its state.

    A block vouches for an execution before its own; that is early enough where nothing has changed since.
    """
    for at in range(max(1, entry.height), view.height() + 1):
        block = view.certified_block(at)
        if block is None:
            continue
        proven = min(entry.height, block.header.exec_height)
        if view.link(proven).state_root == entry.root:
            before = view.link(proven - 1) if proven > 0 else before_genesis(genesis_hash)
            links = [view.link(height) for height in range(proven, block.header.exec_height + 1)]
            return build_proof(
                chain, genesis_hash, entry, [before, *links], block, view.lineage(block.certificate.epoch)
            )
    return None


def build_proof(
    chain: str,
    genesis_hash: Digest,
    entry: Entry,
    links: Sequence[ExecLink],
    block: FinalBlock,
    lineage: Sequence[Boundary] = (),
) -> dict[str, Any]:
    """The proof as a JSON object.

    `links` run from before the proven height to what the block names; `lineage` leads to the committee that
    certified the block.
    """
    ensure(
        len(links) > 1 and links[-1].height == block.header.exec_height, "the links must lead to the header"
    )
    ensure(len(lineage) == block.certificate.epoch - 1, "the lineage must lead to the certificate's epoch")
    proof = {
        "format": PROOF_FORMAT_LINEAGE if lineage else PROOF_FORMAT,
        "chain": chain,
        "genesis_hash": genesis_hash.hex(),
        "key_hex": entry.key.hex(),
        "value_hex": None if entry.value is None else entry.value.hex(),
        "state": {
            "forks": [fork.hex() for fork in entry.proof.forks],
            "bucket": [held.hex() for held in entry.proof.bucket],
        },
        "exec": {
            "height": links[1].height,
            "previous": links[0].exec_hash.hex(),
            "links": [{root: getattr(link, root).hex() for root in _ROOTS} for link in links[1:]],
        },
        **final_json(block),
    }
    return proof | {"lineage": lineage_json(lineage)} if lineage else proof


def verify_proof(
    proof: Any, *, chain: str, genesis_hash: Digest, committee: Committee, verifier: Verifier
) -> Proven:
    """What a proof, a JSON value, shows on the chain with this genesis.

    Raises: ProofError saying at which step it fails.
    """
    try:
        return _verify(proof, chain, genesis_hash, committee, verifier)
    except (
        ConfigurationError,
        InvalidMessage,
    ) as error:  # a malformed document, or a certificate that is none
        raise ProofError(f"proof: {error}") from None


def _verify(proof: Any, chain: str, genesis_hash: Digest, first: Committee, verifier: Verifier) -> Proven:
    with_lineage = type(proof) is dict and proof.get("format") == PROOF_FORMAT_LINEAGE
    outer = fields(proof, _PROOF | {"lineage"} if with_lineage else _PROOF, "it")
    require(
        with_lineage or outer["format"] == PROOF_FORMAT,
        f"has format {shown(outer['format'])}, not {PROOF_FORMAT} or {PROOF_FORMAT_LINEAGE}",
    )
    same_chain = (
        outer["chain"] == chain and read_digest(outer["genesis_hash"], "genesis_hash") == genesis_hash
    )
    require(same_chain, f"is not of chain {chain} with genesis {genesis_hash.hex()}")
    key = read_blob(outer["key_hex"], "key_hex")
    value = None if outer["value_hex"] is None else read_blob(outer["value_hex"], "value_hex")
    execution = fields(outer["exec"], {"height", "previous", "links"}, "exec")
    height = read_integer(execution["height"], "exec.height")
    links = read_list(execution["links"], "exec.links", _read_roots)
    require(len(links) > 0, "has no execution link")
    state_proof = _read_state_proof(outer["state"], "state")
    require(check_proof(links[0][0], key, value, state_proof), "key and value are not in the state")

    link = ExecLink(height - 1, read_digest(execution["previous"], "exec.previous"), EMPTY, EMPTY, EMPTY)
    for roots in links:
        link = link.next(*roots)
    block = read_final(outer, "", genesis_hash)
    require(block.header.exec_hash == link.exec_hash, "the header vouches for another execution")

    committee = check_lineage(outer["lineage"], first, genesis_hash, verifier) if with_lineage else first
    check_final(block, committee, genesis_hash, verifier)
    return Proven(height, key, value, block.header.time_ms)


def _read_roots(value: Any, where: str) -> tuple[Digest, Digest, Digest]:
    entry = fields(value, set(_ROOTS), where)
    state_root, receipts_root, events_root = (read_digest(entry[root], f"{where}.{root}") for root in _ROOTS)
    return state_root, receipts_root, events_root


def _read_state_proof(value: Any, where: str) -> StateProof:
    entry = fields(value, {"forks", "bucket"}, where)
    forks = read_list(entry["forks"], f"{where}.forks", _read_fork)
    bucket = read_list(entry["bucket"], f"{where}.bucket", _read_bucket_entry)
    return StateProof(tuple(forks), tuple(bucket))


def _read_fork(value: Any, where: str) -> bytes:
    return hex_bytes(value, 16 * DIGEST_BYTES, where)


def _read_bucket_entry(value: Any, where: str) -> bytes:
    return hex_bytes(value, 2 * DIGEST_BYTES, where)
