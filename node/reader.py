"""What the node tells readers: blocks, transactions, accounts, contracts, state and proofs, as plain data.

Every answer is read from one snapshot of the store, so its parts belong together. Runs in the API's loop
or in its threads, beside execution, never in its way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, TypeVar

import orjson

from api.gateway import JsonObject, Refused, TransactionState, TransactionStatus
from consensus.errors import InvalidTransaction
from consensus.messages import header_digest
from consensus.transactions import (
    Transaction,
    envelope_from_json,
    parse_transaction,
    signed_bytes,
)
from contracts.engine import Engine
from contracts.errors import Revert
from contracts.receipts import Event, Receipt, Status
from node.clock import Clock
from node.genesis import Genesis
from node.proofs import ProofTimeout, prove
from node.rehearsals import Rehearsals
from node.store import Place, Store, View, account_subject, contract_subject
from node.wall.reading import NotAnswered, ReadingEngine

T = TypeVar("T")

Authority = Callable[[Transaction], str | None]
"""Says why a transaction may not act for all whom it names, in words; None where it may."""

_NOBODY = (bytes(32), bytes(64))
"""Stands for the signatures of a transaction that is looked at before it is signed."""


@cache
def node_version() -> str:
    """The installed version of quorate."""
    return version("quorate")


class Reader:
    """Reads one store; the part of `api.gateway.Gateway` that needs nothing else."""

    def __init__(self, engine: Engine, store: Store, clock: Clock, genesis: Genesis) -> None:
        """`engine` is for reading only, another one than execution uses."""
        self._engine = engine
        self._in_turn: Callable[..., Awaitable[Any]] = asyncio.to_thread
        if isinstance(engine, ReadingEngine):
            self._in_turn = engine.in_turn
        self._store = store
        self._clock = clock
        self._genesis = genesis
        self._rehearsals = Rehearsals(engine, store, genesis)
        self._height = -1
        self._time_ms = genesis.time_ms
        self.refresh()

    def refresh(self) -> None:
        """A block was committed."""
        height = self._store.height()
        self._time_ms = self._time_of(self._store, height)
        self._height = height

    @property
    def chain(self) -> str:
        return self._genesis.chain

    @property
    def height(self) -> int:
        """Of the newest executed block."""
        return self._height

    @property
    def time_ms(self) -> int:
        """Of the newest executed block."""
        return self._time_ms

    def _time_of(self, view: View, height: int) -> int:
        return view.final_block(height).header.time_ms if height > 0 else self._genesis.time_ms

    def tip(self) -> JsonObject:
        """{height, time_ms, state_root, exec_hash}."""
        with self._store.snapshot() as view:
            link = view.link(view.height())
            return {
                "height": link.height,
                "time_ms": self._time_of(view, link.height),
                "state_root": link.state_root.hex(),
                "exec_hash": link.exec_hash.hex(),
            }

    # -- transactions -------------------------------------------------------------------------------
    def settled(self, identifier: bytes) -> TransactionStatus | None:
        """What became of a transaction (id of 32 bytes) that is in an executed block."""
        place = self._store.place(identifier) if self._store.has_place(identifier) else None
        if place is None:
            return None
        with self._store.snapshot() as view:
            receipt = Receipt.decode(view.receipt(place.height, place.index))
            description = self._engine.describe_receipt(receipt, view.aux)
        if place.executed:
            state = TransactionState.COMMITTED
        else:
            # Ordered but not executed: its time had passed, or a copy of it lacked what it needs.
            expired = receipt.status is Status.EXPIRED
            state = TransactionState.EXPIRED if expired else TransactionState.REJECTED
        return TransactionStatus(
            id=identifier.hex(),
            state=state,
            height=place.height,
            index=place.index,
            outcome=_outcome(receipt) if place.executed else None,
            code=receipt.code or None,
            detail=receipt.text or None,
            receipt=description,
            known=True,
        )

    @contextmanager
    def authority(self) -> Iterator[Authority]:
        """Judges by what is committed now; what many transactions ask for is read once."""
        with self._store.snapshot() as view:
            yield self._engine.context(view.state).unauthorised

    async def explain(self, transaction: Mapping[str, Any]) -> JsonObject:
        parsed = self._draft(transaction)
        with self._store.snapshot() as view:
            sentence = self._engine.sentence(view.state, parsed)
        return {
            "sentence": sentence,
            "id": parsed.id.hex(),
            "signed_bytes_hex": signed_bytes(parsed.body).hex(),
            "body": orjson.loads(parsed.body),
            "canonical": parsed.body.decode(),
        }

    async def simulate(self, transaction: Mapping[str, Any]) -> JsonObject:
        parsed = self._draft(transaction)

        def simulated(view: View) -> JsonObject:
            height = view.height() + 1
            time_ms = max(self._clock.now().wall_ms, self._time_of(view, height - 1) + 1)
            receipt, events = self._engine.simulate(view.state, parsed, height, time_ms)
            return self._engine.describe_receipt(receipt, view.aux) | {
                "height": height,
                "time_ms": time_ms,
                "events": [self._engine.describe_event(event, time_ms) for event in events],
            }

        return await self._run(simulated)

    def _draft(self, transaction: Mapping[str, Any]) -> Transaction:
        try:
            return parse_transaction(envelope_from_json(dict(transaction), [_NOBODY]), self.chain)
        except InvalidTransaction as error:
            raise Refused(400, error.code, error.detail) from None

    async def transaction(self, transaction: str) -> JsonObject:
        with self._store.snapshot() as view:
            place = view.place(bytes.fromhex(transaction))
            if place is None:
                raise Refused(
                    404, "unknown_transaction", f"no committed transaction {transaction} is known here"
                )
            return self._transaction(view, place)

    async def transactions(
        self,
        before: tuple[int, int] | None,
        limit: int,
        *,
        account: str | None = None,
        contract: str | None = None,
    ) -> Sequence[JsonObject]:
        with self._store.snapshot() as view:
            if account is not None:
                places = view.mentions_before(account_subject(account), before, limit)
            elif contract is not None:
                places = view.mentions_before(contract_subject(contract), before, limit)
            else:
                places = view.places_before(before, limit)
            return [self._transaction(view, place) for place in places]

    def _transaction(self, view: View, place: Place) -> JsonObject:
        batch = view.batch(place.batch)
        if batch is None:
            raise Refused(
                410, "pruned", f"the batch with this transaction of height {place.height} is gone here"
            )
        parsed = parse_transaction(batch.envelopes[place.position], self.chain)
        receipt = Receipt.decode(view.receipt(place.height, place.index))
        return {
            "id": parsed.id.hex(),
            "sentence": self._engine.sentence(view.state, parsed),
            "outcome": _outcome(receipt),
            "transaction": orjson.loads(parsed.body),
            "signatures": [
                {"key": key.hex(), "signature": signature.hex()} for key, signature in parsed.signatures
            ],
            "receipt": self._engine.describe_receipt(receipt, view.aux),
            "height": place.height,
            "index": place.index,
            "time_ms": self._time_of(view, place.height),
        }

    # -- blocks -------------------------------------------------------------------------------------
    async def blocks(self, before: int | None, limit: int) -> Sequence[JsonObject]:
        with self._store.snapshot() as view:
            top = view.height() if before is None else min(before - 1, view.height())
            return [self._block(view, height) for height in range(top, max(-1, top - limit), -1)]

    async def block(self, height: int) -> JsonObject:
        with self._store.snapshot() as view:
            if height > view.height():
                raise Refused(404, "unknown_block", f"the newest block here is {view.height()}, not {height}")
            places = view.places_of(height)
            return self._block(view, height) | {
                "transactions": [self._transaction(view, place) for place in places],
                "receipts": [
                    self._engine.describe_receipt(Receipt.decode(data), view.aux)
                    for data in view.receipts(height)
                ],
            }

    def _block(self, view: View, height: int) -> JsonObject:
        link = view.link(height)
        summary: JsonObject = {
            "height": height,
            "hash": self._genesis.hash.hex(),
            "time_ms": self._genesis.time_ms,
            "transaction_count": len(view.places_of(height)),
            "state_root": link.state_root.hex(),
            "exec_hash": link.exec_hash.hex(),
        }
        if height > 0:
            block = view.final_block(height)
            summary |= {
                "hash": header_digest(self._genesis.hash, block.header).hex(),
                "time_ms": block.header.time_ms,
                "parent": block.header.parent.hex(),
                "view": block.header.view,
                "certified_by": [voter for voter, _ in block.certificate.votes],
            }
        return summary

    # -- accounts, contracts, state -------------------------------------------------------------------
    async def accounts(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        return self._look(lambda view: self._engine.list_accounts(view.state, after, limit))

    async def account(self, account: str) -> JsonObject:
        found = self._look(lambda view: self._engine.describe_account(view.state, account))
        if found is None:
            raise Refused(404, "unknown_account", f"there is no account {account!r}")
        return found

    async def evidence(self) -> Sequence[JsonObject]:
        return self._look(lambda view: self._engine.list_evidence(view.state))

    async def contracts(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        return self._look(lambda view: self._engine.list_codes(view.state, after, limit))

    async def contract(self, code: str) -> JsonObject:
        found = self._look(lambda view: self._engine.describe_code(view.state, code))
        if found is None:
            raise Refused(404, "unknown_contract", f"no contract code {code!r} is deployed")
        return found

    async def contract_schema(self, code: str) -> JsonObject:
        found = self._look(lambda view: self._engine.describe_schema(view.state, code))
        if found is None:
            raise Refused(404, "unknown_contract", f"no contract code {code!r} is deployed")
        return found

    async def instances(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        return self._look(lambda view: self._engine.list_instances(view.state, after, limit))

    async def instance(self, name: str) -> JsonObject:
        found = await self._run(
            lambda view: self._engine.describe_instance(view.state, name, view.height(), self._now_ms(view))
        )
        if found is None:
            raise Refused(404, "unknown_instance", f"there is no contract instance {name!r}")
        return found

    async def versions(self, name: str) -> JsonObject:
        with self._store.snapshot() as view:
            found = self._engine.describe_lifecycle(view.state, name, self._now_ms(view))
        if found is None:
            raise Refused(404, "unknown_instance", f"there is no contract instance {name!r}")
        return found

    async def rehearse(
        self,
        name: str,
        source: str,
        terms: Mapping[str, Any],
        from_height: int | None,
        height: int | None,
    ) -> JsonObject:
        return await asyncio.to_thread(self._rehearsals.rehearse, name, source, terms, from_height, height)

    def end_rehearsals(self) -> None:
        """The node stops: none that runs keeps it. In any thread."""
        self._rehearsals.end()

    async def proposals(self) -> Sequence[JsonObject]:
        return self._look(
            lambda view: self._engine.list_proposals(view.state, self._time_of(view, view.height()))
        )

    async def proposal(self, proposal: int) -> JsonObject:
        found = self._look(
            lambda view: self._engine.describe_proposal(
                view.state, proposal, self._time_of(view, view.height())
            )
        )
        if found is None:
            raise Refused(404, "unknown_proposal", f"there is no proposal {proposal}")
        return found

    async def query(self, instance: str, query: str, arguments: Mapping[str, Any]) -> JsonObject:
        def ask(view: View) -> JsonObject:
            height = view.height()
            value = self._engine.query(view.state, instance, query, arguments, height, self._now_ms(view))
            return {"value": value, "height": height}

        try:
            return await self._run(ask)
        except Revert as revert:
            if revert.code == "unknown":
                await self.instance(instance)  # says so where the instance is what is unknown
                raise Refused(404, "unknown_query", revert.text) from None
            raise Refused(422, revert.code, revert.text) from None

    async def state(self, key: str) -> JsonObject:
        with self._store.snapshot() as view:
            value = view.state.get(bytes.fromhex(key))
            return {"key": key, "value_hex": None if value is None else value.hex(), "height": view.height()}

    async def proof(self, key: str, timeout_s: float) -> JsonObject:
        try:
            return await asyncio.to_thread(
                prove, self._store, self._genesis, bytes.fromhex(key), time.monotonic() + timeout_s
            )
        except ProofTimeout as error:
            raise Refused(503, "not_certified_yet", str(error), retry_after_s=1) from None

    def _now_ms(self, view: View) -> int:
        """The time at which rules are looked at: now, but never before the newest block."""
        return max(self._clock.now().wall_ms, self._time_of(view, view.height()))

    def _look(self, read: Callable[[View], T]) -> T:
        with self._store.snapshot() as view:
            return read(view)

    async def _run(self, read: Callable[[View], T]) -> T:
        """Read what runs contract code: in a thread, and behind the second wall where there is one."""
        try:
            found: T = await self._in_turn(self._look, read)
            return found
        except NotAnswered as error:
            raise Refused(503, "unavailable", str(error), retry_after_s=1) from None

    # -- events -------------------------------------------------------------------------------------
    def read_events(self, after: tuple[int, int], limit: int) -> list[JsonObject]:
        """At most `limit` events strictly after (height, index), in order."""
        with self._store.snapshot() as view:
            found = view.events_after(after, limit)
            times = {height: self._time_of(view, height) for height in {height for (height, _), _ in found}}
        return [self._engine.describe_event(Event.decode(data), times[height]) for (height, _), data in found]


def _outcome(receipt: Receipt) -> Literal["ok", "failed"]:
    return "ok" if receipt.status is Status.OK else "failed"
