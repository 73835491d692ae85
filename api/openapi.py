"""What FastAPI cannot know by itself: bodies that the handlers parse, problems, headers.

Bodies of transactions are parsed by the one parser of transactions, not by models, so their models are
brought into the document here.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import bodies, schemas
from api.catalogue import CATALOGUE
from api.errors import MEDIA_TYPE, problem_body

_REFERENCE = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (
    bodies.SubmitBody,
    bodies.BatchBody,
    bodies.DraftBody,
    bodies.QueryBody,
    bodies.ClockBody,
    schemas.Problem,
    schemas.Event,
)
_EVERYWHERE = ("host_refused", "internal", "unavailable", "overloaded")
"""Problems that any request may meet."""
_HEADERS: dict[str, Any] = {
    "Chain-Height": {
        "description": "The answer reflects at least this height.",
        "schema": {"type": "string", "pattern": "^-?[0-9]+$"},
    }
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}

DESCRIPTION = """\
Post signed transactions, read the ledger, follow what contracts announce.

**Signing.** Sign `quorate-tx-v1`, a line feed, and the transaction's RFC 8785 canonical JSON with Ed25519.
`POST /v1/transactions/explain` shows the exact bytes. A transaction's id is the SHA-256 of the signed bytes;
posting it again is always safe.

**Errors** are `application/problem+json`; `code` is stable, `type` is a page of this node that says what to
do.

**Amounts** are text of decimal digits in minor units; times are milliseconds since 1970 UTC.
"""

TAGS = [
    {"name": "transactions", "description": "Understand, submit and follow transactions."},
    {"name": "contracts", "description": "Contract code, its instances, their rules and state."},
    {"name": "decisions", "description": "What members decide together, and who has yet to approve."},
    {"name": "ledger", "description": "Blocks, accounts, state and proofs."},
    {"name": "events", "description": "What contracts announce, as a stream that can be resumed."},
    {"name": "network", "description": "The consortium: members, genesis, this node."},
    {"name": "operations", "description": "Probes and metrics for those who run a node."},
]


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that may fail with these problems, and those that any may meet."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*codes, *_EVERYWHERE}):
        known = CATALOGUE[code]
        response = responses.setdefault(
            known.status,
            {
                "description": "",
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}, "examples": {}}
                },
            },
        )
        response["description"] = "; ".join(filter(None, (response["description"], known.title)))
        response["content"][MEDIA_TYPE]["examples"][code] = {"value": problem_body(code, known.meaning)}
        if known.status in (429, 503):
            response["headers"] = RETRY_AFTER
    return responses


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of an endpoint that reads this body by itself."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}},
        }
    }


def methods_of(app: FastAPI, path: str) -> list[str]:
    """The methods that the document has for a path; a path without parameters goes before one with."""
    items = document(app)["paths"]
    if path in items:
        return sorted(map(str.upper, items[path]))
    found: set[str] = set()
    for template, item in items.items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            found |= set(map(str.upper, item))
    return sorted(found)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, built once."""
    if app.openapi_schema is None:
        built = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=TAGS,
            license_info=app.license_info,
        )
        _, extra = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REFERENCE)
        components = built.setdefault("components", {}).setdefault("schemas", {})
        components.update(extra["$defs"])
        for operations in built["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    response["headers"] = _HEADERS | response.get("headers", {})
        app.openapi_schema = built
    return app.openapi_schema
