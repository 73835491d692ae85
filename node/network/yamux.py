"""Yamux: many streams over one encrypted connection, without letting a peer block or fill this node.

Our own implementation, tested against the muxer of py-libp2p, because that one freezes for good when both
sides send in bulk (its reader waits for the writer), does not enforce the receive window, resets a stream
whose reader pauses for five seconds, and does not notice a peer that has gone silent. Here:

- the reader never waits for the writer: it handles a frame at once and leaves replies in a bounded queue;
- one writer coalesces everything that waits into single encrypted messages: replies first, then urgent
  streams, then the others in turn, so that a vote overtakes a large batch;
- a peer that sends beyond a window, opens too many streams or does not read its replies is disconnected;
- who is silent is asked for a sign of life, now and then also who is not; it must be given in time, or the
  connection is closed: at once, by closing the socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from node.network.errors import ConnectionLost, ProtocolViolation
from node.network.limits import KIB
from node.network.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    PING,
    RST,
    STREAM_ID_MAX,
    SYN,
    VERSION,
    WINDOW_UPDATE,
    frame,
)
from node.network.yamux_stream import Stream

WRITE_BYTES_MAX = 65_519  # what fits into one encrypted Noise message
SHARE_BYTES = 16 * KIB  # what a stream may send before the next one of its rank has its turn
REPLIES_MAX = 1_024  # control frames that a peer has made us queue and does not read
INBOUND_STREAMS_MAX = 16

HEARTBEATS_SPARED = 3  # in a row, while a peer sends; then it must say that it also reads and answers

# What a message and a frame cost a receiver besides their bytes, expressed in bytes: a flood of tiny ones
# must be slowed down like a flood of large ones.
READ_COST_BYTES = 4 * KIB
FRAME_COST_BYTES = 512


class Channel(Protocol):
    """An authenticated and encrypted connection: what a session runs on."""

    async def read(self) -> bytes:
        """Some bytes, at least one. Raises: ConnectionLost."""

    async def write(self, data: bytes) -> None:
        """Send all of `data`. Raises: ConnectionLost."""

    def abort(self) -> None:
        """Close at once, without waiting for anything."""


class Session:
    """All streams of one connection, and its heartbeat."""

    def __init__(
        self,
        channel: Channel,
        *,
        is_dialler: bool,
        on_stream: Callable[[Stream], None],
        pace: Callable[[int], float],
        heartbeat_ms: int,
        stale_after_ms: int,
    ) -> None:
        """`on_stream` is told of each stream that the peer opens; `pace` is told the cost in bytes of what
        was received and returns how many seconds to wait before reading on."""
        self._channel = channel
        self._on_stream = on_stream
        self._pace = pace
        self._heartbeat_s = heartbeat_ms / 1000
        self._stale_after_s = stale_after_ms / 1000
        self._scope = trio.CancelScope()
        self.closed_reason: str | None = None
        self.heard_at_s = trio.current_time()
        self.rtt_s: float | None = None

        self._streams: dict[int, Stream] = {}
        self._next_id = 1 if is_dialler else 2
        self._inbound_count = 0

        self._input = bytearray()
        self._body_left = 0  # of the DATA frame being received
        self._body_stream: Stream | None = None
        self._body_flags = 0

        self._replies: deque[bytes] = deque()
        self._wake = trio.Event()
        self._nonce = 0
        self._answered = trio.Event()

    async def run(self) -> str:
        """Serve until the connection is lost, and say why.

        Raises: ProtocolViolation when the peer is to blame.
        """
        violation: ProtocolViolation | None = None
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_all)
                nursery.start_soon(self._keep_alive)
                try:
                    await self._read_all()
                except ConnectionLost as error:
                    self.close(str(error))
                except ProtocolViolation as error:
                    violation = error
                    self.close(str(error))
        if violation is not None:
            raise violation
        return self.closed_reason or "cancelled"

    def open(self, *, urgent: bool = False) -> Stream:
        """A new stream; on a session that is over, one that has ended."""
        stream = Stream(self, self._next_id, urgent=urgent)
        if self._next_id > STREAM_ID_MAX:
            self.close("all stream ids are used up")
        if self.closed_reason is not None:
            stream.end(self.closed_reason)
            return stream
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self.queue_reply(WINDOW_UPDATE, SYN, stream.stream_id, 0)
        return stream

    def close(self, reason: str) -> None:
        """End the session at once: raw close, nothing is waited for. The first reason counts."""
        if self.closed_reason is not None:
            return
        self.closed_reason = reason
        for stream in self._streams.values():
            stream.end(reason)
        self._streams.clear()
        self._channel.abort()
        self._scope.cancel()

    # What streams ask of the session.

    def wake_writer(self) -> None:
        """Something can be sent."""
        self._wake.set()

    def queue_reply(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        """Queue a frame without data; it is sent before any data."""
        if len(self._replies) >= REPLIES_MAX:
            self.close(f"the peer leaves {REPLIES_MAX} control frames unread")
            return
        self._replies.append(frame(kind, flags, stream_id, value))
        self._wake.set()

    def forget(self, stream: Stream) -> None:
        """The stream is over in both directions."""
        if self._streams.pop(stream.stream_id, None) is not None and not self._is_ours(stream.stream_id):
            self._inbound_count -= 1

    # Sending.

    async def _write_all(self) -> None:
        while True:
            data = self._gather()
            if not data:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            try:
                await self._channel.write(data)
            except ConnectionLost as error:
                self.close(str(error))
                return

    def _gather(self) -> bytes:
        """As much as fits into one message of what waits: replies, urgent streams, others in turn."""
        parts: list[bytes] = []
        room = WRITE_BYTES_MAX
        while self._replies and room >= HEADER.size:
            parts.append(self._replies.popleft())
            room -= HEADER.size
        sendable = [stream for stream in self._streams.values() if stream.sendable]
        for urgent in (True, False):
            turn = deque(stream for stream in sendable if stream.urgent is urgent)
            while turn and room > HEADER.size:
                stream = turn.popleft()
                frame = stream.take(min(room - HEADER.size, SHARE_BYTES))
                parts.append(frame)
                room -= len(frame)
                if stream.done:
                    self.forget(stream)
                elif stream.sendable:
                    turn.append(stream)
                if stream.stream_id in self._streams:  # the last one served is the first to wait next time
                    self._streams[stream.stream_id] = self._streams.pop(stream.stream_id)
        return b"".join(parts)

    # Receiving: no await between the arrival of a frame and its handling.

    async def _read_all(self) -> None:
        while True:
            data = await self._channel.read()
            self.heard_at_s = trio.current_time()
            self._input += data
            frames = self._handle_input()
            if delay_s := self._pace(READ_COST_BYTES + len(data) + frames * FRAME_COST_BYTES):
                await trio.sleep(delay_s)

    def _handle_input(self) -> int:
        """Handle what has arrived and return how many frames began in it."""
        data, start, frames = self._input, 0, 0
        while True:
            if self._body_stream is not None or self._body_left:
                piece = bytes(data[start : start + self._body_left])
                start += len(piece)
                self._body_left -= len(piece)
                if self._body_stream is not None:
                    self._body_stream.receive(piece)
                if self._body_left:
                    break
                if self._body_stream is not None:
                    self._apply_flags(self._body_stream, self._body_flags)
                    self._body_stream = None
            if len(data) - start < HEADER.size:
                break
            self._handle_header(*HEADER.unpack_from(data, start))
            start += HEADER.size
            frames += 1
        del data[:start]
        return frames

    def _handle_header(self, version: int, kind: int, flags: int, stream_id: int, value: int) -> None:
        if version != VERSION:
            raise ProtocolViolation(f"Yamux version {version}")
        if kind in (DATA, WINDOW_UPDATE):
            self._handle_stream_frame(kind, flags, stream_id, value)
        elif kind == PING:
            if flags & SYN:
                self.queue_reply(PING, ACK, 0, value)
            elif flags & ACK and value == self._nonce:
                self._answered.set()
        elif kind == GO_AWAY:
            raise ConnectionLost("the peer closed the connection")
        else:
            raise ProtocolViolation(f"Yamux frame type {kind}")

    def _handle_stream_frame(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        if flags & SYN:
            self._accept(stream_id)
        stream = self._streams.get(stream_id)
        if kind == DATA:  # a body for a stream that is over is read and dropped
            self._body_left, self._body_stream, self._body_flags = value, stream, flags
            if stream is not None:
                stream.expect(value)
        elif stream is not None:
            stream.receive_window_update(value)
            self._wake.set()
            self._apply_flags(stream, flags)

    def _apply_flags(self, stream: Stream, flags: int) -> None:
        if flags & RST:
            stream.end("reset by the peer")
            self.forget(stream)
        elif flags & FIN:
            stream.receive_finish()
            if stream.done:
                self.forget(stream)

    def _accept(self, stream_id: int) -> None:
        if stream_id == 0 or self._is_ours(stream_id) or stream_id in self._streams:
            raise ProtocolViolation(f"the peer opens stream {stream_id}, which is not its to open")
        if self._inbound_count >= INBOUND_STREAMS_MAX:
            self.queue_reply(WINDOW_UPDATE, RST, stream_id, 0)
            return
        stream = Stream(self, stream_id, urgent=False)
        self._streams[stream_id] = stream
        self._inbound_count += 1
        self.queue_reply(WINDOW_UPDATE, ACK, stream_id, 0)
        self._on_stream(stream)

    def _is_ours(self, stream_id: int) -> bool:
        return stream_id % 2 == self._next_id % 2

    # Liveness.

    async def _keep_alive(self) -> None:
        while True:
            self._nonce = (self._nonce + 1) % 2**32
            self._answered = trio.Event()
            sent_at_s = trio.current_time()
            self.queue_reply(PING, SYN, 0, self._nonce)
            if not await self._answer_in_time():
                self.close(f"no answer to a heartbeat within {self._stale_after_s:g} s")
                return
            self.rtt_s = trio.current_time() - sent_at_s
            await self._silence()

    async def _silence(self) -> None:
        """Until the peer has sent nothing for a heartbeat; if it goes on sending, for a few of them."""
        for _ in range(1 + HEARTBEATS_SPARED):
            left_s = self.heard_at_s + self._heartbeat_s - trio.current_time()
            if left_s <= 0:
                return
            await trio.sleep(left_s)

    async def _answer_in_time(self) -> bool:
        # In two halves: when this process itself was suspended, both the answer and the first deadline
        # are waiting for it, and the answer must get its chance.
        for _ in range(2):
            with trio.move_on_after(self._stale_after_s / 2):
                await self._answered.wait()
                return True
        return False
