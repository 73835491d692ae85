"""Simplex proper: proposing, voting, counting, and giving up on a view."""

from __future__ import annotations

from collections.abc import Iterable

from consensus import accusing, catchup, work
from consensus.certificates import check_certificate
from consensus.effects import Broadcast, Outgoing, Persist, ReportKind
from consensus.errors import InvalidMessage
from consensus.evidence import two_votes
from consensus.judging import Verdict, judge
from consensus.messages import header_digest, vote_payload
from consensus.pacemaker import Pacemaker
from consensus.records import encode_record
from consensus.rules import crowd
from consensus.state import Now, Proposed, State
from consensus.types import NO_DIGEST, Certificate, Digest, Header, MemberNumber, Proposal, Vote, VoteKind

N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE

VIEW_WINDOW = 64
"""Votes and proposals are taken this many views ahead of one's own; certificates any number."""


class Voting:
    """One validator's part in the vote. Inputs add knowledge; `step` acts on it."""

    def __init__(self, state: State, out: Outgoing) -> None:
        self._state = state
        self._out = out
        self.pace = _pacemaker(state)
        self.waiting_for = ""
        """Why there is no N yet for the proposal at hand."""
        self.refused: tuple[int, str] = (0, "")
        """The last view whose proposal was refused, and why."""
        self._sent_view = 0
        """The last view whose proposal was sent in this life."""

    def begin(self) -> None:
        """Another epoch: views begin anew."""
        self.pace = _pacemaker(self._state)
        self.waiting_for, self.refused, self._sent_view = "", (0, ""), 0

    # -- inputs -------------------------------------------------------------------------------------
    def on_proposal(self, sender: MemberNumber, proposal: Proposal, now: Now) -> None:
        """A leader's proposal. Raises: InvalidMessage."""
        header, vote, state = proposal.header, proposal.vote, self._state
        place = f"proposal of view {header.view}"
        if header.epoch != state.committee.epoch or sender != state.committee.leader(header.view):
            raise InvalidMessage(f"{place}: {sender} does not lead it")
        digest = header_digest(state.chain_id, header)
        if (vote.kind, vote.epoch, vote.view, vote.digest, vote.voter) != (
            N,
            header.epoch,
            header.view,
            digest,
            sender,
        ):
            raise InvalidMessage(f"{place}: its vote is not the leader's vote for it")
        for certificate in proposal.justification:
            self.on_certificate(certificate)
        known = state.proposals.get(header.view)
        if not self._is_open(header.view) or (known is not None and known.link.digest == digest):
            return
        if header.view in state.equivocal_views:
            return
        payload = vote_payload(state.chain_id, N, vote.epoch, vote.view, digest)
        if not state.verifier(state.committee.key_of(sender) or NO_DIGEST, payload, vote.signature):
            raise InvalidMessage(f"{place}: its leader's signature is not valid")
        if known is None:
            self._hold(header, now)
        else:
            state.equivocal_views.add(header.view)
        self.count(vote, trusted=True)

    def on_votes(self, sender: MemberNumber, votes: Iterable[Vote]) -> None:
        """Votes from their author's own stream. Raises: InvalidMessage."""
        for vote in votes:
            self._on_vote(sender, vote)

    def _on_vote(self, sender: MemberNumber, vote: Vote) -> None:
        if (
            vote.voter != sender
            or self._state.committee.key_of(sender) is None
            or vote.epoch != self._state.committee.epoch
            or (vote.digest is None) != (vote.kind is S)
        ):
            raise InvalidMessage(f"vote of view {vote.view}: not the sender's own, or malformed")
        if self._is_open(vote.view):
            self.count(vote)

    def on_certificate(self, certificate: Certificate) -> None:
        """A certificate from anyone. Raises: InvalidMessage."""
        state = self._state
        if certificate.kind is F and certificate.view <= state.floor_view:
            return  # it is delivered: as many as the chain has blocks would be kept
        if not state.certificates.holds(certificate):
            check_certificate(certificate, state.committee, state.chain_id, state.verifier)
            self._absorb(certificate)

    def _is_open(self, view: int) -> bool:
        certificates = self._state.certificates
        return certificates.final_view < view <= certificates.frontier + VIEW_WINDOW

    # -- counting -----------------------------------------------------------------------------------
    def count(self, vote: Vote, *, trusted: bool = False) -> None:
        """Count a vote; `trusted` says that its signature was checked or is our own."""
        counted = self._state.tally.add(vote, trusted=trusted)
        for member in counted.forgers:
            self._out.report(
                ReportKind.BAD_MESSAGE, member, f"its vote in view {vote.view} has an invalid signature"
            )
        if counted.equivocation is not None:
            accusing.take(self._state, self._out, two_votes(*counted.equivocation))
        if counted.certificate is not None and not self._state.certificates.holds(counted.certificate):
            self._absorb(counted.certificate)

    def _absorb(self, certificate: Certificate) -> None:
        state = self._state
        state.certificates.add(certificate)
        self._out.add(Persist(encode_record(certificate)))
        if certificate.kind is F:
            final_view = state.certificates.final_view
            self.pace.busy_since_ms = None
            state.ballot.forget_through(final_view)
            state.tally.forget_through(final_view)
            state.proposals = {view: held for view, held in state.proposals.items() if view > final_view}
            state.equivocal_views = {view for view in state.equivocal_views if view > final_view}

    # -- acting -------------------------------------------------------------------------------------
    def step(self, now: Now) -> None:
        """Everything that may be voted or proposed now."""
        certificates = self._state.certificates
        if self.pace.view != certificates.frontier:
            skipped = certificates.frontier > certificates.top_view + 1
            self.pace.enter(certificates.frontier, now.mono_ms, skipped=skipped)
        if not self._state.is_validator or self._state.epoch_is_over:
            self.pace.run(work.is_active(self._state, now, self.pace.entered_ms), True, 0, now.mono_ms)
            return  # an observer only asks for what it misses
        self._vote_to_finalise()
        self._propose(now)
        self._vote_to_notarise(now)
        self._give_up(now)

    def _cast(self, kind: VoteKind, view: int, digest: Digest | None) -> Vote:
        """Vote, durably, and count it; the caller sends it."""
        vote = self._state.ballot.cast(kind, view, digest)
        self._out.add(Persist(encode_record(vote)))
        self.count(vote, trusted=True)
        return vote

    def _vote_to_finalise(self) -> None:
        """Rule 4: F for what is notarised, with header and batches held."""
        state = self._state
        for certificate in state.certificates.of_kind(N, above=state.certificates.final_view):
            header = state.chain.get(certificate.digest or NO_DIGEST)
            parent = state.chain.get(header.parent) if header is not None else None
            if header is None or parent is None or not state.ballot.may(F, header.view):
                continue
            if state.lanes.span(parent.cut, header.cut).complete:
                self._out.add(Broadcast(self._cast(F, header.view, certificate.digest)))

    def _propose(self, now: Now) -> None:
        """As leader: a new block when there is reason for one; after a restart, the same one again."""
        state, view = self._state, self.pace.view
        if state.committee.leader(view) != state.me or self._sent_view >= view:
            return
        proposed = state.proposals.get(view)
        if proposed is None and state.ballot.may(N, view):
            header = self._build(now)
            proposed = self._hold(header, now) if header is not None else None
        if proposed is None:
            return
        if state.justify(proposed.link.header) is None:
            return
        self._sent_view = view
        if state.ballot.of(view).notarise is None:
            self._cast(N, view, proposed.link.digest)
        proposal = catchup.own_proposal(state, view)
        if proposal is not None:
            self._out.add(Broadcast(proposal))

    def _build(self, now: Now) -> Header | None:
        base = self._state.chain.get(self._state.certificates.top_digest)
        earliest_ms = self.pace.opens_ms + self._state.parameters.block_interval_ms
        if now.mono_ms < earliest_ms:
            self._out.wake(earliest_ms)
            return None
        return None if base is None else work.build(self._state, base, now, self.pace.opens_ms)

    def _hold(self, header: Header, now: Now) -> Proposed:
        proposed = Proposed(self._state.chain.add(header), now.wall_ms)
        self._state.proposals[header.view] = proposed
        self._out.add(Persist(encode_record(header)))
        return proposed

    def _vote_to_notarise(self, now: Now) -> None:
        state, view = self._state, self.pace.view
        self.waiting_for = ""
        proposed = state.proposals.get(view)
        if proposed is None:
            return
        self.pace.proposed(now.mono_ms)
        if not state.ballot.may(N, view) or view in state.equivocal_views:
            return
        judgement = judge(state, proposed, now)
        match judgement.verdict:
            case Verdict.VALID:
                self._out.add(Broadcast(self._cast(N, view, proposed.link.digest)))
            case Verdict.WAIT:
                self.waiting_for = judgement.reason
                if judgement.again_ms is not None:
                    self._out.wake(now.mono_ms + judgement.again_ms - now.wall_ms)
            case Verdict.INVALID:
                self.refused = view, judgement.reason
                text = f"its proposal in view {view} is refused: {judgement.reason}"
                self._out.report(ReportKind.REFUSED_PROPOSAL, state.committee.leader(view), text)
                self._skip(view)

    def _skip(self, view: int) -> None:
        if self._state.ballot.may(S, view):
            self._out.add(Broadcast(self._cast(S, view, None)))

    def _give_up(self, now: Now) -> None:
        """Vote to skip the view when its time is up."""
        state, pace = self._state, self.pace
        if state.certificates.frontier != pace.view:
            return  # a vote just cast ended the view
        active = work.is_active(state, now, pace.entered_ms)
        given_up = state.ballot.of(pace.view).skip is not None
        pace.run(active, given_up, state.timeout_ms(pace.view), now.mono_ms)
        if pace.expired(now.mono_ms):
            if self.waiting_for:
                text = f"its proposal in view {pace.view} is given up: {self.waiting_for}"
                self._out.report(ReportKind.REFUSED_PROPOSAL, state.committee.leader(pace.view), text)
            self._skip(pace.view)
            pace.run(active, True, 0, now.mono_ms)


def _pacemaker(state: State) -> Pacemaker:
    """For an epoch: where all vote to many, a leader gathers."""
    return Pacemaker(state.parameters.base_timeout_ms, gathers=crowd(len(state.committee.numbers)) > 1)
