"""Members, epochs and evidence as the API tells them."""

from __future__ import annotations

from collections.abc import Mapping

from api.gateway import JsonObject
from consensus.committee import Committee
from node.directory import Directory, Listed, Proven
from node.store import View


def member_json(directory: Directory, member: Listed, peer: JsonObject | None) -> JsonObject:
    """A member, and how its node is seen from here, if it is in the network at all."""
    here = peer is not None and peer.get("here", False)
    connected = here or (peer is not None and peer["connected"])
    return {
        "id": member.id,
        "number": member.number,
        "title": member.title,
        "role": directory.role_of(member.number),
        "since_height": member.since_height,
        "state": "here" if here else "connected" if connected else "unreachable",
        "reachable": connected,
        "height": None if peer is None else peer["height"],
        "address": member.address,
        "validator_key": member.validator_key.hex(),
        "network_key": member.network_key.hex(),
    }


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


def evidence_json(found: Proven, names: Mapping[int, str]) -> JsonObject:
    """What the chain proves against a member."""
    evidence = found.evidence
    return {
        "member": names.get(found.member),
        "number": found.member,
        "epoch": found.epoch,
        "kind": evidence.kind,
        "view": evidence.view,
        "seq": evidence.seq,
        "height": evidence.height,
        "time_ms": evidence.time_ms,
    }
