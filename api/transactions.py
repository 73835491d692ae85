"""Submit transactions, understand them before, follow them after."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from api import bodies, schemas
from api.access import Slots, read_body, read_json
from api.catalogue import CATALOGUE, ApiError
from api.errors import RETRY_AFTER_S, name_transaction
from api.gateway import Gateway, JsonObject, TransactionState, TransactionStatus
from api.http import (
    ITEMS_DEFAULT,
    Cursor,
    Json,
    Limit,
    Node,
    PlainRoute,
    Timeout,
    TransactionId,
    decode_cursor,
    format_position,
    page,
    parse_position,
)
from api.openapi import body_of, problems
from api.submissions import read_submission, take_object
from consensus.errors import InvalidTransaction
from consensus.transactions import (
    ENVELOPE_BYTES_MAX,
    envelope_from_json,
    parse_transaction,
)

SUBMIT_BYTES_MAX = 2 * ENVELOPE_BYTES_MAX
"""Body of one transaction, in bytes: room for spaces, escapes and hex."""
BATCH_BYTES_MAX = 8 * 1024 * 1024
WAIT_S_DEFAULT = 10.0

_DRAFT = frozenset({"transaction"})
_NO_SIGNATURE = [(bytes(32), bytes(64))]
"""Stands where a draft has no signature yet, so that the one parser can judge its form."""

Wait = Annotated[
    Literal["available", "committed"] | None,
    Query(description="Answer only when the transaction is at least this far, or `timeout` is over."),
]

_ADMISSION = (
    "malformed_json", "invalid_body", "invalid_parameter", "unsupported_media_type", "too_large",
    "malformed_envelope", "malformed_transaction", "wrong_chain", "signature_order", "bad_signature",
    "unauthorised", "expired", "expiry_too_far", "gas_limit", "origin_refused", "too_many_streams",
    "no_validator",
)  # fmt: skip
_DRAFTING = (
    "malformed_json", "invalid_body", "unsupported_media_type", "too_large", "malformed_envelope",
    "malformed_transaction", "wrong_chain", "origin_refused", "unknown",
)  # fmt: skip
_LOCATION = {"Location": {"description": "Where to follow it.", "schema": {"type": "string"}}}

posting = APIRouter(tags=["transactions"], route_class=PlainRoute)
router = APIRouter(tags=["transactions"])


@posting.post(
    "/v1/transactions",
    status_code=202,
    response_model=schemas.Status,
    summary="Submit a signed transaction",
    openapi_extra=body_of(bodies.SubmitBody),
    responses={
        200: {
            "model": schemas.Status,
            "description": "Known before, or as far as you waited for",
            "headers": _LOCATION,
        },
        202: {
            "description": "Accepted: durable on this node, on its way to the others",
            "headers": _LOCATION,
        },
        **problems(*_ADMISSION),
    },
)
async def submit(
    request: Request, node: Node, wait: Wait = None, timeout_s: Timeout = WAIT_S_DEFAULT
) -> Response:
    """Accepted means: from now on it becomes committed, or is reported expired; it is never lost in silence.

    Posting the same transaction again is safe and gives its present status with 200. With `wait` the answer
    is 200 once it is that far; when time is up first, 202 with the status it has, and the id.
    """
    submission = read_submission(await read_json(request, SUBMIT_BYTES_MAX), "body")
    identifier = submission.id
    name_transaction(request, identifier)
    # A place to wait is taken before anything is accepted, so that a refusal means what it says.
    with _place_to_wait(request, wait):
        status = (await node.submit([submission.envelope]))[0]
        known = status.known
        if status.state is TransactionState.REJECTED:
            raise _rejection(status)
        if wait is not None and not _is_reached(status, wait):
            status = await _wait(request, node, identifier, wait, timeout_s)
            known = known or _is_reached(status, wait)
    return Json(status_body(status), 200 if known else 202, {"Location": f"/v1/transactions/{identifier}"})


@posting.post(
    "/v1/transactions:batch",
    response_model=schemas.BatchAnswer,
    summary="Submit many transactions",
    openapi_extra=body_of(bodies.BatchBody),
    responses=problems(
        "malformed_json",
        "invalid_body",
        "unsupported_media_type",
        "too_large",
        "origin_refused",
        "overloaded",
    ),
)
async def submit_batch(request: Request, node: Node) -> Response:
    """Each transaction stands for itself: `items` gives one result for each, in the order given.

    This is how to post at volume. Where the node can take none at all because it is overloaded, the answer is
    429, and nothing of the body was looked at; where it can take some, the others come back with code
    `overloaded`: post those again.
    """
    body = await read_body(request, BATCH_BYTES_MAX)
    if node.is_full:  # who is refused must cost little
        raise ApiError("overloaded", "none of the transactions was taken")
    items = [status_body(status) for status in await node.submit_batch(body)]
    codes = [item.get("code") for item in items if item["state"] == TransactionState.REJECTED]
    if codes and codes.count("overloaded") == len(items):
        raise ApiError("overloaded", f"none of the {len(items)} transactions was taken")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if "overloaded" in codes else None
    answer = {"items": items, "accepted": len(items) - len(codes), "rejected": len(codes)}
    return Json(answer, headers=headers)


@router.post(
    "/v1/transactions/explain",
    response_model=schemas.Explanation,
    summary="What would I sign?",
    openapi_extra=body_of(bodies.DraftBody),
    responses=problems(*_DRAFTING),
)
async def explain(request: Request, node: Node) -> Response:
    """The transaction as a sentence that a person can read, and the exact bytes to sign."""
    return Json(await node.explain(await _read_draft(request, node.chain)))


@router.post(
    "/v1/transactions/simulate",
    response_model=dict[str, Any],
    summary="What would it do?",
    openapi_extra=body_of(bodies.DraftBody),
    responses=problems(*_DRAFTING),
)
async def simulate(request: Request, node: Node) -> Response:
    """The receipt it would get now if sender and cosigners sign, without committing anything."""
    return Json(await node.simulate(await _read_draft(request, node.chain)))


@router.get(
    "/v1/transactions",
    response_model=schemas.Page[schemas.LedgerTransaction],
    summary="Committed transactions, newest first",
    responses=problems("invalid_parameter", "pruned"),
)
async def transactions(
    node: Node,
    limit: Limit = ITEMS_DEFAULT,
    cursor: Cursor = None,
    account: Annotated[
        str | None, Query(max_length=64, description="Only those signed for this account.")
    ] = None,
    contract: Annotated[str | None, Query(max_length=64, description="Only calls of this instance.")] = None,
) -> Response:
    """Transactions with their sentences and receipts."""
    position = decode_cursor("transactions", cursor)
    before = None if position is None else parse_position(position, "query.cursor")
    found = await node.transactions(before, limit + 1, account=account, contract=contract)
    return page("transactions", found, limit, format_position)


@router.get(
    "/v1/transactions/{transaction}",
    response_model=schemas.Committed,
    summary="Where does it stand?",
    responses=problems("unknown_transaction", "invalid_parameter", "too_many_streams", "pruned"),
)
async def transaction_status(
    request: Request,
    node: Node,
    transaction: TransactionId,
    wait: Wait = None,
    timeout_s: Timeout = WAIT_S_DEFAULT,
) -> Response:
    """Its status; once it is committed, with the transaction, its sentence and its receipt."""
    with _place_to_wait(request, wait):
        if wait is None:
            status = await node.status(transaction)
        else:
            status = await _wait(request, node, transaction, wait, timeout_s)
    if status.state is TransactionState.UNKNOWN:
        detail = f"{transaction} is neither executed nor waiting here"
        raise ApiError("unknown_transaction", detail, state=status.state)
    body = status_body(status)
    if status.state is TransactionState.COMMITTED:
        body = await node.transaction(transaction) | body
    return Json(body)


def status_body(status: TransactionStatus) -> JsonObject:
    """A status as its JSON object, without what does not apply."""
    body: JsonObject = {"id": status.id, "state": status.state} if status.id else {"state": status.state}
    for name in ("height", "index", "outcome", "code", "detail", "hint", "receipt"):
        value = getattr(status, name)
        if value is not None:
            body[name] = value
    return body if status.code is None else _with_hint(body, status.code)


def _rejection(status: TransactionStatus) -> ApiError:
    """The error that answers the submission of a transaction that was not admitted."""
    code = status.code or "refused"
    hint = {} if status.hint is None else {"hint": status.hint}
    return ApiError(code, status.detail or code, state=status.state, **hint)


def _place_to_wait(request: Request, wait: str | None) -> AbstractContextManager[None]:
    slots: Slots = request.app.state.waits
    return nullcontext() if wait is None else slots.take()


async def _wait(
    request: Request,
    node: Gateway,
    transaction: str,
    until: Literal["available", "committed"],
    timeout_s: float,
) -> TransactionStatus:
    """Where it stands when it is that far, when time is up, or when the node is about to stop."""
    waiting = asyncio.ensure_future(node.wait(transaction, until, timeout_s))
    closing = asyncio.ensure_future(request.app.state.closing.wait())
    try:
        await asyncio.wait({waiting, closing}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else await node.status(transaction)
    finally:
        waiting.cancel()
        closing.cancel()


def _is_reached(status: TransactionStatus, wanted: str) -> bool:
    if status.state is TransactionState.AVAILABLE:
        return wanted == "available"
    return status.state not in (TransactionState.UNKNOWN, TransactionState.PENDING)


def _with_hint(body: JsonObject, code: str) -> JsonObject:
    known = CATALOGUE.get(code)
    return body if known is None else {"type": f"/problems/{code}", "hint": known.remedy} | body


async def _read_draft(request: Request, chain: str) -> JsonObject:
    """A transaction without regard to its signatures, well-formed. Raises: ApiError."""
    draft = take_object(await read_json(request, SUBMIT_BYTES_MAX), _DRAFT, {"signatures"})
    transaction = draft["transaction"]
    try:
        envelope = envelope_from_json(transaction, _NO_SIGNATURE)
        parse_transaction(envelope, chain)
    except InvalidTransaction as error:
        raise ApiError(error.code, error.detail) from None
    checked: JsonObject = transaction
    return checked
