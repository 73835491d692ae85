"""What the consortium has agreed on contracts: who approves code, and who may pause an instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from consensus.codec import Field, record, sequence, text
from consensus.transactions import NAME_LENGTH_MAX
from contracts.layout import form
from contracts.register import quorum, voters
from contracts.state import Overlay
from contracts.system.actions import refusal
from contracts.system.decisions import Ballot

if TYPE_CHECKING:
    from contracts.execution import Run

GUARDIANS_MAX = 16

_POLICY_KEY = b"policy"
_NAME = text(NAME_LENGTH_MAX)


class Approval(StrEnum):
    """Who must approve code before it may be used."""

    NONE = "none"
    ANY = "any"
    QUORUM = "quorum"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Policy:
    """`code` says who approves it; `guardians` are the accounts that may pause any instance, sorted."""

    code: Approval = Approval.NONE
    guardians: tuple[str, ...] = ()


POLICY = form(
    record(
        Policy,
        code=Field(str, lambda reader, path: Approval(_NAME.load(reader, path))),
        guardians=sequence(_NAME, GUARDIANS_MAX),
    )
)


def policy_of(overlay: Overlay) -> Policy:
    """The policy that holds; until the members decide another, anybody deploys and nobody guards."""
    return overlay.get(_POLICY_KEY, POLICY) or Policy()


def code_ballot(overlay: Overlay) -> Ballot:
    """Who approves code."""
    names = voters(overlay)
    approval = policy_of(overlay).code
    needed = {
        Approval.NONE: 0,
        Approval.ANY: 1,
        Approval.QUORUM: quorum(len(names)),
        Approval.ALL: len(names),
    }[approval]
    words = "nobody" if approval is Approval.NONE else f"{approval} of the validators' members"
    return Ballot(tuple(names), needed, words.replace("quorum of", "a quorum of"))


def check_policy(run: Run, change: Mapping[str, Any]) -> None:
    """Refuse a policy that says nothing. Raises: Revert."""
    if change["code"] not in list(Approval):
        raise refusal("arguments", f"code must be one of {', '.join(Approval)}: who approves code")
    guardians = change["guardians"]
    if type(guardians) is not list or len(guardians) > GUARDIANS_MAX:
        raise refusal("arguments", f"guardians must be a list of at most {GUARDIANS_MAX} accounts")
    for account in guardians:
        if type(account) is not str or run.context.account(account) is None:
            raise refusal("unknown", f"guardians: there is no account {account!a}")


def set_policy(run: Run, change: Mapping[str, Any]) -> None:
    """Write what `check_policy` found in order."""
    before = policy_of(run.context.overlay)
    policy = Policy(Approval(change["code"]), tuple(sorted(set(change["guardians"]))))
    run.write(_POLICY_KEY, policy, POLICY)
    fields = (
        ("before", before.code.value),
        ("code", policy.code.value),
        ("guardians", list(policy.guardians)),
    )
    run.emit("contracts", "policy_set", fields)
