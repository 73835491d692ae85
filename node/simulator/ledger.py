"""An executor and its store, simulated: atomic commits, and a hash for each height."""

from dataclasses import dataclass, field
from hashlib import sha256

from consensus.committee import Committee
from consensus.replica import Anchor
from consensus.rules import lag_allows_content
from consensus.transactions import Transaction
from consensus.types import Batch, Digest, FinalBlock
from node.simulator.genesis import EXEC_HASH, PARAMETERS


@dataclass
class Ledger:
    """An executor and its store: counts every transaction once, and keeps timers that transactions set."""

    hashes: list[Digest] = field(default_factory=lambda: [EXEC_HASH])
    blocks: dict[int, tuple[FinalBlock, tuple[Batch, ...]]] = field(default_factory=dict)
    batches: dict[Digest, Batch] = field(default_factory=dict)
    executed: dict[Digest, int] = field(default_factory=dict)
    timers: list[int] = field(default_factory=list)
    changed_height: int = 0
    corrupt_from: int | None = None
    """A height from which this node computes nonsense, for divergence tests."""

    @property
    def height(self) -> int:
        return len(self.hashes) - 1

    @property
    def next_wakeup_ms(self) -> int | None:
        return min(self.timers, default=None)

    def commit(
        self, block: FinalBlock, batches: dict[Digest, Batch], transactions: tuple[Transaction, ...]
    ) -> tuple[Digest, bool]:
        """Execute and store a block; returns (execution hash, whether anything changed)."""
        header = block.header
        run_timers = lag_allows_content(header.height, header.exec_height, PARAMETERS)
        due = sorted(time for time in self.timers if run_timers and time <= header.time_ms)
        fresh: dict[Digest, Transaction] = {}
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
        if self.corrupt_from is not None and header.height >= self.corrupt_from:
            content += b"nonsense"
        exec_hash = sha256(self.hashes[-1] + header.height.to_bytes(8, "big") + content).digest()
        self.hashes.append(exec_hash)
        self.blocks[header.height] = block, tuple(batches.values())
        self.batches.update(batches)
        changed = bool(fresh or due)
        if changed:
            self.changed_height = header.height
        return exec_hash, changed

    def anchor(self, committee: Committee) -> Anchor:
        """What a replica is told when it starts."""
        height = self.height
        block = self.blocks[height][0] if height else None
        first = block.header.exec_height if block else 0
        hashes = tuple((h, self.hashes[h]) for h in range(first, height + 1))
        return Anchor(block, hashes, self.changed_height, self.next_wakeup_ms, committee)
