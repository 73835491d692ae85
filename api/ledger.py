"""Read the ledger: blocks, accounts, state and proofs; members, genesis, this node."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from api import member_schemas, node_schemas, schemas
from api.catalogue import ApiError
from api.http import ITEMS_DEFAULT, Cursor, Height, Json, Limit, Name, Node, Timeout, decode_cursor, page
from api.openapi import problems

KEY_BYTES_MAX = 512
"""A key of the authenticated state, in bytes."""
PROOF_S_DEFAULT = 10.0

StateKey = Annotated[
    str,
    Path(pattern=f"^([0-9a-f]{{2}}){{1,{KEY_BYTES_MAX}}}$", description="A key of the state, hex."),
]

KnownTags = Annotated[
    str | None, Header(description="ETags that you have; a block that you have is not sent.")
]

router = APIRouter()


@router.get(
    "/v1/blocks",
    tags=["ledger"],
    response_model=schemas.Page[schemas.BlockSummary],
    summary="Blocks, newest first",
    responses=problems("invalid_parameter"),
)
async def blocks(node: Node, limit: Limit = ITEMS_DEFAULT, cursor: Cursor = None) -> Response:
    """Without their transactions. An idle chain makes no blocks, so times may be far apart."""
    position = decode_cursor("blocks", cursor)
    if position is not None and not (position.isascii() and position.isdigit() and len(position) < 16):
        raise ApiError("invalid_parameter", "query.cursor: not a cursor that this list gave")
    found = await node.blocks(None if position is None else int(position), limit + 1)
    return page("blocks", found, limit, lambda block: str(block["height"]))


@router.get(
    "/v1/blocks/{height}",
    tags=["ledger"],
    response_model=schemas.Block,
    summary="One block with its transactions",
    responses={
        304: {"description": "You have it already"},
        **problems("unknown_block", "invalid_parameter", "pruned"),
    },
)
async def block(node: Node, height: Height, if_none_match: KnownTags = None) -> Response:
    """Its hash is its ETag. A block is final and never changes."""
    found = await node.block(height)
    tag = f'"{found["hash"]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    known = (if_none_match or "").split(",")
    if tag in (item.strip().removeprefix("W/") for item in known):
        return Response(status_code=304, headers=headers)
    return Json(found, headers=headers)


@router.get(
    "/v1/accounts",
    tags=["ledger"],
    response_model=schemas.Page[schemas.AccountSummary],
    summary="Accounts by name",
    responses=problems("invalid_parameter"),
)
async def accounts(node: Node, limit: Limit = ITEMS_DEFAULT, cursor: Cursor = None) -> Response:
    """Every member is an account; members register further ones."""
    found = await node.accounts(decode_cursor("accounts", cursor), limit + 1)
    return page("accounts", found, limit, lambda account: str(account["id"]))


@router.get(
    "/v1/accounts/{account}",
    tags=["ledger"],
    response_model=schemas.Account,
    summary="One account with its keys and balances",
    responses=problems("unknown_account", "invalid_parameter"),
)
async def account(node: Node, account: Name) -> Response:
    """Any one of its keys may act for it."""
    return Json(await node.account(account))


@router.get(
    "/v1/state/{key}",
    tags=["ledger"],
    response_model=schemas.StateEntry,
    summary="One entry of the authenticated state",
    responses=problems("invalid_parameter"),
)
async def state(node: Node, key: StateKey) -> Response:
    """The raw bytes under a key, or null; keys and values are specified in the documentation on state."""
    return Json(await node.state(key))


@router.get(
    "/v1/proof/{key}",
    tags=["ledger"],
    response_model=schemas.Proof,
    summary="Proof of an entry, or of its absence",
    responses=problems("invalid_parameter", "not_certified_yet"),
)
async def proof(
    node: Node,
    key: StateKey,
    timeout_s: Timeout = PROOF_S_DEFAULT,
) -> Response:
    """What the standalone verifier accepts without trust in this node."""
    return Json(await node.proof(key, timeout_s))


@router.get(
    "/v1/members",
    tags=["network"],
    response_model=member_schemas.Members,
    summary="The members",
    responses=problems(),
)
async def members(node: Node) -> Response:
    """Every organisation with its part, its keys and, as this node sees it, its node's state."""
    return Json(await node.members())


@router.get(
    "/v1/epochs",
    tags=["network"],
    response_model=member_schemas.Epochs,
    summary="Who validated when",
    responses=problems(),
)
async def epochs(node: Node) -> Response:
    """The committees from genesis on. A proof carries the same with the votes that show it."""
    return Json(await node.epochs())


@router.get(
    "/v1/evidence",
    tags=["network"],
    response_model=member_schemas.EvidenceList,
    summary="Proven misbehaviour",
    responses=problems(),
)
async def evidence(node: Node) -> Response:
    """Members that signed what no honest node signs; nobody else can bring that about."""
    return Json({"items": list(await node.evidence())})


@router.get(
    "/v1/genesis",
    tags=["network"],
    response_model=member_schemas.Genesis,
    summary="Genesis",
    responses=problems(),
)
async def genesis(node: Node) -> Response:
    """What all members signed before the first block."""
    return Json(await node.genesis())


@router.get(
    "/v1/status",
    tags=["network"],
    response_model=node_schemas.NodeStatus,
    summary="This node",
    responses=problems(),
)
async def status(node: Node) -> Response:
    """Chain, height, peers, and in a sentence what the node is doing."""
    return Json(await node.node())


@router.get(
    "/v1/consensus/why",
    tags=["network"],
    response_model=node_schemas.Why,
    summary="Why no new block?",
    responses=problems(),
)
async def why(node: Node) -> Response:
    """What the node waits for, who is missing, and what comes next."""
    return Json(await node.why())
