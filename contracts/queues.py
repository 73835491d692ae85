"""How events that wait for listeners stand in the state; `contracts.listening` says what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consensus.codec import DIGEST, optional, pair, record, sequence, text, uint
from consensus.transactions import NAME_LENGTH_MAX
from contracts.encoding import VALUE_FIELD
from contracts.errors import StateCorruption
from contracts.language.limits import DEFINITIONS_MAX
from contracts.layout import form
from contracts.receipts import EVENT_FIELDS_MAX

NEWS = b"news/"


@dataclass(frozen=True, slots=True)
class Listener:
    """An instance that listens to another: the member of its creator, and the first event it is told of."""

    member: str
    first: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An instance to which others listen: its queue of events from `first` to before `next`.

    `told` is the last listener to whom the first of them was told, `news_height` the height under which the
    queue waits for its turn, `missed` counts events that found no place, `events` are those asked for.
    """

    first: int
    next: int
    told: str
    news_height: int | None
    missed: int
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Queued:
    """An event that waits for its listeners; `generation` counts the events that led to each other."""

    event: str
    fields: tuple[tuple[str, Any], ...]
    height: int
    generation: int
    transaction: bytes | None


_NAME = text(NAME_LENGTH_MAX)
LISTENER = form(record(Listener, member=_NAME, first=uint()))
HEARD = form(
    record(
        Heard,
        first=uint(),
        next=uint(),
        told=_NAME,
        news_height=optional(uint()),
        missed=uint(),
        events=sequence(_NAME, DEFINITIONS_MAX),
    )
)
QUEUED = form(
    record(
        Queued,
        event=_NAME,
        fields=sequence(pair(_NAME, VALUE_FIELD), EVENT_FIELDS_MAX),
        height=uint(),
        generation=uint(),
        transaction=optional(DIGEST),
    )
)


def listeners_to(emitter: str) -> bytes:
    """What the keys of all who listen to an instance begin with."""
    return f"listener/{emitter}/".encode()


def listener_key(emitter: str, instance: str) -> bytes:
    """Holds a LISTENER."""
    return f"listener/{emitter}/{instance}".encode()


def heard_key(emitter: str) -> bytes:
    """Holds a HEARD."""
    return b"heard/" + emitter.encode()


def queued_key(emitter: str, number: int) -> bytes:
    """Holds a QUEUED."""
    return f"queued/{emitter}/".encode() + number.to_bytes(8, "big")


def news_key(height: int, emitter: str) -> bytes:
    """Holds true as VALUE; these keys sort by height, then by instance."""
    return NEWS + height.to_bytes(8, "big") + b"/" + emitter.encode()


def news_of(key: bytes) -> str:
    """The instance of a news key. Raises: StateCorruption."""
    try:
        return key.removeprefix(NEWS)[9:].decode()
    except UnicodeDecodeError:
        raise StateCorruption(f"the stored key {key!r} names no instance") from None
