"""What the ordering core asks its driver to do, in the order that safety needs.

The driver collects the effects of one loop tick, makes every Persist of the tick durable as one
journal frame with one sync, and only then performs the others in order. Nothing that a Send promises
is therefore ever sent before it is on disk. A tick that has nothing but Persist and SetTimer promises
nothing: its records may wait and go into the frame of the next tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from consensus.committee import Committee
from consensus.evidence import Accusation
from consensus.messages import Message
from consensus.transactions import Transaction
from consensus.types import Digest, FinalBlock, LaneTip, MemberNumber


@dataclass(frozen=True, slots=True)
class Persist:
    """Append `record` (canonical bytes, see `consensus.records`) to the journal before any later send."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one member."""

    to: MemberNumber
    message: Message


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every other member, validator or not."""

    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `on_timer` at `deadline_ms` of the monotonic clock, in place of any earlier wish; None: never."""

    deadline_ms: int | None


@dataclass(frozen=True, slots=True)
class Finalise:
    """A block is final. Given once, strictly by height.

    `batches` are what it orders, as they execute; `accusations` what its evidence says, judged by a quorum.
    """

    block: FinalBlock
    batches: tuple[Digest, ...]
    accusations: tuple[Accusation, ...] = ()


@dataclass(frozen=True, slots=True)
class EpochBegan:
    """The committee changed: from here on `committee` orders, on top of the final block at `boundary_height`.

    It comes after that block's Finalise; what must be durable for it is in the journal already.
    """

    committee: Committee
    boundary_height: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """Acknowledged own transactions that this node cannot order any more, oldest first.

    Give them to a validator, or submit them again where this node is one. They come again after a restart
    until they expired; a transaction executes once, so nothing is lost by giving them twice.
    """

    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch of the own lane is in the journal (its Persist came before): its clients may get their 202."""

    batch: Digest
    transactions: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Available:
    """A quorum holds this batch of the own lane, which can no longer be lost. Given once for each, in order.

    A batch that is final before that was noticed gets none.
    """

    tip: LaneTip


@dataclass(frozen=True, slots=True)
class SyncNeeded:
    """This node misses final blocks: fetch them from `from_height` on. `peers`: most likely to help first."""

    from_height: int
    peers: tuple[MemberNumber, ...]


class ReportKind(Enum):
    """What happened that someone should know of."""

    BAD_MESSAGE = "bad_message"
    """A member's fault: it sent what no honest member sends."""
    REFUSED_PROPOSAL = "refused_proposal"
    """A proposal that this node votes to skip; late or with a wrong clock it may be nobody's fault."""
    EQUIVOCATION = "equivocation"
    """A validator signed what no honest one signs; there is evidence."""
    DIVERGED = "diverged"
    PROGRESS = "progress"
    """A block is final."""


@dataclass(frozen=True, slots=True)
class Report:
    """Something for the log, the metrics or the operator; `fields` are plain values."""

    kind: ReportKind
    member: MemberNumber | None
    text: str
    fields: tuple[tuple[str, int | str], ...] = ()


Effect = (
    Persist
    | Send
    | Broadcast
    | SetTimer
    | Finalise
    | EpochBegan
    | HandOver
    | Acknowledged
    | Available
    | SyncNeeded
    | Report
)


class Outgoing:
    """The effects of a tick as they are gathered, and the times at which the core wants to look again."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._wakes: list[int] = []
        self._timer_ms: int | None = None

    def add(self, effect: Effect) -> None:
        """Queue an effect after the others."""
        self._effects.append(effect)

    @property
    def speaks(self) -> bool:
        """Whether something is queued for everybody."""
        return any(isinstance(effect, Broadcast) for effect in self._effects)

    def report(
        self,
        kind: ReportKind,
        member: MemberNumber | None,
        text: str,
        fields: tuple[tuple[str, int | str], ...] = (),
    ) -> None:
        """Queue a Report."""
        self.add(Report(kind, member, text, fields))

    def wake(self, mono_ms: int | None) -> None:
        """Ask for a look at this time of the monotonic clock."""
        if mono_ms is not None:
            self._wakes.append(mono_ms)

    def set_timer(self, now_ms: int) -> None:
        """Queue a SetTimer for the earliest wish, if that changes anything; all wishes are then forgotten."""
        deadline_ms = min((max(wake, now_ms + 1) for wake in self._wakes), default=None)
        self._wakes = []
        if deadline_ms != self._timer_ms:
            self._timer_ms = deadline_ms
            self.add(SetTimer(deadline_ms))

    def timer_fired(self) -> None:
        """The last SetTimer is used up."""
        self._timer_ms = None

    def take(self) -> list[Effect]:
        """All that is queued."""
        effects, self._effects = self._effects, []
        return effects
