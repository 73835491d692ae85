"""One live connection with a member: a stream out and a stream in for each class of traffic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from consensus.errors import InvalidMessage
from node.network import requests
from node.network.errors import ProtocolViolation, StreamEnded
from node.network.limits import MIB, NetworkLimits
from node.network.member import MemberState
from node.network.outbox import Outbox
from node.network.secure import NegotiationFailed, SecureChannel, accept, propose
from node.network.yamux import Session
from node.network.yamux_frames import INITIAL_WINDOW_BYTES
from node.network.yamux_stream import Stream
from node.wire import FRAME_BYTES_MAX, FrameParser, MalformedFrame, StreamClass

REOPEN_DELAY_S = 1.0  # before a stream that the member has reset is opened again

_BY_PROTOCOL_ID = {stream_class.protocol_id: stream_class for stream_class in StreamClass}
_RECEIVE_WINDOW_BYTES = {
    StreamClass.VOTES: INITIAL_WINDOW_BYTES,
    StreamClass.BATCHES: 1 * MIB,
    StreamClass.SYNC: INITIAL_WINDOW_BYTES,
}


@dataclass(frozen=True)
class Handlers:
    """What the node does with what its network brings; see `Network` for the contracts."""

    on_message: Callable[[int, StreamClass, bytes], None]
    on_request: Callable[[int, bytes], Awaitable[bytes]]
    on_peer_change: Callable[[int, bool], None]
    on_offence: Callable[[int, str, float], None]


class Connection:
    """Carries everything between this node and one member until it is closed or lost."""

    def __init__(
        self, channel: SecureChannel, state: MemberState, handlers: Handlers, limits: NetworkLimits
    ) -> None:
        self.channel = channel
        self.opened_at_s = trio.current_time()
        self.ended = trio.Event()
        self._state = state
        self._member = state.peer.member
        self._handlers = handlers
        self._limits = limits
        self._inbound: dict[StreamClass, Stream] = {}
        self._nursery: trio.Nursery | None = None
        self.session = Session(
            channel,
            is_dialler=channel.dialled_here,
            on_stream=self._on_stream,
            pace=state.pace_bytes,
            heartbeat_ms=limits.heartbeat_ms,
            stale_after_ms=limits.stale_after_ms,
        )

    async def run(self) -> None:
        """Serve until the connection is closed or lost. Only a fault of this node is raised."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for stream_class in StreamClass:
                    nursery.start_soon(self._serve_outbound, stream_class)
                try:
                    self._state.last_error = await self.session.run()
                except ProtocolViolation as error:
                    self.blame(error)
                nursery.cancel_scope.cancel()
        finally:
            self.close("the node is shutting down")
            self._state.requester.fail_all(f"the connection was lost: {self.session.closed_reason}")
            self.ended.set()

    def close(self, reason: str) -> None:
        """Close at once; the first reason given counts."""
        self.session.close(reason)

    def blame(self, error: InvalidMessage) -> None:
        """The member has sent something that an honest one never sends."""
        self._state.blame(str(error))
        if self._state.shut_out_s:
            self.close(f"too many bad messages, the last one: {error}")

    # Outbound: one stream per class, opened again when the member resets it.

    async def _serve_outbound(self, stream_class: StreamClass) -> None:
        while self.session.closed_reason is None:
            stream = self.session.open(urgent=stream_class is StreamClass.VOTES)
            try:
                await propose(stream, stream_class.protocol_id, self._limits.negotiation_timeout_ms)
                await self._send_on(stream, stream_class)
            except (StreamEnded, NegotiationFailed) as error:
                self._state.last_error = f"stream of {stream_class.value}: {error}"
            except MalformedFrame as error:
                self.blame(error)
            stream.reset()
            if stream_class is StreamClass.SYNC:
                self._state.requester.fail_all("the stream of the requests was lost")
            await trio.sleep(REOPEN_DELAY_S)

    async def _send_on(self, stream: Stream, stream_class: StreamClass) -> None:
        """Send what is queued until the member ends the stream. Raises: StreamEnded, MalformedFrame."""
        failure: StreamEnded | MalformedFrame | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drain, self._state.outboxes[stream_class], stream)
            try:
                if stream_class is StreamClass.SYNC:
                    await self._state.requester.read_answers(stream)
                elif await stream.read():
                    raise MalformedFrame(f"data came back on a one-way stream of {stream_class.value}")
            except (StreamEnded, MalformedFrame) as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    # Inbound: the member's streams, at most one per class.

    def _on_stream(self, stream: Stream) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._serve_inbound, stream)

    async def _serve_inbound(self, stream: Stream) -> None:
        try:
            protocol_id = await accept(stream, list(_BY_PROTOCOL_ID), self._limits.negotiation_timeout_ms)
            stream_class = _BY_PROTOCOL_ID[protocol_id]
            if previous := self._inbound.get(stream_class):
                previous.reset(f"replaced by a newer stream of {stream_class.value}")
            self._inbound[stream_class] = stream
            await self._read_frames(stream, stream_class)
            stream.close()
        except StreamEnded:
            pass
        except InvalidMessage as error:
            self.blame(error)
            stream.reset()

    async def _read_frames(self, stream: Stream, stream_class: StreamClass) -> None:
        """Handle what the member sends on a stream. Raises: StreamEnded, MalformedFrame."""
        stream.widen(_RECEIVE_WINDOW_BYTES[stream_class])
        parser = FrameParser(FRAME_BYTES_MAX[stream_class])
        while data := await stream.read():
            parser.feed(data)
            while (body := parser.next_body()) is not None:
                if delay_s := self._state.pace_message():
                    await trio.sleep(delay_s)
                if stream_class is StreamClass.SYNC:
                    await requests.answer(body, stream, self._on_request, self.blame)
                else:
                    self._deliver(stream_class, body)

    def _deliver(self, stream_class: StreamClass, body: bytes) -> None:
        try:
            self._handlers.on_message(self._member, stream_class, body)
        except InvalidMessage as error:
            self.blame(error)

    async def _on_request(self, body: bytes) -> bytes:
        return await self._handlers.on_request(self._member, body)


async def _drain(outbox: Outbox, stream: Stream) -> None:
    """Send what is queued until the stream ends."""
    try:
        while True:
            await stream.write(await outbox.take())
    except StreamEnded:
        pass  # whoever reads the stream learns it too, and says why
