"""Limits that came of what the fuzzer found, each at its edge and one beyond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api.plans import EVENT_BYTES_MAX, MESSAGE_LINES_MAX, ApiProblem, EventReader
from consensus.messages import MEMBERS_MAX
from contracts.encoding import VALUE_DEPTH_MAX, decode_key, decode_value, encode_key, encode_value
from contracts.errors import StateCorruption
from node.errors import ConfigurationError
from node.genesis import parse_body
from node.keystore import KDF_PASSES_MAX, PrivateKey, SealingCost, parse_private, sealed_pem
from tests.fuzz.decoders.network import pieces
from tests.proofs.minichain import make_genesis

EVENT = b'event: event\nid: 7.0\ndata: {"height":7}\n'


@pytest.mark.parametrize("slices", [lambda data: [data], pieces])
@pytest.mark.parametrize(
    ("further", "fits"),
    [
        (b"".join(b"line%d: x\n" % number for number in range(MESSAGE_LINES_MAX - 3)), True),
        (b"".join(b"line%d: x\n" % number for number in range(MESSAGE_LINES_MAX - 2)), False),
        (b"line:" + b"x" * (EVENT_BYTES_MAX - 5) + b"\n", True),
        (b"line:" + b"x" * (EVENT_BYTES_MAX - 4) + b"\n", False),
        (b"x" * (EVENT_BYTES_MAX + 1), False),
    ],
    ids=["lines", "a line too many", "long line", "a byte too long", "a line without end"],
)
def test_an_event_has_an_end(slices: Callable[[bytes], list[bytes]], further: bytes, fits: bool) -> None:
    def follow() -> list[Any]:
        reader = EventReader(None)
        return [event for piece in slices(EVENT + further + b"\n") for event in reader.feed(piece)]

    if fits:
        assert follow() == [{"height": 7}]
    else:
        with pytest.raises(ApiProblem, match="malformed_answer"):
            follow()


@pytest.mark.parametrize(("passes", "opens"), [(KDF_PASSES_MAX, True), (KDF_PASSES_MAX + 1, False)])
def test_a_sealed_key_takes_a_bounded_number_of_passes(passes: int, opens: bool) -> None:
    key = PrivateKey(bytes(32))
    pem = sealed_pem(key, "open sesame", SealingCost(passes, 8_192))
    if opens:
        assert parse_private(pem, lambda: "open sesame", "key").seed == key.seed
    else:
        with pytest.raises(ConfigurationError, match=f"{passes} passes"):
            parse_private(pem, lambda: "open sesame", "key")


@pytest.mark.parametrize(("members", "fits"), [(MEMBERS_MAX, True), (MEMBERS_MAX + 1, False)])
def test_a_genesis_has_no_more_members_than_messages_can_name(members: int, fits: bool) -> None:
    body = make_genesis([f"member-{number:03}" for number in range(members)])["body"]
    if fits:
        assert len(parse_body(body, "genesis").members) == members
    else:
        with pytest.raises(ConfigurationError, match=f"1 to {MEMBERS_MAX}"):
            parse_body(body, "genesis")


@pytest.mark.parametrize(("depth", "fits"), [(VALUE_DEPTH_MAX, True), (VALUE_DEPTH_MAX + 1, False)])
def test_a_stored_value_has_a_depth(depth: int, fits: bool) -> None:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    data = encode_value(value)
    if fits:
        assert decode_value(data) == value
    else:
        with pytest.raises(StateCorruption):
            decode_value(data)


@pytest.mark.parametrize("key", [2**40, -(2**40), "text", b"bytes"])
def test_a_stored_key_that_is_cut_short_is_noticed(key: object) -> None:
    data = encode_key(key)
    assert decode_key(data) == key
    for length in range(len(data)):
        with pytest.raises(StateCorruption):
            decode_key(data[:length])
