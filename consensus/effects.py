"""What the ordering core asks its driver to do, in the order that safety needs.

The driver collects the effects of one loop tick, makes every Persist of the tick durable as one
journal frame with one sync, and only then performs the others in order. Nothing that a Send promises
is therefore ever sent before it is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from consensus.messages import Message
from consensus.types import Digest, FinalBlock, LaneTip, MemberNumber


@dataclass(frozen=True, slots=True)
class Persist:
    """Append `record` (a canonical encoding, see `consensus.records`) to the journal before any later send."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one member."""

    to: MemberNumber
    message: Message


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every other member."""

    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `on_timer` at `deadline_ms` of the monotonic clock, in place of any earlier wish; None: no timer."""

    deadline_ms: int | None


@dataclass(frozen=True, slots=True)
class Finalise:
    """A block is final. Given strictly by height, once; `batches` are those it orders, in order of execution."""

    block: FinalBlock
    batches: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch of the own lane is in the journal (its Persist came before): its clients may get their 202."""

    batch: Digest
    transactions: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Available:
    """A quorum holds the own lane up to this batch; with all below it, it can no longer be lost."""

    tip: LaneTip


@dataclass(frozen=True, slots=True)
class SyncNeeded:
    """This node misses final blocks that its peers may have pruned from consensus: fetch from `from_height` on."""

    from_height: int
    peers: tuple[MemberNumber, ...]


class ReportKind(Enum):
    """What happened that someone should know of."""

    BAD_MESSAGE = "bad_message"
    EQUIVOCATION = "equivocation"
    INVALID_BATCH = "invalid_batch"
    DIVERGED = "diverged"
    PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class Report:
    """Something for the log, the metrics or the operator; `fields` are plain values."""

    kind: ReportKind
    member: MemberNumber | None
    text: str
    fields: tuple[tuple[str, int | str], ...] = ()


Effect = Persist | Send | Broadcast | SetTimer | Finalise | Acknowledged | Available | SyncNeeded | Report
