"""The genesis: who the members are, and every constant that they must share. Agreed without a middleman.

    {"body": {format, name, time_ms, members: [...], accounts: [...], parameters: {...}},
     "signatures": {member id: hex}}

Every partner assembles the body from the same cards and gets the same bytes; each signs
`SIGNING_PREFIX ‖ canonical JSON of body` with its administrator key, and the signatures are merged. The
SHA-256 of that canonical JSON is the genesis hash: it is in every consensus signature, and its first 16 hex
digits are in the chain's name, which is in every transaction. A node starts only when all members signed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.committee import Committee, Validator
from consensus.keys import Signer, verify_ed25519
from consensus.messages import MEMBERS_MAX
from consensus.parameters import Parameters
from consensus.transactions import INTEGER_MAX, canonical_json, is_name
from contracts.epochs import FIRST_EPOCH
from node.documents import fields, hex_bytes, key_bytes, read_json, shown, text, write_json
from node.errors import ConfigurationError
from node.members import Account, Card, card_rules

GENESIS_FORMAT = 1
SIGNING_PREFIX = b"quorate-genesis-v1\n"
NAME_LENGTH_MAX = 40

_MAY_BE_ZERO = {"heartbeat_ms"}


@dataclass(frozen=True, slots=True)
class Member:
    """One organisation: its number is its place in the genesis and names it in votes."""

    number: int
    card: Card

    @property
    def id(self) -> str:
        return self.card.id


@dataclass(frozen=True)
class Genesis:
    """What all members signed. `hash` is 32 bytes; `body` is the JSON object that it is the hash of.

    Invariant: built by `assemble` or `parse_body` only, so everything in it has been checked.
    """

    body: dict[str, Any]
    hash: bytes
    name: str
    time_ms: int
    members: tuple[Member, ...]
    parameters: Parameters

    @property
    def chain(self) -> str:
        """The name that every transaction carries."""
        return f"{self.name}-{self.hash.hex()[:16]}"

    @property
    def committee(self) -> Committee:
        """The validators of the first epoch: all members."""
        return Committee(
            FIRST_EPOCH, tuple(Validator(member.number, member.card.validator_key) for member in self.members)
        )

    def changed_parameters(self) -> dict[str, int]:
        """Constants that differ from their defaults."""
        chosen, defaults = dataclasses.asdict(self.parameters), dataclasses.asdict(Parameters())
        return {name: value for name, value in chosen.items() if value != defaults[name]}

    def member_of_key(self, public_key: bytes) -> Member | None:
        """Whose validator, network or administrator key this is (32 bytes)."""
        for member in self.members:
            if public_key in member.card.keys:
                return member
        return None


@dataclass(frozen=True)
class SignedGenesis:
    """A genesis with the signatures collected so far, each of them valid: member id to 64 bytes."""

    genesis: Genesis
    signatures: Mapping[str, bytes]

    def missing(self) -> list[str]:
        """Members that have not signed yet."""
        return [member.id for member in self.genesis.members if member.id not in self.signatures]


# ---------------------------------------------------------------- the ceremony


def assemble(
    name: str, time_ms: int, cards: Sequence[Card], overrides: Mapping[str, int] | None = None
) -> Genesis:
    """The genesis of these members; the order of `cards` does not matter. Raises: ConfigurationError."""
    ordered = sorted(cards, key=lambda card: card.id)
    members = [_member_json(number, card) for number, card in enumerate(ordered)]
    accounts = [
        {"id": account.id, "keys": [key.hex() for key in account.keys], "member": card.id}
        for card in ordered
        for account in card.accounts
    ]
    parameters = {**dataclasses.asdict(Parameters()), **(overrides or {})}
    return parse_body(
        {
            "format": GENESIS_FORMAT,
            "name": name,
            "time_ms": time_ms,
            "members": members,
            "accounts": accounts,
            "parameters": parameters,
        },
        "genesis",
    )


def sign(signed: SignedGenesis, administrator: Signer) -> SignedGenesis:
    """With the signature of the member whose administrator key this is. Raises: ConfigurationError."""
    for member in signed.genesis.members:
        if member.card.admin_key == administrator.public_key:
            signature = administrator.sign(_signed_bytes(signed.genesis))
            return SignedGenesis(signed.genesis, {**signed.signatures, member.id: signature})
    raise ConfigurationError(
        f"no member of this genesis has the administrator key {administrator.public_key.hex()}: "
        "was it assembled from your present card?"
    )


def merge(files: Sequence[tuple[str, SignedGenesis]]) -> SignedGenesis:
    """All signatures of copies of one genesis, given with their names. Raises: ConfigurationError."""
    first_name, first = files[0]
    signatures: dict[str, bytes] = {}
    for name, signed in files:
        place = first_difference(first.genesis.body, signed.genesis.body)
        if place is not None:
            raise ConfigurationError(
                f"{first_name} and {name} are not the same genesis: {place}; agree on one and sign that"
            )
        signatures |= signed.signatures
    return SignedGenesis(first.genesis, dict(sorted(signatures.items())))


def first_difference(one: Any, other: Any, path: str = "") -> str | None:
    """Where two JSON values differ first, in words; None when they are equal."""
    if type(one) is dict and type(other) is dict:
        for key in sorted(one.keys() | other.keys()):
            inner = first_difference(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
            if inner is not None:
                return inner
        return None
    if type(one) is list and type(other) is list and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        found = (first_difference(a, b, f"{path}[{index}]") for index, (a, b) in pairs)
        return next((place for place in found if place is not None), None)
    if one == other and type(one) is type(other):
        return None
    if type(one) is list and type(other) is list:
        return f"{path} has {len(one)} entries in one and {len(other)} in the other"
    return f"{path} is {one!r} in one and {other!r} in the other"


# ---------------------------------------------------------------- files


def read_genesis(path: Path) -> SignedGenesis:
    """A genesis file with all in it checked; signatures may be missing. Raises: ConfigurationError."""
    where = str(path)
    outer = fields(read_json(path), {"body", "signatures"}, where)
    genesis = parse_body(outer["body"], where)
    if type(outer["signatures"]) is not dict:
        raise ConfigurationError(f"{where}: signatures must be a JSON object")
    keys = {member.id: member.card.admin_key for member in genesis.members}
    signatures = {}
    for member, value in sorted(outer["signatures"].items()):
        if member not in keys:
            raise ConfigurationError(f"{where}: signed by {member!r}, who is no member")
        signature = hex_bytes(value, 64, f"{where}: signature of {member}")
        if not verify_ed25519(keys[member], _signed_bytes(genesis), signature):
            raise ConfigurationError(
                f"{where}: the signature of {member} does not fit this genesis; was it changed since?"
            )
        signatures[member] = signature
    return SignedGenesis(genesis, signatures)


def write_genesis(path: Path, signed: SignedGenesis) -> None:
    """One genesis with one set of signatures gives one file, byte for byte. Raises: ConfigurationError."""
    signatures = {member: signature.hex() for member, signature in signed.signatures.items()}
    write_json(path, {"body": signed.genesis.body, "signatures": signatures})


def load_genesis(path: Path) -> Genesis:
    """The genesis of a chain that can start: signed by every member. Raises: ConfigurationError."""
    return load_signed_genesis(path).genesis


def load_signed_genesis(path: Path) -> SignedGenesis:
    """The same with the signatures of all members. Raises: ConfigurationError."""
    if not path.exists():
        raise ConfigurationError(
            f"there is no genesis at {path}: put the one there that all signed (quorate genesis --help)"
        )
    signed = read_genesis(path)
    if missing := signed.missing():
        raise ConfigurationError(
            f"{path} is not signed by {', '.join(missing)}: a chain starts only when every member signed"
        )
    return signed


# ---------------------------------------------------------------- reading a body


def parse_body(value: Any, where: str) -> Genesis:
    """The genesis with this body, everything in it checked. Raises: ConfigurationError."""
    body = fields(value, {"format", "name", "time_ms", "members", "accounts", "parameters"}, f"{where}: body")
    if type(body["format"]) is not int or body["format"] != GENESIS_FORMAT:
        raise ConfigurationError(f"{where} has format {shown(body['format'])}, not {GENESIS_FORMAT}")
    name = text(body["name"], f"{where}: name")
    if not is_name(name) or len(name) > NAME_LENGTH_MAX:
        raise ConfigurationError(
            f"{where}: name {name!r} must be lower-case words joined by . _ or -, "
            f"of at most {NAME_LENGTH_MAX} characters"
        )
    time_ms = _integer(body["time_ms"], 0, f"{where}: time_ms")
    cards = _with_accounts(_parse_members(body["members"], where), body["accounts"], where)
    parameters = _parse_parameters(body["parameters"], where)
    return Genesis(
        body=body,
        hash=sha256(canonical_json(body)).digest(),
        name=name,
        time_ms=time_ms,
        members=tuple(Member(number, card) for number, card in enumerate(cards)),
        parameters=parameters,
    )


@card_rules()
def _parse_members(value: Any, where: str) -> list[Card]:
    if type(value) is not list or not 0 < len(value) <= MEMBERS_MAX:
        raise ConfigurationError(f"{where}: members must be a list of 1 to {MEMBERS_MAX}")
    keys = {"id", "title", "number", "validator_key", "network_key", "admin_key", "address"}
    cards = []
    for index, item in enumerate(value):
        entry = fields(item, keys, f"{where}: member {index}")
        cards.append(
            Card(
                id=text(entry["id"], f"{where}: id of member {index}"),
                title=text(entry["title"], f"{where}: title of member {index}"),
                address=text(entry["address"], f"{where}: address of member {index}"),
                validator_key=key_bytes(entry["validator_key"], f"{where}: validator_key of member {index}"),
                network_key=key_bytes(entry["network_key"], f"{where}: network_key of member {index}"),
                admin_key=key_bytes(entry["admin_key"], f"{where}: admin_key of member {index}"),
            )
        )
        if type(entry["number"]) is not int or entry["number"] != index:
            raise ConfigurationError(f"{where}: member {index} has number {shown(entry['number'])}")
    if [card.id for card in cards] != sorted(card.id for card in cards):
        raise ConfigurationError(f"{where}: members must be sorted by id")
    _refuse_twice(((card.id, card.id) for card in cards), "id", where)
    _refuse_twice(((card.address, card.id) for card in cards), "address", where)
    _refuse_twice(((key.hex(), card.id) for card in cards for key in card.keys), "key", where)
    return cards


def _refuse_twice(items: Iterable[tuple[str, str]], what: str, where: str) -> None:
    owners: dict[str, str] = {}
    for value, owner in items:
        if value in owners:
            raise ConfigurationError(f"{where}: {owners[value]} and {owner} share the {what} {value}")
        owners[value] = owner


@card_rules()
def _with_accounts(cards: Sequence[Card], value: Any, where: str) -> list[Card]:
    """The cards with the accounts of each member; a card refuses accounts that break its rules."""
    if type(value) is not list:
        raise ConfigurationError(f"{where}: accounts must be a list")
    of_member: dict[str, list[Account]] = {card.id: [] for card in cards}
    owners = []
    for item in value:
        entry = fields(item, {"id", "keys", "member"}, f"{where}: account")
        name = text(entry["id"], f"{where}: account id")
        owner = text(entry["member"], f"{where}: member of account {name}")
        if owner not in of_member or type(entry["keys"]) is not list:
            raise ConfigurationError(f"{where}: account {name} needs a list of keys and one of the members")
        owners.append(owner)
        of_member[owner].append(
            Account(name, tuple(key_bytes(key, f"{where}: key of {name}") for key in entry["keys"]))
        )
    if owners != sorted(owners):
        raise ConfigurationError(f"{where}: accounts must be sorted by member")
    return [dataclasses.replace(card, accounts=tuple(of_member[card.id])) for card in cards]


def _parse_parameters(value: Any, where: str) -> Parameters:
    names = {field.name for field in dataclasses.fields(Parameters)}
    entries = fields(value, names, f"{where}: parameters")
    values = {
        name: _integer(entries[name], 0 if name in _MAY_BE_ZERO else 1, f"{where}: parameter {name}")
        for name in entries
    }
    try:
        return Parameters(**values)
    except ValueError as error:  # each is allowed alone, but not all together
        raise ConfigurationError(f"{where}: parameters: {error}") from None


def _member_json(number: int, card: Card) -> dict[str, Any]:
    return {
        "number": number,
        "id": card.id,
        "title": card.title,
        "address": card.address,
        "validator_key": card.validator_key.hex(),
        "network_key": card.network_key.hex(),
        "admin_key": card.admin_key.hex(),
    }


def _signed_bytes(genesis: Genesis) -> bytes:
    return SIGNING_PREFIX + canonical_json(genesis.body)


def _integer(value: Any, low: int, where: str) -> int:
    if type(value) is not int or not low <= value <= INTEGER_MAX:
        raise ConfigurationError(
            f"{where} must be an integer from {low} to {INTEGER_MAX}, not {shown(value)}"
        )
    return value
