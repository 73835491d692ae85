"""Errors as RFC 9457 problem+json: what is wrong, where, and what to do.

Every answer that is not a success, on every path under /v1, is one of these; each `type` is a page of the
node. An error about a transaction carries its id as `transaction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.catalogue import CATALOGUE, ApiError
from api.gateway import Refused

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
"""What a client that is told to come back is told where the node gives no time of its own."""


def problem_body(code: str, detail: str, status: int | None = None) -> dict[str, Any]:
    """The members of a problem document; a code outside the catalogue is explained as `refused`."""
    known = CATALOGUE.get(code) or CATALOGUE["refused"]
    return {
        "type": f"/problems/{known.code}",
        "title": known.title,
        "status": status or known.status,
        "detail": detail,
        "code": code,
        "hint": known.remedy,
    }


def problem(
    request: Request,
    code: str,
    detail: str,
    fields: Mapping[str, Any] | None = None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that ends `request` with a problem; 429 and 503 always say when to come back."""
    body = problem_body(code, detail, status) | {"instance": request.url.path} | _subject(request)
    body |= {name: value for name, value in (fields or {}).items() if name == "hint" or name not in body}
    answer_headers = dict(headers or {})
    if body["status"] in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        answer_headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(orjson.dumps(body), body["status"], answer_headers, MEDIA_TYPE)


def name_transaction(request: Request, transaction: str) -> None:
    """Say which transaction (id, hex) a request is about; whatever goes wrong later names it."""
    request.state.transaction = transaction


def _subject(request: Request) -> dict[str, str]:
    """The transaction that a request is about, as its handler or its path names it."""
    transaction = getattr(request.state, "transaction", None) or request.path_params.get("transaction")
    return {} if transaction is None else {"transaction": transaction}


def install(app: FastAPI, methods_of: Callable[[str], Sequence[str]]) -> None:
    """Turn every exception of a handler into a problem; `methods_of` gives the methods that a path takes."""

    @app.exception_handler(ApiError)
    async def _api_error(request: Request, error: ApiError) -> Response:
        return problem(request, error.code, error.detail, error.fields)

    @app.exception_handler(Refused)
    async def _refused(request: Request, error: Refused) -> Response:
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        return problem(request, error.code, error.detail, error.fields, status=error.status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"where": ".".join(map(str, item["loc"])), "problem": str(item["msg"])} for item in error.errors()
        ]
        detail = "; ".join(f"{item['where']}: {item['problem']}" for item in errors)
        return problem(request, "invalid_parameter", detail, {"errors": errors})

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The router only names the methods of the first route of several that share a path.
            methods = methods_of(request.url.path)
            headers = {"Allow": ", ".join(methods)} if methods else error.headers
            return problem(request, "method_not_allowed", detail, headers=headers)
        code = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "refused"
        return problem(request, code, detail, status=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> Response:
        return problem(request, "internal", f"{type(error).__name__} while answering")
