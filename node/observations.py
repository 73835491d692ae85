"""What came by on this node, counted for its operator: votes, blocks, contradictions; nothing rests on it."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import Histogram

from consensus.effects import Finalise, Report, ReportKind
from consensus.messages import Message, header_digest
from consensus.types import Digest, Header, MemberNumber, Proposal, Status, Vote, VoteKind

MISSED_AFTER_BLOCKS = 8
"""A block counts as missed by a validator that has not signed it when so many more blocks are final."""
VIEWS_KEPT = 256
"""Views around the last final one whose votes are kept."""
VOTES_KEPT_PER_VIEW = 1024
"""Different votes of one view that are told from repeated ones."""
INTERVAL_BUCKETS_S = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
TRANSACTION_BUCKETS_BYTES = (256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)


@dataclass(slots=True)
class _View:
    """Votes of a view, and the final block that it brought, once there is one."""

    votes: set[tuple[MemberNumber, VoteKind, Digest | None]] = field(default_factory=set)
    signed: set[tuple[MemberNumber, Digest]] = field(default_factory=set)
    block: tuple[int, Digest] | None = None

    def signers(self) -> set[MemberNumber]:
        return (
            set() if self.block is None else {who for who, digest in self.signed if digest == self.block[1]}
        )


class Observations:
    """Counts since the start of the process. Methods are called in trio where they do not say otherwise."""

    def __init__(self, chain_id: Digest) -> None:
        """`chain_id`: the genesis hash, 32 bytes."""
        self._chain_id = chain_id
        self._lock = threading.Lock()
        self.late_votes = 0
        self.duplicate_votes = 0
        self.last_signed: dict[MemberNumber, int] = {}
        """By validator, the newest final block that it voted for."""
        self.missed_blocks: Counter[MemberNumber] = Counter()
        self.accused: set[MemberNumber] = set()
        """Validators that signed what contradicts itself."""
        self.contradictions = 0
        self.final_blocks = 0
        self.block_transactions = 0
        self.block_bytes = 0
        self.transactions = 0
        self.refused_transactions = 0
        self.block_interval = Histogram(
            "quorate_consensus_block_interval_seconds",
            "Time between a final block and the one before",
            buckets=INTERVAL_BUCKETS_S,
            registry=None,
        )
        self.transaction_size = Histogram(
            "quorate_mempool_tx_size_bytes",
            "Transactions that were posted here, with their signatures",
            buckets=TRANSACTION_BUCKETS_BYTES,
            registry=None,
        )
        self._views: dict[int, _View] = {}
        self._recent: deque[int] = deque()
        """Views of the newest final blocks, oldest first."""
        self._final_view = 0
        self._last_time_ms: int | None = None

    # -- votes --------------------------------------------------------------------------------------
    def heard(self, message: Message) -> None:
        """Note the votes that a message of a peer carries."""
        for vote in _votes_of(message):
            late = vote.view <= self._final_view
            if not self._note(vote):
                self.duplicate_votes += 1
            elif late:
                self.late_votes += 1

    def said(self, message: Message) -> None:
        """Note our own votes in a message that goes to all."""
        for vote in _votes_of(message):
            self._note(vote)

    def _note(self, vote: Vote) -> bool:
        """False where the same vote came before."""
        if not -VIEWS_KEPT < vote.view - self._final_view <= VIEWS_KEPT:
            return True
        view = self._views.setdefault(vote.view, _View())
        key = vote.voter, vote.kind, vote.digest
        if key in view.votes:
            return False
        if len(view.votes) < VOTES_KEPT_PER_VIEW:
            view.votes.add(key)
            if vote.digest is not None:
                view.signed.add((vote.voter, vote.digest))
        if view.block is not None and view.block[1] == vote.digest:
            self._signed(vote.voter, view.block[0])
        return True

    def _signed(self, voter: MemberNumber, height: int) -> None:
        self.last_signed[voter] = max(height, self.last_signed.get(voter, 0))

    # -- blocks -------------------------------------------------------------------------------------
    def block_final(
        self, finalise: Finalise, sizes: Iterable[tuple[int, int]], validators: Iterable[MemberNumber]
    ) -> None:
        """A block is final; `sizes` are (transactions, bytes) of each batch that it orders."""
        header, certificate = finalise.block.header, finalise.block.certificate
        counted = list(sizes)
        self.final_blocks += 1
        self.block_transactions = sum(count for count, _ in counted)
        self.block_bytes = sum(size_bytes for _, size_bytes in counted)
        self.transactions += self.block_transactions
        if self._last_time_ms is not None:
            self.block_interval.observe((header.time_ms - self._last_time_ms) / 1000)
        self._last_time_ms = header.time_ms
        self._place(header)
        for voter, _ in certificate.votes:  # whoever signed a descendant signed all before it
            self._signed(voter, header.height)
            self._views[header.view].signed.add((voter, header_digest(self._chain_id, header)))
        if len(self._recent) > MISSED_AFTER_BLOCKS:
            self._count_missed(self._views.get(self._recent.popleft()), list(validators))

    def _place(self, header: Header) -> None:
        view = self._views.setdefault(header.view, _View())
        view.block = header.height, header_digest(self._chain_id, header)
        for voter in sorted(view.signers()):
            self._signed(voter, header.height)
        self._recent.append(header.view)
        self._final_view = header.view
        for old in [number for number in self._views if number <= header.view - VIEWS_KEPT]:
            del self._views[old]

    def _count_missed(self, view: _View | None, validators: list[MemberNumber]) -> None:
        """Blocks of which this node did not hear a quorum vote, it was away: say nothing of the others."""
        if view is None or not any(kind is not VoteKind.SKIP for _, kind, _ in view.votes):
            return
        for number in validators:
            if number not in view.signers():
                self.missed_blocks[number] += 1

    # -- transactions and contradictions --------------------------------------------------------------
    def submitted(self, size_bytes: int, *, refused: bool) -> None:
        """A client posted a transaction; `refused`: it was told so at once. Called in any thread."""
        self.transaction_size.observe(size_bytes)
        with self._lock:
            self.refused_transactions += refused

    def reported(self, report: Report) -> None:
        """The core has something to say of a member."""
        if report.kind is ReportKind.EQUIVOCATION and report.member is not None:
            self.contradictions += 1
            self.accused.add(report.member)


def _votes_of(message: Message) -> Iterable[Vote]:
    match message:
        case Vote():
            return (message,)
        case Proposal():
            return (message.vote,)
        case Status():
            return message.votes
        case _:
            return ()
