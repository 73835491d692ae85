"""Whole messages over the pipes between the node and a process that it has started."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable

MESSAGE_BYTES_MAX = 512 * 1024 * 1024
"""One message; more than the gas of a block can buy."""
_CHUNK_BYTES = 1024 * 1024
_HEAD = struct.Struct(">Q")


class Malformed(Exception):
    """The other side sent what it never would if it were sound."""


class Pipe:
    """Whole messages, one after another. Raises: EOFError, OSError where the other side has gone."""

    def __init__(self, reads: int, writes: int, wait: Callable[[int, int], None] | None = None) -> None:
        """`wait` is called with a descriptor and an event of poll before the one may block for the other."""
        self._reads, self._writes, self._wait = reads, writes, wait

    def send(self, message: bytes) -> None:
        rest = memoryview(_HEAD.pack(len(message)) + message)
        while rest:
            if self._wait is not None:
                self._wait(self._writes, select.POLLOUT)
            rest = rest[os.write(self._writes, rest[:_CHUNK_BYTES]) :]

    def receive(self) -> bytes:
        """Raises: Malformed where the message is too long."""
        size = _HEAD.unpack(self._read(_HEAD.size))[0]
        if size > MESSAGE_BYTES_MAX:
            raise Malformed(f"a message of {size} bytes")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if self._wait is not None:
                self._wait(self._reads, select.POLLIN)
            chunk = os.read(self._reads, min(size - len(data), _CHUNK_BYTES))
            if not chunk:
                raise EOFError("the pipe was closed")
            data += chunk
        return bytes(data)
