"""What the handlers share: the gateway, answers as JSON, positions and cursors, checks of bodies."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute

from api.catalogue import ApiError
from api.gateway import Gateway, JsonObject

ITEMS_DEFAULT = 20
ITEMS_MAX = 200
"""Items in one page of a list."""
HEIGHT_MAX = 2**53 - 1
WAIT_S_MAX = 60.0
"""Longest wait within a request, in seconds."""

_POSITION = re.compile(r"(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,8})\Z")
"""A transaction's or an event's place in the chain, `height.index`."""


class Json(Response):
    """An answer of JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class PlainRoute(APIRoute):
    """A route for what is asked most: a handler of (request, node), and of parameters that have defaults.

    Without a query there is nothing for FastAPI to resolve, which takes it as long as a signature check.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        resolve = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                return await resolve(request)
            answer: Response = await self.endpoint(request, await _gateway(request))
            return answer

        return handle


async def _gateway(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)


Node = Annotated[Gateway, Depends(_gateway)]
TransactionId = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of what was signed, hex.")]
Height = Annotated[int, Path(ge=0, le=HEIGHT_MAX, description="Height of a block; genesis is 0.")]
Name = Annotated[str, Path(min_length=1, max_length=64, description="A name, such as `greenfarm.erp`.")]
Limit = Annotated[int, Query(ge=1, le=ITEMS_MAX, description="Items wanted.")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="`next` of the page before; absent: the first page.")
]
Timeout = Annotated[
    float,
    Query(alias="timeout", ge=0, le=WAIT_S_MAX, allow_inf_nan=False, description="Longest wait, in seconds."),
]


def format_position(item: JsonObject) -> str:
    """`height.index` of a transaction or an event."""
    return f"{item['height']}.{item['index']}"


def parse_position(text: str, where: str) -> tuple[int, int]:
    """The inverse of `format_position`. Raises: ApiError naming `where`."""
    match = _POSITION.match(text)
    if match is None:
        raise ApiError("invalid_parameter", f"{where}: must be HEIGHT.INDEX, such as 12.0")
    return int(match[1]), int(match[2])


def decode_cursor(kind: str, cursor: str | None) -> str | None:
    """Where the page before ended; None: at the start of the list.

    Raises: ApiError where the cursor is not one that a list of this kind gave.
    """
    if cursor is None:
        return None
    try:
        given, _, position = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except ValueError:
        given = position = ""
    if given != kind or not position:
        raise ApiError("invalid_parameter", "query.cursor: not a cursor that this list gave")
    return position


def page(kind: str, items: Sequence[JsonObject], limit: int, position: Callable[[JsonObject], str]) -> Json:
    """A page of a list of which `limit + 1` items were asked for, to know whether there are more."""
    body: dict[str, Any] = {"items": items[:limit]}
    if len(items) > limit:
        last = position(items[limit - 1])
        body["next"] = urlsafe_b64encode(f"{kind}:{last}".encode()).decode().rstrip("=")
    return Json(body)
