"""Real contracts under simulated ordering: the node's own engine, executor and LevelDB."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from consensus.batches import open_batch
from consensus.committee import Committee
from consensus.effects import Finalise
from consensus.evidence import Accusation
from consensus.replica import Anchor
from consensus.transactions import (
    GAS_LIMIT_MAX,
    Transaction,
    canonical_json,
    make_envelope,
    parse_transaction,
    signed_bytes,
)
from consensus.types import Batch, Digest, FinalBlock, MemberNumber
from contracts.encoding import decode_value
from contracts.engine import Engine
from node.executor import Executor
from node.genesis import Genesis, assemble
from node.members import Card
from node.simulator.application import Ledger, Ordered
from node.simulator.chance import Chance
from node.simulator.checks import Failed
from node.simulator.genesis import WALL_START_MS
from node.simulator.keys import scheme
from node.simulator.swarm import Swarm
from node.simulator.workload import LIBRARY, Call, Workload
from node.store import Store

LIVES_MS = (3_000, 60_000, 300_000, 300_000, 300_000)
"""How long transactions may wait to be executed: some are meant to come too late."""
PRELUDE_LIVES_MS = 600_000
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory, where there is one
"""What is under test is not how fast the disk of this machine is."""


class RealLedger:
    """The node's own executor over the node's own store. Not closed by itself: `RealApplication.close`."""

    def __init__(self, genesis: Genesis, folder: Path, codes: MemoryCodes) -> None:
        self.corrupt_from: int | None = None
        self._genesis = genesis
        self._folder = folder
        self._codes = codes
        self.accusations: dict[int, tuple[Accusation, ...]] = {}
        """What was executed of each block's evidence; the store keeps what came of it."""
        self.store = Store.open(folder)
        self._begin()

    def _begin(self) -> None:
        engine = Engine(
            chain=self._genesis.chain, parameters=self._genesis.parameters, code_cache=self._codes
        )
        self._executor = Executor(engine, self.store, self._genesis)
        self._executor.start()
        self._next_wakeup_ms = self._executor.anchor().next_wakeup_ms

    @property
    def height(self) -> int:
        return self.store.height()

    @property
    def next_wakeup_ms(self) -> int | None:
        return self._next_wakeup_ms

    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self._folder)
        self._begin()

    def commit(self, finalised: Finalise, ordered: Ordered) -> tuple[Digest, bool]:
        self.accusations[finalised.block.header.height] = finalised.accusations
        outcome = self._executor.execute(finalised, ordered)
        self._next_wakeup_ms = outcome.next_wakeup_ms
        return outcome.link.exec_hash, outcome.changed

    def block(self, height: int) -> tuple[FinalBlock, tuple[Batch, ...]]:
        return self.store.final_block(height), self.store.batches_of(height)

    def batch(self, digest: Digest) -> Batch | None:
        return self.store.batch(digest)

    def settled(self, identifier: Digest) -> bool:
        return self.store.place(identifier) is not None

    @property
    def next_committee(self) -> Committee | None:
        decided = self._executor.anchor().next_committee
        return None if decided is None else decided[1]

    @property
    def keys(self) -> Mapping[MemberNumber, int]:
        return {}

    def anchor(self) -> Anchor:
        return self._executor.anchor()


class MemoryCodes:
    """Compiled contracts, shared by all validators of a world: compiling has no effect."""

    def __init__(self) -> None:
        self._codes: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """What was put, or None."""
        return self._codes.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep it."""
        self._codes[key] = value


class RealApplication:
    """A `node.simulator.application.Application` that runs contracts; to be closed when the run is over."""

    def __init__(self, swarm: Swarm, sources: Sequence[str] = ()) -> None:
        """`sources` of contracts; else the library's DeliveryOrPenalty. Raises: ContractError."""
        make_signer, _ = scheme(swarm.ed25519)
        accounts = [f"m{number:02}" for number in range(swarm.size)]
        self._signers = {account: make_signer(sha256(account.encode()).digest()) for account in accounts}
        cards = [
            Card(
                id=account,
                title=f"Member {number}",
                address=f"/ip4/127.0.0.1/tcp/{4001 + number}",
                validator_key=make_signer(sha256(b"%d" % number).digest()).public_key,
                network_key=sha256(b"network %d" % number).digest(),
                admin_key=self._signers[account].public_key,
            )
            for number, account in enumerate(accounts)
        ]
        self.genesis = assemble("simulated", WALL_START_MS - 1, cards, asdict(swarm.parameters))
        self.chain = self.genesis.chain
        self.chain_id = self.genesis.hash
        self.genesis_time_ms = self.genesis.time_ms
        self.parameters = self.genesis.parameters
        self._workload = Workload(sources or [(LIBRARY / "delivery_or_penalty.py").read_text()], accounts)
        self._codes = MemoryCodes()
        self._salt = 0
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self.ledgers: list[RealLedger] = []

    def ledger(self) -> RealLedger:
        folder = Path(self._folder.name) / str(len(self.ledgers))
        self.ledgers.append(RealLedger(self.genesis, folder, self._codes))
        return self.ledgers[-1]

    def transaction(self, chance: Chance, wall_ms: int, **args: int) -> Transaction:
        return self._signed(self._workload.next(chance, wall_ms), wall_ms + chance.pick(LIVES_MS))

    def prelude(self, wall_ms: int) -> list[Transaction]:
        return [self._signed(call, wall_ms + PRELUDE_LIVES_MS) for call in self._workload.beginning()]

    def _signed(self, call: Call, expires_ms: int) -> Transaction:
        self._salt += 1
        signers = (call.sender, *call.cosigners)
        fields = {
            "calls": [{"contract": call.contract, "action": call.action, "args": call.args}],
            "chain": self.chain,
            "expires_ms": expires_ms,
            "gas_limit": GAS_LIMIT_MAX // 4,
            "salt": str(self._salt),
            "sender": call.sender,
        }
        if call.cosigners:
            fields["cosigners"] = list(call.cosigners)
        body = canonical_json(fields)
        message = signed_bytes(body)
        keys = [self._signers[account] for account in signers]
        envelope = make_envelope(body, [(key.public_key, key.sign(message)) for key in keys])
        return parse_transaction(envelope, self.chain)

    def check(self, ledgers: Sequence[Ledger]) -> None:
        """Money is conserved, and whoever executes the blocks again from genesis gets the same rows."""
        for ledger in ledgers:
            if isinstance(ledger, RealLedger) and ledger.corrupt_from is None:
                _check_conservation(ledger.store)
                self._check_replay(ledger)

    def _check_replay(self, ledger: RealLedger) -> None:
        folder = Path(self._folder.name) / "replay"
        again = RealLedger(self.genesis, folder, self._codes)
        try:
            for height in range(1, ledger.height + 1):
                block, batches = ledger.block(height)
                opened = [open_batch(batch, self.chain_id, self.chain) for batch in batches]
                ordered = [(batch.digest, batch.batch, batch.transactions) for batch in opened]
                digests = tuple(batch.digest for batch in opened)
                again.commit(Finalise(block, digests, ledger.accusations[height]), ordered)
            for one, other in zip(ledger.store.everything(), again.store.everything(), strict=True):
                if one != other:
                    raise Failed(f"a replay from genesis differs at the row {one[0]!r}")
        finally:
            again.store.close()
            shutil.rmtree(folder)

    def close(self) -> None:
        """Remove what the ledgers stored."""
        for ledger in self.ledgers:
            ledger.store.close()
        self._folder.cleanup()


def _check_conservation(store: Store) -> None:
    surplus: Counter[bytes] = Counter()
    for key, value in store.state.each():
        space, _, rest = key.partition(b"/")
        if space == b"supply":
            surplus[rest] -= decode_value(value)
        elif space == b"balance":
            surplus[rest.rpartition(b"/")[2]] += decode_value(value)
    if not surplus:
        raise Failed("there is no money: the contracts of the prelude did not come to be")
    if any(surplus.values()):
        raise Failed(f"money was made or lost: {dict(surplus)}")
