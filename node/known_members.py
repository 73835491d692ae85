"""Where a newcomer finds members that are not in the genesis, or not there any more: `members.json`.

It is what `quorate member list -o members.json` writes on any member's node. Nothing in it is trusted: it
says whom to talk to, until this node has executed the chain up to the height at which it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consensus.codec import PUBLIC_KEY_BYTES
from node.directory import NO_NUMBER
from node.documents import hex_bytes, read_json, text
from node.errors import ConfigurationError
from node.network import Peer

KNOWN_FILE = "members.json"


@dataclass(frozen=True, slots=True)
class KnownMembers:
    """Members' nodes as somebody knew them after the block at `height`."""

    height: int
    peers: tuple[Peer, ...]


NOBODY = KnownMembers(0, ())


def read_known_members(path: Path) -> KnownMembers:
    """What the file says, nothing where there is none. Raises: ConfigurationError."""
    if not path.exists():
        return NOBODY
    value = read_json(path)
    items = value.get("items") if type(value) is dict else None
    height = value.get("height") if type(value) is dict else None
    if type(items) is not list or type(height) is not int:
        raise ConfigurationError(f"{path} is no list of members: write one with quorate member list -o")
    return KnownMembers(height, tuple(_peer(item, f"{path}: items[{i}]") for i, item in enumerate(items)))


def _peer(item: object, where: str) -> Peer:
    if type(item) is not dict or not {"number", "network_key", "address"} <= item.keys():
        raise ConfigurationError(f"{where} lacks number, network_key or address")
    number = item["number"]
    if type(number) is not int or not 0 <= number < NO_NUMBER:
        raise ConfigurationError(f"{where}: number must be a member's number")
    key = hex_bytes(item["network_key"], PUBLIC_KEY_BYTES, f"{where}: network_key")
    return Peer(number, key, text(item["address"], f"{where}: address"))
