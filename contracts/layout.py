"""Where everything stands in the state: keys that a person can read, and the records behind them.

A name has neither `/` nor `:`, so `/` parts a key; what may hold any byte (table keys, times) comes last.
`docs/state.md` lists every key with its value, byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from consensus import codec
from consensus.codec import DIGEST, PUBLIC_KEY, Field, optional, record, sequence, text, uint
from consensus.transactions import INTEGER_MAX, NAME_LENGTH_MAX
from contracts.encoding import VALUE_FIELD, decode_value, encode_value
from contracts.errors import StateCorruption
from contracts.language.limits import SOURCE_BYTES_MAX
from contracts.state import Form

T = TypeVar("T")

CODE_ID_LENGTH = 64
"""Hex digits of a code id, the whole SHA-256 of the source: who creates and signs is bound to that source."""
KEYS_MAX = 16
"""Keys that may act for one account."""
SIGNERS_MAX = 64
"""Parties that sign one agreement."""
PURPOSE_LENGTH_MAX = 500
"""Characters that say what code is for."""
_RECORD_BYTES_MAX = 64 * 1024

CHAIN_KEY = b"chain"
MEMBERS_KEY = b"members"
"""Holds how many member numbers were given, as VALUE."""
PARAMETERS_KEY = b"parameters"
ACCOUNTS = b"account/"
MEMBERS = b"member/"
CODES = b"code/"
INSTANCES = b"instance/"
DUE = b"due/"
REPLAY = b"replay/"
AUX_FIRING = b"firing/"


class InstanceStatus(StrEnum):
    """Where an agreement stands: it acts only while it is active."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Chain:
    """What genesis says of the chain. `hash` is the genesis hash, 32 bytes."""

    name: str
    hash: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Account:
    """Whose keys act for an account (Ed25519 public keys, 32 bytes, sorted), and the member it belongs to."""

    keys: tuple[bytes, ...]
    member: str


class Standing(StrEnum):
    """Whether an organisation acts on the chain; who validates is a matter of the epoch."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation of the consortium; keys are Ed25519 public keys, 32 bytes.

    `since_height` is the block of the last decision on it, `ready_ms` when its node last showed that it had
    executed what the others had.
    """

    number: int
    title: str
    validator_key: bytes
    network_key: bytes
    admin_key: bytes
    address: str
    standing: Standing = Standing.ACTIVE
    since_height: int = 0
    ready_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """Source with who brought it, when and what for.

    `active_height` is the block from which instances may run it; None while it is not approved.
    """

    source: str
    author: str
    height: int
    time_ms: int
    purpose: str = ""
    active_height: int | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A contract with terms. `signed` are the accounts that signed, sorted; `wake_ms` is its next timer.

    `version` counts from 1 and grows with each upgrade; before `paused_until_ms` only exits are open.
    """

    code: str
    creator: str
    height: int
    time_ms: int
    terms_hash: bytes
    status: InstanceStatus
    phase: str
    wake_ms: int | None
    signed: tuple[str, ...]
    version: int = 1
    paused_until_ms: int | None = None

    def is_paused(self, time_ms: int) -> bool:
        """True while only exits are open."""
        return self.paused_until_ms is not None and time_ms < self.paused_until_ms


@dataclass(frozen=True, slots=True)
class Pause:
    """The last pause of an instance; a new one is possible some time after its end."""

    by: str
    reason: str
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Version:
    """What an instance ran before an upgrade, until when, and which proposal ended it."""

    code: str
    terms_hash: bytes
    until_height: int
    proposal: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The executed transactions of one stretch of expiry times: their number and running hash (32 bytes)."""

    count: int
    running_hash: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """What an oracle reported, and when that was executed."""

    value: Any
    by: str
    time_ms: int


def form(shape: Field[T]) -> Form[T]:
    """How a record is kept in the state."""
    return Form(
        lambda value: codec.encode(shape, value),
        lambda data: codec.decode(shape, data, "record", _RECORD_BYTES_MAX),
    )


_NAME = text(NAME_LENGTH_MAX)
_LINE = text(1024)
_MS = uint(INTEGER_MAX)

VALUE: Form[Any] = Form(encode_value, decode_value)
TERMS: Form[dict[str, Any]] = VALUE
RAW: Form[bytes] = Form(bytes, bytes)
"""What contracts store: kept as bytes, since every reader decodes a copy of its own."""
CHAIN = form(record(Chain, name=_NAME, hash=DIGEST, time_ms=_MS))
ACCOUNT = form(record(Account, keys=sequence(PUBLIC_KEY, KEYS_MAX), member=_NAME))
MEMBER = form(
    record(
        Member,
        number=uint(65_535),
        title=_LINE,
        validator_key=PUBLIC_KEY,
        network_key=PUBLIC_KEY,
        admin_key=PUBLIC_KEY,
        address=_LINE,
        standing=Field(str, lambda reader, path: Standing(_NAME.load(reader, path))),
        since_height=uint(),
        ready_ms=optional(_MS),
    )
)
CODE = form(
    record(
        Code,
        source=text(SOURCE_BYTES_MAX),
        author=_NAME,
        height=uint(),
        time_ms=_MS,
        purpose=text(4 * PURPOSE_LENGTH_MAX),
        active_height=optional(uint()),
    )
)
INSTANCE = form(
    record(
        Instance,
        code=text(CODE_ID_LENGTH),
        creator=_NAME,
        height=uint(),
        time_ms=_MS,
        terms_hash=DIGEST,
        status=Field(str, lambda reader, path: InstanceStatus(_NAME.load(reader, path))),
        phase=_NAME,
        wake_ms=optional(_MS),
        signed=sequence(_NAME, SIGNERS_MAX),
        version=uint(),
        paused_until_ms=optional(_MS),
    )
)
PAUSE = form(record(Pause, by=_NAME, reason=text(4 * PURPOSE_LENGTH_MAX), since_ms=_MS, until_ms=_MS))
VERSION = form(
    record(Version, code=text(CODE_ID_LENGTH), terms_hash=DIGEST, until_height=uint(), proposal=uint())
)
FACT = form(record(Fact, value=VALUE_FIELD, by=_NAME, time_ms=_MS))
BUCKET = form(record(Bucket, count=uint(), running_hash=DIGEST))


def account_key(account: str) -> bytes:
    """Holds an ACCOUNT."""
    return ACCOUNTS + account.encode()


def member_key(member: str) -> bytes:
    """Holds a MEMBER."""
    return MEMBERS + member.encode()


def number_key(number: int) -> bytes:
    """Holds the name of the member that was given this number, as VALUE."""
    return b"number/" + number.to_bytes(4, "big")


def used_key(key: bytes) -> bytes:
    """Holds the name of the member whose validator, network or administrator key this (32 bytes) ever was."""
    return b"key/" + key


def balances_of(account: str) -> bytes:
    """What the keys of all balances of an account begin with."""
    return f"balance/{account}/".encode()


def balance_key(account: str, currency: str) -> bytes:
    """Holds an integer above 0 as VALUE."""
    return f"balance/{account}/{currency}".encode()


def supply_key(currency: str) -> bytes:
    """Holds an integer as VALUE."""
    return b"supply/" + currency.encode()


def code_key(code: str) -> bytes:
    """Holds a CODE."""
    return CODES + code.encode()


def instance_key(instance: str) -> bytes:
    """Holds an INSTANCE."""
    return INSTANCES + instance.encode()


def pause_key(instance: str) -> bytes:
    """Holds a PAUSE."""
    return b"pause/" + instance.encode()


def versions_of(instance: str) -> bytes:
    """What the keys of an instance's earlier versions begin with, before their number as u32."""
    return f"version/{instance}/".encode()


def version_key(instance: str, version: int) -> bytes:
    """Holds a VERSION."""
    return versions_of(instance) + version.to_bytes(4, "big")


def terms_key(instance: str) -> bytes:
    """Holds all terms by name as TERMS."""
    return b"terms/" + instance.encode()


def fact_key(instance: str, fact: str) -> bytes:
    """Holds a FACT."""
    return f"fact/{instance}/{fact}".encode()


def reports_of(instance: str, fact: str) -> bytes:
    """What the keys of all reports of a fact that several report begin with."""
    return f"report/{instance}/{fact}/".encode()


def report_key(instance: str, fact: str, account: str) -> bytes:
    """Holds a FACT: what one of several reported."""
    return f"report/{instance}/{fact}/{account}".encode()


def field_key(instance: str, field: str) -> bytes:
    """Holds a stored variable as RAW; absent while it has its initial value."""
    return f"field/{instance}/{field}".encode()


def table_of(instance: str, table: str) -> bytes:
    """What the keys of a table begin with, before the canonical bytes of the row's key; rows are RAW."""
    return f"table/{instance}/{table}/".encode()


def due_key(time_ms: int, instance: str) -> bytes:
    """Holds true as VALUE; these keys sort by time, then by instance."""
    return DUE + time_ms.to_bytes(8, "big") + b"/" + instance.encode()


def due_of(key: bytes) -> tuple[str, int]:
    """The instance and time of a due key. Raises: StateCorruption."""
    rest = key.removeprefix(DUE)
    try:
        return rest[9:].decode(), int.from_bytes(rest[:8], "big")
    except UnicodeDecodeError:
        raise StateCorruption(f"the stored key {key!r} names no instance") from None


def bucket_key(bucket: int) -> bytes:
    """Holds a BUCKET; beside the tree, this key and an id make the key of the id's row."""
    return REPLAY + bucket.to_bytes(8, "big")
