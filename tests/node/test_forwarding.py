"""What travels when a node hands transactions to a validator: bounded requests, answers in their order."""

from __future__ import annotations

import pytest

from consensus.errors import DecodeError
from consensus.transactions import ENVELOPE_BYTES_MAX
from node.forwarding import (
    ENVELOPE_OVERHEAD_BYTES,
    ENVELOPES_BYTES_MAX,
    ENVELOPES_MAX,
    SubmitRequest,
    _chunks,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from node.services import Service, addressed
from node.wire import SYNC_REQUEST_BYTES_MAX
from tests.node.test_pending import transaction


def test_the_largest_envelope_and_the_fullest_request_fit() -> None:
    for envelopes in (
        (bytes(ENVELOPE_BYTES_MAX),),
        (b"x" * 50,) * ENVELOPES_MAX,
    ):
        request = SubmitRequest(bytes(32), envelopes)
        sent = addressed(Service.SUBMIT, encode_request(request))
        assert len(sent) <= SYNC_REQUEST_BYTES_MAX
        assert decode_request(sent[1:]) == request


def test_transactions_are_cut_into_requests_in_their_order() -> None:
    posted = [transaction(str(number)) for number in range(1_000)]
    chunks = list(_chunks(posted))
    assert [item for chunk in chunks for item in chunk] == posted
    assert len(chunks) > 1
    for chunk in chunks:
        envelopes = tuple(item.envelope for item in chunk)
        assert len(chunk) <= ENVELOPES_MAX
        assert sum(map(len, envelopes)) + ENVELOPE_OVERHEAD_BYTES * len(chunk) <= ENVELOPES_BYTES_MAX
        assert len(encode_request(SubmitRequest(bytes(32), envelopes))) < SYNC_REQUEST_BYTES_MAX
    assert list(_chunks([])) == []


def test_one_too_many_is_no_request_and_no_answer() -> None:
    with pytest.raises(DecodeError):
        decode_request(encode_request(SubmitRequest(bytes(32), (b"x",) * (ENVELOPES_MAX + 1))))
    with pytest.raises(DecodeError):
        decode_answer(encode_answer([None] * (ENVELOPES_MAX + 1)))
    assert decode_answer(encode_answer([None, ("overloaded", "later")])) == (None, ("overloaded", "later"))
