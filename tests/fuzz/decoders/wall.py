"""What comes back from the process behind the second wall, of which the node believes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from contracts.block import Outcome
from contracts.epochs import NextEpoch
from contracts.receipts import Event, ExecLink, Receipt
from node.wall.messages import Malformed, outcome_of, pack, plain, unpack
from tests.fuzz.decoders.contracts import events, receipts
from tests.fuzz.harness import Bounds, Decoder
from tests.fuzz.trees import MSGPACK

_PREVIOUS = ExecLink(6, *(bytes((number,)) * 32 for number in range(4)))


def _outcome(data: bytes) -> Outcome:
    return outcome_of(unpack(data), _PREVIOUS)


def _sent_again(_data: bytes, outcome: Outcome) -> None:
    assert _outcome(pack(*plain(outcome))) == outcome


def _samples() -> Sequence[bytes]:
    key = b"k" * 32
    empty = Outcome((), (), (), (), (), (), (), _PREVIOUS.next(key, key, key), False, None, (), (), None)
    full = Outcome(
        receipts=tuple(map(Receipt.decode, receipts())),
        events=tuple(map(Event.decode, events())),
        receipt_rows=tuple(receipts()),
        event_rows=tuple(events()),
        writes=((b"balance/mill/euro", b"1"), (b"gone", None)),
        aux_writes=((b"row", b""),),
        tree_writes=((b"\x00\x0f", bytes(65)),),
        link=empty.link,
        changed=True,
        next_wakeup_ms=2**41,
        skipped=(key,),
        expired=(bytes(32), key),
        next_epoch=NextEpoch(2, ((0, key), (7, bytes(32)))),
    )
    return [pack(*plain(outcome)) for outcome in (empty, full)]


def decoders() -> list[Decoder]:
    """Their part of the table."""
    return [
        Decoder(
            "node.wall.messages.outcome_of",
            _outcome,
            (Malformed,),
            cache(_samples),
            (MSGPACK,),
            _sent_again,
            Bounds(memory_per_byte=64),  # lists in lists: 48
        )
    ]
