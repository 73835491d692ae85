"""The least that validators can agree about: each transaction counts once, and some set timers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from consensus.committee import Committee, encode_committee
from consensus.effects import Finalise
from consensus.replica import Anchor
from consensus.rules import lag_allows_content
from consensus.transactions import (
    Transaction,
    canonical_json,
    make_envelope,
    parse_transaction,
    signed_bytes,
)
from consensus.types import Batch, Digest, FinalBlock, MemberNumber
from node.simulator.application import Ledger, Ordered
from node.simulator.chance import Chance
from node.simulator.checks import Failed
from node.simulator.genesis import CHAIN, CHAIN_ID, EXEC_HASH, PARAMETERS, WALL_START_MS
from node.simulator.keys import scheme
from node.simulator.membership import Keys, Membership
from node.simulator.swarm import Swarm

LIFE_MS = 1_000_000_000
"""Transactions do not expire within a run."""


@dataclass
class CountingLedger:
    """An executor and its store: counts every transaction once, keeps timers that transactions set, and
    decides on committees."""

    membership: Membership
    committee: Committee = field(init=False)
    """Of the epoch after the last block."""
    validators: Keys = field(init=False)
    keys: dict[MemberNumber, int] = field(init=False)
    next_validators: tuple[int, Keys] | None = None
    """The height that decided who follows, and who."""
    accused: set[MemberNumber] = field(default_factory=set)
    hashes: list[Digest] = field(default_factory=lambda: [EXEC_HASH])
    blocks: dict[int, tuple[FinalBlock, tuple[Batch, ...]]] = field(default_factory=dict)
    batches: dict[Digest, Batch] = field(default_factory=dict)
    executed: dict[Digest, int] = field(default_factory=dict)
    timers: list[int] = field(default_factory=list)
    changed_height: int = 0
    corrupt_from: int | None = None

    def __post_init__(self) -> None:
        self.committee = self.membership.first
        self.validators = dict.fromkeys(self.committee.numbers, 0)
        self.keys = dict(self.validators)

    @property
    def height(self) -> int:
        return len(self.hashes) - 1

    @property
    def next_wakeup_ms(self) -> int | None:
        return min(self.timers, default=None)

    @property
    def next_committee(self) -> Committee | None:
        decided = self._decided()
        return None if decided is None else decided[1]

    def _decided(self) -> tuple[int, Committee] | None:
        if self.next_validators is None:
            return None
        height, keys = self.next_validators
        return height, self.membership.committee(self.committee.epoch + 1, keys)

    def restart(self) -> None:
        """All of it is stored."""

    def block(self, height: int) -> tuple[FinalBlock, tuple[Batch, ...]]:
        return self.blocks[height]

    def batch(self, digest: Digest) -> Batch | None:
        return self.batches.get(digest)

    def settled(self, identifier: Digest) -> bool:
        return identifier in self.executed

    def commit(self, finalised: Finalise, ordered: Ordered) -> tuple[Digest, bool]:
        header = finalised.block.header
        run_timers = lag_allows_content(header.height, header.exec_height, PARAMETERS)
        due = sorted(time for time in self.timers if run_timers and time <= header.time_ms)
        fresh: dict[Digest, Transaction] = {}
        for _, _, transactions in ordered:
            for transaction in transactions:
                if transaction.id not in self.executed:
                    fresh.setdefault(transaction.id, transaction)
        for transaction in fresh.values():
            after_ms = transaction.calls[0].args.get("wake_after_ms")
            if isinstance(after_ms, int):
                self.timers.append(header.time_ms + after_ms)
        for time in due:
            self.timers.remove(time)
        self.executed.update((identifier, header.height) for identifier in fresh)
        content = b"".join(fresh) + b"".join(time.to_bytes(8, "big") for time in due)
        if fresh and self.next_validators is None and header.next_set is None:
            following = self.membership.decide(
                header.height, self.committee.epoch, self.validators, self.keys
            )
            if following is not None:
                self.next_validators = header.height, following
                content += b"next" + encode_committee(self.next_committee or self.committee)
        if self.corrupt_from is not None and header.height >= self.corrupt_from:
            content += b"nonsense"
        exec_hash = sha256(self.hashes[-1] + header.height.to_bytes(8, "big") + content).digest()
        self.hashes.append(exec_hash)
        self.blocks[header.height] = finalised.block, tuple(batch for _, batch, _ in ordered)
        self.batches.update((digest, batch) for digest, batch, _ in ordered)
        changed = bool(fresh or due)
        self.accused.update(accusation.member for accusation in finalised.accusations)
        if header.next_set is not None:
            self._begin_epoch()
        if changed:
            self.changed_height = header.height
        return exec_hash, changed

    def _begin_epoch(self) -> None:
        decided, self.next_validators = self._decided(), self.next_validators
        if decided is None or self.next_validators is None:
            raise Failed("an epoch ends that nobody decided to end")
        self.committee, self.validators = decided[1], self.next_validators[1]
        self.keys.update(self.validators)
        self.next_validators, self.accused = None, set()

    def anchor(self) -> Anchor:
        height = self.height
        block = self.blocks[height][0] if height else None
        first = block.header.exec_height if block else 0
        hashes = tuple((h, self.hashes[h]) for h in range(first, height + 1))
        return Anchor(
            block,
            hashes,
            self.changed_height,
            self.next_wakeup_ms,
            self.committee,
            self._decided(),
            tuple(sorted(self.accused)),
        )


class Counting:
    """A `node.simulator.application.Application`: fast, and enough where ordering alone is looked at."""

    chain = CHAIN
    chain_id = CHAIN_ID
    genesis_time_ms = WALL_START_MS - 1

    def __init__(self, swarm: Swarm) -> None:
        self.parameters = swarm.parameters
        self._ed25519 = swarm.ed25519
        self._timers = swarm.timers
        self._membership = Membership(swarm)
        self._salt = 0

    def ledger(self) -> CountingLedger:
        return CountingLedger(self._membership)

    def prelude(self, wall_ms: int) -> list[Transaction]:
        return []

    def transaction(self, chance: Chance, wall_ms: int, **args: int) -> Transaction:
        self._salt += 1
        if self._timers and chance.happens(0.3):
            args["wake_after_ms"] = chance.between(1, 4_000)
        return _transaction(self._ed25519, self._salt, tuple(sorted(args.items())))

    def check(self, ledgers: Sequence[Ledger]) -> None:
        """Nothing beyond equal hashes."""


@lru_cache(maxsize=8_192)
def _transaction(ed25519: bool, salt: int, args: tuple[tuple[str, int], ...]) -> Transaction:
    """The same in every world, so that a process makes it once."""
    make_signer, _ = scheme(ed25519)
    client = make_signer(sha256(b"client").digest())
    fields = {
        "chain": CHAIN,
        "sender": "client",
        "calls": [{"contract": "counter", "action": "add", "args": dict(args)}],
        "expires_ms": WALL_START_MS + LIFE_MS,
        "salt": str(salt),
    }
    body = canonical_json(fields)
    envelope = make_envelope(body, [(client.public_key, client.sign(signed_bytes(body)))])
    return parse_transaction(envelope, CHAIN)
