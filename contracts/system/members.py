"""The system contract `members`: who belongs to the consortium, who validates, and who decides it.

Any member proposes changes; a quorum of the validators' members approves them, and the last approval carries
them out. What changes the validators decides the next epoch, which begins when ordering gets there; until
then no second such change is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from consensus.codec import DIGEST_BYTES
from consensus.committee import change_fault
from consensus.transactions import Json
from contracts.cards import check_address, hex_bytes
from contracts.epochs import (
    EPOCH,
    NEXT_EPOCH_KEY,
    READY_LAG_MAX,
    VALIDATORS_MAX,
    NextEpoch,
    current_epoch,
    next_epoch,
)
from contracts.errors import InvalidCard
from contracts.layout import MEMBER, MEMBERS, Member, Standing, member_key
from contracts.register import committee_of, quorum, voters
from contracts.state import Overlay
from contracts.system.actions import SystemAction, SystemContract, refusal, text_argument
from contracts.system.changes import KINDS, Change, new_keys, subject
from contracts.system.decisions import Ballot, Content, Deciding, ProposalStatus, propose

if TYPE_CHECKING:
    from contracts.execution import Run

CHANGES_MAX = 16
"""Changes of one proposal; all of them happen, or none."""

_NAME = "members"


def _propose(run: Run, arguments: Mapping[str, Json]) -> int:
    name, member = _sender(run)
    if member.standing is not Standing.ACTIVE:
        raise refusal("unauthorised", f"{name} is {member.standing}: it proposes nothing")
    changes = _read(arguments["changes"])
    for change in changes:
        KINDS[change["kind"]].check(run, change)
    keys = [key for change in changes for key in new_keys(change)]
    if len(set(keys)) != len(keys):  # each was checked against the register only
        raise refusal("exists", "one proposal gives the same key twice: each member makes its own")
    _decided_by(run.context.overlay, changes)
    return propose(run, DECIDING, {"changes": changes}, arguments)


def _carry_out(run: Run, number: int, content: Content) -> ProposalStatus:
    """All changes, or none: what is refused here undoes the approval, which may be given again."""
    changes = content["changes"]
    for change in changes:
        kind = KINDS[change["kind"]]
        kind.check(run, change)
        kind.ready(run, change)
    decided = _decided_by(run.context.overlay, changes)
    for change in changes:
        KINDS[change["kind"]].apply(run, change)
    if decided is None:
        return ProposalStatus.CARRIED_OUT
    pending = next_epoch(run.context.overlay)
    if pending is not None:
        raise refusal(
            "phase",
            f"epoch {pending.epoch} is decided and has not begun: approve proposal {number} again then",
        )
    run.write(NEXT_EPOCH_KEY, decided, EPOCH)
    validators = [validator for validator, _ in decided.validators]
    run.emit(_NAME, "epoch_decided", (("epoch", decided.epoch), ("validators", validators)))
    return ProposalStatus.CARRIED_OUT


def _decided_by(overlay: Overlay, changes: list[Change]) -> NextEpoch | None:
    """The next epoch as the changes leave it; None where they leave the validators as they are."""
    current = current_epoch(overlay)
    validators = dict(current.validators)
    for change in changes:
        KINDS[change["kind"]].move(overlay, change, validators)
    decided = NextEpoch(current.epoch + 1, tuple(sorted(validators.items())))
    if decided.validators == current.validators:
        return None
    if not validators:
        raise refusal("phase", "no validator would remain: promote another member first")
    if len(validators) > VALIDATORS_MAX:
        raise refusal("size", f"a committee has at most {VALIDATORS_MAX} validators")
    fault = change_fault(committee_of(current), committee_of(decided))
    if fault is not None:
        raise refusal("size", f"{fault}: decide it in several steps, an epoch for each")
    return decided


def _ballot(overlay: Overlay, content: Content) -> Ballot:
    names = voters(overlay)
    return Ballot(tuple(names), quorum(len(names)), "a quorum of the validators' members")


def _ready(run: Run, arguments: Mapping[str, Json]) -> None:
    name, member = _sender(run)
    height = arguments["height"]
    if type(height) is not int:
        raise refusal("arguments", "height must be an integer")
    try:
        stated = hex_bytes(arguments["exec_hash"], DIGEST_BYTES, "exec_hash")
    except InvalidCard as error:
        raise refusal("arguments", str(error)) from None
    if any(number == member.number for number, _ in current_epoch(run.context.overlay).validators):
        raise refusal("phase", f"{name} is a validator already")
    known = run.context.exec_hashes.get(height)
    if known is None:
        raise refusal(
            "phase",
            f"height {height} is not one of the {READY_LAG_MAX} blocks before {run.context.height}: "
            "say ready with the newest block that your node has executed",
        )
    if stated != known:
        raise refusal(
            "arguments",
            f"at height {height} the chain has the execution hash {known.hex()}, not {stated.hex()}: "
            "the node executed something else and must not validate",
        )
    _put(run, name, replace(member, ready_ms=run.context.time_ms))
    run.emit(_NAME, "ready", (("member", name), ("height", height)))


def _set_address(run: Run, arguments: Mapping[str, Json]) -> None:
    name, member = _sender(run)
    address = text_argument(arguments, "address")
    try:
        check_address(address)
    except InvalidCard as error:
        raise refusal("arguments", str(error)) from None
    _put(run, name, replace(member, address=address))
    run.emit(_NAME, "address_set", (("member", name), ("before", member.address), ("address", address)))


def _sender(run: Run) -> tuple[str, Member]:
    name = run.signers[0]
    member = run.context.member(name)
    if member is None:
        raise refusal("unauthorised", f"only a member does this, with its own account; {name} is none")
    return name, member


def _put(run: Run, name: str, member: Member) -> None:
    run.write(member_key(name), member, MEMBER, MEMBERS)


def _read(given: Json) -> list[Change]:
    """The changes of a proposal, each of a known form, and each about another member."""
    if type(given) is not list or not 1 <= len(given) <= CHANGES_MAX:
        raise refusal("arguments", f"changes must be a list of 1 to {CHANGES_MAX}")
    for place, change in enumerate(given):
        kind = KINDS.get(str(change.get("kind"))) if type(change) is dict else None
        if kind is None:
            raise refusal("arguments", f"changes[{place}]: kind must be one of {', '.join(KINDS)}")
        if change.keys() != {"kind", *kind.fields}:
            wanted = ", ".join(("kind", *kind.fields))
            raise refusal("arguments", f"changes[{place}] must have exactly the fields {wanted}")
    changes: list[Any] = given
    subjects = [_subject(change) for change in changes]
    if len(set(subjects)) != len(subjects):
        raise refusal("arguments", "the changes of one proposal are each about another member")
    return changes


def _subject(change: Change) -> str:
    try:
        return subject(change)
    except (KeyError, TypeError):
        raise refusal("arguments", "card must be a member's card: its file member.json") from None


DECIDING = Deciding(contract=_NAME, ballot=_ballot, carry_out=_carry_out)
MEMBERS_CONTRACT = SystemContract(
    name=_NAME,
    text="Who belongs to the consortium, who validates, and who decides it.",
    actions={
        "propose": SystemAction(
            "propose changes of the members", ("changes",), _propose, ("reason", "expires_ms")
        ),
        **DECIDING.actions(),
        "ready": SystemAction(
            "show that one's node has executed what the others have", ("height", "exec_hash"), _ready
        ),
        "set_address": SystemAction("say where one's node is reached", ("address",), _set_address),
    },
)
