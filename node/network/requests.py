"""Requests to a member and the answers to its own: numbered, answered in order, bounded.

Flow control is Yamux's: an answer's bytes are under way only within the window that the requester grants on
its stream (RESPONSE_WINDOW_BYTES), and the next request of a member is read when the last one is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from consensus.errors import InvalidMessage
from node.network.errors import RequestFailed, RequestRefused
from node.network.limits import MIB
from node.network.outbox import Outbox
from node.network.yamux_stream import Stream
from node.wire import (
    REQUEST_NUMBER_MAX,
    SYNC_RESPONSE_BYTES_MAX,
    SYNC_RESPONSE_FRAME_BYTES_MAX,
    FrameParser,
    ResponseStatus,
    decode_request,
    decode_response,
    encode_frame,
    encode_request,
    encode_response,
)

RESPONSE_WINDOW_BYTES = 1 * MIB


class _Pending:
    """Somebody waits for an answer."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer = b""
        self.failure: str | None = None

    def finish(self, answer: bytes, failure: str | None = None) -> None:
        self.answer, self.failure = answer, failure
        self.done.set()


class Requester:
    """Requests of this node to one member."""

    def __init__(self, outbox: Outbox, in_flight_max: int) -> None:
        self._outbox = outbox
        self._slots = trio.Semaphore(in_flight_max)
        self._pending: dict[int, _Pending] = {}
        self._next_number = 0

    async def request(self, payload: bytes, timeout_ms: int) -> bytes:
        """The member's answer.

        Raises: RequestFailed; ValueError when `payload` is longer than SYNC_REQUEST_BYTES_MAX.
        """
        with trio.move_on_after(timeout_ms / 1000):
            async with self._slots:
                return await self._exchange(payload)
        raise RequestFailed(f"no answer within {timeout_ms} ms")

    async def _exchange(self, payload: bytes) -> bytes:
        number = self._next_number
        if not self._outbox.put(encode_request(number, payload)):
            raise RequestFailed("the member is not connected, or its queue is full")
        self._next_number = (number + 1) % (REQUEST_NUMBER_MAX + 1)
        pending = self._pending[number] = _Pending()
        try:
            await pending.done.wait()
        finally:
            del self._pending[number]
        if pending.failure is not None:
            raise RequestFailed(pending.failure)
        return pending.answer

    async def read_answers(self, stream: Stream) -> None:
        """Give each answer to whoever waits for it; one that came too late is dropped.

        Raises: StreamEnded, MalformedFrame.
        """
        stream.widen(RESPONSE_WINDOW_BYTES)
        parser = FrameParser(SYNC_RESPONSE_FRAME_BYTES_MAX)
        while data := await stream.read():
            parser.feed(data)
            while (body := parser.next_body()) is not None:
                number, status, payload = decode_response(body)
                pending = self._pending.get(number)
                if pending is None:
                    continue
                if status is ResponseStatus.OK:
                    pending.finish(payload)
                else:
                    pending.finish(b"", f"refused by the member: {payload[:200].decode(errors='replace')}")

    def fail_all(self, reason: str) -> None:
        """No answer will come any more."""
        for pending in self._pending.values():
            pending.finish(b"", reason)


async def answer(
    body: bytes,
    stream: Stream,
    on_request: Callable[[bytes], Awaitable[bytes]],
    blame: Callable[[InvalidMessage], None],
) -> None:
    """Answer one request on its stream.

    Raises: StreamEnded; MalformedFrame when the request has no number.
    """
    number, payload = decode_request(body)
    try:
        result = await on_request(payload)
        if len(result) > SYNC_RESPONSE_BYTES_MAX:
            raise RequestRefused(f"the answer of {len(result)} bytes is too long; ask for less")
        response = encode_response(number, ResponseStatus.OK, result)
    except RequestRefused as error:
        response = encode_response(number, ResponseStatus.REFUSED, str(error).encode())
    except InvalidMessage as error:
        blame(error)
        response = encode_response(number, ResponseStatus.REFUSED, str(error).encode())
    await stream.write(encode_frame(response, SYNC_RESPONSE_FRAME_BYTES_MAX))
