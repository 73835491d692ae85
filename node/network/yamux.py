"""Yamux: many streams over one encrypted connection, without letting a peer block or fill this node.

The wire format is Yamux's (https://github.com/hashicorp/yamux/blob/master/spec.md), tested against the
muxer of py-libp2p. It is our own implementation because that muxer freezes for good when both sides send in
bulk (its reader waits for the writer), does not enforce the receive window, resets a stream whose reader
pauses for five seconds, and does not notice a peer that has gone silent. Here:

- the reader never waits for the writer: it handles a frame at once and leaves replies in a bounded queue;
- one writer coalesces everything that waits into single encrypted messages: replies first, then urgent
  streams, then the others in turn, so that a vote overtakes a large batch;
- a peer that sends beyond a window, opens too many streams or does not read its replies is disconnected;
- every heartbeat must be answered in time, or the connection is closed: at once, by closing the socket.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from node.network.errors import ConnectionLost, ProtocolViolation, StreamEnded
from node.network.limits import KIB

PROTOCOL_ID = "/yamux/1.0.0"

HEADER = struct.Struct("!BBHII")  # version, type, flags, stream id, length
VERSION = 0
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

INITIAL_WINDOW_BYTES = 256 * KIB  # fixed by the specification
SEND_WINDOW_BYTES_MAX = 2**32 - 1
WRITE_BYTES_MAX = 65_519  # what fits into one encrypted Noise message
SHARE_BYTES = 16 * KIB  # what a stream may send before the next one of its rank has its turn
STREAM_BUFFER_BYTES = 64 * KIB  # a writer waits while more than this is unsent on its stream
READ_BYTES_MAX = 64 * KIB  # so that one stream's reader does not keep the others waiting
REPLIES_MAX = 1_024  # control frames that a peer has made us queue and does not read
INBOUND_STREAMS_MAX = 16
STREAM_ID_MAX = 2**32 - 1

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


class Stream:
    """One stream of a session; one task may read and one may write at a time."""

    def __init__(self, session: Session, stream_id: int, *, urgent: bool) -> None:
        self.stream_id = stream_id
        self._session = session
        self._urgent = urgent
        self._ended: str | None = None  # why it was reset

        self._received = bytearray()
        self._receive_window = INITIAL_WINDOW_BYTES  # what the peer may still send
        self._window_bytes = INITIAL_WINDOW_BYTES
        self._unacknowledged = 0  # read here, not yet granted to the peer again
        self._peer_finished = False
        self._readable = trio.Event()

        self._unsent = bytearray()
        self._send_window = INITIAL_WINDOW_BYTES
        self._finishing = False
        self._finished = False
        self._writable = trio.Event()

    async def read(self, bytes_max: int = READ_BYTES_MAX) -> bytes:
        """Up to `bytes_max` bytes as they come, b"" when the peer has finished.

        Raises: StreamEnded when the stream was reset.
        """
        await trio.lowlevel.checkpoint()
        while not self._received:
            self._check_alive()
            if self._peer_finished:
                return b""
            self._readable = trio.Event()
            await self._readable.wait()
        data = bytes(self._received[:bytes_max])
        del self._received[:bytes_max]
        self._unacknowledged += len(data)
        if self._unacknowledged >= self._window_bytes // 2 and not self._peer_finished:
            self._grant(self._unacknowledged)
            self._unacknowledged = 0
        return data

    async def write(self, data: bytes) -> None:
        """Queue `data` for sending, after waiting for room. Cancel it only to give the stream up.

        Raises: StreamEnded when the stream was reset.
        """
        await trio.lowlevel.checkpoint()
        while self._ended is None and len(self._unsent) >= STREAM_BUFFER_BYTES:
            self._writable = trio.Event()
            await self._writable.wait()
        self._check_alive()
        self._unsent += data
        self._session.wake_writer()

    def widen(self, window_bytes: int) -> None:
        """Let the peer have up to `window_bytes` under way to this node."""
        if window_bytes > self._window_bytes:
            self._grant(window_bytes - self._window_bytes)
            self._window_bytes = window_bytes

    def close(self) -> None:
        """Finish sending; what was written before still goes out."""
        self._finishing = True
        self._session.wake_writer()

    def reset(self, reason: str = "reset by this node") -> None:
        """End both directions now; what is under way is lost."""
        if self._ended is None and not (self._finished and self._peer_finished):
            self.end(reason)
            self._session.queue_reply(WINDOW_UPDATE, RST, self.stream_id, 0)
            self._session.forget(self)

    @property
    def peer_is_done(self) -> bool:
        """Whether nothing more will come."""
        return self._peer_finished or self._ended is not None

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise StreamEnded(self._ended)

    def _grant(self, amount: int) -> None:
        self._receive_window += amount
        self._session.queue_reply(WINDOW_UPDATE, 0, self.stream_id, amount)

    # What the session tells the stream.

    def end(self, reason: str) -> None:
        """The stream is gone: whoever waits on it is told `reason`."""
        if self._ended is None:
            self._ended = reason
        self._received.clear()
        self._unsent.clear()
        self._readable.set()
        self._writable.set()

    def expect(self, length: int) -> None:
        """A DATA frame of `length` bytes begins. Raises: ProtocolViolation beyond the window."""
        if length > self._receive_window:
            raise ProtocolViolation(
                f"stream {self.stream_id}: {length} bytes sent into a window of {self._receive_window}"
            )
        self._receive_window -= length

    def receive(self, data: bytes) -> None:
        """Bytes of the stream arrived."""
        if self._ended is None:
            self._received += data
            self._readable.set()

    def receive_window_update(self, increment: int) -> None:
        """The peer may be sent more. Raises: ProtocolViolation when the window becomes absurd."""
        self._send_window += increment
        if self._send_window > SEND_WINDOW_BYTES_MAX:
            raise ProtocolViolation(f"stream {self.stream_id}: window above {SEND_WINDOW_BYTES_MAX} bytes")

    def receive_finish(self) -> None:
        """The peer will send no more."""
        self._peer_finished = True
        self._readable.set()

    @property
    def urgent(self) -> bool:
        """Whether it is served before streams that are not."""
        return self._urgent

    @property
    def sendable(self) -> bool:
        """Whether the writer can take something now."""
        if self._unsent:
            return self._send_window > 0
        return self._finishing and not self._finished

    @property
    def done(self) -> bool:
        """Whether both sides have finished."""
        return self._finished and self._peer_finished

    def take(self, bytes_max: int) -> bytes:
        """The next frame of this stream, with at most `bytes_max` bytes of data."""
        data = bytes(self._unsent[: min(bytes_max, self._send_window)])
        del self._unsent[: len(data)]
        self._send_window -= len(data)
        if len(self._unsent) < STREAM_BUFFER_BYTES:
            self._writable.set()
        flags = 0
        if self._finishing and not self._unsent:
            flags, self._finished = FIN, True
        return HEADER.pack(VERSION, DATA, flags, self.stream_id, len(data)) + data


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
        self._replies.append(HEADER.pack(VERSION, kind, flags, stream_id, value))
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
            await trio.sleep(self._heartbeat_s)

    async def _answer_in_time(self) -> bool:
        # In two halves: when this process itself was suspended, both the answer and the first deadline
        # are waiting for it, and the answer must get its chance.
        for _ in range(2):
            with trio.move_on_after(self._stale_after_s / 2):
                await self._answered.wait()
                return True
        return False
