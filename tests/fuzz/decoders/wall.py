"""What comes back from the process behind the second wall, of which the node believes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import orjson

from contracts.block import Effects
from contracts.epochs import NextEpoch
from contracts.errors import ContractError, Revert
from contracts.receipts import Event, Receipt
from node.pipes import Malformed
from node.wall.messages import effects_of, json_of, pack, plain, simulated_of, unpack
from tests.fuzz.decoders.contracts import events, receipts
from tests.fuzz.harness import JSON_MEMORY_PER_BYTE, Bounds, Decoder
from tests.fuzz.mutations import inside
from tests.fuzz.trees import JSON, MSGPACK

Simulated = tuple[Receipt, tuple[Event, ...]]


def _effects(data: bytes) -> Effects:
    return effects_of(unpack(data))


def _sent_again(_data: bytes, effects: Effects) -> None:
    assert _effects(pack(*plain(effects))) == effects


def _simulated(data: bytes) -> Simulated:
    return simulated_of(unpack(data))


def _assert_simulated(found: Simulated) -> None:
    receipt, made = found
    assert _simulated(pack(receipt.encode(), [event.encode() for event in made])) == found


def _simulations() -> Sequence[bytes]:
    return [pack(receipt, events()) for receipt in receipts()]


def _answer(data: bytes) -> object:
    return json_of(unpack(data))


def _answers() -> Sequence[bytes]:
    told = {"name": "deal", "rules": [{"holds": None, "wake_ms": 2**41}], "balances": []}
    return [pack("json", orjson.dumps(told)), pack("json", b"null")]


def _text_in(data: bytes) -> bytes:
    kind, text = unpack(data)
    if (kind, type(text)) != ("json", bytes):
        raise ValueError
    found: bytes = text
    return found


def _with_text(_data: bytes, text: bytes) -> bytes:
    return pack("json", text)


def _samples() -> Sequence[bytes]:
    key = b"k" * 32
    empty = Effects((), (), (), (), (), (), None, (), (), None)
    full = Effects(
        receipts=tuple(map(Receipt.decode, receipts())),
        events=tuple(map(Event.decode, events())),
        receipt_rows=tuple(receipts()),
        event_rows=tuple(events()),
        writes=((b"balance/mill/euro", b"1"), (b"gone", None)),
        aux_writes=((b"row", b""),),
        next_wakeup_ms=2**41,
        skipped=(key,),
        expired=(bytes(32), key),
        next_epoch=NextEpoch(2, ((0, key), (7, bytes(32)))),
    )
    return [pack(*plain(effects)) for effects in (empty, full)]


def decoders() -> list[Decoder]:
    """Their part of the table."""
    return [
        Decoder(
            "node.wall.messages.effects_of",
            _effects,
            (Malformed,),
            cache(_samples),
            (MSGPACK,),
            _sent_again,
            Bounds(memory_per_byte=64),  # lists in lists: 48
        ),
        Decoder(
            "node.wall.messages.simulated_of",
            _simulated,
            (Malformed,),
            cache(_simulations),
            (MSGPACK,),
            lambda _, found: _assert_simulated(found),
            Bounds(memory_per_byte=64),
        ),
        Decoder(
            "node.wall.messages.json_of",
            _answer,
            (Malformed, Revert, ContractError),
            cache(_answers),
            (MSGPACK, inside(_text_in, _with_text, JSON)),
            bounds=Bounds(memory_per_byte=JSON_MEMORY_PER_BYTE),
        ),
    ]
