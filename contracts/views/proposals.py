"""Proposals for people: what would be decided, who approved it, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consensus.transactions import Json
from contracts.arguments import time_text
from contracts.context import Context
from contracts.system import DECISIONS
from contracts.system.decisions import Ballot, Proposal, ProposalStatus, content_of, proposal_hash
from contracts.views.words import keys_text, listed, short, shown

JsonObject = dict[str, Any]


def proposal_view(context: Context, number: int, proposal: Proposal) -> JsonObject:
    """A proposal with where it stands at the context's time."""
    content = content_of(proposal)
    ballot = DECISIONS[proposal.contract].ballot(context.overlay, content)
    is_open = proposal.status is ProposalStatus.OPEN
    expired = is_open and context.time_ms >= proposal.expires_ms
    given = ballot.given(proposal) if is_open else list(proposal.approvals)
    return {
        "proposal": number,
        "contract": proposal.contract,
        "hash": proposal_hash(number, proposal).hex(),
        "sentence": content_text(content),
        "content": content,
        "reason": proposal.reason,
        "proposer": proposal.proposer,
        "height": proposal.height,
        "time_ms": proposal.time_ms,
        "expires_ms": proposal.expires_ms,
        "status": (ProposalStatus.EXPIRED if expired else proposal.status).value,
        "closed_height": proposal.closed_height,
        "approvals": given,
        "needed": ballot.needed if is_open else len(given),
        "missing": ballot.missing(proposal) if is_open and not expired else [],
        "next": _next(proposal, ballot, given, expired),
    }


def content_text(content: Mapping[str, Any]) -> str:
    """What a proposal would do, as a sentence without its subject and full stop."""
    if "changes" in content:
        return listed([change_text(change) for change in content["changes"]])
    if content.get("kind") == "code":
        height = content.get("activate_height")
        since = "at once" if height is None else f"from height {height}"
        return f"let code {short(content.get('code'))} be used {since}: {shown(content.get('purpose'))}"
    if content.get("kind") == "upgrade":
        height = content.get("activate_height")
        since = "at once" if height is None else f"from height {height}"
        span = f"heights {shown(content.get('from_height'))} to {shown(content.get('height'))}"
        return (
            f"let {shown(content.get('instance'))} run code {short(content.get('code'))} instead of "
            f"{short(content.get('from_code'))} {since}, as rehearsed over {span} "
            f"with the outcome {short(content.get('outcome'))}"
        )
    return shown(dict(content))


def change_text(change: Json) -> str:
    """One change of the members; anything may stand in it before it was checked."""
    if not isinstance(change, dict):
        return shown(change)
    known = _CHANGES.get(str(change.get("kind")))
    try:
        return shown(change) if known is None else known(change)
    except (KeyError, TypeError):
        return shown(change)


def _admit(change: JsonObject) -> str:
    card = change["card"]["card"]
    keys = keys_text(card["validator_key"])
    return f"admit {shown(card['title'])} as {shown(card['id'])}, at {shown(card['address'])}, with {keys}"


def _rotate(change: JsonObject) -> str:
    return f"replace the {shown(change['role'])} key of {shown(change['member'])} by {short(change['key'])}"


def _policy(change: JsonObject) -> str:
    who = {"none": "nobody", "any": "any one", "quorum": "a quorum", "all": "all"}.get(change["code"], "?")
    guardians = (
        f"let {shown(change['guardians'])} pause contracts" if change["guardians"] else "name no guardians"
    )
    return f"let {who} of the validators' members approve code, and {guardians}"


_CHANGES: Mapping[str, Callable[[JsonObject], str]] = {
    "admit": _admit,
    "promote": lambda change: f"make {shown(change['member'])} a validator",
    "remove": lambda change: f"remove {shown(change['member'])} from the consortium",
    "suspend": lambda change: f"suspend {shown(change['member'])}",
    "reinstate": lambda change: f"reinstate {shown(change['member'])} as an observer",
    "rotate": _rotate,
    "policy": _policy,
}


def _next(proposal: Proposal, ballot: Ballot, given: list[str], expired: bool) -> str:
    """What is missing, or how it ended, in a sentence."""
    if proposal.status is ProposalStatus.APPROVED:
        return f"It was approved at height {proposal.closed_height}, and waits to be carried out."
    if proposal.status is ProposalStatus.FAILED:
        return f"It was approved, and could not be carried out at height {proposal.closed_height}."
    if proposal.status is not ProposalStatus.OPEN:
        return f"It was {proposal.status} at height {proposal.closed_height}."
    if expired:
        return f"It expired at {time_text(proposal.expires_ms)}."
    so_far = f"{listed(given)} approved" if given else "Nobody approved yet"
    missing = ballot.missing(proposal)
    left = ballot.needed - len(given)
    if left <= 0:
        return f"{so_far}, which is enough: it is carried out when one of them approves once more."
    until = time_text(proposal.expires_ms)
    if left == len(missing):
        return f"{so_far}; {listed(missing)} must approve by {until}."
    return f"{so_far}; {left} of {listed(missing)} must approve by {until}."
