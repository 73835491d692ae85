"""Frames: what is sent comes out again however it was sliced, and nothing else is believed or stored."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import wire
from node.wire import (
    FRAME_BYTES_MAX,
    FRAME_HEADER_BYTES,
    FrameParser,
    MalformedFrame,
    ResponseStatus,
    StreamClass,
    decode_request,
    decode_response,
    encode_frame,
    encode_request,
    encode_response,
)

LIMIT = 50

bodies = st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=20)


def slices(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at the given places, modulo its length."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


def parse(pieces: list[bytes]) -> tuple[list[bytes], FrameParser]:
    parser, found = FrameParser(LIMIT), []
    for piece in pieces:
        parser.feed(piece)
        while (body := parser.next_body()) is not None:
            found.append(body)
    return found, parser


@given(bodies, st.lists(st.integers(0)))
def test_frames_survive_any_slicing(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(encode_frame(body, LIMIT) for body in sent)
    received, parser = parse(slices(data, cuts))
    assert received == sent
    assert len(parser._buffer) == 0


@given(bodies, st.binary(), st.lists(st.integers(0)))
def test_whatever_follows_good_frames_the_good_ones_are_delivered_and_little_is_held(
    sent: list[bytes], junk: bytes, cuts: list[int]
) -> None:
    data = b"".join(encode_frame(body, LIMIT) for body in sent) + junk
    parser, received = FrameParser(LIMIT), []
    try:
        for piece in slices(data, cuts):
            parser.feed(piece)
            while (body := parser.next_body()) is not None:
                received.append(body)
                assert 0 < len(body) <= LIMIT
            assert len(parser._buffer) < FRAME_HEADER_BYTES + LIMIT
    except MalformedFrame:
        pass
    assert received[: len(sent)] == sent


@pytest.mark.parametrize("length", [0, LIMIT + 1, 2**32 - 1])
def test_a_length_out_of_range_is_refused_before_any_body_arrives(length: int) -> None:
    parser = FrameParser(LIMIT)
    parser.feed(length.to_bytes(FRAME_HEADER_BYTES, "big"))
    with pytest.raises(MalformedFrame, match=str(length)):
        parser.next_body()


@pytest.mark.parametrize("limit", [*FRAME_BYTES_MAX.values(), wire.SYNC_RESPONSE_FRAME_BYTES_MAX])
def test_the_longest_body_of_each_class_passes_and_one_byte_more_does_not(limit: int) -> None:
    parser = FrameParser(limit)
    parser.feed(encode_frame(bytes(limit), limit))
    assert parser.next_body() == bytes(limit)
    with pytest.raises(ValueError, match=str(limit)):
        encode_frame(bytes(limit + 1), limit)
    parser.feed((limit + 1).to_bytes(FRAME_HEADER_BYTES, "big"))
    with pytest.raises(MalformedFrame):
        parser.next_body()


def test_an_empty_body_is_not_sent() -> None:
    with pytest.raises(ValueError, match="0"):
        encode_frame(b"", LIMIT)


def test_protocol_ids_name_class_and_version() -> None:
    assert [stream_class.protocol_id for stream_class in StreamClass] == [
        "/quorate/votes/1",
        "/quorate/batches/1",
        "/quorate/sync/1",
    ]


@given(st.integers(0, wire.REQUEST_NUMBER_MAX), st.sampled_from(ResponseStatus), st.binary())
def test_requests_and_responses_keep_their_parts(number: int, status: ResponseStatus, payload: bytes) -> None:
    assert decode_request(encode_request(number, payload)) == (number, payload)
    assert decode_response(encode_response(number, status, payload)) == (number, status, payload)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_response_or_malformed(body: bytes) -> None:
    try:
        number, status, payload = decode_response(body)
    except MalformedFrame:
        assert len(body) < wire.RESPONSE_HEADER_BYTES or body[4] not in list(ResponseStatus)
    else:
        assert encode_response(number, status, payload) == body


def test_a_request_needs_its_number() -> None:
    with pytest.raises(MalformedFrame):
        decode_request(b"abc")


def test_payloads_have_an_edge() -> None:
    encode_request(0, bytes(wire.SYNC_REQUEST_BYTES_MAX))
    encode_response(0, ResponseStatus.OK, bytes(wire.SYNC_RESPONSE_BYTES_MAX))
    with pytest.raises(ValueError, match="request"):
        encode_request(0, bytes(wire.SYNC_REQUEST_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="response"):
        encode_response(0, ResponseStatus.OK, bytes(wire.SYNC_RESPONSE_BYTES_MAX + 1))
