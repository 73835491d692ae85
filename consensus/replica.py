"""The ordering core of one validator: Simplex with lanes, as a state machine without I/O.

(Protocol text: to be completed.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from consensus import catchup, work
from consensus.batches import CheckedBatch, make_batch
from consensus.certificates import check_certificate
from consensus.chain import Link
from consensus.committee import Committee
from consensus.delivery import deliver
from consensus.effects import (
    Acknowledged,
    Available,
    Broadcast,
    Effect,
    Persist,
    Report,
    ReportKind,
    Send,
    SetTimer,
    SyncNeeded,
)
from consensus.errors import InvalidMessage, ensure
from consensus.execution import Claim
from consensus.fetching import Fetches
from consensus.judging import Verdict, judge
from consensus.keys import Signer, Verifier
from consensus.messages import (
    JUSTIFICATION_MAX,
    Message,
    batch_digest,
    executed_payload,
    header_digest,
    vote_payload,
)
from consensus.outbox import Outbox
from consensus.pacemaker import Pacemaker
from consensus.parameters import Parameters
from consensus.records import Record, encode_record
from consensus.recovery import blank_state, replay, snapshot
from consensus.state import Anchor, Now, Peer, Proposed, State
from consensus.tally import Counted
from consensus.transactions import Transaction
from consensus.types import (
    Batch,
    BatchHeader,
    Certificate,
    Digest,
    ExecutedTip,
    FinalBlock,
    Get,
    Have,
    Header,
    LaneTip,
    MemberNumber,
    Proposal,
    Status,
    Vote,
    VoteKind,
)

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE

VIEW_WINDOW = 64
"""Votes and proposals are taken this many views ahead; certificates any number."""
HAVE_INTERVAL_MS = 10
"""New tips are announced at most this often."""
RETRY_AFTER_MS = 1_000
"""What a client is told when the own lane may not grow."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How many of the submitted transactions, from the first on, were taken; the rest may try again later."""

    accepted: int
    retry_after_ms: int


class Replica:
    """One validator. Every method that takes `now` may queue effects; `effects()` hands them over.

    A driver calls any number of methods, then `effects()`, makes all Persist records durable as one
    journal frame, and then performs the other effects in order.
    """

    def __init__(
        self,
        *,
        chain_id: bytes,
        chain: str,
        committee: Committee,
        me: MemberNumber,
        signer: Signer,
        verifier: Verifier,
        parameters: Parameters,
        genesis_time_ms: int,
        batch_source: Callable[[Digest], Batch | None],
    ) -> None:
        """`chain_id` is the genesis hash (32 bytes), `chain` its name in transactions.

        `batch_source` finds executed batches in the store, for peers that still need them.
        """
        ensure(committee.key_of(me) == signer.public_key, "the signer must hold this validator's key")
        self._chain_id = chain_id
        self._chain_name = chain
        self._committee = committee
        self._me = me
        self._signer = signer
        self._verifier = verifier
        self._parameters = parameters
        self._genesis_time_ms = genesis_time_ms
        self._batch_source = batch_source
        self._outbox = Outbox(parameters)
        self._pace = Pacemaker(parameters.base_timeout_ms)
        self._fetches = Fetches(parameters.base_timeout_ms // 4)
        self._peers = {number: Peer() for number in committee.numbers if number != me}
        self._queue: list[Effect] = []
        self._wakes: list[int] = []
        self._timer_ms: int | None = None
        self._stopped = False
        self._waiting_for = ""
        self._announced: dict[MemberNumber, LaneTip] = {}
        self._announced_ms = 0
        self._available_seq = 0
        self._named: set[Digest] = set()
        self._reported: set[tuple[MemberNumber, int]] = set()
        self._executed_tip: ExecutedTip | None = None
        self._proposed_view = 0
        self._behind_since_ms: int | None = None
        self._state: State

    # -- life ---------------------------------------------------------------------------------------
    def recover(self, records: Iterable[bytes], anchor: Anchor, now: Now) -> None:
        """Start, from nothing or after a stop: always the first call.

        Queues Finalise for what is final but not executed. Raises: CorruptionError where the journal
        contradicts itself or the store.
        """
        self._state = blank_state(
            chain_id=self._chain_id,
            committee=self._committee,
            me=self._me,
            signer=self._signer,
            verifier=self._verifier,
            parameters=self._parameters,
            genesis_time_ms=self._genesis_time_ms,
            anchor=anchor,
        )
        replay(self._state, records, self._chain_name)
        for vote in self._state.ballot.votes():
            self._count(vote, trusted=True)
        self._available_seq = self._own_lane.final.seq
        for member in self._peers:
            self.on_connected(member, now)
        self._settle(now)

    def snapshot_records(self) -> list[bytes]:
        """What a fresh journal must begin with, so that every older journal file can go.

        Call it when every block up to the last `on_executed` is in the store, durably.
        """
        return snapshot(self._state)

    # -- inputs -------------------------------------------------------------------------------------
    def on_connected(self, member: MemberNumber, now: Now) -> None:
        """A connection to `member` is up (again): tell it where we stand and what we hold."""
        self._ask(member, now)
        tips = tuple(lane.tip for lane in self._state.lanes if lane.tip.seq > 0)
        self._send(member, Have(tips))

    def on_message(self, sender: MemberNumber, message: Message, now: Now) -> None:
        """Any message but Batch, from its authenticated sender. Raises: InvalidMessage, the sender's fault."""
        peer = self._peers.get(sender)
        if peer is None:
            raise InvalidMessage(f"{sender} is not another validator")
        peer.heard_ms = now.mono_ms
        try:
            self._dispatch(sender, message, now)
        except InvalidMessage:
            self._settle(now)
            raise
        self._settle(now)

    def expects(self, header: BatchHeader) -> bool:
        """Whether a batch that arrived is worth checking: not held yet, and within bounds or asked for."""
        digest = batch_digest(self._chain_id, header)
        held = self._state.lanes.get(digest) is not None
        return not held and (digest in self._named or self._state.lanes.fits(header))

    def on_batch(self, sender: MemberNumber, batch: CheckedBatch, now: Now) -> None:
        """A batch that `batches.check_batch` accepted, in a thread or wherever the driver likes."""
        peer = self._peers.get(sender)
        if peer is not None:
            peer.heard_ms = now.mono_ms
        if self.expects(batch.header):
            self._hold(batch, named=batch.digest in self._named)
            self._settle(now)

    def submit(self, transactions: Sequence[Transaction], now: Now) -> Admission:
        """Put verified transactions into the own lane. Each accepted one comes back in an Acknowledged effect."""
        if self._stopped:
            return Admission(0, RETRY_AFTER_MS)
        lane = self._own_lane
        accepted = self._outbox.offer(transactions, len(lane.chain), lane.held_bytes, now.mono_ms)
        self._settle(now)
        return Admission(accepted, 0 if accepted == len(transactions) else RETRY_AFTER_MS)

    def on_timer(self, now: Now) -> None:
        """The time of the last SetTimer has come (calling early or often does no harm)."""
        self._timer_ms = None
        self._settle(now)

    def on_executed(
        self, height: int, exec_hash: Digest, changed: bool, next_wakeup_ms: int | None, now: Now
    ) -> None:
        """The next delivered block is executed and stored durably; strictly by height.

        `changed`: it did more than count a block. `next_wakeup_ms`: the earliest contract timer now.
        """
        state = self._state
        ensure(height == state.execution.height + 1 and height in state.unexecuted, f"height {height} is not next")
        state.execution.advance(exec_hash, changed, next_wakeup_ms)
        state.lanes.release(state.unexecuted.pop(height))
        state.execution.forget_below(min(state.chain.floor.header.exec_height, height))
        self._settle(now)

    def on_synced(self, block: FinalBlock, batches: Sequence[CheckedBatch], now: Now) -> None:
        """Catch-up brought the final block after the last one, and what it orders.

        `batches.open_batch` suffices for the batches: the certificate vouches for their content.
        Raises: InvalidMessage, the serving peer's fault.
        """
        state = self._state
        headers = (block.header, *block.descendants)
        digests = [header_digest(self._chain_id, header) for header in headers]
        if any(child.parent != digest for child, digest in zip(headers[1:], digests, strict=False)):
            raise InvalidMessage(f"final block {block.header.height}: its descendants do not chain to it")
        certificate = block.certificate
        if (certificate.kind, certificate.view, certificate.digest) != (F, headers[-1].view, digests[-1]):
            raise InvalidMessage(f"final block {block.header.height}: the certificate is not for its last header")
        if block.header.height <= state.chain.floor.header.height:
            return
        if block.header.parent != state.chain.floor.digest:
            raise InvalidMessage(f"final block {block.header.height} does not follow ours")
        if not state.certificates.holds(certificate):
            check_certificate(certificate, self._committee, self._chain_id, self._verifier)
            self._absorb(certificate)
        for header in headers:
            state.chain.add(header)
        for batch in batches:
            state.lanes.add(batch, named=True)
        self._settle(now)

    # -- outputs ------------------------------------------------------------------------------------
    def effects(self) -> list[Effect]:
        """Take what is queued, in order."""
        queue, self._queue = self._queue, []
        return queue

    def transactions(self, digest: Digest) -> tuple[Transaction, ...]:
        """The transactions of a batch named by a Finalise; at hand until `on_executed` of that height."""
        held = self._state.lanes.get(digest)
        ensure(held is not None, "a batch that waits for execution is always held")
        return held.transactions if held is not None else ()

    def batch(self, digest: Digest) -> Batch | None:
        """A batch held in memory (every batch of a Finalise until `on_executed`), else None."""
        held = self._state.lanes.get(digest)
        return None if held is None else held.batch

    def status_snapshot(self) -> dict[str, Any]:
        """Plain data for the API and metrics."""
        raise NotImplementedError

    def why(self, now: Now) -> Any:
        """What this validator waits for: see `consensus.why`."""
        raise NotImplementedError

    # -- messages -----------------------------------------------------------------------------------
    def _dispatch(self, sender: MemberNumber, message: Message, now: Now) -> None:
        match message:
            case Proposal():
                self._on_proposal(sender, message, now)
            case Vote():
                self._on_vote(sender, message)
            case Certificate():
                self._on_certificate(message)
            case Status():
                self._on_status(sender, message, now)
            case Header():
                if self._state.chain.is_wanted(message):
                    self._persist(self._state.chain.add(message).header)
            case Have():
                for tip in message.tips:
                    self._state.lanes.heard(sender, tip)
            case Get():
                for part in catchup.answer_get(self._state, message, self._batch_source):
                    self._send(sender, part)
            case Batch():
                raise InvalidMessage("a batch must be checked before it comes here")

    def _on_proposal(self, sender: MemberNumber, proposal: Proposal, now: Now) -> None:
        header, vote, state = proposal.header, proposal.vote, self._state
        place = f"proposal of view {header.view}"
        if header.epoch != self._committee.epoch or sender != self._committee.leader(header.view):
            raise InvalidMessage(f"{place}: {sender} does not lead it")
        digest = header_digest(self._chain_id, header)
        if (vote.kind, vote.epoch, vote.view, vote.digest, vote.voter) != (N, header.epoch, header.view, digest, sender):
            raise InvalidMessage(f"{place}: its vote is not the leader's vote for it")
        for certificate in proposal.justification:
            self._on_certificate(certificate)
        if not self._is_open(header.view):
            return
        known = state.proposals.get(header.view)
        if known is not None and known.link.digest == digest:
            return
        payload = vote_payload(self._chain_id, N, vote.epoch, vote.view, digest)
        if not self._verifier(self._committee.key_of(sender) or b"", payload, vote.signature):
            raise InvalidMessage(f"{place}: its leader's signature is not valid")
        if known is not None:
            state.equivocal_views.add(header.view)
        else:
            state.proposals[header.view] = Proposed(state.chain.add(header), now.wall_ms)
            self._persist(header)
        self._count(vote, trusted=True)

    def _on_vote(self, sender: MemberNumber, vote: Vote) -> None:
        if vote.voter != sender or vote.epoch != self._committee.epoch or (vote.digest is None) != (vote.kind is S):
            raise InvalidMessage(f"vote of view {vote.view}: not the sender's own, or malformed")
        if self._is_open(vote.view):
            self._count(vote)

    def _is_open(self, view: int) -> bool:
        certificates = self._state.certificates
        return certificates.final_view < view <= certificates.frontier + VIEW_WINDOW

    def _on_certificate(self, certificate: Certificate) -> None:
        if not self._state.certificates.holds(certificate):
            check_certificate(certificate, self._committee, self._chain_id, self._verifier)
            self._absorb(certificate)

    def _on_status(self, sender: MemberNumber, status: Status, now: Now) -> None:
        peer, state = self._peers[sender], self._state
        self._on_executed_tip(sender, status.executed)
        for vote in status.votes:
            self._on_vote(sender, vote)
        peer.frontier, peer.final_view = status.frontier, status.final_view
        certificates = state.certificates
        if status.frontier > certificates.frontier or status.final_view > certificates.final_view:
            self._ask(sender, now)
        if peer.answered_ms is None or now.mono_ms - peer.answered_ms >= self._parameters.base_timeout_ms // 8:
            peer.answered_ms = now.mono_ms
            for part in catchup.answer_status(state, status):
                self._send(sender, part)

    def _on_executed_tip(self, sender: MemberNumber, tip: ExecutedTip) -> None:
        if tip.voter != sender:
            raise InvalidMessage("a status must carry its sender's own execution")
        known = self._state.execution.tip_of(sender)
        if known is not None and known.height >= tip.height:
            return
        payload = executed_payload(self._chain_id, tip.height, tip.exec_hash)
        if not self._verifier(self._committee.key_of(sender) or b"", payload, tip.signature):
            raise InvalidMessage("the signature on its execution is not valid")
        self._state.execution.heard(tip)

    # -- votes and certificates ---------------------------------------------------------------------
    def _count(self, vote: Vote, *, trusted: bool = False) -> None:
        counted: Counted = self._state.tally.add(vote, trusted=trusted)
        for member in counted.forgers:
            self._report(ReportKind.BAD_MESSAGE, member, f"its vote in view {vote.view} has an invalid signature")
        if counted.equivocation is not None and (vote.voter, vote.view) not in self._reported:
            self._reported.add((vote.voter, vote.view))
            kinds = "/".join(other.kind.name for other in counted.equivocation)
            self._report(ReportKind.EQUIVOCATION, vote.voter, f"it signed contradicting votes {kinds} in view {vote.view}")
        if counted.certificate is not None and not self._state.certificates.holds(counted.certificate):
            self._absorb(counted.certificate)

    def _absorb(self, certificate: Certificate) -> None:
        state = self._state
        state.certificates.add(certificate)
        self._persist(certificate)
        if certificate.kind is F:
            final_view = state.certificates.final_view
            state.ballot.forget_through(final_view)
            state.tally.forget_through(final_view)
            state.proposals = {view: p for view, p in state.proposals.items() if view > final_view}
            state.equivocal_views = {view for view in state.equivocal_views if view > final_view}
            self._reported = {item for item in self._reported if item[1] > final_view}

    def _vote(self, kind: VoteKind, view: int, digest: Digest | None) -> Vote:
        vote = self._state.ballot.cast(kind, view, digest)
        self._persist(vote)
        self._count(vote, trusted=True)
        return vote

    def _hold(self, batch: CheckedBatch, *, named: bool) -> None:
        rival = self._state.lanes.add(batch, named=named)
        if rival is not None:
            self._report(
                ReportKind.EQUIVOCATION,
                batch.header.lane,
                f"it signed two batches for place {batch.header.seq} of its lane",
            )
        if self._state.lanes.get(batch.digest) is not None:
            self._persist(batch.batch)

    # -- what follows from what is known ------------------------------------------------------------
    def _settle(self, now: Now) -> None:
        """Do everything that the present knowledge allows, and set the timer for the rest.

        Handlers only add knowledge; all action is here, so no order of arrival can miss its moment.
        """
        self._wakes = []
        if not self._stopped:
            self._cut_batch(now)
            while self._step(now):
                pass
            self._announce(now)
            self._fetch(now)
        self._schedule()

    def _step(self, now: Now) -> bool:
        """One pass over the protocol's rules; True when it proved something new, so another pass is due."""
        certificates = self._state.certificates
        before = certificates.frontier, certificates.final_view, certificates.top_view
        for block in deliver(self._state):
            self._queue.append(block)
            self._behind_since_ms = None
        if self._pace.view != certificates.frontier:
            self._pace.enter(certificates.frontier, now.mono_ms)
        self._vote_final()
        self._propose(now)
        self._vote_notarise(now)
        self._give_up(now)
        return before != (certificates.frontier, certificates.final_view, certificates.top_view)

    def _vote_final(self) -> None:
        """Rule 4: F for what is notarised and held; and the moment to notice that a quorum executed otherwise."""
        state = self._state
        for certificate in state.certificates.of_kind(N, above=state.certificates.final_view):
            header = state.chain.get(certificate.digest or b"")
            if header is None:
                continue
            self._check_divergence(header)
            parent = state.chain.get(header.parent)
            if self._stopped or parent is None or not state.ballot.may(F, header.view):
                continue
            if state.lanes.span(parent.cut, header.cut).complete:
                self._queue.append(Broadcast(self._vote(F, header.view, certificate.digest)))

    def _check_divergence(self, header: Header) -> None:
        execution = self._state.execution
        if execution.compare(header.exec_height, header.exec_hash) is Claim.CONTRADICTS:
            self._diverged(header.exec_height, header.exec_hash)

    def _diverged(self, height: int, theirs: Digest) -> None:
        self._stopped = True
        own = dict(self._state.execution.hashes_from(height)).get(height, b"")
        fields = (("height", height), ("own", own.hex()), ("theirs", theirs.hex()))
        text = f"this node's execution of height {height} differs from the others': it must stop and be examined"
        self._queue.append(Report(ReportKind.DIVERGED, None, text, fields))

    def _propose(self, now: Now) -> None:
        state, pace = self._state, self._pace
        view = pace.view
        if self._stopped or self._committee.leader(view) != self._me or self._proposed_view >= view:
            return
        own = state.proposals.get(view)
        if own is None:
            if not state.ballot.may(N, view):
                return
            header = self._build(now)
            if header is None:
                return
            own = Proposed(state.chain.add(header), now.wall_ms)
            state.proposals[view] = own
            self._persist(header)
        self._proposed_view = view
        justification = state.certificates.justify(own.link.header)
        vote = state.ballot.of(view).notarise or self._vote(N, view, own.link.digest)
        if justification is not None:
            self._queue.append(Broadcast(Proposal(own.link.header, vote, tuple(justification[-JUSTIFICATION_MAX:]))))

    def _build(self, now: Now) -> Header | None:
        state, entered_ms = self._state, self._pace.entered_ms
        base = state.chain.get(state.certificates.top_digest)
        if base is None:
            return None
        earliest_ms = entered_ms + self._parameters.block_interval_ms
        if now.mono_ms < earliest_ms:
            self._wakes.append(earliest_ms)
            return None
        return work.build(state, base, now, entered_ms)

    def _vote_notarise(self, now: Now) -> None:
        state, view = self._state, self._pace.view
        proposed = state.proposals.get(view)
        self._waiting_for = ""
        if self._stopped or proposed is None or not state.ballot.may(N, view) or view in state.equivocal_views:
            return
        judgement = judge(state, proposed, now)
        match judgement.verdict:
            case Verdict.VALID:
                self._queue.append(Broadcast(self._vote(N, view, proposed.link.digest)))
            case Verdict.WAIT:
                self._waiting_for = judgement.reason
                if judgement.again_ms is not None:
                    self._wakes.append(now.mono_ms + judgement.again_ms - now.wall_ms)
            case Verdict.INVALID:
                leader = self._committee.leader(view)
                self._report(ReportKind.BAD_MESSAGE, leader, f"its proposal in view {view} is not valid: {judgement.reason}")
                self._skip(view)

    def _skip(self, view: int) -> None:
        if self._state.ballot.may(S, view):
            self._queue.append(Broadcast(self._vote(S, view, None)))

    def _give_up(self, now: Now) -> None:
        state, pace = self._state, self._pace
        if self._stopped or state.certificates.frontier != pace.view:
            return
        active = work.is_active(state, now, pace.entered_ms)
        given_up = state.ballot.of(pace.view).skip is not None
        pace.run(active, given_up, state.timeout_ms(pace.view), now.mono_ms)
        if pace.expired(now.mono_ms):
            self._skip(pace.view)
            pace.run(active, True, 0, now.mono_ms)
        if pace.take_retry(now.mono_ms):
            self._queue.append(Broadcast(self._status()))

    # -- lanes --------------------------------------------------------------------------------------
    @property
    def _own_lane(self) -> Any:
        return self._state.lanes.lane(self._me)
