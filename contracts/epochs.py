"""The epochs of a chain in its state: who validates now, who will, and who was caught cheating.

Ordering ends an epoch on demand: once the executed state holds `next_epoch`, the next header that names that
state is the boundary. The first block executed in the new epoch moves the row over, and so frees the place
for the next change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.codec import PUBLIC_KEY, optional, pair, record, sequence, text, uint
from consensus.errors import ensure
from contracts.errors import StateCorruption
from contracts.layout import form
from contracts.state import Overlay

FIRST_EPOCH = 1
"""Of the committee in the genesis."""
NUMBER_MAX = 65_535
"""Of a member: numbers are given once, and never again."""
VALIDATORS_MAX = 128
"""Members of one committee."""
READY_LAG_MAX = 64
"""Blocks that a candidate may be behind when it shows that it has executed what the others have."""

EPOCH_KEY = b"epoch"
NEXT_EPOCH_KEY = b"next_epoch"
EVIDENCE = b"evidence/"
_KIND_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class NextEpoch:
    """An epoch and its validators: (member number, validator key of 32 bytes), sorted by number."""

    epoch: int
    validators: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Accused:
    """What a final header proves of a member: a kind of misbehaviour, in an epoch, at a view or a batch."""

    member: int
    epoch: int
    kind: str
    view: int | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """An accusation in the state, with the block that proves it."""

    kind: str
    view: int | None
    seq: int | None
    height: int
    time_ms: int


EPOCH = form(
    record(NextEpoch, epoch=uint(), validators=sequence(pair(uint(NUMBER_MAX), PUBLIC_KEY), VALIDATORS_MAX))
)
EVIDENCE_FORM = form(
    record(
        Evidence,
        kind=text(_KIND_LENGTH_MAX),
        view=optional(uint()),
        seq=optional(uint()),
        height=uint(),
        time_ms=uint(),
    )
)


def evidence_key(epoch: int, member: int) -> bytes:
    """Holds an EVIDENCE_FORM; these keys sort by epoch, then by member number."""
    return EVIDENCE + epoch.to_bytes(8, "big") + member.to_bytes(4, "big")


def evidence_of(key: bytes) -> tuple[int, int]:
    """Epoch and member number of an evidence key."""
    rest = key.removeprefix(EVIDENCE)
    return int.from_bytes(rest[:8], "big"), int.from_bytes(rest[8:], "big")


def current_epoch(overlay: Overlay) -> NextEpoch:
    """The epoch of the newest executed block, with its validators."""
    found = overlay.get(EPOCH_KEY, EPOCH)
    if found is None:
        raise StateCorruption("the state does not say which epoch it is of")
    return found


def next_epoch(overlay: Overlay) -> NextEpoch | None:
    """What is decided for the epoch after the current one; None while nothing is."""
    return overlay.get(NEXT_EPOCH_KEY, EPOCH)


def enter_epoch(overlay: Overlay, epoch: int) -> None:
    """Begin the epoch of a block, where it is not that of the block before.

    Raises: InvariantError where ordering is in an epoch that the state does not know: the node must stop.
    """
    if epoch == current_epoch(overlay).epoch:
        return
    decided = next_epoch(overlay)
    ensure(decided is not None and decided.epoch == epoch, f"the state has not decided epoch {epoch}")
    overlay.put(EPOCH_KEY, decided, EPOCH)
    overlay.put(NEXT_EPOCH_KEY, None, EPOCH)


def record_evidence(
    overlay: Overlay, accusations: Iterable[Accused], height: int, time_ms: int
) -> list[Accused]:
    """Write what a block proves, the first of each member and epoch; those that are new."""
    new = []
    for accused in accusations:
        key = evidence_key(accused.epoch, accused.member)
        if overlay.get(key, EVIDENCE_FORM) is None:
            found = Evidence(accused.kind, accused.view, accused.seq, height, time_ms)
            overlay.put(key, found, EVIDENCE_FORM, EVIDENCE)
            new.append(accused)
    return new
