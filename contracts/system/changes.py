"""What members may decide of the consortium: the kinds of change, and what each needs and does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from consensus.codec import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from consensus.keys import verify_ed25519
from consensus.transactions import canonical_json
from contracts.arguments import time_text
from contracts.cards import KEY_FIELDS, Card, hex_bytes, parse_card
from contracts.epochs import NUMBER_MAX, current_epoch
from contracts.errors import InvalidCard, StateCorruption
from contracts.layout import (
    ACCOUNT,
    ACCOUNTS,
    CHAIN,
    CHAIN_KEY,
    INSTANCE,
    INSTANCES,
    MEMBER,
    MEMBERS_KEY,
    VALUE,
    Account,
    Member,
    Standing,
    account_key,
    member_key,
    used_key,
)
from contracts.register import put_member
from contracts.system.actions import refusal
from contracts.system.policy import check_policy, set_policy
from contracts.values import DAY

if TYPE_CHECKING:
    from contracts.execution import Run
    from contracts.state import Overlay

READY_MS_MAX = DAY
"""How long a candidate that showed it has caught up may be promoted."""
SIGNATURE_GAS = 8_000
"""Gas of checking one signature."""
NEW_MEMBER_GAS = 10_000
"""Gas of the rows that a new member needs, beside its accounts."""

_ROTATE_TAG = b"quorate-rotate-v1\n"

Change = Mapping[str, Any]
Validators = dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """`check` refuses what can not be done, `apply` does it to the register, and `move` to the validators.

    `ready` refuses what can not be done *yet*; it is asked only when the change is carried out.
    """

    fields: tuple[str, ...]
    check: Callable[[Run, Change], None]
    apply: Callable[[Run, Change], None]
    move: Callable[[Overlay, Change, Validators], None] = lambda overlay, change, validators: None
    ready: Callable[[Run, Change], None] = lambda run, change: None


def rotation_message(chain_hash: bytes, member: str, role: str, key: bytes) -> bytes:
    """What a member's new key signs; `chain_hash` is the genesis hash, 32 bytes."""
    document = {"chain": chain_hash.hex(), "member": member, "role": role, "key": key.hex()}
    return _ROTATE_TAG + canonical_json(document)


def subject(change: Change) -> str:
    """What a change is about: a member, as a rule."""
    if change["kind"] == "policy":
        return "policy"
    return str(change["card"]["card"]["id"] if change["kind"] == "admit" else change["member"])


def new_keys(change: Change) -> list[str]:
    """The keys, in hex, that a change which was checked gives to a member."""
    if change["kind"] == "admit":
        return [change["card"]["card"][field] for field in KEY_FIELDS.values()]
    return [change["key"]] if change["kind"] == "rotate" else []


# ---------------------------------------------------------------- admitting


def _card(run: Run, change: Change) -> Card:
    run.meter.spend(3 * SIGNATURE_GAS)
    try:
        return parse_card(change["card"], "card")
    except InvalidCard as error:
        raise refusal("arguments", str(error)) from None


def _check_admit(run: Run, change: Change) -> None:
    card, overlay = _card(run, change), run.context.overlay
    if (before := run.context.member(card.id)) is not None:
        problem = "left, and names are given once" if before.standing is Standing.LEFT else "is a member"
        raise refusal("exists", f"{card.id} {problem}: a new member takes another id in its card")
    taken = run.context.has_account(card.id) or run.context.has_instance(card.id)
    inside = (ACCOUNTS, ACCOUNT), (INSTANCES, INSTANCE)
    prefix = f"{card.id}.".encode()
    if taken or any(_begins(overlay, space + prefix, shape) for space, shape in inside):
        raise refusal(
            "exists", f"{card.id}, or a name that begins with it, is taken on this chain: take another id"
        )
    for role, key in zip(("validator", "network", "administrator"), card.keys, strict=True):
        _check_unused(run, key, f"the {role} key in the card of {card.id}")
    if (run.context.overlay.get(MEMBERS_KEY, VALUE) or 0) > NUMBER_MAX:
        raise refusal("size", f"all {NUMBER_MAX + 1} member numbers are given")


def _admit(run: Run, change: Change) -> None:
    card, overlay = _card(run, change), run.context.overlay
    number: int = overlay.get(MEMBERS_KEY, VALUE) or 0
    run.meter.spend(NEW_MEMBER_GAS)
    run.write(MEMBERS_KEY, number + 1, VALUE)
    member = Member(
        number=number,
        title=card.title,
        validator_key=card.validator_key,
        network_key=card.network_key,
        admin_key=card.admin_key,
        address=card.address,
        since_height=run.context.height,
    )
    put_member(overlay, card.id, member)
    run.write(account_key(card.id), Account((card.admin_key,), card.id), ACCOUNT)
    for account in card.accounts:
        run.write(account_key(account.id), Account(tuple(sorted(account.keys)), card.id), ACCOUNT)
    run.emit("members", "admitted", (("member", card.id), ("number", number)))


def _begins(overlay: Overlay, prefix: bytes, shape: Any) -> bool:
    return any(row is not None for _, row in overlay.scan(prefix, None, shape))


def _check_unused(run: Run, key: bytes, what: str) -> None:
    owner = run.context.overlay.get(used_key(key), VALUE)
    if owner is None:
        return
    member = run.context.member(owner)
    standing = "" if member is None or member.standing is Standing.ACTIVE else f", which is {member.standing}"
    if member is not None and member.standing is Standing.LEFT:
        standing = f", which left at height {member.since_height}"
    raise refusal("exists", f"{what} is or was a key of {owner}{standing}: make a new one")


# ---------------------------------------------------------------- members that there are


def _member(run: Run, change: Change) -> tuple[str, Member]:
    name = change["member"]
    member = run.context.member(name) if type(name) is str else None
    if member is None:
        raise refusal("unknown", f"there is no member {name!a}")
    if member.standing is Standing.LEFT:
        raise refusal("phase", f"{name} left at height {member.since_height}; what left does not change")
    return name, member


def _is_validator(run: Run, member: Member) -> bool:
    return any(number == member.number for number, _ in current_epoch(run.context.overlay).validators)


def _put(run: Run, name: str, member: Member, event: str, *fields: tuple[str, Any]) -> None:
    run.meter.spend(NEW_MEMBER_GAS)
    put_member(run.context.overlay, name, replace(member, since_height=run.context.height))
    run.emit("members", event, (("member", name), *fields))


def _check_promote(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    if member.standing is Standing.SUSPENDED:
        raise refusal("phase", f"{name} is suspended: reinstate it first")
    if _is_validator(run, member):
        raise refusal("phase", f"{name} is a validator already")


def _ready_to_promote(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    if member.ready_ms is None:
        raise refusal("phase", f"{name} has not said `ready` yet: its node must catch up and say so first")
    if run.context.time_ms - member.ready_ms > READY_MS_MAX:
        said = time_text(member.ready_ms)
        raise refusal("phase", f"{name} said `ready` at {said}, more than a day ago: it must say so again")


def _promote(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    _put(run, name, member, "promoted", ("number", member.number))


def _enter(overlay: Overlay, change: Change, validators: Validators) -> None:
    member = _known(overlay, change)
    validators[member.number] = member.validator_key


def _leave(overlay: Overlay, change: Change, validators: Validators) -> None:
    validators.pop(_known(overlay, change).number, None)


def _known(overlay: Overlay, change: Change) -> Member:
    member = overlay.get(member_key(change["member"]), MEMBER)
    if member is None:
        raise StateCorruption(f"there is no member {change['member']}")
    return member


def _check_member(run: Run, change: Change) -> None:
    _member(run, change)


def _remove(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    _put(run, name, replace(member, standing=Standing.LEFT), "left", ("number", member.number))


def _check_suspend(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    if member.standing is Standing.SUSPENDED:
        raise refusal("phase", f"{name} is suspended already")


def _suspend(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    _put(run, name, replace(member, standing=Standing.SUSPENDED, ready_ms=None), "suspended")


def _check_reinstate(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    if member.standing is not Standing.SUSPENDED:
        raise refusal("phase", f"{name} is not suspended")


def _reinstate(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    _put(run, name, replace(member, standing=Standing.ACTIVE), "reinstated")


# ---------------------------------------------------------------- keys


def _new_key(run: Run, change: Change) -> tuple[str, bytes]:
    name, role = change["member"], change["role"]
    if role not in ("validator", "network"):
        raise refusal("arguments", "role must be validator or network; accounts.set_keys changes the others")
    chain = run.context.overlay.get(CHAIN_KEY, CHAIN)
    try:
        key = hex_bytes(change["key"], PUBLIC_KEY_BYTES, "key")
        signature = hex_bytes(change["signature"], SIGNATURE_BYTES, "signature")
    except InvalidCard as error:
        raise refusal("arguments", str(error)) from None
    run.meter.spend(SIGNATURE_GAS)
    if chain is None or not verify_ed25519(key, rotation_message(chain.hash, name, role, key), signature):
        raise refusal("arguments", f"the new {role} key of {name} has not signed that it is to be this")
    return role, key


def _check_rotate(run: Run, change: Change) -> None:
    name, _ = _member(run, change)
    role, key = _new_key(run, change)
    _check_unused(run, key, f"the new {role} key of {name}")


def _rotate(run: Run, change: Change) -> None:
    name, member = _member(run, change)
    role, key = change["role"], bytes.fromhex(change["key"])
    changed = replace(member, network_key=key)
    if role == "validator":
        changed = replace(member, validator_key=key)
    _put(run, name, changed, "rotated", ("role", role), ("key", key))


def _rekey(overlay: Overlay, change: Change, validators: Validators) -> None:
    member = _known(overlay, change)
    if change["role"] == "validator" and member.number in validators:
        validators[member.number] = bytes.fromhex(change["key"])


KINDS: Mapping[str, Kind] = {
    "admit": Kind(("card",), _check_admit, _admit),
    "promote": Kind(("member",), _check_promote, _promote, _enter, _ready_to_promote),
    "remove": Kind(("member",), _check_member, _remove, _leave),
    "suspend": Kind(("member",), _check_suspend, _suspend, _leave),
    "reinstate": Kind(("member",), _check_reinstate, _reinstate),
    "policy": Kind(("code", "guardians"), check_policy, set_policy),
    "rotate": Kind(("member", "role", "key", "signature"), _check_rotate, _rotate, _rekey),
}
