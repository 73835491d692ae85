"""The validators of one epoch, quorum arithmetic, and who leads a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consensus.errors import ensure
from consensus.types import MemberNumber


@dataclass(frozen=True, slots=True)
class Validator:
    """A member's number and its validator key (Ed25519 public key, 32 bytes)."""

    number: MemberNumber
    key: bytes


@dataclass(frozen=True)
class Committee:
    """The fixed set of validators of an epoch.

    Invariant: sorted by number, at least one, no number or key twice.
    Source: the quorum is n - f, not 2f + 1: the two differ where n is not 3f + 1, and 2f + 1 forks there.
    """

    epoch: int
    validators: tuple[Validator, ...]
    _keys: Mapping[MemberNumber, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [validator.number for validator in self.validators]
        ensure(len(numbers) > 0, "a committee needs a validator")
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
