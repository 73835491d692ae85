"""Whether there is anything to agree on, and what a leader makes of it.

An idle chain does not grow: without work no leader proposes and no timer runs.
"""

from __future__ import annotations

from consensus import accusing
from consensus.rules import filler, lag_allows_content
from consensus.state import Now, State
from consensus.types import Header, VoteKind

PATIENCE_DIVISOR = 4
"""A leader with nothing new waits T(v) over this for what is under way to become final by itself; one that
would only certify an execution, for batches that no quorum holds yet."""


def heartbeat_at_ms(state: State, entered_ms: int) -> int | None:
    """When (monotonic) a view that began at `entered_ms` needs a block even without work."""
    interval = state.parameters.heartbeat_ms
    return entered_ms + interval if interval else None


def wakeup_at_ms(state: State) -> int | None:
    """When (civil time) a contract timer is due; None also while blocks wait for execution."""
    if state.execution.height < state.chain.floor.header.height:
        return None
    return state.execution.next_wakeup_ms


def work(state: State, now: Now, entered_ms: int) -> str | None:
    """What there is to agree on, in a few words, or None."""
    floor = state.chain.floor.header
    if state.execution.decided is not None:
        return "a change of the committee"
    if state.evidence:
        return "evidence against a member"
    if state.lanes.beyond(floor.cut):
        return "batches to order"
    if state.execution.changed_height > floor.exec_height:
        return "an execution to certify"
    wakeup_ms = wakeup_at_ms(state)
    if wakeup_ms is not None and wakeup_ms <= now.wall_ms:
        return "a contract timer is due"
    heartbeat_ms = heartbeat_at_ms(state, entered_ms)
    if heartbeat_ms is not None and heartbeat_ms <= now.mono_ms:
        return "the heartbeat is due"
    return None


def is_active(state: State, now: Now, entered_ms: int) -> bool:
    """Whether the current view must end: there is work, or someone began to vote in it."""
    view = state.certificates.frontier
    own = state.ballot.of(view)
    return (
        work(state, now, entered_ms) is not None
        or own.notarise is not None
        or view in state.proposals
        or len(state.tally.voters(view, VoteKind.SKIP)) > state.committee.faults_max
    )


def build(state: State, base: Header, now: Now, entered_ms: int) -> Header | None:
    """The header to propose on `base` in the current view, or None while there is no reason for a block."""
    certificates, epoch = state.certificates, state.committee.epoch
    if base.next_set is not None and base.epoch == epoch:
        stuck = is_stuck(state, now, entered_ms)
        return filler(base, certificates.top_digest, certificates.frontier) if stuck else None
    height = base.height + 1
    exec_height, exec_hash = state.execution.name_for(base)
    has_room = lag_allows_content(height, exec_height, state.parameters)
    cut = base.cut
    if has_room:
        cut = state.lanes.cut(base.cut, height)
    header = Header(
        epoch=epoch,
        view=certificates.frontier,
        height=height,
        parent_view=certificates.top_view,
        parent=certificates.top_digest,
        time_ms=max(base.time_ms + 1, now.wall_ms),
        cut=cut,
        exec_height=exec_height,
        exec_hash=exec_hash,
        evidence=accusing.fresh(state, base),
        next_set=state.next_set(exec_height),
    )
    if _is_new(state, header, base, has_room, now, entered_ms) or is_stuck(state, now, entered_ms):
        return header
    return None


def _is_new(state: State, header: Header, base: Header, has_room: bool, now: Now, entered_ms: int) -> bool:
    """Whether a block would bring anything that its ancestors do not."""
    if header.cut != base.cut or header.evidence or header.next_set is not None:
        return True
    certifies = base.exec_height < state.execution.changed_height <= header.exec_height
    soon = has_room and state.lanes.beyond(base.cut) and now.mono_ms < _patience_ends_ms(state, entered_ms)
    if certifies and not soon:  # what is under way can go into the same block
        return True
    if not has_room:  # only execution can make room; pass on what became known of it
        return header.exec_height > base.exec_height
    wakeup_ms = wakeup_at_ms(state)
    if wakeup_ms is not None and wakeup_ms <= header.time_ms:
        fires_already = base.height > state.chain.floor.header.height and wakeup_ms <= base.time_ms
        if not fires_already:
            return True
    heartbeat_ms = heartbeat_at_ms(state, entered_ms)
    return heartbeat_ms is not None and heartbeat_ms <= now.mono_ms


def is_stuck(state: State, now: Now, entered_ms: int) -> bool:
    """Whether work lies in blocks that are notarised but not final, so that another block must help."""
    certificates = state.certificates
    return (
        certificates.top_view > certificates.final_view
        and now.mono_ms >= _patience_ends_ms(state, entered_ms)
        and work(state, now, entered_ms) is not None
    )


def moments(state: State, now: Now, entered_ms: int) -> list[int]:
    """Times to come (monotonic) at which there may be work that there is not now."""
    times = [_patience_ends_ms(state, entered_ms)]
    heartbeat_ms = heartbeat_at_ms(state, entered_ms)
    if heartbeat_ms is not None:
        times.append(heartbeat_ms)
    wakeup_ms = wakeup_at_ms(state)
    if wakeup_ms is not None:
        times.append(now.mono_ms + wakeup_ms - now.wall_ms)
    return [time for time in times if time > now.mono_ms]


def _patience_ends_ms(state: State, entered_ms: int) -> int:
    """When a leader stops waiting for what is under way.

    The longer nothing becomes final, the longer: blocks that only help others to be final must not pile up.
    """
    return entered_ms + state.timeout_ms(state.certificates.frontier) // PATIENCE_DIVISOR
