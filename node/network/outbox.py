"""What waits to be sent to one member: a bounded queue per stream class."""

from __future__ import annotations

from collections import deque

import trio

from node.wire import FRAME_BYTES_MAX, StreamClass, encode_frame

COALESCED_BYTES_MAX = 60_000  # many small frames go out as one write; fits into one encrypted message


class Outbox:
    """Frames for one member and stream class. Putting never waits; taking joins what waits.

    VOTES: the newest are kept, also while the member is away; the oldest is dropped for a new one.
    BATCHES and SYNC: refused when full or while the member is away, and discarded when it goes away.
    Invariant: never more than `bytes_max` bytes.
    """

    def __init__(self, stream_class: StreamClass, bytes_max: int) -> None:
        self.stream_class = stream_class
        self.bytes_queued = 0
        self.dropped = 0
        """Messages discarded or refused so far."""

        self._bytes_max = bytes_max
        self._keeps_newest = stream_class is StreamClass.VOTES
        self._open = self._keeps_newest
        self._frames: deque[bytes] = deque()
        self._filled = trio.Event()

    def put(self, body: bytes) -> bool:
        """Queue a message; False when it is refused.

        Raises: ValueError when the body is no valid frame of this class: a fault of the caller.
        """
        frame = encode_frame(body, FRAME_BYTES_MAX[self.stream_class])
        if self._keeps_newest:
            while self._frames and self.bytes_queued + len(frame) > self._bytes_max:
                self.bytes_queued -= len(self._frames.popleft())
                self.dropped += 1
        if not self._open or self.bytes_queued + len(frame) > self._bytes_max:
            self.dropped += 1
            return False
        self._frames.append(frame)
        self.bytes_queued += len(frame)
        self._filled.set()
        return True

    async def take(self) -> bytes:
        """At least one frame, and as many as fit into COALESCED_BYTES_MAX; waits until there is one."""
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        parts = [self._frames.popleft()]
        length = len(parts[0])
        while self._frames and length + len(self._frames[0]) <= COALESCED_BYTES_MAX:
            parts.append(self._frames.popleft())
            length += len(parts[-1])
        self.bytes_queued -= length
        return b"".join(parts)

    def member_came(self) -> None:
        """The member is connected."""
        self._open = True

    def member_went(self) -> None:
        """The member is away."""
        if not self._keeps_newest:
            self._open = False
            self.dropped += len(self._frames)
            self._frames.clear()
            self.bytes_queued = 0
