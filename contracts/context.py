"""The ledger as one block, query or simulation sees it: time and height, what exists, and who holds what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from consensus.transactions import Transaction
from contracts.errors import Revert, StateCorruption
from contracts.layout import (
    ACCOUNT,
    CODE,
    DUE,
    INSTANCE,
    MEMBER,
    TERMS,
    VALUE,
    Account,
    Code,
    Instance,
    Member,
    account_key,
    code_key,
    due_key,
    instance_key,
    member_key,
    terms_key,
)
from contracts.ledger import Ledger
from contracts.program import Value
from contracts.programs import PROGRAMS_MAX, LoadedContract, Programs
from contracts.register import barred
from contracts.state import Overlay, StateReader
from contracts.values import escrow_account

_ESCROW_PREFIX = escrow_account("")


class Context:
    """What all transactions and timers of a block share."""

    def __init__(self, state: StateReader, programs: Programs, height: int = 0, time_ms: int = 0) -> None:
        self.overlay = Overlay(state)
        self.ledger = Ledger(self.overlay)
        self.height = height
        self.time_ms = time_ms
        self.exec_hashes: dict[int, bytes] = {}
        """Execution hashes (32 bytes) of the heights just before, where a block is executed."""
        self._programs = programs
        self._contracts: dict[str, LoadedContract] = {}

    def account(self, name: str) -> Account | None:
        """A registered account, or None."""
        return self.overlay.get(account_key(name), ACCOUNT)

    def has_account(self, name: str) -> bool:
        """True for a registered account, and for the escrow account of an instance."""
        if name.startswith(_ESCROW_PREFIX):
            return self.has_instance(name.removeprefix(_ESCROW_PREFIX))
        return self.account(name) is not None

    def member(self, name: str) -> Member | None:
        """An organisation that is or was in the consortium, or None."""
        return self.overlay.get(member_key(name), MEMBER)

    def has_member(self, name: str) -> bool:
        """True for an organisation that is or was in the consortium."""
        return self.member(name) is not None

    def authorised(self, account: str, keys: Iterable[bytes]) -> bool:
        """True when one of `keys` (32 bytes each) may act for the account."""
        return self._has_key(account, keys) and barred(self.overlay, account) is None

    def unauthorised(self, transaction: Transaction, *, signed: bool = False) -> str | None:
        """Why the transaction may not act for all whom it names, in words; None where it may.

        `signed` takes for granted that all of them have signed.
        """
        keys = [key for key, _ in transaction.signatures]
        for account in (transaction.sender, *transaction.cosigners):
            if (reason := barred(self.overlay, account)) is not None:
                return reason
            if not signed and not self._has_key(account, keys):
                return f"no key of {account} signed this transaction"
        return None

    def _has_key(self, account: str, keys: Iterable[bytes]) -> bool:
        record = self.account(account)
        return record is not None and any(map(record.keys.__contains__, keys))

    def code(self, code: str) -> Code | None:
        """Deployed source by its id, or None."""
        return self.overlay.get(code_key(code), CODE)

    def contract(self, code: str) -> LoadedContract:
        """The compiled code with this id, which must be deployed. Raises: StateCorruption."""
        contract = self._contracts.get(code)
        if contract is None:
            record = self.code(code)
            if record is None:
                raise StateCorruption(f"an instance runs code {code}, which is not in the state")
            if len(self._contracts) == PROGRAMS_MAX:
                self._contracts.clear()
            contract = self._contracts[code] = self._programs.contract(record.source)
        return contract

    def compiled(self, source: str) -> LoadedContract:
        """Source that need not be deployed. Raises: ContractError."""
        return self._programs.contract(source)

    def has_instance(self, name: str) -> bool:
        """True for an instance that was created."""
        return self.overlay.get(instance_key(name), INSTANCE) is not None

    def instance(self, name: str) -> Instance:
        """Raises: Revert("unknown")."""
        instance = self.overlay.get(instance_key(name), INSTANCE)
        if instance is None:
            raise Revert("unknown", f"there is no contract {name}", consumes_all=False)
        return instance

    def put_instance(self, name: str, instance: Instance) -> None:
        """Replace the record of an instance."""
        self.overlay.put(instance_key(name), instance, INSTANCE)

    def set_phase(self, name: str, phase: str) -> None:
        """Move an instance to another phase."""
        self.put_instance(name, replace(self.instance(name), phase=phase))

    def terms(self, name: str) -> dict[str, Value]:
        """The terms of an instance, not to be changed."""
        terms = self.overlay.get(terms_key(name), TERMS)
        if terms is None:
            raise StateCorruption(f"instance {name} has no terms")
        return terms

    def arm(self, name: str, wake_ms: int | None) -> None:
        """Set when time wakes an instance next; None: only an action or a fact does."""
        instance = self.instance(name)
        if instance.wake_ms == wake_ms:
            return
        if instance.wake_ms is not None:
            self.overlay.put(due_key(instance.wake_ms, name), None, VALUE, DUE)
        if wake_ms is not None:
            self.overlay.put(due_key(wake_ms, name), True, VALUE, DUE)
        self.put_instance(name, replace(instance, wake_ms=wake_ms))


def parties(value: Value) -> list[str]:
    """The accounts that a term names: one, or a list of them."""
    return value if type(value) is list else [value]
