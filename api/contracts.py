"""Contract code, its instances, their rules and state, and queries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from api import bodies, schemas
from api.access import read_json
from api.catalogue import ApiError
from api.gateway import JsonObject
from api.http import ITEMS_DEFAULT, Cursor, Json, Limit, Name, Node, decode_cursor, page
from api.openapi import body_of, problems
from api.submissions import take_object
from consensus.errors import InvalidTransaction
from consensus.transactions import INTEGER_MAX, check_value

QUERY_BYTES_MAX = 64 * 1024
"""Body of a query, in bytes."""
REHEARSAL_BYTES_MAX = 128 * 1024
"""Body of a rehearsal, in bytes."""

Code = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The source's SHA-256, hex.")]
QueryName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$", description="A query of the contract.")]
_QUERY_PROBLEMS = problems(
    "unknown_instance", "unknown_query", "arguments", "invalid_parameter", "malformed_json", "invalid_body",
    "unsupported_media_type", "too_large", "origin_refused",
)  # fmt: skip

router = APIRouter(tags=["contracts"])


@router.get(
    "/v1/contracts",
    response_model=schemas.Page[schemas.ContractSummary],
    summary="Deployed contract code",
    responses=problems("invalid_parameter"),
)
async def contracts(node: Node, limit: Limit = ITEMS_DEFAULT, cursor: Cursor = None) -> Response:
    """One code may have many instances."""
    found = await node.contracts(decode_cursor("contracts", cursor), limit + 1)
    return page("contracts", found, limit, lambda contract: str(contract["code"]))


@router.get(
    "/v1/contracts/{code}",
    response_model=schemas.Contract,
    summary="One contract code with its source",
    responses=problems("unknown_contract", "invalid_parameter"),
)
async def contract(node: Node, code: Code) -> Response:
    """The source as deployed, and what it declares: terms, actions, rules, queries."""
    return Json(await node.contract(code))


@router.get(
    "/v1/contracts/{code}/schema",
    response_model=dict[str, Any],
    summary="JSON Schemas of what it takes and gives",
    responses=problems("unknown_contract", "invalid_parameter"),
)
async def contract_schema(node: Node, code: Code) -> Response:
    """JSON Schema 2020-12: `$defs` has `terms`, `action.NAME`, `fact.NAME`, `query.NAME`, `answer.NAME`,
    `event.NAME`. Whatever its schema refuses, the contract refuses too.
    """
    return Json(await node.contract_schema(code))


@router.get(
    "/v1/instances",
    response_model=schemas.Page[schemas.InstanceSummary],
    summary="Instances of contracts",
    responses=problems("invalid_parameter"),
)
async def instances(node: Node, limit: Limit = ITEMS_DEFAULT, cursor: Cursor = None) -> Response:
    """An instance is one agreement: code, terms, and the parties that signed both."""
    found = await node.instances(decode_cursor("instances", cursor), limit + 1)
    return page("instances", found, limit, lambda instance: str(instance["name"]))


@router.get(
    "/v1/instances/{name}",
    response_model=schemas.Instance,
    summary="One instance: terms, state, rules",
    responses=problems("unknown_instance", "invalid_parameter"),
)
async def instance(node: Node, name: Name) -> Response:
    """`rules` says of every "if X then Y" whether X holds now, and when time alone may change that."""
    return Json(await node.instance(name))


@router.get(
    "/v1/instances/{name}/query/{query}",
    response_model=schemas.QueryAnswer,
    summary="Ask a query, arguments in the address",
    openapi_extra={
        "parameters": [
            {
                "name": "arguments",
                "in": "query",
                "description": "Arguments by name, as text: `?account=bolt`. For money and lists use POST.",
                "style": "form",
                "explode": True,
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            }
        ]
    },
    responses=_QUERY_PROBLEMS,
)
async def query(request: Request, node: Node, name: Name, query: QueryName) -> Response:
    """Computed now, from this node's state; nothing is changed."""
    arguments = dict(request.query_params)
    if len(arguments) != len(request.query_params.multi_items()):
        raise ApiError("invalid_parameter", "query: an argument is given twice")
    return Json(await node.query(name, query, arguments))


@router.post(
    "/v1/instances/{name}/query/{query}",
    response_model=schemas.QueryAnswer,
    summary="Ask a query, arguments in the body",
    openapi_extra=body_of(bodies.QueryBody),
    responses=_QUERY_PROBLEMS,
)
async def query_with_body(request: Request, node: Node, name: Name, query: QueryName) -> Response:
    """As with GET; arguments may be money and lists too."""
    body = take_object(await read_json(request, QUERY_BYTES_MAX), set(), {"arguments"})
    return Json(await node.query(name, query, _arguments(body)))


@router.get(
    "/v1/instances/{name}/versions",
    response_model=schemas.Versions,
    summary="What an instance runs and ran",
    responses=problems("unknown_instance", "invalid_parameter"),
)
async def versions(node: Node, name: Name) -> Response:
    """Every upgrade, with the proposal that brought it, and whether the instance is paused."""
    return Json(await node.versions(name))


@router.post(
    "/v1/instances/{name}/rehearsal",
    response_model=schemas.RehearsalAnswer,
    summary="What would other code have done?",
    openapi_extra=body_of(bodies.RehearsalBody),
    responses=problems(
        "unknown_instance", "arguments", "contract_error", "rehearsing", "too_long_to_rehearse", "pruned",
        "invalid_parameter", "malformed_json", "invalid_body", "unsupported_media_type", "too_large",
        "origin_refused",
    ),
)  # fmt: skip
async def rehearsal(request: Request, node: Node, name: Name) -> Response:
    """This node executes the chain's past twice, once with the instance upgraded; nothing is changed.

    Every node that has the same blocks answers with the same `outcome`.
    """
    optional = {"terms", "from_height", "height"}
    body = take_object(await read_json(request, REHEARSAL_BYTES_MAX), {"source"}, optional)
    source, terms = body["source"], body.get("terms", {})
    if type(source) is not str or type(terms) is not dict:
        raise ApiError("invalid_body", "source must be text, and terms an object")
    try:
        check_value(terms, "terms", 0)  # they are such as a transaction could carry
    except InvalidTransaction as error:
        raise ApiError("invalid_body", error.detail) from None
    heights = [_height(body, each) for each in ("from_height", "height")]
    return Json(await node.rehearse(name, source, terms, *heights))


def _height(body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    if value is not None and (type(value) is not int or not 0 <= value <= INTEGER_MAX):
        raise ApiError("invalid_body", f"{name}: must be a height")
    return value


def _arguments(body: JsonObject) -> dict[str, Any]:
    arguments = body.get("arguments", {})
    if type(arguments) is not dict:
        raise ApiError("invalid_body", "arguments: must be an object")
    return arguments
