"""A member's card: the public part of its keys, that it sends to its partners before there is a chain.

    {"card": {format, id, title, address, validator_key, network_key, admin_key, accounts: [{id, keys}]},
     "signatures": {"administrator": hex, "network": hex, "validator": hex}}

Each of the three keys signs `CARD_PREFIX ‖ canonical JSON of card`. So a card that was changed on its way
is noticed, and nobody can pass off another's key as its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from consensus.keys import verify_ed25519
from consensus.transactions import canonical_json, is_name
from node.documents import fields, hex_bytes, key_bytes, shown, text
from node.errors import ConfigurationError
from node.keystore import Keystore, Role

CARD_PREFIX = b"quorate-member-v1\n"
CARD_FORMAT = 1
MEMBER_ID_LENGTH_MAX = 32
TITLE_LENGTH_MAX = 120
ACCOUNTS_MAX = 64
"""Further accounts that one member brings along."""
ACCOUNT_KEYS_MAX = 16

_ADDRESS = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/[0-9A-Za-z:._-]{1,253}/tcp/(?P<port>[0-9]{1,5})\Z")
_KEY_FIELDS = {Role.VALIDATOR: "validator_key", Role.NETWORK: "network_key", Role.ADMINISTRATOR: "admin_key"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is not a member itself; its name starts with its member's id. Keys of 32 bytes."""

    id: str
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a member tells its partners of itself. Keys of 32 bytes; `address` is a multiaddr."""

    id: str
    title: str
    address: str
    validator_key: bytes
    network_key: bytes
    admin_key: bytes
    accounts: tuple[Account, ...] = ()

    def __post_init__(self) -> None:
        check_description(self.id, self.title, self.address)
        if len(set(self.keys)) != 3:
            raise ConfigurationError(f"{self.id}: the three keys must differ")
        for account in self.accounts:
            check_account_name(account.id, self.id)
            if not 0 < len(account.keys) <= ACCOUNT_KEYS_MAX or len(set(account.keys)) != len(account.keys):
                raise ConfigurationError(f"{account.id}: needs 1 to {ACCOUNT_KEYS_MAX} different keys")
        names = [account.id for account in self.accounts]
        if len(names) > ACCOUNTS_MAX or names != sorted(set(names)):
            raise ConfigurationError(f"{self.id}: at most {ACCOUNTS_MAX} accounts, sorted, each once")

    @property
    def keys(self) -> tuple[bytes, bytes, bytes]:
        """Validator, network and administrator key, 32 bytes each."""
        return self.validator_key, self.network_key, self.admin_key

    @property
    def fingerprint(self) -> bytes:
        """What partners compare by telephone, 32 bytes."""
        return sha256(canonical_json(_card_json(self))).digest()


def check_description(member: str, title: str, address: str) -> None:
    """Refuse what no card may say. Raises: ConfigurationError."""
    if not is_name(member) or "." in member or len(member) > MEMBER_ID_LENGTH_MAX:
        raise ConfigurationError(
            f"{member!r} is no member id: up to {MEMBER_ID_LENGTH_MAX} lower-case letters and digits, "
            "words joined by - or _"
        )
    if not 0 < len(title) <= TITLE_LENGTH_MAX or not title.isprintable():
        raise ConfigurationError(f"{member}: a title has 1 to {TITLE_LENGTH_MAX} printable characters")
    check_address(address)


def check_address(address: str) -> int:
    """The TCP port of a multiaddr that libp2p can dial. Raises: ConfigurationError."""
    match = _ADDRESS.match(address)
    if match is None or int(match["port"]) > 0xFFFF:
        raise ConfigurationError(
            f"{address!r} is no address of a node: write it like /dns4/node.example.org/tcp/4001 "
            "or /ip4/192.0.2.7/tcp/4001"
        )
    return int(match["port"])


def check_account_name(account: str, member: str) -> None:
    """Refuse a name that is not `member.something`. Raises: ConfigurationError."""
    if not is_name(account) or not account.startswith(f"{member}."):
        raise ConfigurationError(f"account {account!r} must start with {member}. and be in lower case")


def card_of(keys: Keystore, member: str, title: str, address: str, accounts: Sequence[str]) -> Card:
    """The card of a member whose keys lie here. Raises: ConfigurationError."""
    return Card(
        id=member,
        title=title,
        address=address,
        validator_key=keys.public(Role.VALIDATOR),
        network_key=keys.public(Role.NETWORK),
        admin_key=keys.public(Role.ADMINISTRATOR),
        accounts=tuple(Account(name, (keys.public(name),)) for name in sorted(accounts)),
    )


def signed_card(card: Card, keys: Keystore) -> dict[str, Any]:
    """The JSON object for member.json. Raises: ConfigurationError."""
    body = _card_json(card)
    message = CARD_PREFIX + canonical_json(body)
    return {"card": body, "signatures": {role.value: keys.private(role).sign(message).hex() for role in Role}}


def parse_card(value: Any, where: str) -> Card:
    """The card in a JSON object, with its three signatures checked. Raises: ConfigurationError."""
    outer = fields(value, {"card", "signatures"}, where)
    body = fields(
        outer["card"],
        {"format", "id", "title", "address", "accounts", *_KEY_FIELDS.values()},
        f"{where}: card",
    )
    if type(body["format"]) is not int or body["format"] != CARD_FORMAT:
        raise ConfigurationError(
            f"{where} has format {shown(body['format'])}, this quorate reads {CARD_FORMAT}"
        )
    card = Card(
        id=text(body["id"], f"{where}: id"),
        title=text(body["title"], f"{where}: title"),
        address=text(body["address"], f"{where}: address"),
        validator_key=key_bytes(body["validator_key"], f"{where}: validator_key"),
        network_key=key_bytes(body["network_key"], f"{where}: network_key"),
        admin_key=key_bytes(body["admin_key"], f"{where}: admin_key"),
        accounts=parse_accounts(body["accounts"], where),
    )
    signatures = fields(outer["signatures"], {role.value for role in Role}, f"{where}: signatures")
    message = CARD_PREFIX + canonical_json(body)
    for role, field in _KEY_FIELDS.items():
        signature = hex_bytes(signatures[role.value], 64, f"{where}: signature of the {role} key")
        if not verify_ed25519(bytes.fromhex(body[field]), message, signature):
            raise ConfigurationError(
                f"{where}: not signed by its {role} key; ask {card.id} for the card again"
            )
    return card


def parse_accounts(value: Any, where: str) -> tuple[Account, ...]:
    """[{id, keys}]. Raises: ConfigurationError."""
    if type(value) is not list:
        raise ConfigurationError(f"{where}: accounts must be a list")
    accounts = []
    for item in value:
        entry = fields(item, {"id", "keys"}, f"{where}: account")
        name = text(entry["id"], f"{where}: account id")
        if type(entry["keys"]) is not list:
            raise ConfigurationError(f"{where}: keys of {name} must be a list")
        keys = tuple(key_bytes(key, f"{where}: key of {name}") for key in entry["keys"])
        accounts.append(Account(name, keys))
    return tuple(accounts)


def _card_json(card: Card) -> dict[str, Any]:
    accounts = [{"id": account.id, "keys": [key.hex() for key in account.keys]} for account in card.accounts]
    return {
        "format": CARD_FORMAT,
        "id": card.id,
        "title": card.title,
        "address": card.address,
        "accounts": accounts,
        **{field: getattr(card, field).hex() for field in _KEY_FIELDS.values()},
    }
