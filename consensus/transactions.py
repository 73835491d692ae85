"""The one parser of signed transactions: what a client signs, and what every node accepts.

A client signs `SIGNING_PREFIX ‖ JCS(transaction)`, where JCS is RFC 8785 canonical JSON, with Ed25519.
The *body* (the JCS bytes) and the signatures travel together as an *envelope*, canonical msgpack
`[body, [[public key, signature], ...]]`, byte for byte the same from submission to storage.
A transaction's id is the SHA-256 of the signed bytes, so a copy with another signature has the same id
and can only be executed once; caches are keyed by the whole envelope, never by the id.

Object keys are `[a-z0-9_]` and numbers are integers within ±(2^53 - 1), larger ones travel as text.
Under these two rules a fast JSON encoder with sorted keys produces exactly JCS.

Source: RFC 8785; RFC 8032.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import ge
from typing import Any, NamedTuple

import orjson

from consensus import codec
from consensus.codec import PUBLIC_KEY, SIGNATURE, blob, pair, record, sequence
from consensus.errors import DecodeError, InvalidTransaction
from consensus.keys import Verifier

SIGNING_PREFIX = b"quorate-tx-v1\n"

BODY_BYTES_MAX = 48 * 1024
"""The canonical JSON of one transaction, in bytes."""
ENVELOPE_BYTES_MAX = BODY_BYTES_MAX + 4096
SIGNATURES_MAX = 16
"""Signatures on one transaction."""
CALLS_MAX = 16
"""Calls in one transaction; all succeed or none has an effect."""
DEPTH_MAX = 8
"""Nesting of arrays and objects within a call's arguments."""
INTEGER_MAX = 2**53 - 1
"""Largest magnitude of a JSON number; beyond it integers travel as text."""
NAME_LENGTH_MAX = 64
SALT_LENGTH_MAX = 64
GAS_LIMIT_DEFAULT = 100_000
"""Gas that a transaction may use when it does not say."""
GAS_LIMIT_MAX = 20_000_000
"""Gas that one transaction may ask for."""

SIGNATURE_GAS = 4_000
"""Gas of one signature on a transaction: what checking it costs every node, whatever the transaction does."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*\Z")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_KEY = re.compile(r"[a-z0-9_]{1,64}\Z")
_SALT = re.compile(r"[\x21-\x7e]{1,64}\Z")
_REQUIRED = {"calls", "chain", "expires_ms", "salt", "sender"}
_OPTIONAL = {"cosigners", "gas_limit"}
_OF_CALL = {"contract", "action", "args"}
_FIELDS = _REQUIRED | _OPTIONAL | _OF_CALL

_A_NAME = "must be a name: lower-case letters and digits joined by . _ or -, at most 64"

Json = None | bool | int | str | list[Any] | dict[str, Any]


class Call(NamedTuple):
    """One action of one contract with its arguments (JSON values by name)."""

    contract: str
    action: str
    args: Mapping[str, Json]


class Transaction(NamedTuple):
    """A transaction that is well-formed in itself; whether its signatures are valid, `verify` says.

    `id` is 32 bytes; `signatures` holds (public key, signature), sorted by key. Which accounts those
    keys may act for is a matter of state and is judged at execution.
    """

    envelope: bytes
    body: bytes
    id: bytes
    chain: str
    sender: str
    cosigners: tuple[str, ...]
    calls: tuple[Call, ...]
    expires_ms: int
    gas_limit: int
    salt: str
    signatures: tuple[tuple[bytes, bytes], ...]


class Found(NamedTuple):
    """What an envelope holds: a transaction, or why it is none.

    `signed`: whether its signatures are valid; None where that was not looked at.
    """

    content: Transaction | InvalidTransaction
    signed: bool | None = None

    def is_signed(self, verifier: Verifier) -> bool:
        """Of a transaction: whether every signature is valid; looks only where nobody has."""
        if self.signed is None:
            return isinstance(self.content, Transaction) and verify(self.content, verifier)
        return self.signed


EnvelopeReader = Callable[[Sequence[bytes], str], Iterable[Found]]
"""Reads envelopes for a chain, wherever it does that: one Found for each."""


@dataclass(frozen=True, slots=True)
class _Envelope:
    body: bytes
    signatures: tuple[tuple[bytes, bytes], ...]


_SIGNATURES = sequence(pair(PUBLIC_KEY, SIGNATURE), SIGNATURES_MAX)
_ENVELOPE = record(_Envelope, body=blob(1, BODY_BYTES_MAX), signatures=_SIGNATURES)


def is_name(value: object) -> bool:
    """True for an account's, a contract's or a member's name: lower-case words joined by `.`, `_` or `-`."""
    return isinstance(value, str) and len(value) <= NAME_LENGTH_MAX and _NAME.match(value) is not None


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a value that keeps this module's rules on keys and numbers."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def signed_bytes(body: bytes) -> bytes:
    """What is signed, and hashed into the id."""
    return SIGNING_PREFIX + body


def transaction_id(body: bytes) -> bytes:
    """32 bytes."""
    return sha256(SIGNING_PREFIX + body).digest()


def make_envelope(body: bytes, signatures: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The envelope of a body with (public key, signature) pairs in any order."""
    return codec.encode(_ENVELOPE, _Envelope(body, tuple(sorted(signatures))))


def body_from_json(transaction: Any) -> bytes:
    """The body of a transaction given as a JSON object. Raises: InvalidTransaction."""
    check_value(transaction, "transaction", 0)
    return canonical_json(transaction)


def envelope_from_json(transaction: Any, signatures: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The envelope of a transaction given as a JSON object. Raises: InvalidTransaction."""
    return make_envelope(body_from_json(transaction), signatures)


def parse_transaction(envelope: bytes, chain: str) -> Transaction:
    """The transaction in an envelope, checked in all that needs neither state nor clock nor keys.

    Raises: InvalidTransaction with a stable code and a text for the client.
    """
    try:
        parts = codec.decode(_ENVELOPE, envelope, "envelope", ENVELOPE_BYTES_MAX)
    except DecodeError as error:
        raise InvalidTransaction("malformed_envelope", str(error)) from None
    try:
        value = orjson.loads(parts.body)
    except orjson.JSONDecodeError as error:
        raise InvalidTransaction("malformed_json", f"the transaction is not JSON: {error}") from None
    check_value(value, "transaction", 0)
    if canonical_json(value) != parts.body:
        raise InvalidTransaction(
            "not_canonical",
            "the transaction is not in RFC 8785 form: sort keys, no spaces, no duplicate keys",
        )
    return _build(envelope, parts, value, chain)


def transaction_of(body: bytes, signatures: Sequence[tuple[bytes, bytes]], chain: str) -> Transaction:
    """What `parse_transaction` finds in the envelope of a body from `body_from_json`, in half its time.

    Raises: InvalidTransaction.
    """
    envelope = make_envelope(body, signatures)
    if len(body) > BODY_BYTES_MAX or len(signatures) > SIGNATURES_MAX:
        return parse_transaction(envelope, chain)  # which says so
    return _build(envelope, _Envelope(body, tuple(sorted(signatures))), orjson.loads(body), chain)


def read_envelopes(envelopes: Sequence[bytes], chain: str) -> Iterator[Found]:
    """An EnvelopeReader: here and now, each when it is wanted; no signature is looked at."""
    for envelope in envelopes:
        try:
            yield Found(parse_transaction(envelope, chain))
        except InvalidTransaction as error:
            yield Found(error)


def verify(transaction: Transaction, verifier: Verifier) -> bool:
    """True when every signature on the transaction is valid for its key."""
    message = signed_bytes(transaction.body)
    return all(verifier(key, message, signature) for key, signature in transaction.signatures)


def _build(envelope: bytes, parts: _Envelope, value: Any, chain: str) -> Transaction:
    if type(value) is not dict:
        raise _malformed("transaction", "must be an object")
    if value.keys() != _REQUIRED:
        missing, unknown = _REQUIRED - value.keys(), value.keys() - _REQUIRED - _OPTIONAL
        if missing or unknown:
            problem = f"lacks {sorted(missing)}" if missing else f"has unknown fields {sorted(unknown)}"
            raise _malformed("transaction", problem)
    if value["chain"] != chain:
        raise InvalidTransaction("wrong_chain", f"signed for chain {value['chain']!r}, this is {chain!r}")
    keys = [key for key, _ in parts.signatures]
    if not keys:
        raise InvalidTransaction("unsigned", "at least one signature is needed")
    if any(map(ge, keys, keys[1:])):
        raise InvalidTransaction("signature_order", "signatures must be sorted by public key and appear once")
    cosigners = _cosigners(value["cosigners"]) if "cosigners" in value else ()
    calls = _list(value["calls"], "transaction.calls", 1, CALLS_MAX)
    if type(value["salt"]) is not str or not _SALT.match(value["salt"]):
        raise _malformed("transaction.salt", f"must be 1 to {SALT_LENGTH_MAX} printable ASCII characters")
    transaction = Transaction(
        envelope=envelope,
        body=parts.body,
        id=transaction_id(parts.body),
        chain=chain,
        sender=_name(value["sender"], "transaction.sender"),
        cosigners=cosigners,
        calls=tuple([_call(item, place) for place, item in enumerate(calls)]),
        expires_ms=_integer(value["expires_ms"], "transaction.expires_ms", 0, INTEGER_MAX),
        gas_limit=_integer(
            value.get("gas_limit", GAS_LIMIT_DEFAULT), "transaction.gas_limit", 1, GAS_LIMIT_MAX
        ),
        salt=value["salt"],
        signatures=parts.signatures,
    )
    if transaction.gas_limit < (needed := SIGNATURE_GAS * len(parts.signatures)):
        text = f"gas_limit is {transaction.gas_limit}; checking {len(keys)} signatures alone takes {needed}"
        raise InvalidTransaction("gas_limit", text)
    if cosigners and (transaction.sender in cosigners or list(cosigners) != sorted(set(cosigners))):
        raise _malformed("transaction.cosigners", "must be sorted, without repetition and without the sender")
    return transaction


def _cosigners(raw: Any) -> tuple[str, ...]:
    if raw == []:
        raise _malformed("transaction.cosigners", "leave it out when there are none")
    names = _list(raw, "transaction.cosigners", 1, SIGNATURES_MAX - 1)
    return tuple(_name(item, f"transaction.cosigners[{i}]") for i, item in enumerate(names))


def _call(raw: Any, place: int) -> Call:
    if type(raw) is not dict or raw.keys() != _OF_CALL:
        raise _malformed(
            f"transaction.calls[{place}]", "must have exactly the fields action, args and contract"
        )
    contract, action, args = raw["contract"], raw["action"], raw["args"]
    if type(action) is not str or not _IDENTIFIER.match(action):
        problem = "must be an identifier of lower-case letters, digits and _"
        raise _malformed(f"transaction.calls[{place}].action", problem)
    if type(args) is not dict:
        raise _malformed(f"transaction.calls[{place}].args", "must be an object")
    if not is_name(contract):
        raise _malformed(f"transaction.calls[{place}].contract", _A_NAME)
    return Call(contract, action, args)


def _name(raw: Any, path: str) -> str:
    if not is_name(raw):
        raise _malformed(path, _A_NAME)
    return str(raw)


def _integer(raw: Any, path: str, low: int, high: int) -> int:
    if type(raw) is not int or not low <= raw <= high:
        raise _malformed(path, f"must be an integer from {low} to {high}")
    return raw


def _list(raw: Any, path: str, low: int, high: int) -> list[Any]:
    if type(raw) is not list or not low <= len(raw) <= high:
        raise _malformed(path, f"must be an array of {low} to {high} items")
    return raw


def check_value(value: Any, path: str, depth: int) -> None:
    """Refuse what has no single canonical form: fractions, large numbers, odd keys, deep nesting.

    Raises: InvalidTransaction.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if abs(value) > INTEGER_MAX:
            raise _malformed(path, "integers beyond 2^53 - 1 must be written as text")
    elif depth > DEPTH_MAX + 3:
        raise _malformed(path, f"arguments may be nested {DEPTH_MAX} deep")
    elif kind is list:
        for index, item in enumerate(value):
            check_value(item, f"{path}[{index}]", depth + 1)
    elif kind is dict:
        for key, item in value.items():
            if key not in _FIELDS and not _KEY.match(key):
                raise _malformed(path, f"key {key[:40]!r} must be 1 to 64 of a-z, 0-9 and _")
            if type(item) is not str:  # as most are
                check_value(item, f"{path}.{key}", depth + 1)
    else:
        raise _malformed(path, "fractions are not allowed: write amounts as integers or text")


def _malformed(path: str, problem: str) -> InvalidTransaction:
    return InvalidTransaction("malformed_transaction", f"{path} {problem}")
