"""The register of members in the state: who there is, who validates, and whose word counts."""

from __future__ import annotations

from collections.abc import Iterator

from consensus.committee import Committee, Validator
from contracts.epochs import NextEpoch, current_epoch
from contracts.errors import StateCorruption
from contracts.layout import (
    ACCOUNT,
    MEMBER,
    MEMBERS,
    VALUE,
    Member,
    Standing,
    account_key,
    member_key,
    number_key,
    used_key,
)
from contracts.state import Overlay


def put_member(overlay: Overlay, name: str, member: Member) -> None:
    """Write a member, its number and its keys, which are its own for ever."""
    overlay.put(member_key(name), member, MEMBER, MEMBERS)
    overlay.put(number_key(member.number), name, VALUE)
    for key in (member.validator_key, member.network_key, member.admin_key):
        overlay.put(used_key(key), name, VALUE)


def name_of(overlay: Overlay, number: int) -> str:
    """The member that was given this number. Raises: StateCorruption."""
    name: str | None = overlay.get(number_key(number), VALUE)
    if name is None:
        raise StateCorruption(f"nobody was given the member number {number}")
    return name


def committee_of(epoch: NextEpoch) -> Committee:
    """The same as ordering has it."""
    return Committee(epoch.epoch, tuple(Validator(number, key) for number, key in epoch.validators))


def voters(overlay: Overlay) -> list[str]:
    """The members whose approval counts, sorted: validators of this epoch that are active."""
    names = (name_of(overlay, number) for number, _ in current_epoch(overlay).validators)
    return sorted(name for name in names if is_active(overlay, name))


def quorum(count: int) -> int:
    """How many of so many members decide: as many as make a block final."""
    return count - (count - 1) // 3


def is_active(overlay: Overlay, name: str) -> bool:
    """True for a member that neither left nor is suspended."""
    member = overlay.get(member_key(name), MEMBER)
    return member is not None and member.standing is Standing.ACTIVE


def barred(overlay: Overlay, account: str) -> str | None:
    """Why an account may not act although it exists; None where it may."""
    record = overlay.get(account_key(account), ACCOUNT)
    member = None if record is None else overlay.get(member_key(record.member), MEMBER)
    if record is None or member is None or member.standing is Standing.ACTIVE:
        return None
    if member.standing is Standing.LEFT:
        return (
            f"{record.member} left the consortium at height {member.since_height}: its accounts act no more"
        )
    return (
        f"{record.member} is suspended since height {member.since_height}: "
        "its accounts act again once the other members have reinstated it"
    )


def members(overlay: Overlay) -> Iterator[tuple[str, Member]]:
    """All members, also those that left, sorted by name."""
    for key, member in overlay.scan(MEMBERS, None, MEMBER):
        if member is not None:
            yield key.removeprefix(MEMBERS).decode(), member
