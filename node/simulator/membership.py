"""Who validates when, and with which key: what the members of a simulated world decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256

from consensus.committee import Committee, Validator, change_fault
from consensus.keys import Signer
from consensus.types import MemberNumber
from node.simulator.chance import Chance
from node.simulator.keys import scheme
from node.simulator.swarm import Swarm

ATTEMPTS = 8
"""Drawn changes that are tried before nothing is decided."""

HEIGHTS_MAX = 2_000
"""No run makes more blocks."""
Keys = Mapping[MemberNumber, int]
"""Which of its keys a member has: 0 is its first; the next ones are named by the height that decided them."""


class Membership:
    """A pure function of the swarm, so that every ledger decides the same at the same height."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self.numbers = range(swarm.size + swarm.candidates)
        self.first = self.committee(1, dict.fromkeys(range(swarm.size), 0))

    def signer(self, number: MemberNumber, version: int) -> Signer:
        """One of a member's keys."""
        return _signer(self._swarm.ed25519, number, version)

    def committee(self, epoch: int, keys: Keys) -> Committee:
        """The validators of an epoch."""
        return Committee(
            epoch,
            tuple(Validator(number, self.signer(number, keys[number]).public_key) for number in sorted(keys)),
        )

    def version(self, number: MemberNumber, is_it: Callable[[bytes], bool]) -> int | None:
        """Which of a member's keys (32 bytes) satisfies `is_it`."""
        versions = range(HEIGHTS_MAX)
        return next((v for v in versions if is_it(self.signer(number, v).public_key)), None)

    def decide(self, height: int, epoch: int, validators: Keys, known: Keys) -> Keys | None:
        """The validators that follow in the next epoch, if the block at `height` decides that.

        `known` are the newest keys of all members that ever were validators.
        """
        plan = self._swarm.plan
        if epoch <= len(plan):
            from_height, keys = plan[epoch - 1]
            return dict(keys) if height >= from_height else None
        chance = Chance(self._swarm.seed * 1_000_003 + height)
        if not chance.happens(self._swarm.change):
            return None
        drawn = (self._draw(chance, height, validators, known) for _ in range(ATTEMPTS))
        return next((keys for keys in drawn if self._is_safe(epoch, validators, keys)), None)

    def _draw(self, chance: Chance, height: int, validators: Keys, known: Keys) -> Keys:
        keys = dict(validators)
        for _ in range(chance.between(1, max(1, (len(validators) - 1) // 3))):
            number = chance.pick(self.numbers)
            if number not in keys:
                keys[number] = height if chance.happens(0.3) else known.get(number, 0)
            elif chance.happens(0.5):
                keys[number] = height
            else:
                del keys[number]
        return keys

    def _is_safe(self, epoch: int, validators: Keys, keys: Keys) -> bool:
        """Whether a change is allowed, and leaves no more faulty validators than there may be."""
        if not keys:
            return False
        old, new = self.committee(epoch, validators), self.committee(epoch + 1, keys)
        faulty = [number for number in new.numbers if number in self._swarm.faulty]
        return change_fault(old, new) is None and len(faulty) <= new.faults_max


@lru_cache(maxsize=16_384)
def _signer(ed25519: bool, number: MemberNumber, version: int) -> Signer:
    make_signer, _ = scheme(ed25519)
    name = b"%d" % number if version == 0 else b"%d at %d" % (number, version)
    return make_signer(sha256(name).digest())
