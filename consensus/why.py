"""Where a validator stands, what it waits for, who is missing, and what happens next: for its operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consensus import work
from consensus.delivery import is_held_back, next_undelivered
from consensus.state import Now, Peer, State
from consensus.types import Header, MemberNumber, VoteKind
from consensus.voting import Voting

SILENT_MS = 5_000
"""A validator that was not heard for so long is called silent."""


@dataclass(frozen=True, slots=True)
class Absentee:
    """A validator whose vote is missing, and what is known of it; None: never heard, or not behind."""

    member: MemberNumber
    silent_ms: int | None
    behind_blocks: int | None


@dataclass(frozen=True, slots=True)
class Why:
    """The state of the vote.

    `phase` is one of:
    idle          there is nothing to agree on
    proposal      the leader's proposal is awaited
    notarise      votes for it are awaited
    skip          votes to give up on the leader are awaited
    finalise      votes that make a block final are awaited
    batches       batches that a block orders are missing here
    clock         the proposal's time is ahead of this node's clock
    execution     final blocks wait for execution
    boundary      the epoch ends, and the next committee has not begun
    behind        later blocks are final and on their way here
    observer      this node does not vote
    stopped       this node's execution contradicts the others'

    `busy_ms` is how long a block has been wanted without one becoming final (None: none is wanted);
    `next_ms` is when something happens at the latest, if nothing arrives.
    """

    phase: str
    text: str
    view: int
    height: int
    leader: MemberNumber
    busy_ms: int | None
    next_ms: int | None
    votes: int = 0
    quorum: int = 0
    missing: tuple[Absentee, ...] = ()
    contradicted_by: tuple[tuple[MemberNumber, int], ...] = ()
    """(member, height) of validators whose execution differs from this node's."""

    def sentence(
        self, names: Mapping[MemberNumber, str], remarks: Mapping[MemberNumber, str] | None = None
    ) -> str:
        """The same for people; `names` of members, and `remarks` on those of whom more is known elsewhere."""

        def name(member: MemberNumber) -> str:
            return names.get(member, f"member {member}")

        def missed(gone: Absentee) -> str:
            remark = (remarks or {}).get(gone.member) or _remark(gone)
            return f"{name(gone.member)} ({remark})" if remark else name(gone.member)

        parts = [self.text.format(leader=name(self.leader))]
        told = [missed(gone) for gone in self.missing]
        if self.phase == "proposal":  # whose it is was said: only what else is known of it
            told = [text for text in told if text.endswith(")")]
        if told:
            parts.append(("those of " if self.phase == "batches" else "missing ") + listed(told))
        sentence = ", ".join(parts)
        if self.next_ms is not None:
            sentence += f"; next attempt in at most {span(self.next_ms)}"
        for member, height in self.contradicted_by:
            sentence += f"; the execution of {name(member)} differs from ours at height {height}"
        return sentence


def describe(state: State, peers: Mapping[MemberNumber, Peer], waiting: int) -> dict[str, Any]:
    """Where a replica stands, as plain data; `waiting` own transactions are in no batch yet."""
    certificates, floor = state.certificates, state.chain.floor.header
    tips = {number: state.execution.tip_of(number) for number in state.others}
    return {
        "epoch": state.committee.epoch,
        "view": certificates.frontier,
        "leader": state.committee.leader(certificates.frontier),
        "final_view": certificates.final_view,
        "final_height": floor.height,
        "executed_height": state.execution.height,
        "certified_height": floor.exec_height,
        "validators": list(state.committee.numbers),
        "accused": sorted(state.accused),
        "quorum": state.committee.quorum,
        "faults_max": state.committee.faults_max,
        "waiting_transactions": waiting,
        "lanes": [
            {
                "member": lane.final.lane,
                "final_seq": lane.final.seq,
                "held_seq": lane.tip.seq,
                "held_bytes": lane.held_bytes,
                "frozen": lane.frozen,
            }
            for lane in state.lanes
        ],
        "peers": [
            {
                "member": number,
                "executed_height": None if tip is None else tip.height,
                "view": peers[number].frontier if number in peers else 0,
                "final_view": peers[number].final_view if number in peers else 0,
            }
            for number, tip in tips.items()
        ],
    }


def explain(state: State, voting: Voting, peers: Mapping[MemberNumber, Peer], stopped: bool, now: Now) -> Why:
    """Look at everything a replica knows and say what it waits for."""
    pace, view = voting.pace, state.certificates.frontier
    found = _find(state, voting, stopped, now)
    gone: Sequence[MemberNumber] = found.missing
    if found.voters is not None and len(found.voters) < state.committee.quorum:
        gone = [number for number in state.others if number not in found.voters]
    deadline_ms = min(pace.moments(), default=None)
    timed = deadline_ms is not None and found.phase not in ("stopped", "behind")
    return Why(
        phase=found.phase,
        text=found.text,
        view=view,
        height=state.chain.floor.header.height,
        leader=state.committee.leader(view),
        busy_ms=None if pace.busy_since_ms is None else now.mono_ms - pace.busy_since_ms,
        next_ms=max(0, deadline_ms - now.mono_ms) if timed and deadline_ms is not None else None,
        votes=len(found.voters or ()),
        quorum=state.committee.quorum,
        missing=tuple(_absentee(state, number, peers.get(number), now) for number in gone),
        contradicted_by=tuple((tip.voter, tip.height) for tip in state.execution.contradictions()),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What is waited for: the votes of a quorum, of which `voters` have come, or what `missing` owe."""

    phase: str
    text: str
    voters: list[MemberNumber] | None = None
    missing: tuple[MemberNumber, ...] = ()


def _find(state: State, voting: Voting, stopped: bool, now: Now) -> _Found:
    height, executed = state.chain.floor.header.height, state.execution.height
    if stopped:
        return _Found("stopped", "stopped: this node's execution contradicts the others'")
    if state.abstains and state.holds_seat:
        return _Found("observer", "does not vote: what its key may have signed before is not known here")
    if state.epoch_is_over:
        epoch, wanted = state.committee.epoch, state.chain.floor.header.exec_height
        text = f"epoch {epoch} ends with height {height}: the next one begins when {wanted} is executed here"
        return _Found("boundary", f"{text}, {executed} is")
    if state.is_behind:
        return _undelivered(state, height)
    if height - executed > state.parameters.exec_lag_max:
        text = f"height {height} is final and {executed} is executed: blocks stay empty until then"
        return _Found("execution", text)
    if not work.is_active(state, now, voting.pace.entered_ms):
        if executed < height:
            text = f"height {height} is final and waits for execution, {executed} is executed"
            return _Found("execution", text)
        return _Found("idle", f"idle at height {height}: nothing to agree on")
    if not state.is_validator:
        epoch, view = state.committee.epoch, state.certificates.frontier
        text = f"observes at height {height}: the validators of epoch {epoch} vote on view {view}"
        return _Found("observer", text)
    found = _vote(state, voting, now)
    if state.execution.decided is None:
        return found
    text = f"epoch {state.committee.epoch} ends with one of the next blocks; {found.text}"
    return replace(found, phase="boundary", text=text)


def _undelivered(state: State, height: int) -> _Found:
    following = next_undelivered(state)
    if is_held_back(state):
        executed = state.execution.height
        return _Found(
            "execution", f"height {height} and more are final, {executed} is executed: the rest waits"
        )
    if following is not None and following.header.height == height + 1:
        lanes = _lanes_missing(state, state.chain.floor.header, following.header)
        if lanes:
            return _Found(
                "batches",
                f"height {height + 1} is final, and {_batches(len(lanes))} are not here",
                None,
                lanes,
            )
    return _Found("behind", f"behind: height {height} is here, later blocks are final and on their way")


def _vote(state: State, voting: Voting, now: Now) -> _Found:
    """What the vote of the view waits for."""
    view, quorum, own = (
        state.certificates.frontier,
        state.committee.quorum,
        state.ballot.of(state.certificates.frontier),
    )
    busy_since_ms = voting.pace.busy_since_ms
    busy_ms = 0 if busy_since_ms is None else now.mono_ms - busy_since_ms
    start = f"no block for {span(busy_ms)}: view {view} waits for "
    if own.skip is not None:
        voters = state.tally.voters(view, VoteKind.SKIP)
        refused_view, reason = voting.refused
        because = f" (refused its proposal: {reason})" if refused_view == view else ""
        wanted = _count(max(0, quorum - len(voters)), "vote")
        return _Found("skip", f"{start}{wanted} to give up on its leader {{leader}}{because}", voters)
    if own.notarise is not None:
        voters = state.tally.voters(view, VoteKind.NOTARISE)
        return _Found("notarise", f"{start}{_count(max(0, quorum - len(voters)), 'vote')}", voters)
    proposed = state.proposals.get(view)
    if proposed is not None and voting.waiting_for:
        return _held_vote(state, proposed.link.header, f"{start}this node to vote: {voting.waiting_for}", now)
    unfinished = _unfinished(state)
    if unfinished is not None:
        notarised_view, voters = unfinished
        text = f"{start}the proposal of {{leader}}; view {notarised_view} is notarised and not final yet"
        return _Found("finalise", text, voters)
    reason = work.work(state, now, voting.pace.entered_ms) or "others began to vote"
    leader = state.committee.leader(view)
    return _Found(
        "proposal",
        f"{start}the proposal of {{leader}} ({reason})",
        missing=() if leader == state.me else (leader,),
    )


def _held_vote(state: State, header: Header, text: str, now: Now) -> _Found:
    """Why this node has a proposal and has not voted."""
    parent = state.chain.get(header.parent)
    lanes = () if parent is None else _lanes_missing(state, parent, header)
    if lanes:
        return _Found("batches", text, None, lanes)
    if header.time_ms > now.wall_ms + state.parameters.precision_ms:
        return _Found("clock", text)
    if header.exec_height > state.execution.height:
        return _Found("execution", text)
    return _Found("proposal", text)


def _unfinished(state: State) -> tuple[int, list[MemberNumber]] | None:
    """The newest view that is notarised and not final, and who voted to make it so."""
    certificates = state.certificates
    if certificates.top_view <= certificates.final_view:
        return None
    voters = state.tally.voters(certificates.top_view, VoteKind.FINALISE)
    return (certificates.top_view, voters) if len(voters) < state.committee.quorum else None


def _lanes_missing(state: State, base: Header, header: Header) -> tuple[MemberNumber, ...]:
    """Whose batches a header orders beyond `base` that are not here."""
    return tuple(tip.lane for tip, _ in state.lanes.span(base.cut, header.cut).missing)


def _absentee(state: State, number: MemberNumber, peer: Peer | None, now: Now) -> Absentee:
    heard_ms = None if peer is None else peer.heard_ms
    tip = state.execution.tip_of(number)
    behind = state.execution.height - tip.height if tip is not None else 0
    silent_ms = None if heard_ms is None else now.mono_ms - heard_ms
    return Absentee(number, silent_ms, behind if behind > 0 else None)


def _remark(gone: Absentee) -> str:
    if gone.silent_ms is None:
        return "not heard yet"
    if gone.silent_ms >= SILENT_MS:
        return f"silent for {span(gone.silent_ms)}"
    if gone.behind_blocks is not None:
        return f"{_count(gone.behind_blocks, 'block')} behind"
    return ""


def span(duration_ms: int) -> str:
    """A span of time for people: `420 ms`, `12 s`, `3 min`."""
    if duration_ms < 1000:
        return f"{duration_ms} ms"
    return f"{duration_ms // 1000} s" if duration_ms < 600_000 else f"{duration_ms // 60_000} min"


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def _batches(lanes: int) -> str:
    return "batches that it orders" if lanes == 1 else f"batches that it orders, of {lanes} members,"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
