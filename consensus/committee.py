"""The validators of one epoch, quorum arithmetic, who leads a view, and how a committee may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consensus.codec import PUBLIC_KEY, decode, encode, record, sequence, uint
from consensus.errors import InvariantError, ensure
from consensus.keys import TAG_COMMITTEE, digest
from consensus.messages import MEMBERS_MAX
from consensus.types import Digest, MemberNumber

COMMITTEE_BYTES_MAX = 16 + MEMBERS_MAX * 40
"""An encoded committee, in bytes."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A member's number and its validator key (Ed25519 public key, 32 bytes)."""

    number: MemberNumber
    key: bytes


@dataclass(frozen=True)
class Committee:
    """The fixed set of validators of an epoch.

    Invariant: sorted by number, at least one, at most MEMBERS_MAX, no number or key twice.
    Source: the quorum is n - f, not 2f + 1: the two differ where n is not 3f + 1, and 2f + 1 forks there.
    """

    epoch: int
    validators: tuple[Validator, ...]
    _keys: Mapping[MemberNumber, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [validator.number for validator in self.validators]
        ensure(0 < len(numbers) <= MEMBERS_MAX, f"a committee has 1 to {MEMBERS_MAX} validators")
        ensure(numbers == sorted(set(numbers)), "validators must be sorted by number and appear once")
        ensure(len({v.key for v in self.validators}) == len(numbers), "two validators share a key")
        object.__setattr__(self, "_keys", {v.number: v.key for v in self.validators})

    @property
    def size(self) -> int:
        """n."""
        return len(self.validators)

    @property
    def faults_max(self) -> int:
        """f: how many validators may be faulty."""
        return (self.size - 1) // 3

    @property
    def quorum(self) -> int:
        """q = n - f: how many equal votes make a certificate."""
        return self.size - self.faults_max

    @property
    def numbers(self) -> Sequence[MemberNumber]:
        """Member numbers, sorted."""
        return tuple(self._keys)

    def key_of(self, number: MemberNumber) -> bytes | None:
        """The validator key (32 bytes), or None for a stranger."""
        return self._keys.get(number)

    def leader(self, view: int) -> MemberNumber:
        """Who proposes in `view`."""
        return self.validators[view % self.size].number


def change_fault(old: Committee, new: Committee) -> str | None:
    """Why `new` cannot follow `old`, or None.

    At most max(1, f of `old`) validators may come, go or get another key at once: the others carry over
    what the chain relies on.
    """
    if new.epoch != old.epoch + 1:
        return f"epoch {new.epoch} does not follow epoch {old.epoch}"
    members = sorted({*old.numbers, *new.numbers})
    changed = sum(old.key_of(number) != new.key_of(number) for number in members)
    most = max(1, old.faults_max)
    if changed > most:
        return f"{changed} validators change at once, at most {most} may"
    return None if changed else "nothing changes"


def _committee(epoch: int, validators: tuple[Validator, ...]) -> Committee:
    try:
        return Committee(epoch, validators)
    except InvariantError as error:
        raise ValueError(str(error)) from None


COMMITTEE = record(
    _committee,
    epoch=uint(),
    validators=sequence(record(Validator, number=uint(2**16 - 1), key=PUBLIC_KEY), MEMBERS_MAX),
)


def encode_committee(committee: Committee) -> bytes:
    """The canonical bytes of a committee."""
    return encode(COMMITTEE, committee)


def decode_committee(data: bytes) -> Committee:
    """The committee whose canonical bytes are `data`. Raises: DecodeError."""
    return decode(COMMITTEE, data, "committee", COMMITTEE_BYTES_MAX)


def committee_digest(chain_id: bytes, committee: Committee) -> Digest:
    """What a boundary header carries as `next_set`, 32 bytes."""
    return digest(TAG_COMMITTEE + chain_id + encode_committee(committee))
