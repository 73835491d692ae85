"""Decisions of several: a proposal, approvals that name its hash, and what is done once enough have approved.

One mechanism for whatever members decide together. The last approval that is needed carries the proposal out
in its own transaction: where that can not be done, the approval fails with the reason and may be given
again. Whose approvals count is asked anew each time, so that of a member that lost its vote is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from consensus.codec import Field, optional, record, sequence, text, uint
from consensus.errors import ensure
from consensus.transactions import INTEGER_MAX, NAME_LENGTH_MAX, Json, canonical_json
from contracts.arguments import time_text
from contracts.gas import READ
from contracts.layout import VALUE, form
from contracts.state import Overlay
from contracts.system.actions import SystemAction, refusal, text_argument
from contracts.values import DAY

if TYPE_CHECKING:
    from contracts.execution import Run

PROPOSAL_MS_DEFAULT = 7 * DAY
"""How long a proposal is open if it does not say."""
PROPOSAL_MS_MAX = 60 * DAY
OPEN_PROPOSALS_MAX = 16
"""Proposals to one system contract, of one member with all its accounts, that may wait at once."""
REASON_LENGTH_MAX = 500
CONTENT_BYTES_MAX = 32 * 1024
"""What a proposal says, in bytes of canonical JSON."""
APPROVALS_MAX = 256
"""Accounts whose approvals one proposal can hold."""

PROPOSALS = b"proposal/"
DECIDED = b"decided/"
_COUNT_KEY = b"proposals"
_HASH_TAG = b"quorate-proposal-v1\n"

Content = dict[str, Any]


class ProposalStatus(StrEnum):
    """Where a proposal stands, or how it ended; `approved` waits for its height."""

    OPEN = "open"
    APPROVED = "approved"
    CARRIED_OUT = "carried out"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an account proposes.

    `content` is canonical JSON, `approvals` are the accounts that approved, sorted; `closed_height` is set
    once it is not open any more.
    """

    contract: str
    content: str
    reason: str
    proposer: str
    height: int
    time_ms: int
    expires_ms: int
    approvals: tuple[str, ...]
    status: ProposalStatus
    closed_height: int | None


@dataclass(frozen=True, slots=True)
class Ballot:
    """Whose approvals count, sorted, how many are needed, and who that is in words."""

    voters: tuple[str, ...]
    needed: int
    words: str

    def given(self, proposal: Proposal) -> list[str]:
        """Those who approved and whose approval counts."""
        return [voter for voter in self.voters if voter in proposal.approvals]

    def missing(self, proposal: Proposal) -> list[str]:
        """Those who could still approve."""
        return [voter for voter in self.voters if voter not in proposal.approvals]


@dataclass(frozen=True, slots=True)
class Deciding:
    """What one system contract decides in this way.

    `ballot` says who decides a content, `check` looks at what an approval says beside the hash, `carry_out`
    does what was decided, or notes when it is to be done: it says which. All may raise Revert.
    """

    contract: str
    ballot: Callable[[Overlay, Content], Ballot]
    carry_out: Callable[[Run, int, Content], ProposalStatus]
    check: Callable[[Content, Mapping[str, Json]], None] = lambda content, arguments: None
    beside: tuple[str, ...] = ()

    def actions(self) -> dict[str, SystemAction]:
        """The actions that every proposal takes."""
        return {
            "approve": SystemAction(
                "approve a proposal; the last approval carries it out",
                ("proposal", "hash"),
                lambda run, arguments: approve(run, self, arguments),
                self.beside,
            ),
            "revoke": SystemAction(
                "take back an approval",
                ("proposal",),
                lambda run, arguments: _revoke(run, self, arguments),
            ),
            "withdraw_proposal": SystemAction(
                "take back a proposal of one's own",
                ("proposal",),
                lambda run, arguments: _withdraw(run, self, arguments),
            ),
        }


_NAME = text(NAME_LENGTH_MAX)
PROPOSAL = form(
    record(
        Proposal,
        contract=_NAME,
        content=text(CONTENT_BYTES_MAX),
        reason=text(4 * REASON_LENGTH_MAX),
        proposer=_NAME,
        height=uint(),
        time_ms=uint(INTEGER_MAX),
        expires_ms=uint(INTEGER_MAX),
        approvals=sequence(_NAME, APPROVALS_MAX),
        status=Field(str, lambda reader, path: ProposalStatus(_NAME.load(reader, path))),
        closed_height=optional(uint()),
    )
)


def content_of(proposal: Proposal) -> Content:
    """What a proposal says."""
    content: Content = orjson.loads(proposal.content)
    return content


def proposal_hash(number: int, proposal: Proposal) -> bytes:
    """What approvals name, 32 bytes: SHA-256 over everything that was proposed."""
    document = {
        "proposal": number,
        "contract": proposal.contract,
        "content": content_of(proposal),
        "reason": proposal.reason,
        "proposer": proposal.proposer,
        "expires_ms": proposal.expires_ms,
    }
    return sha256(_HASH_TAG + canonical_json(document)).digest()


def propose(run: Run, deciding: Deciding, content: Content, arguments: Mapping[str, Json]) -> int:
    """Put a content to the vote, with the approvals of those who signed; its number. Raises: Revert."""
    now_ms = run.context.time_ms
    reason, expires_ms = (
        arguments.get("reason", ""),
        arguments.get("expires_ms", now_ms + PROPOSAL_MS_DEFAULT),
    )
    if type(reason) is not str or len(reason) > REASON_LENGTH_MAX:
        raise refusal("arguments", f"reason must be text of at most {REASON_LENGTH_MAX} characters")
    if type(expires_ms) is not int or not now_ms < expires_ms <= now_ms + PROPOSAL_MS_MAX:
        latest = time_text(now_ms + PROPOSAL_MS_MAX)
        raise refusal("arguments", f"expires_ms must lie in the future, at {latest} at the latest")
    packed = canonical_json(content)
    if len(packed) > CONTENT_BYTES_MAX:
        raise refusal(
            "size", f"the proposal has {len(packed)} bytes, at most {CONTENT_BYTES_MAX} are allowed"
        )
    waiting = _make_room(run, deciding)
    number = (run.context.overlay.get(_COUNT_KEY, VALUE) or 0) + 1
    run.write(_COUNT_KEY, number, VALUE)
    run.write(_waiting_key(run, deciding), [*waiting, number], VALUE)
    proposal = Proposal(
        contract=deciding.contract,
        content=packed.decode(),
        reason=reason,
        proposer=run.signers[0],
        height=run.context.height,
        time_ms=now_ms,
        expires_ms=expires_ms,
        approvals=(),
        status=ProposalStatus.OPEN,
        closed_height=None,
    )
    made = (("proposal", number), ("by", proposal.proposer), ("hash", proposal_hash(number, proposal).hex()))
    run.emit(deciding.contract, "proposed", made)
    _vote(run, deciding, number, proposal)
    return number


def approve(run: Run, deciding: Deciding, arguments: Mapping[str, Json]) -> str:
    """Approve a proposal for all who signed; where it stands then. Raises: Revert."""
    number, proposal = _open(run, deciding, arguments)
    stated, named = proposal_hash(number, proposal).hex(), text_argument(arguments, "hash")
    if named != stated:
        raise refusal("arguments", f"proposal {number} has the hash {stated}: look at it before you approve")
    content = content_of(proposal)
    deciding.check(content, arguments)
    ballot = deciding.ballot(run.context.overlay, content)
    if not any(signer in ballot.voters for signer in run.signers):
        raise refusal(
            "unauthorised",
            f"proposal {number} is decided by {ballot.words} ({', '.join(ballot.voters)}), "
            f"not by {', '.join(run.signers)}",
        )
    return _vote(run, deciding, number, proposal)


def open_proposals(overlay: Overlay) -> Iterator[tuple[int, Proposal]]:
    """Those that are neither decided nor withdrawn, by number; some may have expired."""
    for key, proposal in overlay.scan(PROPOSALS, None, PROPOSAL):
        if proposal is not None:
            yield int.from_bytes(key.removeprefix(PROPOSALS), "big"), proposal


def find_proposal(overlay: Overlay, number: int) -> Proposal | None:
    """A proposal, open or not."""
    for space in (PROPOSALS, DECIDED):
        proposal = overlay.get(_key(space, number), PROPOSAL)
        if proposal is not None:
            return proposal
    return None


def finish(run: Run, number: int, status: ProposalStatus) -> None:
    """Say how a proposal that waited for its height ended."""
    proposal = find_proposal(run.context.overlay, number)
    ensure(proposal is not None, f"proposal {number} is gone")
    if proposal is not None:
        _close(run, number, proposal, status)


def _vote(run: Run, deciding: Deciding, number: int, proposal: Proposal) -> str:
    """Count the signers in, and carry the proposal out where that is enough."""
    content = content_of(proposal)
    ballot = deciding.ballot(run.context.overlay, content)
    new = [signer for signer in run.signers if signer in ballot.missing(proposal)]
    approvals = tuple(sorted({*ballot.given(proposal), *new}))
    proposal = replace(proposal, approvals=approvals)
    for signer in new:
        counted = (("proposal", number), ("by", signer), ("given", len(approvals)), ("needed", ballot.needed))
        run.emit(deciding.contract, "approved", counted)
    if len(approvals) < ballot.needed:
        _put(run, number, proposal)
        return ProposalStatus.OPEN.value
    status = deciding.carry_out(run, number, content)
    _close(run, number, proposal, status)
    run.emit(deciding.contract, "decided", (("proposal", number), ("by", list(approvals))))
    return status.value


def _revoke(run: Run, deciding: Deciding, arguments: Mapping[str, Json]) -> None:
    number, proposal = _open(run, deciding, arguments)
    sender = run.signers[0]
    if sender not in proposal.approvals:
        raise refusal("unauthorised", f"{sender} has not approved proposal {number}")
    left = tuple(name for name in proposal.approvals if name != sender)
    _put(run, number, replace(proposal, approvals=left))
    run.emit(deciding.contract, "revoked", (("proposal", number), ("by", sender)))


def _withdraw(run: Run, deciding: Deciding, arguments: Mapping[str, Json]) -> None:
    number, proposal = _open(run, deciding, arguments)
    if run.signers[0] != proposal.proposer:
        raise refusal("unauthorised", f"only {proposal.proposer} withdraws its proposal {number}")
    _close(run, number, proposal, ProposalStatus.WITHDRAWN)
    run.emit(deciding.contract, "proposal_withdrawn", (("proposal", number), ("by", proposal.proposer)))


def _open(run: Run, deciding: Deciding, arguments: Mapping[str, Json]) -> tuple[int, Proposal]:
    number = arguments["proposal"]
    if type(number) is not int or not 0 < number <= INTEGER_MAX:
        raise refusal("arguments", "proposal must be the number of a proposal")
    proposal = find_proposal(run.context.overlay, number)
    if proposal is None or proposal.contract != deciding.contract:
        raise refusal("unknown", f"{deciding.contract} has no proposal {number}")
    if proposal.status is not ProposalStatus.OPEN:
        raise refusal("phase", f"proposal {number} was {proposal.status} at height {proposal.closed_height}")
    if run.context.time_ms >= proposal.expires_ms:
        raise refusal(
            "phase", f"proposal {number} expired at {time_text(proposal.expires_ms)}: propose it anew"
        )
    return number, proposal


def _make_room(run: Run, deciding: Deciding) -> list[int]:
    """What the sender's member has waiting; closes what has expired. Raises: Revert("size")."""
    waiting: list[int] = []
    for number in run.context.overlay.get(_waiting_key(run, deciding), VALUE) or []:
        run.meter.spend(READ)
        proposal = find_proposal(run.context.overlay, number)
        if proposal is None or proposal.status not in (ProposalStatus.OPEN, ProposalStatus.APPROVED):
            continue
        if proposal.status is ProposalStatus.OPEN and run.context.time_ms >= proposal.expires_ms:
            _close(run, number, proposal, ProposalStatus.EXPIRED)
        else:
            waiting.append(number)
    if len(waiting) >= OPEN_PROPOSALS_MAX:
        shown = ", ".join(map(str, waiting))
        raise refusal(
            "size",
            f"{_member(run)} has {len(waiting)} proposals that wait ({shown}): withdraw one of them first",
        )
    return waiting


def _waiting_key(run: Run, deciding: Deciding) -> bytes:
    """Holds the numbers of proposals to one system contract by the accounts of one member, as VALUE."""
    return f"proposing/{deciding.contract}/{_member(run)}".encode()


def _member(run: Run) -> str:
    account = run.context.account(run.signers[0])
    return run.signers[0] if account is None else account.member


def _close(run: Run, number: int, proposal: Proposal, status: ProposalStatus) -> None:
    run.context.overlay.put(_key(PROPOSALS, number), None, PROPOSAL, PROPOSALS)
    closed = replace(proposal, status=status, closed_height=run.context.height)
    run.write(_key(DECIDED, number), closed, PROPOSAL)


def _put(run: Run, number: int, proposal: Proposal) -> None:
    run.write(_key(PROPOSALS, number), proposal, PROPOSAL, PROPOSALS)


def _key(space: bytes, number: int) -> bytes:
    return space + number.to_bytes(8, "big")
