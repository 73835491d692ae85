"""Which committee signs in which epoch, shown from genesis on without trust in anybody else.

The last block of an epoch, the *boundary*, names the digest of the next committee in its header. A quorum
of the ending epoch made that header final, so each committee is vouched for by the one before it, and the
first by the genesis. The lineage of epoch e is the boundaries of epochs 1 to e - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import PUBLIC_KEY_BYTES
from consensus.committee import Committee, Validator, committee_digest
from consensus.errors import InvariantError
from consensus.keys import Verifier
from consensus.types import Digest, FinalBlock
from node.documents import fields, hex_bytes
from node.proof_json import (
    FINAL_FIELDS,
    check_final,
    final_json,
    read_final,
    read_integer,
    read_list,
    require,
)


@dataclass(frozen=True, slots=True)
class Boundary:
    """The final block that ends an epoch, and the committee that it names for the next one."""

    block: FinalBlock
    committee: Committee


def lineage_json(boundaries: Sequence[Boundary]) -> list[dict[str, Any]]:
    """The boundaries in order, for a proof."""
    return [
        final_json(boundary.block)
        | {
            "committee": [
                {"number": validator.number, "validator_key": validator.key.hex()}
                for validator in boundary.committee.validators
            ]
        }
        for boundary in boundaries
    ]


def check_lineage(value: Any, first: Committee, chain_id: Digest, verifier: Verifier) -> Committee:
    """The committee that a lineage, a JSON list, leads to from the `first`, that of genesis.

    Raises: ProofError, InvalidMessage, ConfigurationError: as what could not be read, or does not hold.
    """
    committee = first
    entries = read_list(value, "lineage", _read_entry)
    require(len(entries) > 0, "the lineage is empty")
    for index, entry in enumerate(entries):
        where = f"lineage[{index}]"
        block = read_final(entry, f"{where}.", chain_id)
        check_final(block, committee, chain_id, verifier)
        require(block.header.epoch == committee.epoch, f"{where} is not a block of epoch {committee.epoch}")
        following = _committee(committee.epoch + 1, entry["committee"], where)
        named = block.header.next_set
        require(
            named is not None and named == committee_digest(chain_id, following),
            f"{where} does not name this committee for epoch {following.epoch}",
        )
        committee = following
    return committee


def _read_entry(value: Any, where: str) -> dict[str, Any]:
    return fields(value, {*FINAL_FIELDS, "committee"}, where)


def _committee(epoch: int, value: Any, where: str) -> Committee:
    validators = read_list(value, f"{where}.committee", _read_validator)
    try:
        return Committee(epoch, tuple(validators))
    except InvariantError as error:
        require(False, f"{where}.committee: {error}")
        raise


def _read_validator(value: Any, where: str) -> Validator:
    entry = fields(value, {"number", "validator_key"}, where)
    return Validator(
        read_integer(entry["number"], where),
        hex_bytes(entry["validator_key"], PUBLIC_KEY_BYTES, where),
    )
