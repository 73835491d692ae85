"""A chain of one process: the real engine on rows in memory, fed with really signed transactions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.keys import Ed25519Signer
from consensus.parameters import Parameters
from consensus.transactions import (
    Transaction,
    canonical_json,
    make_envelope,
    parse_transaction,
    signed_bytes,
)
from contracts.engine import BlockInput, Engine, Outcome
from contracts.epochs import FIRST_EPOCH, READY_LAG_MAX, Accused
from contracts.memory import MemoryLedger
from contracts.receipts import Event, Receipt
from contracts.values import DAY

LIBRARY = Path(__file__).resolve().parents[2] / "contracts" / "library"
TOKEN = (LIBRARY / "token.py").read_text()
DELIVERY = (LIBRARY / "delivery_or_penalty.py").read_text()

GENESIS_MS = 1_780_000_000_000
MEMBERS = ("bank", "bigmarket", "greenfarm", "swiftship")
NAME = "test"
GAS_LIMIT = 10_000_000

Call = tuple[str, str, Mapping[str, Any]]


def signer(account: str) -> Ed25519Signer:
    """The key of an account, made from its name."""
    return Ed25519Signer(sha256(account.encode()).digest())


def genesis_body(parameters: Parameters) -> dict[str, Any]:
    """A genesis of four members, each with one more account, `<member>.clerk`."""
    members = [
        {
            "id": member,
            "number": number,
            "title": member.title(),
            "validator_key": signer(f"validator of {member}").public_key.hex(),
            "network_key": signer(f"network of {member}").public_key.hex(),
            "admin_key": signer(member).public_key.hex(),
            "address": f"/ip4/127.0.0.1/tcp/{4001 + number}",
        }
        for number, member in enumerate(MEMBERS)
    ]
    accounts = [
        {"id": f"{member}.clerk", "keys": [signer(f"{member}.clerk").public_key.hex()], "member": member}
        for member in MEMBERS
    ]
    return {
        "format": 1,
        "name": NAME,
        "time_ms": GENESIS_MS,
        "members": members,
        "accounts": accounts,
        "parameters": dataclasses.asdict(parameters),
    }


class Chain:
    """Executes blocks one after another and keeps every input, so that they can be replayed."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.body = genesis_body(self.parameters)
        self.name = f"{NAME}-{sha256(canonical_json(self.body)).hexdigest()[:16]}"
        self.engine = Engine(chain=self.name, parameters=self.parameters)
        self.ledger = MemoryLedger()
        self.outcomes = [self.engine.genesis(self.body)]
        self.ledger.commit(self.outcomes[0])
        self.blocks: list[BlockInput] = []
        self.now_ms = GENESIS_MS
        self.epoch = FIRST_EPOCH
        self._salt = 0

    @property
    def height(self) -> int:
        return self.outcomes[-1].link.height

    # ---------------------------------------------------------------- making transactions

    def transaction(
        self,
        sender: str,
        *calls: Call,
        cosigners: Sequence[str] = (),
        keys_of: Sequence[str] | None = None,
        expires_ms: int | None = None,
        gas_limit: int = GAS_LIMIT,
        salt: str | None = None,
    ) -> Transaction:
        """A transaction signed by the keys of the accounts `keys_of`, as a rule those who are named in it."""
        self._salt += 1
        fields: dict[str, Any] = {
            "calls": [{"contract": to, "action": action, "args": dict(args)} for to, action, args in calls],
            "chain": self.name,
            "expires_ms": self.now_ms + 60_000 if expires_ms is None else expires_ms,
            "gas_limit": gas_limit,
            "salt": salt or str(self._salt),
            "sender": sender,
        }
        if cosigners:
            fields["cosigners"] = sorted(cosigners)
        body = canonical_json(fields)
        signers = [signer(account) for account in (keys_of or (sender, *cosigners))]
        signatures = [(key.public_key, key.sign(signed_bytes(body))) for key in signers]
        return parse_transaction(make_envelope(body, signatures), self.name)

    # ---------------------------------------------------------------- executing

    def next_input(
        self, *transactions: Transaction, run_timers: bool = True, evidence: Sequence[Accused] = ()
    ) -> BlockInput:
        """A block at the chain's time, after the last; in the next epoch where `begin_epoch` was called."""
        links = [outcome.link for outcome in self.outcomes[-READY_LAG_MAX:]]
        known = tuple((link.height, link.exec_hash) for link in links)
        return BlockInput(
            self.height + 1, self.now_ms, transactions, run_timers, self.epoch, known, tuple(evidence)
        )

    def block(
        self,
        *transactions: Transaction,
        after_ms: int = 1_000,
        run_timers: bool = True,
        evidence: Sequence[Accused] = (),
    ) -> Outcome:
        """Execute a block `after_ms` later than the last, and store what it came to."""
        self.now_ms += after_ms
        block = self.next_input(*transactions, run_timers=run_timers, evidence=evidence)
        outcome = self.engine.execute(self.ledger, block, self.outcomes[-1].link)
        self.ledger.commit(outcome)
        self.blocks.append(block)
        self.outcomes.append(outcome)
        return outcome

    def perform(
        self, sender: str, *calls: Call, cosigners: Sequence[str] = (), after_ms: int = 1_000
    ) -> Receipt:
        """The receipt of one transaction in a block of its own, before which all due timers have run."""
        expires_ms = self.now_ms + after_ms + 60_000
        transaction = self.transaction(sender, *calls, cosigners=cosigners, expires_ms=expires_ms)
        outcome = self.block(transaction, after_ms=after_ms)
        return next(receipt for receipt in outcome.receipts if receipt.id == transaction.id)

    def succeed(
        self, sender: str, *calls: Call, cosigners: Sequence[str] = (), after_ms: int = 1_000
    ) -> Receipt:
        """As `perform`, for what must not fail."""
        receipt = self.perform(sender, *calls, cosigners=cosigners, after_ms=after_ms)
        assert receipt.status == "ok", f"{receipt.code}: {receipt.text}"
        return receipt

    def replayed(self) -> Chain:
        """A second chain that executed the same blocks from the same genesis."""
        other = Chain(self.parameters)
        for block in self.blocks:
            outcome = other.engine.execute(other.ledger, block, other.outcomes[-1].link)
            other.ledger.commit(outcome)
            other.outcomes.append(outcome)
        return other

    # ---------------------------------------------------------------- looking

    def balance(self, account: str, currency: str = "euro") -> int:
        return self.engine.context(self.ledger.state).ledger.balance(currency, account)

    def instance(self, name: str) -> dict[str, Any]:
        """The view of an instance now."""
        found = self.engine.describe_instance(self.ledger.state, name, self.height, self.now_ms)
        assert found is not None
        return found

    def receipts(self) -> list[Receipt]:
        return [receipt for outcome in self.outcomes for receipt in outcome.receipts]

    def events(self) -> list[Event]:
        return [event for outcome in self.outcomes for event in outcome.events]

    # ---------------------------------------------------------------- agreements

    def deploy(self, source: str, by: str = "bank") -> str:
        """The code id."""
        return str(self.succeed(by, ("contracts", "deploy", {"source": source})).results[0])

    def euro(self, **holdings: int) -> None:
        """Make the currency `euro`, issued by the bank, with these holdings."""
        create = {"code": self.deploy(TOKEN), "name": "euro", "terms": {"issuer": "bank"}, "sign": True}
        self.succeed("bank", ("contracts", "create", create))
        for account, amount in holdings.items():
            self.succeed("bank", ("euro", "mint", {"to": account, "amount": amount}))

    def delivery(
        self, name: str, *, price: int = 10_000, days: int = 10, signed: bool = True, **terms: Any
    ) -> str:
        """A DeliveryOrPenalty between bigmarket and greenfarm, with a deadline in `days`; its terms hash."""
        given = {
            "buyer": "bigmarket",
            "seller": "greenfarm",
            "carrier": "swiftship",
            "price": {"amount": str(price), "currency": "euro"},
            "deadline": self.now_ms + days * DAY,
            **terms,
        }
        create = {"code": self.deploy(DELIVERY), "name": name, "terms": given, "sign": signed}
        receipt = self.succeed("bigmarket", ("contracts", "create", create), cosigners=["greenfarm"])
        return str(receipt.results[0])
