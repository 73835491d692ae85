"""The read side of the engine: lists and descriptions from a committed state."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from consensus.transactions import Transaction
from contracts.context import Context
from contracts.layout import (
    ACCOUNT,
    ACCOUNTS,
    CODE,
    CODES,
    INSTANCE,
    INSTANCES,
    VALUE,
    Account,
    Code,
    balances_of,
)
from contracts.program import Program
from contracts.programs import LoadedContract, Programs
from contracts.receipts import Event, Receipt
from contracts.schema import schema_of
from contracts.state import Form, Overlay, StateReader, T
from contracts.system.decisions import find_proposal, open_proposals
from contracts.values import escrow_account
from contracts.views import code as code_view
from contracts.views import instance as instance_view
from contracts.views.happened import event_view, receipt_view
from contracts.views.lifecycle import pause_view, versions_view
from contracts.views.members import epoch_view, evidence_view, members_view
from contracts.views.proposals import proposal_view
from contracts.views.sentences import sentence

BALANCES_SHOWN = 1_000
"""Balances of an account in its view; anyone can give an account money that it never asked for."""

JsonObject = dict[str, Any]


class Views:
    """Answers what is, from a committed state."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def context(self, state: StateReader, height: int = 0, time_ms: int = 0) -> Context:
        """The ledger at a height and time; looking things up needs neither."""
        return Context(state, self._programs, height, time_ms)

    def authorised(self, state: StateReader, key: bytes, account: str) -> bool:
        """True when `key` (32 bytes) may act for `account`."""
        return self.context(state).authorised(account, [key])

    def sentence(self, state: StateReader, transaction: Transaction) -> str:
        """What a transaction does, in plain English."""
        context = self.context(state)

        def find(name: str) -> LoadedContract | None:
            code = context.instance(name).code if context.has_instance(name) else name
            return None if context.code(code) is None else context.contract(code)

        return sentence(transaction, find)

    # ---------------------------------------------------------------- members

    def list_members(self, state: StateReader) -> list[JsonObject]:
        """All members, also those that left, by number."""
        return members_view(self.context(state).overlay)

    def describe_epoch(self, state: StateReader) -> JsonObject:
        """{epoch, validators, next}: who validates by name, and what is decided for the next epoch."""
        return epoch_view(self.context(state).overlay)

    def list_evidence(self, state: StateReader) -> list[JsonObject]:
        """What headers proved of members, by epoch, then by member number."""
        return evidence_view(self.context(state).overlay)

    # ---------------------------------------------------------------- decisions

    def list_proposals(self, state: StateReader, time_ms: int) -> list[JsonObject]:
        """Proposals that are open at this time, by number."""
        context = self.context(state, 0, time_ms)
        found = (proposal_view(context, *each) for each in open_proposals(context.overlay))
        return [each for each in found if each["status"] == "open"]

    def describe_proposal(self, state: StateReader, number: int, time_ms: int) -> JsonObject | None:
        """A proposal, open or not; None where there is none of this number."""
        context = self.context(state, 0, time_ms)
        proposal = find_proposal(context.overlay, number)
        return None if proposal is None else proposal_view(context, number, proposal)

    # ---------------------------------------------------------------- accounts

    def list_accounts(self, state: StateReader, after: str | None, limit: int) -> list[JsonObject]:
        """Accounts sorted by name, those strictly after `after`."""
        page = islice(_named(state, ACCOUNTS, ACCOUNT, after), limit)
        return [_account(state, name, record) for name, record in page]

    def describe_account(self, state: StateReader, name: str) -> JsonObject | None:
        """An account with its keys and balances; None where there is none of this name."""
        record = self.context(state).account(name)
        return None if record is None else _account(state, name, record)

    # ---------------------------------------------------------------- code and instances

    def list_codes(self, state: StateReader, after: str | None, limit: int) -> list[JsonObject]:
        """Deployed code sorted by id, what is strictly after `after`."""
        page = islice(_named(state, CODES, CODE, after), limit)
        return [code_view.summary(code, record, self._program(record)) for code, record in page]

    def describe_code(self, state: StateReader, code: str) -> JsonObject | None:
        """Deployed code with its source and what it declares; None where there is none of this id."""
        record = self.context(state).code(code)
        return None if record is None else code_view.description(code, record, self._program(record))

    def describe_schema(self, state: StateReader, code: str) -> JsonObject | None:
        """JSON Schemas of what deployed code takes and gives; None where there is none of this id."""
        record = self.context(state).code(code)
        return None if record is None else schema_of(code, self._program(record))

    def list_instances(self, state: StateReader, after: str | None, limit: int) -> list[JsonObject]:
        """Instances sorted by name, those strictly after `after`."""
        context = self.context(state)
        page = islice(_named(state, INSTANCES, INSTANCE, after), limit)
        return [instance_view.summary(name, record, context.contract(record.code)) for name, record in page]

    def describe_instance(
        self, state: StateReader, name: str, height: int, time_ms: int
    ) -> JsonObject | None:
        """An instance, with what each rule waits for at this time; None where there is none of this name."""
        context = self.context(state, height, time_ms)
        if not context.has_instance(name):
            return None
        return instance_view.description(context, name) | {"balances": _balances(state, escrow_account(name))}

    def describe_lifecycle(self, state: StateReader, name: str, time_ms: int) -> JsonObject | None:
        """{items: what an instance runs and ran, oldest first, pause}; None where there is none."""
        context = self.context(state, 0, time_ms)
        if not context.has_instance(name):
            return None
        return {"items": versions_view(context, name), "pause": pause_view(context, name)}

    # ---------------------------------------------------------------- what happened

    def describe_receipt(self, receipt: Receipt, aux: StateReader) -> JsonObject:
        """A receipt, with why its rules fired; `aux` are the rows beside the state."""
        return receipt_view(receipt, aux)

    def describe_event(self, event: Event, time_ms: int) -> JsonObject:
        """An event, with the time of its block."""
        return event_view(event, time_ms)

    def _program(self, record: Code) -> Program:
        return self._programs.contract(record.source).program


def _balances(state: StateReader, account: str) -> list[JsonObject]:
    rows = islice(_named(state, balances_of(account), VALUE, None), BALANCES_SHOWN)
    return [{"currency": currency, "amount": str(amount)} for currency, amount in rows]


def _named(state: StateReader, space: bytes, form: Form[T], after: str | None) -> Iterator[tuple[str, T]]:
    """The rows of a space by the names that end their keys, strictly after `after`."""
    start = None if after is None else space + after.encode()
    for key, value in Overlay(state).scan(space, start, form):
        if value is not None:
            yield key.removeprefix(space).decode(), value


def _account(state: StateReader, name: str, record: Account) -> JsonObject:
    return {
        "id": name,
        "member": record.member,
        "keys": [key.hex() for key in record.keys],
        "balances": _balances(state, name),
    }
