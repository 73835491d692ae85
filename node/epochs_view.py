"""Who validated when, as the API tells it."""

from __future__ import annotations

from collections.abc import Mapping

from api.gateway import JsonObject
from consensus.committee import Committee
from node.directory import Directory
from node.store import View


def epochs_json(view: View, directory: Directory, first: Committee) -> JsonObject:
    """Every epoch with its committee and the boundary before it, and what is decided for the next."""
    names = directory.names
    items = [_epoch_json(first, names) | {"boundary": None}]
    for found in view.epochs():
        block = view.final_block(found.boundary)
        boundary = {
            "height": found.boundary,
            "time_ms": block.header.time_ms,
            "certified_by": [voter for voter, _ in block.certificate.votes],
        }
        items.append(_epoch_json(found.committee, names) | {"boundary": boundary})
    following = directory.next_committee
    undecided = following is None or following.epoch <= len(items)
    return {"items": items, "next": None if undecided or following is None else _epoch_json(following, names)}


def _epoch_json(committee: Committee, names: Mapping[int, str]) -> JsonObject:
    return {
        "epoch": committee.epoch,
        "quorum": committee.quorum,
        "validators": [
            {
                "number": validator.number,
                "member": names.get(validator.number),
                "validator_key": validator.key.hex(),
            }
            for validator in committee.validators
        ],
    }
