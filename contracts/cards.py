"""A member's card: the public part of its keys, which partners admit it by.

    {"card": {format, id, title, address, validator_key, network_key, admin_key, accounts: [{id, keys}]},
     "signatures": {"administrator": hex, "network": hex, "validator": hex}}

Each of the three keys signs `CARD_PREFIX ‖ canonical JSON of card`. So a card that was changed on its way
is noticed, and nobody can pass off another's key as its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from consensus.codec import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from consensus.keys import verify_ed25519
from consensus.transactions import canonical_json, is_name
from contracts.errors import InvalidCard

CARD_PREFIX = b"quorate-member-v1\n"
CARD_FORMAT = 1
MEMBER_ID_LENGTH_MAX = 32
TITLE_LENGTH_MAX = 120
ACCOUNTS_MAX = 64
"""Further accounts that one member brings along."""
ACCOUNT_KEYS_MAX = 16

KEY_FIELDS: Mapping[str, str] = {
    "administrator": "admin_key",
    "network": "network_key",
    "validator": "validator_key",
}
"""What each key of a member is called where it signs, and its field in the card."""
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]"
)
"""Characters that print nothing or turn text around; `isprintable` differs from one Python to the next."""
_ADDRESS = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/[0-9A-Za-z:._-]{1,253}/tcp/(?P<port>[0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is not a member itself; its name starts with its member's id. Keys of 32 bytes."""

    id: str
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a member tells its partners of itself. Keys of 32 bytes; `address` is a multiaddr.

    Raises: InvalidCard where it says what no card may say.
    """

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
            raise InvalidCard(f"{self.id}: the three keys must differ")
        for account in self.accounts:
            check_account_name(account.id, self.id)
            if not 0 < len(account.keys) <= ACCOUNT_KEYS_MAX or len(set(account.keys)) != len(account.keys):
                raise InvalidCard(f"{account.id}: needs 1 to {ACCOUNT_KEYS_MAX} different keys")
        names = [account.id for account in self.accounts]
        if len(names) > ACCOUNTS_MAX or names != sorted(set(names)):
            raise InvalidCard(f"{self.id}: at most {ACCOUNTS_MAX} accounts, sorted, each once")

    @property
    def keys(self) -> tuple[bytes, bytes, bytes]:
        """Validator, network and administrator key, 32 bytes each."""
        return self.validator_key, self.network_key, self.admin_key

    @property
    def fingerprint(self) -> bytes:
        """What partners compare by telephone, 32 bytes."""
        return sha256(canonical_json(card_json(self))).digest()


def check_description(member: str, title: str, address: str) -> None:
    """Refuse what no card may say. Raises: InvalidCard."""
    if not is_name(member) or "." in member or len(member) > MEMBER_ID_LENGTH_MAX:
        raise InvalidCard(
            f"{member!a} is no member id: up to {MEMBER_ID_LENGTH_MAX} lower-case letters and digits, "
            "words joined by - or _"
        )
    if not 0 < len(title) <= TITLE_LENGTH_MAX or _UNSEEN.search(title):
        raise InvalidCard(f"{member}: a title has 1 to {TITLE_LENGTH_MAX} printable characters")
    check_address(address)


def check_address(address: str) -> int:
    """The TCP port of a multiaddr that libp2p can dial. Raises: InvalidCard."""
    match = _ADDRESS.match(address)
    if match is None or int(match["port"]) > 0xFFFF:
        raise InvalidCard(
            f"{address!a} is no address of a node: write it like /dns4/node.example.org/tcp/4001 "
            "or /ip4/192.0.2.7/tcp/4001"
        )
    return int(match["port"])


def check_account_name(account: str, member: str) -> None:
    """Refuse a name that is not `member.something`. Raises: InvalidCard."""
    if not is_name(account) or not account.startswith(f"{member}."):
        raise InvalidCard(f"account {account!a} must start with {member}. and be in lower case")


def card_json(card: Card) -> dict[str, Any]:
    """The JSON object that the three keys sign."""
    accounts = [{"id": account.id, "keys": [key.hex() for key in account.keys]} for account in card.accounts]
    return {
        "format": CARD_FORMAT,
        "id": card.id,
        "title": card.title,
        "address": card.address,
        "accounts": accounts,
        **{field: getattr(card, field).hex() for field in KEY_FIELDS.values()},
    }


def card_message(card: Card) -> bytes:
    """The bytes that the three keys sign."""
    return CARD_PREFIX + canonical_json(card_json(card))


def parse_card(value: Any, where: str) -> Card:
    """The card in a JSON object, with its three signatures checked. Raises: InvalidCard."""
    outer = _fields(value, {"card", "signatures"}, where)
    names = {"format", "id", "title", "address", "accounts", *KEY_FIELDS.values()}
    body = _fields(outer["card"], names, f"{where}: card")
    if type(body["format"]) is not int or body["format"] != CARD_FORMAT:
        raise InvalidCard(f"{where} has another format; this quorate reads {CARD_FORMAT}")
    card = Card(
        id=_text(body["id"], f"{where}: id"),
        title=_text(body["title"], f"{where}: title"),
        address=_text(body["address"], f"{where}: address"),
        accounts=_accounts(body["accounts"], where),
        **{
            field: hex_bytes(body[field], PUBLIC_KEY_BYTES, f"{where}: {field}")
            for field in KEY_FIELDS.values()
        },
    )
    signatures = _fields(outer["signatures"], set(KEY_FIELDS), f"{where}: signatures")
    message = card_message(card)
    for role, field in KEY_FIELDS.items():
        signature = hex_bytes(signatures[role], SIGNATURE_BYTES, f"{where}: signature of the {role} key")
        if not verify_ed25519(getattr(card, field), message, signature):
            raise InvalidCard(f"{where}: not signed by its {role} key; ask {card.id} for the card again")
    return card


def _accounts(value: Any, where: str) -> tuple[Account, ...]:
    accounts = []
    for item in _list(value, f"{where}: accounts"):
        entry = _fields(item, {"id", "keys"}, f"{where}: account")
        name = _text(entry["id"], f"{where}: account id")
        keys = _list(entry["keys"], f"{where}: keys of {name}")
        accounts.append(
            Account(name, tuple(hex_bytes(key, PUBLIC_KEY_BYTES, f"{where}: key of {name}") for key in keys))
        )
    return tuple(accounts)


def hex_bytes(value: Any, length: int, where: str) -> bytes:
    """`length` bytes in lower-case hex. Raises: InvalidCard."""
    if type(value) is not str or not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", value):
        raise InvalidCard(f"{where} must be {2 * length} lower-case hex digits")
    return bytes.fromhex(value)


def _fields(value: Any, names: set[str], where: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise InvalidCard(f"{where} must be a JSON object")
    missing, unknown = sorted(names - value.keys()), sorted(value.keys() - names)
    if missing:
        raise InvalidCard(f"{where} lacks {', '.join(missing)}")
    if unknown:
        raise InvalidCard(f"{where} has unknown {', '.join(unknown)}")
    return value


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise InvalidCard(f"{where} must be text")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if type(value) is not list:
        raise InvalidCard(f"{where} must be a list")
    return value
