"""What a peer sends, layer by layer: negotiation, Noise, Yamux, frames, requests and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

from consensus.errors import DecodeError
from node import divergence, forwarding, key_inquiry, sync_messages, wire
from node.divergence import BlockSummary, SummaryRequest
from node.forwarding import CODE_LENGTH_MAX, DETAIL_LENGTH_MAX, ENVELOPES_MAX, SubmitRequest
from node.key_inquiry import KeyAnswer, KeyRequest
from node.network.errors import ConnectFailed, ConnectionLost, ProtocolViolation, StreamEnded
from node.network.secure import Identity, NegotiationFailed, accept, propose, secure_inbound, secure_outbound
from node.network.yamux import INBOUND_STREAMS_MAX, Session
from node.network.yamux_frames import (
    ACK,
    DATA,
    FIN,
    HEADER,
    INITIAL_WINDOW_BYTES,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
)
from node.network.yamux_stream import Stream
from node.sync_messages import BlocksAnswer, BlocksRequest, SyncedBlock
from node.wire import FrameParser, MalformedFrame, ResponseStatus, StreamClass
from tests.fuzz.decoders.consensus import canonical, values
from tests.fuzz.harness import Bounds, Decoder
from tests.fuzz.trees import MSGPACK

Result = TypeVar("Result")

FRAME_BYTES_MAX = 300
HANDSHAKE_BYTES = 600
"""More than a peer sends until the connection is secured."""


def pieces(data: bytes) -> list[bytes]:
    """`data` in pieces whose lengths depend on it."""
    places = sorted({0, len(data), *(place * 7919 % (len(data) + 1) for place in data[:6])})
    return [data[start:end] for start, end in pairwise(places)]


# ---------------------------------------------------------------- frames


def _bodies(slices: Sequence[bytes]) -> tuple[list[bytes], str]:
    """The bodies, and why there are no more."""
    parser, found = FrameParser(FRAME_BYTES_MAX), []
    try:
        for piece in slices:
            parser.feed(piece)
            while (body := parser.next_body()) is not None:
                found.append(body)
    except MalformedFrame as error:
        return found, str(error)
    return found, ""


def _frames(data: bytes) -> list[bytes]:
    whole, sliced = _bodies([data]), _bodies(pieces(data))
    assert whole == sliced, "what is read depends on how it was sliced"
    if whole[1]:
        raise MalformedFrame(whole[1])
    return whole[0]


def _framed_again(data: bytes, bodies: list[bytes]) -> None:
    assert data.startswith(b"".join(wire.encode_frame(body, FRAME_BYTES_MAX) for body in bodies))


def _frame_samples() -> list[bytes]:
    one, other = wire.encode_frame(b"one", 9), wire.encode_frame(bytes(FRAME_BYTES_MAX), FRAME_BYTES_MAX)
    return [one, one + other, other + one[:-1], one * 9]


# ---------------------------------------------------------------- sync


def _answers() -> list[bytes]:
    named = values()
    blocks = [SyncedBlock(block, tuple(named["BATCH"])) for block in named["FINAL_BLOCK"]]
    return [
        sync_messages.encode_answer(BlocksAnswer(7, tuple(blocks))),
        sync_messages.encode_answer(BlocksAnswer(2**40, (SyncedBlock(named["FINAL_BLOCK"][-1], ()),))),
    ]


def _key_answers() -> list[bytes]:
    named = values()
    batches = [None, *((batch.header, batch.signature) for batch in named["BATCH"])]
    answers = [KeyAnswer(vote, batch) for vote in (None, *named["VOTE"]) for batch in batches]
    return [key_inquiry.encode_answer(answer) for answer in answers]


def _summaries() -> list[bytes]:
    outcomes = [("transaction " + "a" * 64, bytes(32)), ("a timer of order-1", b"h" * 32)]
    writes = [(b"balance/mill/euro", bytes(32)), (b"k" * divergence.KEY_BYTES_MAX, b"v" * 32)]
    summary = BlockSummary(bytes(32), bytes(32), bytes(32), bytes(32), tuple(outcomes), tuple(writes * 20))
    return [divergence.encode_answer(answer) for answer in (None, summary)]


# ---------------------------------------------------------------- Yamux


class _Nowhere:
    """A channel that is never read from here."""

    async def read(self) -> bytes:
        raise ConnectionLost("nobody is there")

    async def write(self, data: bytes) -> None:
        raise ConnectionLost("nobody is there")

    def abort(self) -> None:
        pass


def _session(slices: Sequence[bytes]) -> tuple[Any, ...]:
    """What a session makes of bytes: what its streams hold, what it would reply, or how it ends."""
    streams: list[Stream] = []
    session = Session(
        _Nowhere(),
        is_dialler=False,
        on_stream=streams.append,
        pace=lambda cost: 0.0,
        heartbeat_ms=1_000,
        stale_after_ms=10_000,
    )
    error = None
    try:
        for piece in slices:
            session._input += piece
            session._handle_input()
    except (ProtocolViolation, ConnectionLost) as raised:
        error = type(raised), str(raised)
    held = [(stream.stream_id, bytes(stream._received)) for stream in streams]
    assert sum(len(received) for _, received in held) <= INBOUND_STREAMS_MAX * INITIAL_WINDOW_BYTES
    return (error,) if error else (None, held, list(session._replies), session.closed_reason)


def _yamux(data: bytes) -> Any:
    async def main() -> Any:
        whole, sliced = _session([data]), _session(pieces(data))
        assert whole == sliced, "what is read depends on how it was sliced"
        return whole

    error, *outcome = trio.run(main, clock=MockClock())
    if error is not None:
        raise error[0](error[1])
    return outcome


def _yamux_samples() -> list[bytes]:
    def frame(kind: int, flags: int, stream: int, value: int, data: bytes = b"") -> bytes:
        return HEADER.pack(0, kind, flags, stream, value) + data

    opened = frame(WINDOW_UPDATE, SYN, 1, 0) + frame(DATA, 0, 1, 5, b"hello")
    return [
        opened + frame(PING, SYN, 0, 7) + frame(PING, ACK, 0, 7),
        opened + frame(DATA, SYN | FIN, 3, 300, bytes(300)) + frame(WINDOW_UPDATE, 0, 1, 2**18),
        opened + frame(WINDOW_UPDATE, RST, 1, 0) + frame(DATA, 0, 1, 4, b"late"),
        b"".join(frame(WINDOW_UPDATE, SYN, 2 * number + 1, 0) for number in range(20)),
        frame(WINDOW_UPDATE, ACK, 2, 0) + frame(DATA, 0, 9, 2, b"??"),
    ]


# ---------------------------------------------------------------- negotiation and handshake


class _Pipe:
    """Gives the bytes as they are asked for, then ends; takes anything."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, count: int) -> bytes:
        piece, self._data = self._data[:count], self._data[count:]
        return piece

    async def write(self, data: bytes) -> None:
        pass


def _run(main: Callable[[], Awaitable[Result]]) -> Result:
    """Waiting takes no time."""
    result: Result = trio.run(main, clock=MockClock(autojump_threshold=0))
    return result


def _negotiated(data: bytes) -> str:
    return _run(partial(accept, _Pipe(data), [stream_class.protocol_id for stream_class in StreamClass]))


def _line(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode() + b"\n"


_GREETING = _line("/multistream/1.0.0")
_VOTES = StreamClass.VOTES.protocol_id


class _Spoilt(trio.abc.Stream):
    """One end of a connection, on which each byte from the peer is changed by a byte of a mask."""

    def __init__(self, inner: trio.abc.Stream, mask: bytes) -> None:
        self._inner = inner
        self._mask = mask
        self.socket = self  # Socket.abort closes the socket

    async def receive_some(self, bytes_max: int | None = None) -> bytes:
        data = await self._inner.receive_some(bytes_max)
        changed = bytes(byte ^ mask for byte, mask in zip(data, self._mask, strict=False))
        self._mask = self._mask[len(data) :]
        return changed + data[len(changed) :]

    async def send_all(self, data: bytes | memoryview[int]) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def close(self) -> None:
        self._inner.send_stream.close()  # type: ignore[attr-defined]  # a pair in memory
        self._inner.receive_stream.close()  # type: ignore[attr-defined]


_identities = cache(lambda: (Identity(bytes(32)), Identity(bytes(31) + b"\x01")))


def _handshake(mask: bytes, *, inbound: bool) -> str:
    """One side of a real handshake, while the other's bytes are changed; the peer it has proven."""
    us, them = _identities()

    async def main() -> str:
        here, there = trio.testing.memory_stream_pair()
        ours, theirs = _Spoilt(here, mask), _Spoilt(there, b"")

        async def answer() -> None:
            try:
                if inbound:
                    await secure_outbound(theirs, them, us.peer_id)  # type: ignore[arg-type]
                else:
                    await secure_inbound(theirs, them, lambda peer: None)  # type: ignore[arg-type]
            except ConnectFailed:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            try:
                with trio.fail_after(60):
                    if inbound:
                        return (await secure_inbound(ours, us, lambda peer: None)).peer_id  # type: ignore[arg-type]
                    return (await secure_outbound(ours, us, them.peer_id)).peer_id  # type: ignore[arg-type]
            except trio.TooSlowError:
                raise ConnectFailed("no answer in time, which the caller bounds") from None
            finally:
                nursery.cancel_scope.cancel()

    return _alone(main)


def _alone(main: Callable[[], Awaitable[Result]]) -> Result:
    """As `_run`, with the one error out of the nursery's group."""
    try:
        return _run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def _is_peer(_mask: bytes, peer: str) -> None:
    assert peer == _identities()[1].peer_id


def decoders() -> Sequence[Decoder]:
    slow = Bounds(seconds=0.3, memory_bytes=4_000_000)
    refused_on_a_stream = (NegotiationFailed, StreamEnded, ConnectionLost)
    return [
        Decoder(
            "node.wire.FrameParser",
            _frames,
            (MalformedFrame,),
            cache(_frame_samples),
            check=_framed_again,
            bounds=Bounds(memory_per_byte=60),  # the frames are collected, as nobody else does
        ),
        Decoder(
            "node.wire.decode_request",
            wire.decode_request,
            (MalformedFrame,),
            lambda: [wire.encode_request(2**32 - 1, b"payload")],
            check=canonical(lambda value: wire.encode_request(*value)),
            executions=200,
        ),
        Decoder(
            "node.wire.decode_response",
            wire.decode_response,
            (MalformedFrame,),
            lambda: [wire.encode_response(7, status, b"payload") for status in ResponseStatus],
            check=canonical(lambda value: wire.encode_response(*value)),
            executions=200,
        ),
        Decoder(
            "node.sync_messages.decode_request",
            sync_messages.decode_request,
            (DecodeError,),
            lambda: [
                sync_messages.encode_request(BlocksRequest(bytes(32), height, height + 63))
                for height in (1, 2**40)
            ],
            (MSGPACK,),
            canonical(sync_messages.encode_request),
        ),
        Decoder(
            "node.forwarding.decode_request",
            forwarding.decode_request,
            (DecodeError,),
            lambda: [
                forwarding.encode_request(SubmitRequest(bytes(32), (b"one", bytes(9_000)))),
                forwarding.encode_request(SubmitRequest(bytes(32), (b"x",) * ENVELOPES_MAX)),
            ],
            (MSGPACK,),
            canonical(forwarding.encode_request),
        ),
        Decoder(
            "node.forwarding.decode_answer",
            forwarding.decode_answer,
            (DecodeError,),
            lambda: [
                forwarding.encode_answer([None, ("overloaded", "post it again"), None]),
                forwarding.encode_answer([("x" * CODE_LENGTH_MAX, "y" * DETAIL_LENGTH_MAX)] * 9),
            ],
            (MSGPACK,),
            canonical(forwarding.encode_answer),
        ),
        Decoder(
            "node.sync_messages.decode_answer",
            sync_messages.decode_answer,
            (DecodeError,),
            cache(_answers),
            (MSGPACK,),
            canonical(sync_messages.encode_answer),
        ),
        Decoder(
            "node.key_inquiry.decode_request",
            key_inquiry.decode_request,
            (DecodeError,),
            lambda: [key_inquiry.encode_request(KeyRequest(bytes(32), 3, bytes(32)))],
            (MSGPACK,),
            canonical(key_inquiry.encode_request),
        ),
        Decoder(
            "node.key_inquiry.decode_answer",
            key_inquiry.decode_answer,
            (DecodeError,),
            cache(_key_answers),
            (MSGPACK,),
            canonical(key_inquiry.encode_answer),
        ),
        Decoder(
            "node.divergence.decode_request",
            divergence.decode_request,
            (DecodeError,),
            lambda: [divergence.encode_request(SummaryRequest(bytes(32), height)) for height in (1, 2**40)],
            (MSGPACK,),
            canonical(divergence.encode_request),
        ),
        Decoder(
            "node.divergence.decode_answer",
            divergence.decode_answer,
            (DecodeError,),
            cache(_summaries),
            (MSGPACK,),
            canonical(divergence.encode_answer),
        ),
        Decoder(
            "node.network.yamux.Session", _yamux, (ProtocolViolation, ConnectionLost), cache(_yamux_samples)
        ),
        Decoder(
            "node.network.secure.accept",
            _negotiated,
            refused_on_a_stream,
            lambda: [_GREETING + _line(_VOTES), _GREETING + _line("/other/1") * 3 + _line(_VOTES)],
            bounds=slow,
            executions=200,
        ),
        Decoder(
            "node.network.secure.propose",
            lambda data: _run(partial(propose, _Pipe(data), _VOTES)),
            refused_on_a_stream,
            lambda: [_GREETING + _line(_VOTES)],
            bounds=slow,
            executions=200,
        ),
        *(
            Decoder(
                f"node.network.secure.secure_{name}",
                partial(_handshake, inbound=name == "inbound"),
                (ConnectFailed,),
                lambda: [bytes(HANDSHAKE_BYTES)],
                check=_is_peer,
                bounds=slow,
                executions=40,
            )
            for name in ("inbound", "outbound")
        ),
    ]
