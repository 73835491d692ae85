"""What execution leaves behind for people and proofs: receipts, events, and why a rule fired.

The receipts and the events of a block are the items of two Merkle lists whose roots go into the block's
execution hash; `docs/state.md` specifies their canonical bytes. A firing's hash is in its receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from consensus import codec
from consensus.codec import DIGEST, Field, boolean, optional, pair, record, sequence, text, uint
from consensus.transactions import CALLS_MAX, INTEGER_MAX, NAME_LENGTH_MAX
from contracts.encoding import VALUE_FIELD, to_packable
from contracts.language.limits import SOURCE_BYTES_MAX

TEXT_LENGTH_MAX = 4_096
"""Characters of a receipt's text; a longer one is cut."""
EVENTS_MAX = 256
"""Events of one transaction or timer."""
EVENT_FIELDS_MAX = 32
FIRINGS_MAX = 64
"""Rules that may fire in one transaction or timer, before it is taken for a loop."""
EXPLAINED_MAX = 128
"""Values read, and effects, that the record of one firing lists; it ends there."""
PARTS_MAX = 128
"""Parts of one condition that the record of a firing lists; a condition of more is not split up."""
EXPLAINED_BYTES_MAX = 64 * 1024
"""All of them together, as `contracts.encoding.size_bytes` counts; what is beyond is left out."""

_RECORD_BYTES_MAX = 64 * 1024 * 1024
_EXEC_TAG = b"quorate/exec/1\n"
_FIRING_TAG = b"quorate/firing/1\n"
_TIMER_TAG = b"quorate/timer/1\n"
_DELIVERY_TAG = b"quorate/delivery/1\n"


@dataclass(frozen=True, slots=True)
class ExecLink:
    """What execution up to and with a block came to; hashes and roots are 32 bytes.

    Before genesis, at height -1, the genesis hash stands for the execution hash, and the roots are not used.
    """

    height: int
    exec_hash: bytes
    state_root: bytes
    receipts_root: bytes
    events_root: bytes

    def next(self, state_root: bytes, receipts_root: bytes, events_root: bytes) -> ExecLink:
        """The link of the next height: SHA-256(tag ‖ exec hash ‖ u64 height ‖ its three roots)."""
        height = self.height + 1
        roots = (state_root, receipts_root, events_root)
        exec_hash = sha256(b"".join((_EXEC_TAG, self.exec_hash, height.to_bytes(8, "big"), *roots))).digest()
        return ExecLink(height, exec_hash, *roots)


class Status(StrEnum):
    """How a transaction or timer ended; what is `expired` was not executed."""

    OK = "ok"
    FAILED = "failed"
    EXPIRED = "expired"


class Timer(NamedTuple):
    """A wake-up of an instance, and the time it was due."""

    instance: str
    due_ms: int


class Delivery(NamedTuple):
    """An event told to a listener: who it is, whose event, and its number in that one's queue."""

    instance: str
    emitter: str
    number: int


class Receipt(NamedTuple):
    """What became of a transaction, of a timer where `timer` is set, or of an event where `delivery` is.

    `id` (32 bytes) is the transaction's, or made from the height and the timer or delivery. `code` and `text`
    say why it failed, and are empty where it did not. `results` are what the calls returned, `firings` the
    hashes (32 bytes) of the rules that fired, `first_event` and `event_count` the events that it emitted.
    """

    id: bytes
    timer: Timer | None
    status: Status
    code: str
    text: str
    gas_used: int
    results: tuple[Any, ...]
    firings: tuple[bytes, ...]
    first_event: int
    event_count: int
    delivery: Delivery | None = None

    @property
    def is_transaction(self) -> bool:
        """True where somebody sent it."""
        return self.timer is None and self.delivery is None

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.pack(
            [
                self.id,
                self.timer,
                self.status.value,
                self.code,
                self.text,
                self.gas_used,
                [to_packable(result) for result in self.results],
                self.firings,
                self.first_event,
                self.event_count,
                self.delivery,
            ]
        )

    @staticmethod
    def decode(data: bytes) -> Receipt:
        """Raises: DecodeError."""
        return codec.decode(_RECEIPT, data, "receipt", _RECORD_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a contract made known; `transaction` (32 bytes) is None where a timer did it."""

    height: int
    index: int
    contract: str
    name: str
    fields: tuple[tuple[str, Any], ...]
    transaction: bytes | None

    def encode(self) -> bytes:
        """Canonical bytes."""
        fields = [(name, to_packable(value)) for name, value in self.fields]
        return codec.pack([self.height, self.index, self.contract, self.name, fields, self.transaction])

    @staticmethod
    def decode(data: bytes) -> Event:
        """Raises: DecodeError."""
        return codec.decode(_EVENT, data, "event", _RECORD_BYTES_MAX)


class Tried(NamedTuple):
    """A condition of a rule as source text, and what it came to when the rule was tried.

    `parts` are the conditions that `and` and `or` join in it, in the order of the source; empty where there
    is one. What a part came to is None where those before it had decided, so that nobody looked at it.
    """

    condition: str
    held: bool
    parts: tuple[tuple[str, bool | None], ...]


class Read(NamedTuple):
    """A value that a firing rule looked at: what it is called, its declared type, and itself."""

    name: str
    type: str
    value: Any


class Effect(NamedTuple):
    """One thing that a firing rule did: a verb of the host and what it was applied to."""

    verb: str
    operands: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Firing:
    """Why a rule fired and what it did.

    `conditions` go from the first branch to the one that held;
    `reads` are the values that they and the consequence looked at, each as it was first read.
    """

    instance: str
    rule: str
    branch: int
    conditions: tuple[Tried, ...]
    reads: tuple[Read, ...]
    effects: tuple[Effect, ...]
    height: int
    time_ms: int

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(_FIRING, self)

    @staticmethod
    def decode(data: bytes) -> Firing:
        """Raises: DecodeError."""
        return codec.decode(_FIRING, data, "firing", _RECORD_BYTES_MAX)


def firing_hash(encoded: bytes) -> bytes:
    """32 bytes, of a firing's canonical bytes."""
    return sha256(_FIRING_TAG + encoded).digest()


def timer_id(timer: Timer, height: int) -> bytes:
    """32 bytes, unlike any transaction's id."""
    return sha256(_TIMER_TAG + codec.pack([height, timer.due_ms, timer.instance])).digest()


def delivery_id(delivery: Delivery, height: int) -> bytes:
    """32 bytes, unlike any transaction's or timer's id."""
    return sha256(_DELIVERY_TAG + codec.pack([height, *delivery])).digest()


_NAME = text(2 * NAME_LENGTH_MAX)
_LINE = text(SOURCE_BYTES_MAX)
_VALUES = sequence(VALUE_FIELD, EXPLAINED_MAX)
_RECEIPT = record(
    Receipt,
    id=DIGEST,
    timer=optional(record(Timer, instance=_NAME, due_ms=uint(INTEGER_MAX))),
    status=Field(str, lambda reader, path: Status(_NAME.load(reader, path))),
    code=_NAME,
    text=text(4 * TEXT_LENGTH_MAX),
    gas_used=uint(),
    results=sequence(VALUE_FIELD, CALLS_MAX),
    firings=sequence(DIGEST, FIRINGS_MAX),
    first_event=uint(),
    event_count=uint(),
    delivery=optional(record(Delivery, instance=_NAME, emitter=_NAME, number=uint())),
)
_EVENT = record(
    Event,
    height=uint(),
    index=uint(),
    contract=_NAME,
    name=_NAME,
    fields=sequence(pair(_NAME, VALUE_FIELD), EVENT_FIELDS_MAX),
    transaction=optional(DIGEST),
)
_FIRING = record(
    Firing,
    instance=_NAME,
    rule=_NAME,
    branch=uint(),
    conditions=sequence(
        record(
            Tried,
            condition=_LINE,
            held=boolean(),
            parts=sequence(pair(_LINE, optional(boolean())), PARTS_MAX),
        ),
        EXPLAINED_MAX,
    ),
    reads=sequence(record(Read, name=_LINE, type=_NAME, value=VALUE_FIELD), EXPLAINED_MAX),
    effects=sequence(record(Effect, verb=_NAME, operands=_VALUES), EXPLAINED_MAX),
    height=uint(),
    time_ms=uint(INTEGER_MAX),
)
