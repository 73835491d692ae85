"""A chain of one process: the real engine on rows in memory, with keys that are made from names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from consensus.keys import Ed25519Signer
from consensus.parameters import Parameters
from consensus.transactions import Transaction, canonical_json
from contracts.engine import BlockInput, Engine
from contracts.epochs import FIRST_EPOCH
from contracts.memory import MemoryLedger
from contracts.receipts import Event, Receipt


def signer(account: str) -> Ed25519Signer:
    """The key of an account, made from its name: for tests only."""
    return Ed25519Signer(sha256(account.encode()).digest())


class MemoryChain:
    """Executes block after block from a genesis with these accounts; the first is the one member."""

    def __init__(self, names: Sequence[str], now_ms: int, parameters: Parameters) -> None:
        body = genesis_of(names, now_ms, parameters)
        self.name = f"test-{sha256(canonical_json(body)).hexdigest()[:16]}"
        self.engine = Engine(chain=self.name, parameters=parameters)
        self.ledger = MemoryLedger()
        self.receipts: list[Receipt] = []
        self.events: list[Event] = []
        self.places: dict[bytes, tuple[int, int]] = {}
        """Height and first event of every receipt, by its id."""
        outcome = self.engine.genesis(body)
        self.ledger.commit(outcome)
        self._link = outcome.link
        self.next_wakeup_ms = outcome.next_wakeup_ms

    @property
    def height(self) -> int:
        """Of the newest block."""
        return self._link.height

    def block(self, now_ms: int, transactions: tuple[Transaction, ...]) -> Sequence[Receipt]:
        """Execute and keep a block; its receipts."""
        block = BlockInput(self.height + 1, now_ms, transactions, True, FIRST_EPOCH)
        outcome = self.engine.execute(self.ledger, block, self._link)
        self.ledger.commit(outcome)
        self._link, self.next_wakeup_ms = outcome.link, outcome.next_wakeup_ms
        self.receipts += outcome.receipts
        for receipt in outcome.receipts:
            self.places[receipt.id] = (block.height, receipt.first_event)
        self.events += outcome.events
        return outcome.receipts

    def look(self, instance: str, now_ms: int) -> dict[str, Any]:
        """All about an instance at a time. Raises: LookupError."""
        found = self.engine.describe_instance(self.ledger.state, instance, self.height, now_ms)
        if found is None:
            raise LookupError(f"there is no instance {instance}")
        return found


def genesis_of(names: Sequence[str], now_ms: int, parameters: Parameters) -> dict[str, Any]:
    """A chain of one member, which is the first name, with an account for each other."""
    member_name = names[0]
    key = signer(member_name).public_key.hex()
    member = {"id": member_name, "number": 0, "title": member_name.title(), "address": "/ip4/127.0.0.1/tcp/1"}
    keys = {"validator_key": key, "network_key": key, "admin_key": key}
    accounts = [
        {"id": name, "keys": [signer(name).public_key.hex()], "member": member_name}
        for name in sorted(names)
        if name != member_name
    ]
    return {
        "format": 1,
        "name": "test",
        "time_ms": now_ms,
        "members": [member | keys],
        "accounts": accounts,
        "parameters": asdict(parameters),
    }
