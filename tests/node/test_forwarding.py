"""What travels when a node hands transactions to a validator: bounded requests, answers in their order."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from api.gateway import TransactionState, TransactionStatus
from consensus.errors import DecodeError
from consensus.transactions import ENVELOPE_BYTES_MAX, Transaction
from node.forwarding import (
    ENVELOPE_OVERHEAD_BYTES,
    ENVELOPES_BYTES_MAX,
    ENVELOPES_MAX,
    Forwarder,
    SubmitRequest,
    _chunks,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from node.pending import PendingTransactions
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


@pytest.mark.parametrize("admitted", [True, False])
def test_one_validator_that_refuses_does_not_undo_a_promise(admitted: bool) -> None:
    posted = transaction("promised")
    pending, told = PendingTransactions(3), trio.Event()
    states: list[TransactionState] = []

    def handed_over(identifier: bytes, state: TransactionState) -> None:
        assert identifier == posted.id
        states.append(state)
        told.set()

    class Validators:
        """The first one that is asked refuses."""

        def __init__(self) -> None:
            self.answers: list[tuple[str, str] | None] = [("unauthorised", "because I say so"), None]

        def status(self) -> list[Any]:
            return [SimpleNamespace(member=member, connected=True) for member in range(3)]

        async def request(self, member: int, body: bytes, timeout_ms: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return encode_answer([self.answers.pop(0)])

    def judge(
        envelopes: Sequence[bytes], *, handed_over_by: int | None = None
    ) -> list[Transaction | TransactionStatus]:
        assert (envelopes, handed_over_by) == ([posted.envelope], 3)
        refused = TransactionStatus(posted.id.hex(), TransactionState.REJECTED, code="unauthorised")
        return [posted if admitted else refused]

    replica, committee = SimpleNamespace(me=3), SimpleNamespace(numbers=(0, 1, 2))
    driver: Any = SimpleNamespace(
        is_validator=False, replica=replica, committee=committee, handed_over=handed_over
    )
    network: Any = Validators()
    clock: Any = SimpleNamespace(now=lambda: SimpleNamespace(wall_ms=0))
    forwarder = Forwarder(
        driver=driver, network=network, pending=pending, judge=judge, chain_id=bytes(32), clock=clock
    )

    async def leave() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forwarder.run)
            forwarder.hand_over([posted])
            await told.wait()
            nursery.cancel_scope.cancel()

    trio.run(leave)
    assert states == [TransactionState.PENDING if admitted else TransactionState.REJECTED]
    assert (pending.refusal(posted.id) is None) is admitted
