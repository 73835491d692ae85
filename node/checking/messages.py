"""What the node asks a checking process, and how it is told.

Both are this node's, so that either believes the other; `marshal` is what makes plain values fastest.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from typing import Any, NamedTuple

from api.catalogue import ApiError
from api.submissions import Submission, read_batch
from consensus.errors import InvalidTransaction
from consensus.keys import verify_ed25519
from consensus.transactions import Call, Found, Transaction, read_envelopes, transaction_of, verify


class Posted(NamedTuple):
    """One item of a posted batch; `id` (hex) is empty, and `size_bytes` 0, where it makes no envelope."""

    id: str
    size_bytes: int
    found: Found


def read_posted(body: bytes, chain: str) -> list[Posted]:
    """What a posted batch holds; no signature is looked at. Raises: ApiError."""
    return [_posted(each, chain) for each in read_batch(body)]


def _posted(item: Submission | ApiError, chain: str) -> Posted:
    if isinstance(item, ApiError):
        return Posted("", 0, Found(InvalidTransaction(item.code, item.detail)))
    try:
        transaction = transaction_of(item.body, item.signatures, chain)
    except InvalidTransaction as error:
        return Posted(item.id, len(item.envelope), Found(error))
    return Posted(transaction.id.hex(), len(transaction.envelope), Found(transaction))


# -- in the checking process ----------------------------------------------------------------------------
def answer(request: bytes) -> bytes:
    """What comes of a request."""
    verb, chain, content = marshal.loads(request)  # noqa: S302 - from the node
    if verb == "posted":
        return marshal.dumps(_answer_posted(content, chain))
    read = read_envelopes(content, chain)
    return marshal.dumps([_plain(found, verb == "check") for found in read])


def _answer_posted(body: bytes, chain: str) -> Any:
    try:
        posted = read_posted(body, chain)
    except ApiError as error:
        return error.code, error.detail, error.fields
    return [(each.id, each.size_bytes, _envelope(each.found), _plain(each.found, True)) for each in posted]


def _envelope(found: Found) -> bytes:
    return found.content.envelope if isinstance(found.content, Transaction) else b""


def _plain(found: Found, check: bool) -> tuple[Any, ...]:
    """All but the envelope, which who asks may have."""
    content = found.content
    if not isinstance(content, Transaction):
        return content.code, content.detail
    signed = verify(content, verify_ed25519) if check else None
    calls = tuple([tuple(call) for call in content.calls])
    return (signed, *content[1:6], calls, *content[7:])


# -- in the node ----------------------------------------------------------------------------------------
def request_of(verb: str, chain: str, content: bytes | Sequence[bytes]) -> bytes:
    """`check` or `parse` envelopes, or check what was `posted`."""
    plain: tuple[Any, ...] = verb, chain, content
    return marshal.dumps(plain)


def found_of(answer: bytes, envelopes: Sequence[bytes]) -> list[Found]:
    """What the envelopes of a request turned out to hold."""
    plain = marshal.loads(answer)  # noqa: S302 - from our own process
    return list(map(_found, envelopes, plain))


def posted_of(answer: bytes) -> list[Posted]:
    """What a posted batch turned out to hold. Raises: ApiError."""
    plain = marshal.loads(answer)  # noqa: S302 - from our own process
    if isinstance(plain, tuple):
        code, detail, fields = plain
        raise ApiError(code, detail, **fields)
    return [Posted(name, size, _found(envelope, found)) for name, size, envelope, found in plain]


def _found(envelope: bytes, plain: tuple[Any, ...]) -> Found:
    if len(plain) == 2:
        return Found(InvalidTransaction(*plain))
    calls = tuple([Call(*call) for call in plain[6]])
    return Found(Transaction._make((envelope, *plain[1:6], calls, *plain[7:])), plain[0])
