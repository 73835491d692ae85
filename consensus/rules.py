"""The rules of voting as pure functions: what may be signed, what a header must be, how long to wait.

Everything that safety rests on is here and in `consensus.ballot`, which refuses to sign against it.

1. At most one N in a view.
2. Never both S and F in a view.
3. N for a header only if its parent is notarised or final and every view between is skipped; the parent
   before an epoch's first view is the boundary that began it. A filler's parent is the boundary; what it
   follows in the vote, and what must be notarised, is the boundary or another of its fillers.
4. F for a header only with its notarisation, the header and its batches on disk.

Source: Chan & Pass, Simplex Consensus (TCC 2023), where "S" is a vote for the dummy block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consensus.parameters import Parameters
from consensus.types import Cut, Digest, Header, LaneTip, MemberNumber, Vote, VoteKind

QUIET_VALIDATORS = 8
"""Fewer than these need not be sparing with what each tells all others."""

FILLER_TIME_MS = 0
"""Stands in a filler for the time that it has not."""


@dataclass(frozen=True, slots=True)
class ViewVotes:
    """One validator's votes of one view."""

    notarise: Vote | None = None
    skip: Vote | None = None
    finalise: Vote | None = None

    def all(self) -> tuple[Vote, ...]:
        """Those that were cast."""
        return tuple(vote for vote in (self.notarise, self.skip, self.finalise) if vote is not None)


NO_VOTES = ViewVotes()


def may_vote(cast: ViewVotes, kind: VoteKind) -> bool:
    """Whether rules 1 and 2 allow another vote of this kind in the view.

    An N after an S would be safe, but is not cast: whoever gave up on a view does not revive it.
    """
    if kind is VoteKind.NOTARISE:
        return cast.notarise is None and cast.skip is None
    return cast.skip is None and cast.finalise is None


def crowd(validators: int) -> int:
    """So many times less often each of these says to all what need not be said at once.

    1 below QUIET_VALIDATORS, then a quarter of their number: each hears about as much as one of a few.
    """
    return validators // (QUIET_VALIDATORS // 2) if validators >= QUIET_VALIDATORS else 1


def timeout_ms(view: int, final_view: int, faults_max: int, parameters: Parameters) -> int:
    """T(v) = min(factor · T0, T0 · 1.3^k), k the views beyond f + 2 since the last final one.

    It depends on certified views only, so validators with the same certificates wait equally long.
    """
    base = timeout = parameters.base_timeout_ms
    ceiling = base * parameters.timeout_factor_max
    for _ in range(view - final_view - (faults_max + 2)):
        if timeout >= ceiling:
            break
        timeout = timeout * 13 // 10
    return min(timeout, ceiling)


def age_max_ms(timeout: int, parameters: Parameters) -> int:
    """PRECISION + DELAY: how old a header's time may be when it arrives first, in a view of this timeout.

    DELAY grows with the failed views, up to a cap; without the cap a leader could date a block back
    past a deadline after a long partition.
    """
    return parameters.precision_ms + min(timeout, parameters.delay_ms_max)


def lag_allows_content(height: int, exec_height: int, parameters: Parameters) -> bool:
    """Whether a block may order batches and run timers, execution being certified up to `exec_height`."""
    return height - exec_height <= parameters.exec_lag_max


def tips_by_lane(cut: Cut) -> Mapping[MemberNumber, LaneTip]:
    """The cut as a mapping."""
    return {tip.lane: tip for tip in cut}


def header_fault(
    header: Header,
    parent: Header,
    parent_digest: Digest,
    lanes: frozenset[MemberNumber],
    parameters: Parameters,
) -> str | None:
    """Why a header can never follow its parent, or None; what needs data or a clock is judged elsewhere.

    `lanes` are the members whose lanes may appear. At the start `parent` is the genesis header.
    """
    ended = parent.next_set is not None
    begins = ended and header.epoch == parent.epoch + 1
    if header.epoch != parent.epoch and not begins:
        return "it belongs to another epoch"
    parent_view = 0 if begins else parent.view
    if header.view <= parent_view:
        return "its view does not come after its parent's"
    if ended and not begins:
        follows = _is_filler_of(parent, parent_digest, header)
        return None if follows else "its parent ends the epoch, and it is not the filler that may follow"
    if (header.parent, header.parent_view, header.height) != (parent_digest, parent_view, parent.height + 1):
        return "its parent, parent view or height are wrong"
    if header.time_ms <= parent.time_ms:
        return "its time does not come after its parent's"
    if not parent.exec_height <= header.exec_height < header.height:
        return "the execution it names falls back or runs ahead"
    if header.exec_height == parent.exec_height and header.exec_hash != parent.exec_hash:
        return "it names another execution than its parent at the same height"
    if header.exec_height == parent.exec_height and header.next_set is not None:
        return "it ends the epoch, and the execution it names did so far not decide that"
    if header.cut != parent.cut and not lag_allows_content(header.height, header.exec_height, parameters):
        return "it orders batches although execution lags too far behind"
    return _cut_fault(header.cut, parent.cut, lanes)


def filler(followed: Header, followed_digest: Digest, view: int) -> Header:
    """The one header that may follow a boundary, or a filler, in its epoch: it adds a view and nothing else.

    It has no height, execution or batches of its own, but repeats the boundary's, and no time. Its parent is
    the boundary itself, so that however many follow each other, one alone leads from a certificate to it.
    """
    boundary = followed.parent if is_filler(followed) else followed_digest
    return replace(
        followed, view=view, parent_view=followed.view, parent=boundary, time_ms=FILLER_TIME_MS, evidence=()
    )


def is_filler(header: Header) -> bool:
    """Whether a header is a filler, and no block: a block's time comes after genesis."""
    return header.next_set is not None and header.time_ms == FILLER_TIME_MS


def _is_filler_of(boundary: Header, digest: Digest, header: Header) -> bool:
    if is_filler(boundary) or not boundary.view <= header.parent_view < header.view:
        return False
    return header == replace(filler(boundary, digest, header.view), parent_view=header.parent_view)


def _cut_fault(cut: Cut, previous: Cut, lanes: frozenset[MemberNumber]) -> str | None:
    tips, old_tips = tips_by_lane(cut), tips_by_lane(previous)
    for lane, old in old_tips.items():
        tip = tips.get(lane)
        if tip is None or tip.seq < old.seq or (tip.seq == old.seq and tip.digest != old.digest):
            return f"its cut falls back in lane {lane}"
    for lane, tip in tips.items():
        if tip != old_tips.get(lane) and (tip.seq == 0 or lane not in lanes):
            return f"its cut names lane {lane}, which has nothing to order"
    return None


def execution_order(cut: Cut, height: int) -> list[MemberNumber]:
    """The lanes of a cut as a block executes them: by number, starting one further with each height."""
    lanes = [tip.lane for tip in cut]
    start = height % len(lanes) if lanes else 0
    return lanes[start:] + lanes[:start]
