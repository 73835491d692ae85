"""What the node and the process behind it say to each other, over two pipes.

The node's messages are pickles, since the process may believe the node. The node believes nothing: what comes
back is msgpack of plain values, bounded in size, whose types it checks.
"""

from __future__ import annotations

from typing import Any

import msgpack
import orjson

from consensus.errors import DecodeError
from contracts.block import Effects
from contracts.epochs import NextEpoch
from contracts.errors import ContractError, Problem, Revert
from contracts.merkle import Write
from contracts.receipts import Event, Receipt
from node.pipes import Malformed

ANSWER_BYTES_MAX = 16 * 1024 * 1024
"""An answer to who reads, as JSON."""
KEYS_MAX = 1_024
"""Rows that the process asks for at once."""
EXIT_MEMORY = 3
"""Exit code of a process that was refused memory."""


def pack(*message: Any) -> bytes:
    """Plain values."""
    packed: bytes = msgpack.packb(message)
    return packed


def unpack(message: bytes) -> tuple[Any, ...]:
    """Plain values, lists as tuples. Raises: Malformed.

    Unpacking reserves what a list claims to hold; so all of it is walked through first, which makes nothing.
    """
    try:
        walk = msgpack.Unpacker(max_buffer_size=len(message) or 1)
        walk.feed(message)
        walk.skip()
        found = msgpack.unpackb(
            message, use_list=False, object_hook=_refuse_map, max_map_len=0, max_ext_len=0
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise Malformed(f"no message: {error}") from None
    if type(found) is not tuple or not found:
        raise Malformed("no message: not a list")
    return found


def _refuse_map(_: object) -> None:
    """An empty one would cost 80 times its byte."""
    raise ValueError("a map")


def plain(effects: Effects) -> tuple[Any, ...]:
    """What `effects_of` takes."""
    following = effects.next_epoch
    return (
        effects.receipt_rows,
        effects.event_rows,
        effects.writes,
        effects.aux_writes,
        effects.next_wakeup_ms,
        effects.skipped,
        effects.expired,
        None if following is None else (following.epoch, following.validators),
    )


def effects_of(fields: tuple[Any, ...]) -> Effects:
    """What a block did. Raises: Malformed."""
    try:
        receipts, events, writes, aux, wakeup, skipped, expired, following = fields
        return Effects(
            receipts=tuple(Receipt.decode(_of(bytes, receipt)) for receipt in receipts),
            events=tuple(Event.decode(_of(bytes, event)) for event in events),
            receipt_rows=tuple(receipts),
            event_rows=tuple(events),
            writes=_writes(writes),
            aux_writes=_writes(aux),
            next_wakeup_ms=None if wakeup is None else _of(int, wakeup),
            skipped=tuple(map(_digest, skipped)),
            expired=tuple(map(_digest, expired)),
            next_epoch=None if following is None else _epoch(*following),
        )
    except (TypeError, ValueError, DecodeError) as error:
        raise Malformed(f"no effects of a block: {error}") from None


def simulated_of(fields: tuple[Any, ...]) -> tuple[Receipt, tuple[Event, ...]]:
    """What became of a transaction that was simulated. Raises: Malformed."""
    try:
        receipt, events = fields
        return Receipt.decode(_of(bytes, receipt)), tuple(Event.decode(_of(bytes, each)) for each in events)
    except (TypeError, ValueError, DecodeError) as error:
        raise Malformed(f"no outcome: {error}") from None


def json_of(fields: tuple[Any, ...]) -> Any:
    """What was asked for. Raises: Malformed; Revert, ContractError where that is the answer."""
    match fields:
        case "json", bytes(text) if len(text) <= ANSWER_BYTES_MAX:
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise Malformed(f"no JSON: {error}") from None
        case "revert", str(code), str(text):
            raise Revert(code, text)
        case "mistakes", [_, *_] as problems if all(map(_is_problem, problems)):
            raise ContractError(tuple(Problem(*each) for each in problems))
    raise Malformed("no answer")


def _is_problem(found: Any) -> bool:
    match found:
        case int(), int(), str():
            return True
    return False


def _writes(found: Any) -> tuple[Write, ...]:
    for key, value in found:
        if type(key) is not bytes or (value is not None and type(value) is not bytes):
            raise TypeError("a write is of bytes")
    return tuple(found)


def _digest(found: Any) -> bytes:
    if type(found) is not bytes or len(found) != 32:
        raise TypeError("a digest has 32 bytes")
    return found


def _of(kind: type, found: Any) -> Any:
    if type(found) is not kind:
        raise TypeError(f"a {type(found).__name__} instead of a {kind.__name__}")
    return found


def _epoch(epoch: Any, validators: Any) -> NextEpoch:
    return NextEpoch(_of(int, epoch), tuple((_of(int, number), _digest(key)) for number, key in validators))
