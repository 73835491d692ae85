"""What contracts announce, as server-sent events that can be resumed without loss.

Every event's id is `height.index`, its place in the chain. A reader that comes back with Last-Event-ID
gets what follows that place, from the store, so nothing is ever skipped. A reader that reads more slowly
than it is sent holds up only itself: the gateway is asked for more when what was read is gone.
After such a stall it gets a message `lagged`, so that it knows it sees history; after a longer one the
connection is closed, and it resumes when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import format_sse_event
from starlette.types import Message, Receive, Scope, Send

from api.access import Slots
from api.errors import problem_body
from api.gateway import EventFilter, Gateway, JsonObject, Refused
from api.http import Node, format_position, parse_position
from api.openapi import problems

HEARTBEAT_S = 15.0
"""A comment is sent after this long without anything else, so that proxies keep the connection."""
TICK_S = 0.5
"""How often a stream looks for a new block and for the end of the node."""
LAGGED_AFTER_S = 2.0
"""A reader that makes the node wait this long is told that it lags."""
STALLED_MAX_S = 60.0
"""A reader that makes the node wait this long is cut off; it can resume."""
RETRY_MS = 1_000
"""What browsers are told to wait before they reconnect."""
AHEAD_EVENTS_MAX = 64
"""Events that are read from the store before the reader has taken those before."""
INDEX_MAX = 999_999_999
"""Beyond every event of a block."""

router = APIRouter(tags=["events"])


class EventStream(Response):
    """An answer that follows the chain until its reader leaves or the node stops."""

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes], slots: Slots) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._source = source
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._slots.take():
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            tasks = {asyncio.create_task(self._feed(send)), asyncio.create_task(_until_gone(receive))}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        async with aclosing(self._source) as source:
            async for text in source:
                began = clock()
                try:
                    async with asyncio.timeout(STALLED_MAX_S):
                        await send(_body(text))
                        stalled_s = clock() - began
                        if stalled_s >= LAGGED_AFTER_S:
                            await send(_body(_message("lagged", {"stalled_ms": int(stalled_s * 1000)})))
                except TimeoutError:
                    return  # without an end to the answer, which makes the server drop the connection
            await send({"type": "http.response.body", "body": b"", "more_body": False})


@router.get(
    "/v1/events",
    summary="Follow what contracts announce",
    response_class=Response,
    responses={
        200: {
            "description": "A stream of server-sent events, which does not end.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'event: event\nid: 17.0\ndata: {"height":17,"index":0,"contract":"euro"}\n\n',
                }
            },
        },
        **problems("invalid_parameter", "too_many_streams"),
    },
)
async def events(
    request: Request,
    node: Node,
    start: Annotated[
        str | None,
        Query(
            alias="from",
            pattern=r"^(0|[1-9][0-9]{0,14})(\.(0|[1-9][0-9]{0,8}))?$",
            description="Begin with this event, HEIGHT.INDEX, or this height; absent: with what comes next.",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="Go on strictly after this event; wins over `from`.")
    ] = None,
    contract: Annotated[str | None, Query(max_length=64, description="Only of this instance.")] = None,
    name: Annotated[str | None, Query(max_length=64, description="Only events of this name.")] = None,
    transaction: Annotated[
        str | None, Query(pattern="^[0-9a-f]{64}$", description="Only of this transaction.")
    ] = None,
    blocks: Annotated[
        bool, Query(description="Also tell of new blocks, in messages `block` without an id.")
    ] = False,
) -> Response:
    """Messages `event` carry one Event each; their `id` is `height.index`. Reconnect with the last one in the
    header Last-Event-ID (a browser's EventSource does so by itself) and you miss nothing.

    `lagged`: you made the node wait; what follows is history, complete and in order. `problem`: the node had
    to end the stream, and says why. Lines that begin with `:` are heartbeats.
    """
    after = (node.height, INDEX_MAX)
    if last_event_id is not None:
        after = parse_position(last_event_id, "header.Last-Event-ID")
    elif start is not None:
        height, _, index = start.partition(".")
        after = _before(int(height), int(index or 0))
    wanted = EventFilter(contract, name, transaction)
    return EventStream(
        _messages(node, after, wanted, blocks, request.app.state.closing), request.app.state.streams
    )


async def _messages(
    gateway: Gateway, after: tuple[int, int], wanted: EventFilter, blocks: bool, closing: asyncio.Event
) -> AsyncGenerator[bytes]:
    """The stream's messages, as many at once as there are; heartbeats where there is nothing to tell."""
    clock = asyncio.get_running_loop().time
    ready: asyncio.Queue[bytes] = asyncio.Queue(AHEAD_EVENTS_MAX)
    reading = asyncio.create_task(_read_ahead(gateway.events(after, wanted), ready))
    height_told: int | None = None
    looked_s = told_s = clock()
    # The id alone tells the reader its place, so that it can resume even before the first event.
    yield format_sse_event(id=None if after[1] < 0 else f"{after[0]}.{after[1]}", retry=RETRY_MS)
    try:
        while not closing.is_set():
            text = await _take(ready)
            if not text and reading.done():
                reading.result()
                return
            now_s = clock()
            if (
                blocks
                and gateway.height != height_told
                and (height_told is None or now_s - looked_s >= TICK_S)
            ):
                height_told, looked_s = gateway.height, now_s
                text += _message("block", {"height": height_told})
            if not text and now_s - told_s >= HEARTBEAT_S:
                text = format_sse_event(comment="")
            if text:
                told_s = now_s
                yield text
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read_ahead(events: AsyncIterator[JsonObject], ready: asyncio.Queue[bytes]) -> None:
    """Keep a few messages ready, no more than the queue holds."""
    try:
        async for event in events:
            await ready.put(_message("event", event, format_position(event)))
    except Refused as refused:
        body = problem_body(refused.code, refused.detail, status=refused.status)
        await ready.put(_message("problem", body))
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _take(ready: asyncio.Queue[bytes]) -> bytes:
    """All messages that are ready, once there is one; none when TICK_S is over first."""
    try:
        async with asyncio.timeout(TICK_S):
            taken = [await ready.get()]
    except TimeoutError:
        return b""
    while not ready.empty():
        taken.append(ready.get_nowait())
    return b"".join(taken)


def _before(height: int, index: int) -> tuple[int, int]:
    """The place just before an event; -1 only before the very first."""
    if index == 0 and height > 0:
        return height - 1, INDEX_MAX
    return height, index - 1


def _message(kind: str, data: JsonObject, identifier: str | None = None) -> bytes:
    return format_sse_event(event=kind, data_str=orjson.dumps(data).decode(), id=identifier)


def _body(text: bytes) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": True}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
