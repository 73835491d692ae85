"""What a client posts, as an envelope; imports no web framework, so that a small process can do it too."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import orjson

from api.catalogue import ApiError
from api.gateway import JsonObject
from consensus.errors import InvalidTransaction
from consensus.transactions import body_from_json, make_envelope, transaction_id

BATCH_COUNT_MAX = 1_000

_SUBMISSION = frozenset({"transaction", "signatures"})
_SIGNATURE = frozenset({"key", "signature"})
_HEX = re.compile(r"[0-9A-Fa-f]*\Z")


class Submission(NamedTuple):
    """One submitted transaction: its canonical body, and (public key, signature) pairs."""

    body: bytes
    signatures: list[tuple[bytes, bytes]]

    @property
    def envelope(self) -> bytes:
        return make_envelope(self.body, self.signatures)

    @property
    def id(self) -> str:
        """Hex."""
        return transaction_id(self.body).hex()


def read_json_text(text: bytes) -> Any:
    """The JSON value in a body. Raises: ApiError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ApiError("malformed_json", str(error), line=error.lineno, column=error.colno) from None


def read_batch(text: bytes) -> list[Submission | ApiError]:
    """Of each item of a posted batch what it submits, or why it is refused. Raises: ApiError."""
    submissions = take_object(read_json_text(text), {"transactions"})["transactions"]
    if type(submissions) is not list or not 1 <= len(submissions) <= BATCH_COUNT_MAX:
        raise ApiError("invalid_body", f"transactions: must be an array of 1 to {BATCH_COUNT_MAX} items")
    found: list[Submission | ApiError] = []
    for place, submission in enumerate(submissions):
        try:
            found.append(read_submission(submission, f"transactions[{place}]"))
        except ApiError as error:
            found.append(error)
    return found


def read_submission(value: Any, where: str) -> Submission:
    """One submitted transaction. Raises: ApiError."""
    submission = take_object(value, _SUBMISSION, where=where)
    raw_signatures = submission["signatures"]
    if type(raw_signatures) is not list:
        raise ApiError("invalid_body", f"{where}.signatures: must be an array")
    signatures = [_read_signature(item, f"{where}.signatures[{i}]") for i, item in enumerate(raw_signatures)]
    try:
        return Submission(body_from_json(submission["transaction"]), signatures)
    except InvalidTransaction as error:
        raise ApiError(error.code, error.detail) from None


def take_object(
    value: Any, required: AbstractSet[str], optional: AbstractSet[str] = frozenset(), *, where: str = "body"
) -> JsonObject:
    """`value` as an object with these fields and no others. Raises: ApiError invalid_body."""
    if type(value) is not dict:
        raise ApiError("invalid_body", f"{where}: must be an object")
    if value.keys() == required:
        return value
    missing, unknown = required - value.keys(), value.keys() - required - optional
    if missing:
        raise ApiError("invalid_body", f"{where}: lacks {', '.join(sorted(missing))}")
    if unknown:
        raise ApiError("invalid_body", f"{where}: has unknown fields {', '.join(sorted(unknown))[:200]}")
    return value


def _read_signature(value: Any, where: str) -> tuple[bytes, bytes]:
    pair = take_object(value, _SIGNATURE, where=where)
    return _read_hex(pair["key"], 32, f"{where}.key"), _read_hex(pair["signature"], 64, f"{where}.signature")


def _read_hex(value: Any, length: int, where: str) -> bytes:
    if type(value) is str and _HEX.match(value) and len(value) == 2 * length:
        return bytes.fromhex(value)
    raise ApiError("invalid_body", f"{where}: must be {2 * length} hex digits ({length} bytes)")
