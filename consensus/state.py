"""All that a replica knows, in one place for the modules that read it; `consensus.replica` changes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.ballot import Ballot
from consensus.certificates import Certificates
from consensus.chain import Chain, Link
from consensus.committee import Committee, committee_digest
from consensus.execution import Execution
from consensus.keys import Verifier
from consensus.lanes import Lanes
from consensus.parameters import Parameters
from consensus.records import Record
from consensus.rules import is_filler, timeout_ms
from consensus.tally import Tally
from consensus.types import Certificate, Digest, Evidence, FinalBlock, Header, MemberNumber, VoteKind


@dataclass(frozen=True, slots=True)
class Now:
    """Two clocks, read by the driver: civil time since 1970 and one that never jumps, both in ms."""

    wall_ms: int
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the store holds for good when a replica starts: everything up to its last executed block.

    `block` is that block (None at genesis). `exec_hashes` are (height, exec hash of 32 bytes), ascending
    and without gaps, from the block's own `header.exec_height` to its height ((0, hash) at genesis).
    `changed_height` is the last height whose execution changed anything; `next_wakeup_ms` is the
    earliest contract timer in the state. `committee` is that of the views that come next: where the block
    is a boundary, the new one. `next_committee` is its successor, if the state holds one, with the height
    whose execution decided it. `accused` are members with evidence on the chain in the committee's epoch.
    """

    block: FinalBlock | None
    exec_hashes: tuple[tuple[int, Digest], ...]
    changed_height: int
    next_wakeup_ms: int | None
    committee: Committee
    next_committee: tuple[int, Committee] | None = None
    accused: tuple[MemberNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposed:
    """A leader's header and the civil time at which it first arrived here."""

    link: Link
    received_ms: int


@dataclass(slots=True)
class Peer:
    """What is known of another member. Times are of the monotonic clock; None: never.

    `frontier` and `final_view` are views of `epoch`.
    """

    heard_ms: int | None = None
    epoch: int = 0
    frontier: int = 0
    final_view: int = 0
    asked_ms: int | None = None
    """When we last sent it our Status."""
    answered_ms: int | None = None
    """When we last answered its Status."""


@dataclass
class State:
    """The parts of a replica."""

    chain_id: Digest
    chain_name: str
    committee: Committee
    me: MemberNumber
    parameters: Parameters
    verifier: Verifier
    ballot: Ballot
    tally: Tally
    certificates: Certificates
    chain: Chain
    lanes: Lanes
    execution: Execution
    proposals: dict[int, Proposed] = field(default_factory=dict)
    """The first header that each open view's leader proposed."""
    equivocal_views: set[int] = field(default_factory=set)
    """Views whose leader proposed two headers."""
    unexecuted: dict[int, tuple[Digest, ...]] = field(default_factory=dict)
    """Batches of delivered blocks that wait for execution, by height."""
    former: Committee | None = None
    """The committee of the epoch before, where it is known."""
    ended: FinalBlock | None = None
    """The newest boundary that was delivered, where it is known."""
    evidence: dict[MemberNumber, Evidence] = field(default_factory=dict)
    """Against validators of this epoch, one for each, and not on the chain yet."""
    accused: set[MemberNumber] = field(default_factory=set)
    """Validators with evidence in a delivered block of this epoch."""
    abstains: bool = False
    """What this key signed before is lost, or not known yet: it signs nothing."""
    catching_up: bool = False
    """Since the start not everything was delivered again that the journal says to be final."""
    later: list[Record] = field(default_factory=list)
    """Records of epochs to come, from a journal that is ahead of its store."""

    @property
    def holds_seat(self) -> bool:
        """Whether the committee counts on this key."""
        return self.committee.key_of(self.me) == self.ballot.public_key

    @property
    def is_validator(self) -> bool:
        """Whether this member votes in the committee's epoch; else it is an observer."""
        return self.holds_seat and not self.abstains

    @property
    def progress(self) -> tuple[int, ...]:
        """Grows whenever a certificate changes where this node stands."""
        return self.committee.epoch, *self.certificates.progress

    @property
    def floor_view(self) -> int:
        """The view of the last delivered block, 0 where that is of an earlier epoch."""
        floor = self.chain.floor.header
        return floor.view if floor.epoch == self.committee.epoch else 0

    @property
    def epoch_is_over(self) -> bool:
        """Whether this epoch's boundary is delivered; what is still missing is the execution it names."""
        floor = self.chain.floor.header
        return floor.next_set is not None and floor.epoch == self.committee.epoch

    @property
    def is_behind(self) -> bool:
        """Whether final blocks are known of that are not delivered."""
        return bool(self.later) or (self.certificates.final_view > self.floor_view and not self.epoch_is_over)

    def next_set(self, exec_height: int) -> Digest | None:
        """What a header that names the execution of `exec_height`, as the first one, must carry."""
        decided = self.execution.decided
        if decided is None or exec_height < decided[0]:
            return None
        return committee_digest(self.chain_id, decided[1])

    @property
    def others(self) -> tuple[MemberNumber, ...]:
        """Every validator but this one."""
        return tuple(number for number in self.committee.numbers if number != self.me)

    def justify(self, header: Header) -> list[Certificate] | None:
        """What rule 3 asks for, with the certificate that comes first; None where something is not held."""
        return self.certificates.justify(header, self._followed(header))

    def _followed(self, header: Header) -> Digest:
        """Its parent; or the filler that it follows, if that is held and has the same boundary."""
        for kind in (VoteKind.FINALISE, VoteKind.NOTARISE) if is_filler(header) else ():
            certificate = self.certificates.get(kind, header.parent_view)
            digest = None if certificate is None else certificate.digest
            held = None if digest is None else self.chain.get(digest)
            if digest is not None and held is not None and is_filler(held) and held.parent == header.parent:
                return digest
        return header.parent

    def timeout_ms(self, view: int) -> int:
        """How long to wait in `view`."""
        return timeout_ms(view, self.certificates.final_view, self.committee.faults_max, self.parameters)
