"""One stream of a Yamux session: what waits to be read, what waits to be sent, and a window for each."""

from __future__ import annotations

from typing import Protocol

import trio

from node.network.errors import ProtocolViolation, StreamEnded
from node.network.limits import KIB
from node.network.yamux_frames import (
    DATA,
    FIN,
    INITIAL_WINDOW_BYTES,
    RST,
    WINDOW_BYTES_MAX,
    WINDOW_UPDATE,
    frame,
)

STREAM_BUFFER_BYTES = 64 * KIB  # a writer waits while more than this is unsent on its stream
READ_BYTES_MAX = 64 * KIB  # so that one stream's reader does not keep the others waiting


class Carrier(Protocol):
    """What a stream asks of its session."""

    def wake_writer(self) -> None:
        """Something can be sent."""

    def queue_reply(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        """Queue a frame without data; it is sent before any data."""

    def forget(self, stream: Stream) -> None:
        """The stream is over in both directions."""


class Stream:
    """One stream of a session; one task may read and one may write at a time."""

    def __init__(self, carrier: Carrier, stream_id: int, *, urgent: bool) -> None:
        self.stream_id = stream_id
        self.urgent = urgent  # served before streams that are not
        self._carrier = carrier
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
        self._carrier.wake_writer()

    def widen(self, window_bytes: int) -> None:
        """Let the peer have up to `window_bytes` under way to this node."""
        if window_bytes > self._window_bytes:
            self._grant(window_bytes - self._window_bytes)
            self._window_bytes = window_bytes

    def close(self) -> None:
        """Finish sending; what was written before still goes out."""
        self._finishing = True
        self._carrier.wake_writer()

    def reset(self, reason: str = "reset by this node") -> None:
        """End both directions now; what is under way is lost."""
        if self._ended is None and not (self._finished and self._peer_finished):
            self.end(reason)
            self._carrier.queue_reply(WINDOW_UPDATE, RST, self.stream_id, 0)
            self._carrier.forget(self)

    def _check_alive(self) -> None:
        if self._ended is not None:
            raise StreamEnded(self._ended)

    def _grant(self, amount: int) -> None:
        self._receive_window += amount
        self._carrier.queue_reply(WINDOW_UPDATE, 0, self.stream_id, amount)

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
        if self._send_window > WINDOW_BYTES_MAX:
            raise ProtocolViolation(f"stream {self.stream_id}: window above {WINDOW_BYTES_MAX} bytes")

    def receive_finish(self) -> None:
        """The peer will send no more."""
        self._peer_finished = True
        self._readable.set()

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
        return frame(DATA, flags, self.stream_id, len(data)) + data
