"""Where a validator stands, what it waits for, who is missing, and what happens next: for its operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus import work
from consensus.state import Now, Peer, State
from consensus.types import MemberNumber, VoteKind
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

    `phase` is one of: idle, proposal, notarise, skip, execution, behind, stopped. `since_ms` is how long the
    view lasts; `next_ms` is when something happens at the latest, if nothing arrives.
    """

    phase: str
    text: str
    view: int
    height: int
    leader: MemberNumber
    since_ms: int
    next_ms: int | None
    votes: int = 0
    quorum: int = 0
    missing: tuple[Absentee, ...] = ()
    contradicted_by: tuple[tuple[MemberNumber, int], ...] = ()
    """(member, height) of validators whose execution differs from this node's."""

    def sentence(self, names: Mapping[MemberNumber, str]) -> str:
        """The same for people; `names` of members."""

        def name(member: MemberNumber) -> str:
            return names.get(member, f"member {member}")

        parts = [self.text.format(leader=name(self.leader))]
        if self.missing:
            parts.append("missing " + _list([name(gone.member) + _remark(gone) for gone in self.missing]))
        sentence = ", ".join(parts)
        if self.next_ms is not None:
            sentence += f"; next attempt in at most {_seconds(self.next_ms)}"
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
                "view": peers[number].frontier,
                "final_view": peers[number].final_view,
            }
            for number, tip in tips.items()
        ],
    }


def explain(state: State, voting: Voting, peers: Mapping[MemberNumber, Peer], stopped: bool, now: Now) -> Why:
    """Look at everything a replica knows and say what it waits for."""
    pace, view, height = voting.pace, state.certificates.frontier, state.chain.floor.header.height
    since_ms = now.mono_ms - pace.entered_ms
    deadline_ms = min(pace.moments(), default=None)
    phase, text, voters = _phase(state, voting, stopped, now)
    quorum = state.committee.quorum
    missing: tuple[Absentee, ...] = ()
    if voters is not None and len(voters) < quorum:
        gone = [number for number in state.others if number not in voters]
        missing = tuple(_absentee(state, number, peers[number], now) for number in gone)
    contradictions = state.execution.contradictions()
    return Why(
        phase=phase,
        text=text,
        view=view,
        height=height,
        leader=state.committee.leader(view),
        since_ms=since_ms,
        next_ms=None if deadline_ms is None or phase == "stopped" else max(0, deadline_ms - now.mono_ms),
        votes=len(voters or ()),
        quorum=quorum,
        missing=missing,
        contradicted_by=tuple((tip.voter, tip.height) for tip in contradictions),
    )


def _phase(
    state: State, voting: Voting, stopped: bool, now: Now
) -> tuple[str, str, list[MemberNumber] | None]:
    """(phase, text, who voted for what is waited for, if it is votes)."""
    view, pace = state.certificates.frontier, voting.pace
    height, executed = state.chain.floor.header.height, state.execution.height
    if stopped:
        return "stopped", "stopped: this node's execution contradicts the others'", None
    if state.certificates.final_view > state.chain.floor.header.view:
        return "behind", f"behind: height {height} is here, later blocks are final and on their way", None
    if not work.is_active(state, now, pace.entered_ms):
        if executed < height:
            return (
                "execution",
                f"height {height} is final and waits for execution, {executed} is executed",
                None,
            )
        return "idle", f"idle at height {height}: nothing to agree on", None
    start = f"no block for {_seconds(now.mono_ms - pace.entered_ms)}: view {view} waits for "
    own = state.ballot.of(view)
    if own.skip is not None:
        voters = state.tally.voters(view, VoteKind.SKIP)
        wanted = state.committee.quorum - len(voters)
        refused_view, reason = voting.refused
        because = f" (refused its proposal: {reason})" if refused_view == view else ""
        text = f"{start}{_count(max(0, wanted), 'vote')} to give up on its leader {{leader}}{because}"
        return "skip", text, voters
    if own.notarise is not None:
        voters = state.tally.voters(view, VoteKind.NOTARISE)
        wanted = state.committee.quorum - len(voters)
        return "notarise", f"{start}{_count(max(0, wanted), 'vote')}", voters
    if voting.waiting_for:
        return "proposal", f"{start}this node to vote: {voting.waiting_for}", None
    reason = work.work(state, now, pace.entered_ms) or "others began to vote"
    return "proposal", f"{start}the proposal of {{leader}} ({reason})", None


def _absentee(state: State, number: MemberNumber, peer: Peer, now: Now) -> Absentee:
    silent_ms = None if peer.heard_ms is None else now.mono_ms - peer.heard_ms
    tip = state.execution.tip_of(number)
    behind = state.execution.height - tip.height if tip is not None else 0
    return Absentee(number, silent_ms, behind if behind > 0 else None)


def _remark(gone: Absentee) -> str:
    if gone.silent_ms is None:
        return " (not heard yet)"
    if gone.silent_ms >= SILENT_MS:
        return f" (silent for {_seconds(gone.silent_ms)})"
    if gone.behind_blocks is not None:
        return f" ({_count(gone.behind_blocks, 'block')} behind)"
    return ""


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms // 1000} s" if duration_ms >= 1000 else f"{duration_ms} ms"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _list(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
