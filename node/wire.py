"""What nodes say to each other, byte by byte: stream classes, protocol ids, frames and their limits.

A member opens one libp2p stream per class to each other member. A stream carries frames: the length of
the body as u32 (big-endian, at least 1), then the body. The body is one consensus message, or on a SYNC
stream one numbered request or response:

    request  = u32 number ‖ payload            from whoever opened the stream
    response = u32 number ‖ u8 status ‖ payload   back on the same stream, in the order of the requests

Pure: no I/O here, and nothing that a peer sends makes a parser hold more than one frame of its class.
"""

from __future__ import annotations

import enum

from consensus.errors import InvalidMessage

PROTOCOL_VERSION = 1
FRAME_HEADER_BYTES = 4

VOTES_FRAME_BYTES_MAX = 1024 * 1024
"""The largest proposal, of 128 validators after 63 skipped views, has about 600 KiB."""
BATCHES_FRAME_BYTES_MAX = 4 * 1024 * 1024
SYNC_REQUEST_BYTES_MAX = 64 * 1024
SYNC_RESPONSE_BYTES_MAX = 8 * 1024 * 1024

REQUEST_HEADER_BYTES = 4
RESPONSE_HEADER_BYTES = 5
REQUEST_NUMBER_MAX = 2**32 - 1


class MalformedFrame(InvalidMessage):
    """A peer's bytes are no frame of this stream class; nothing after them on that stream can be read."""


class StreamClass(enum.Enum):
    """Traffic that must not wait for other traffic: own stream, own limits, own queue policy each."""

    VOTES = "votes"
    """Votes, proposals, certificates, status: small and urgent; the oldest is dropped when the queue is
    full, because the protocol sends again what still matters."""

    BATCHES = "batches"
    """Batches of transactions and their fetching; refused when the queue is full, so that the sender
    slows down."""

    SYNC = "sync"
    """Requests and responses of a node that catches up; yields to the other two."""

    @property
    def protocol_id(self) -> str:
        """The libp2p protocol id that names this class and the version of the frames."""
        return f"/quorate/{self.value}/{PROTOCOL_VERSION}"


FRAME_BYTES_MAX = {
    StreamClass.VOTES: VOTES_FRAME_BYTES_MAX,
    StreamClass.BATCHES: BATCHES_FRAME_BYTES_MAX,
    StreamClass.SYNC: REQUEST_HEADER_BYTES + SYNC_REQUEST_BYTES_MAX,
}
"""Longest body that whoever opened a stream may send on it, in bytes."""

SYNC_RESPONSE_FRAME_BYTES_MAX = RESPONSE_HEADER_BYTES + SYNC_RESPONSE_BYTES_MAX


def encode_frame(body: bytes, body_bytes_max: int) -> bytes:
    """`body` with its length in front.

    Raises: ValueError when the body is empty or longer than `body_bytes_max`: a fault of ours, not a peer's.
    """
    if not 0 < len(body) <= body_bytes_max:
        raise ValueError(f"a frame's body has 1 to {body_bytes_max} bytes, this one has {len(body)}")
    return len(body).to_bytes(FRAME_HEADER_BYTES, "big") + body


class FrameParser:
    """Cuts a stream of bytes back into bodies, however the network has sliced it.

    Invariant: after `next_body` returned None it holds less than one frame of `body_bytes_max`.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append bytes as they arrived."""
        self._buffer += data

    def next_body(self) -> bytes | None:
        """The next complete body, or None when more bytes are needed.

        Raises: MalformedFrame as soon as a length is known to be out of range; the parser is of no more use.
        """
        if len(self._buffer) < FRAME_HEADER_BYTES:
            return None
        length = int.from_bytes(self._buffer[:FRAME_HEADER_BYTES], "big")
        if not 0 < length <= self._body_bytes_max:
            raise MalformedFrame(f"a frame announces {length} bytes; 1 to {self._body_bytes_max} are allowed")
        end = FRAME_HEADER_BYTES + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[FRAME_HEADER_BYTES:end])
        del self._buffer[:end]
        return body


class ResponseStatus(enum.IntEnum):
    """How a request ended."""

    OK = 0
    """The payload is the answer."""

    REFUSED = 1
    """The payload is a reason in UTF-8."""


def encode_request(number: int, payload: bytes) -> bytes:
    """A request's body.

    Raises: ValueError when the payload is longer than SYNC_REQUEST_BYTES_MAX.
    """
    if len(payload) > SYNC_REQUEST_BYTES_MAX:
        raise ValueError(f"a request has at most {SYNC_REQUEST_BYTES_MAX} bytes, not {len(payload)}")
    return number.to_bytes(REQUEST_HEADER_BYTES, "big") + payload


def decode_request(body: bytes) -> tuple[int, bytes]:
    """A request's number and payload.

    Raises: MalformedFrame when the number is cut short.
    """
    if len(body) < REQUEST_HEADER_BYTES:
        raise MalformedFrame(f"a request of {len(body)} bytes has no number")
    return int.from_bytes(body[:REQUEST_HEADER_BYTES], "big"), body[REQUEST_HEADER_BYTES:]


def encode_response(number: int, status: ResponseStatus, payload: bytes) -> bytes:
    """A response's body.

    Raises: ValueError when the payload is longer than SYNC_RESPONSE_BYTES_MAX.
    """
    if len(payload) > SYNC_RESPONSE_BYTES_MAX:
        raise ValueError(f"a response has at most {SYNC_RESPONSE_BYTES_MAX} bytes, not {len(payload)}")
    return number.to_bytes(REQUEST_HEADER_BYTES, "big") + bytes([status]) + payload


def decode_response(body: bytes) -> tuple[int, ResponseStatus, bytes]:
    """A response's number, status and payload.

    Raises: MalformedFrame when it is cut short or its status is unknown.
    """
    if len(body) < RESPONSE_HEADER_BYTES:
        raise MalformedFrame(f"a response of {len(body)} bytes has no status")
    try:
        status = ResponseStatus(body[REQUEST_HEADER_BYTES])
    except ValueError as error:
        raise MalformedFrame(f"response status {body[REQUEST_HEADER_BYTES]} is unknown") from error
    return int.from_bytes(body[:REQUEST_HEADER_BYTES], "big"), status, body[RESPONSE_HEADER_BYTES:]
