"""A small chain in memory behind the gateway's protocol, for tests of the API alone.

Transactions go through the real parser and the real signature check, are kept, ordered into blocks of their
own and executed against real balances of one token. Only agreement, storage and the contract engine are
missing; tests on real nodes cover those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

import orjson

from api.catalogue import ApiError
from api.gateway import EventFilter, JsonObject, Refused, TransactionState, TransactionStatus
from api.submissions import read_batch
from consensus.errors import InvalidTransaction
from consensus.keys import Ed25519Signer, verify_ed25519
from consensus.transactions import (
    Transaction,
    canonical_json,
    parse_transaction,
    signed_bytes,
    transaction_id,
    verify,
)
from contracts.compiler import compile_contract
from contracts.schema import schema_of
from tests.engine.chain import DELIVERY

GENESIS_TIME_MS = 1_767_225_600_000
BLOCK_INTERVAL_MS = 500
EXPIRY_MS_MAX = 15 * 60 * 1000
CODE = "0f" * 32
MEMBERS = (
    ("greenfarm", "Greenfarm Ltd"),
    ("bolt", "Bolt Logistics"),
    ("citybank", "City Bank"),
    ("millers", "Millers & Co"),
)


def seed_of(name: str) -> bytes:
    """A private key made from a name, 32 bytes, so that tests need none in files."""
    return sha256(b"test key of " + name.encode()).digest()


def signer_of(name: str) -> Ed25519Signer:
    """Signs for the account of this name."""
    return Ed25519Signer(seed_of(name))


@dataclass(frozen=True)
class Entry:
    """A committed transaction."""

    body: JsonObject
    status: TransactionStatus


class MemoryGateway:
    """Implements api.gateway.Gateway. `instant` commits what is submitted at once; otherwise `seal` does."""

    def __init__(self, *, instant: bool = True, dev: bool = True, capacity: int = 1_000) -> None:
        self.chain = "quorate-test-0011223344556677"
        self.instant = instant
        self.dev = dev
        self.capacity = capacity
        self.down: Refused | None = None
        self.disk_free_bytes = 2**40
        self.connected = {name for name, _ in MEMBERS[1:]}
        self.keys = {name: [signer_of(name).public_key.hex()] for name, _ in MEMBERS}
        self.balances = {"greenfarm": 1_000_000}
        self.delivered_ms: int | None = None
        self.offset_ms = 0
        self.pending: dict[str, Transaction] = {}
        self.entries: dict[str, Entry] = {}
        self.event_log: list[JsonObject] = []
        self.chain_blocks: list[JsonObject] = [self._block(0, [])]
        self._grown = asyncio.Event()

    @property
    def height(self) -> int:
        return len(self.chain_blocks) - 1

    @property
    def time_ms(self) -> int:
        return self._time_at(self.height)

    def restart(self) -> None:
        """What a new process would do: serve the same chain in another event loop."""
        self._grown = asyncio.Event()

    # ------------------------------------------------------------ writing

    @property
    def is_full(self) -> bool:
        return len(self.pending) >= self.capacity

    async def submit(self, envelopes: Sequence[bytes]) -> Sequence[TransactionStatus]:
        self._ensure_up()
        statuses = [self._admit(envelope) for envelope in envelopes]
        if self.instant and self.pending:
            self.seal()
        return statuses

    async def submit_batch(self, body: bytes) -> Sequence[TransactionStatus]:
        self._ensure_up()
        statuses = []
        for item in read_batch(body):
            if isinstance(item, ApiError):
                statuses.append(
                    TransactionStatus("", TransactionState.REJECTED, code=item.code, detail=item.detail)
                )
            else:
                statuses.append(replace(self._admit(item.envelope), id=item.id))
        if self.instant and self.pending:
            self.seal()
        return statuses

    def _admit(self, envelope: bytes) -> TransactionStatus:
        try:
            transaction = parse_transaction(envelope, self.chain)
        except InvalidTransaction as error:
            return TransactionStatus("", TransactionState.REJECTED, code=error.code, detail=error.detail)
        identifier = transaction.id.hex()
        if identifier in self.pending or identifier in self.entries:
            return replace(self._status(identifier), known=True)
        code, detail = self._objection(transaction)
        if code:
            return TransactionStatus(identifier, TransactionState.REJECTED, code=code, detail=detail)
        self.pending[identifier] = transaction
        return TransactionStatus(identifier, TransactionState.PENDING)

    def _objection(self, transaction: Transaction) -> tuple[str, str]:
        if not verify(transaction, verify_ed25519):
            return "bad_signature", "a signature does not fit the signed bytes"
        signing = {key.hex() for key, _ in transaction.signatures}
        for account in (transaction.sender, *transaction.cosigners):
            if not signing & set(self.keys.get(account, ())):
                return "unauthorised", f"{account} has none of its keys among the signatures"
        if transaction.expires_ms < self.time_ms:
            return "expired", f"expires_ms is {transaction.expires_ms}, the chain's time is {self.time_ms}"
        if transaction.expires_ms > self.time_ms + EXPIRY_MS_MAX:
            return "expiry_too_far", f"expires_ms is more than {EXPIRY_MS_MAX} ms ahead of the chain's time"
        if len(self.pending) >= self.capacity:
            return "overloaded", f"{self.capacity} transactions wait to be ordered"
        return "", ""

    def seal(self) -> None:
        """Order and execute what waits, in one block."""
        height = self.height + 1
        bodies = []
        for index, (identifier, transaction) in enumerate(self.pending.items()):
            entry = self._execute(identifier, transaction, height, index)
            self.entries[identifier] = entry
            bodies.append(entry.body)
        self.pending.clear()
        self.chain_blocks.append(self._block(height, bodies))
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _execute(self, identifier: str, transaction: Transaction, height: int, index: int) -> Entry:
        code, detail = "", ""
        before, events = dict(self.balances), len(self.event_log)
        for call in transaction.calls:
            code, detail = self._call(transaction, call.contract, call.action, call.args, height)
            if code:
                self.balances = before
                del self.event_log[events:]
                break
        outcome: Literal["ok", "failed"] = "failed" if code else "ok"
        receipt = {"status": outcome, "code": code, "text": detail, "gas_used": 100, "firings": []}
        if any(call.contract == "deal" for call in transaction.calls):
            receipt["firings"] = [_FIRING]
        body = {
            "id": identifier,
            "sentence": _sentence(transaction.sender, orjson.loads(transaction.body)),
            "outcome": outcome,
            "transaction": orjson.loads(transaction.body),
            "signatures": [
                {"key": key.hex(), "signature": made.hex()} for key, made in transaction.signatures
            ],
            "receipt": receipt,
            "height": height,
            "index": index,
            "time_ms": self._time_at(height),
        }
        status = TransactionStatus(
            identifier,
            TransactionState.COMMITTED,
            height,
            index,
            outcome,
            code or None,
            detail or None,
            receipt=receipt,
        )
        return Entry(body, status)

    def _call(
        self, transaction: Transaction, contract: str, action: str, args: Mapping[str, Any], height: int
    ) -> tuple[str, str]:
        if (contract, action) == ("deal", "report"):
            self.delivered_ms = self._time_at(height)
            self._emit(transaction, contract, "reported", {"fact": "delivered"}, height)
            return "", ""
        if (contract, action) == ("euro", "transfer"):
            target, amount = args.get("to"), args.get("amount")
            if (
                not isinstance(target, str)
                or not isinstance(amount, str)
                or not amount.isdigit()
                or len(amount) > 30
            ):
                return "arguments", "transfer takes to, an account, and amount, decimal text"
            if self.balances.get(transaction.sender, 0) < int(amount):
                return "funds", f"{transaction.sender} holds less than {amount} euro"
            self.balances[transaction.sender] -= int(amount)
            self.balances[target] = self.balances.get(target, 0) + int(amount)
            fields = {"source": transaction.sender, "target": target, "amount": amount}
            self._emit(transaction, contract, "transferred", fields, height)
            return "", ""
        if contract == "accounts":
            return self._accounts(transaction, action, args)
        return "unknown", f"{contract} has no action {action}"

    def _accounts(self, transaction: Transaction, action: str, args: Mapping[str, Any]) -> tuple[str, str]:
        account, keys = args.get("account"), args.get("keys")
        if not isinstance(account, str) or not isinstance(keys, list):
            return "arguments", f"{action} takes account and keys"
        if action == "register" and account in self.keys:
            return "exists", f"there is an account {account}"
        if action == "set_keys" and account != transaction.sender:
            return "unauthorised", f"only {account} changes its own keys"
        self.keys[account] = keys
        return "", ""

    def _emit(
        self, transaction: Transaction, contract: str, name: str, fields: JsonObject, height: int
    ) -> None:
        index = sum(1 for event in self.event_log if event["height"] == height)
        self.event_log.append(
            {
                "height": height,
                "index": index,
                "contract": contract,
                "name": name,
                "fields": fields,
                "transaction": transaction.id.hex(),
                "time_ms": self._time_at(height),
            }
        )

    def _block(self, height: int, transactions: list[JsonObject]) -> JsonObject:
        return {
            "height": height,
            "hash": sha256(
                b"block" + canonical_json([height, [item["id"] for item in transactions]])
            ).hexdigest(),
            "time_ms": self._time_at(height),
            "transaction_count": len(transactions),
            "transactions": transactions,
        }

    def _time_at(self, height: int) -> int:
        return GENESIS_TIME_MS + self.offset_ms + height * BLOCK_INTERVAL_MS

    # ------------------------------------------------------------ reading

    async def wait(
        self, transaction: str, until: Literal["available", "committed"], timeout_s: float
    ) -> TransactionStatus:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and transaction not in self.entries:
            try:
                await asyncio.wait_for(self._grown.wait(), left)
            except TimeoutError:
                break
        return self._status(transaction)

    async def status(self, transaction: str) -> TransactionStatus:
        self._ensure_up()
        return self._status(transaction)

    def _status(self, transaction: str) -> TransactionStatus:
        if transaction in self.entries:
            return self.entries[transaction].status
        state = TransactionState.PENDING if transaction in self.pending else TransactionState.UNKNOWN
        return TransactionStatus(transaction, state)

    async def explain(self, transaction: Mapping[str, Any]) -> JsonObject:
        body = canonical_json(transaction)
        return {
            "sentence": _sentence(transaction["sender"], transaction),
            "id": transaction_id(body).hex(),
            "signed_bytes_hex": signed_bytes(body).hex(),
            "body": body.decode(),
        }

    async def simulate(self, transaction: Mapping[str, Any]) -> JsonObject:
        return {"status": "ok", "code": "", "text": "", "gas_used": 100}

    async def node(self) -> JsonObject:
        self._ensure_up()
        root = sha256(
            canonical_json([self.height, {key: str(value) for key, value in self.balances.items()}])
        ).hexdigest()
        return {
            "member": "greenfarm",
            "role": "validator",
            "version": "0.1.0",
            "chain": self.chain,
            "height": self.height,
            "time_ms": self.time_ms,
            "clock_ms": self.time_ms,
            "state_root": root,
            "exec_hash": sha256(bytes.fromhex(root)).hexdigest(),
            "consensus": {"epoch": 0, "view": self.height + 1, "quorum": 3},
            "peers": [
                {
                    "member": name,
                    "role": "validator",
                    "connected": name in self.connected,
                    "height": self.height,
                }
                for name, _ in MEMBERS[1:]
            ],
            "disk_free_bytes": self.disk_free_bytes,
            "execution_wall": "in the node's own process",
            "dev": self.dev,
            "why": "All is well: nothing waits to be ordered.",
        }

    async def why(self) -> JsonObject:
        node = await self.node()
        nothing = dict.fromkeys(("waiting_ms", "next_ms", "clock_offset_ms", "catch_up"))
        told = {
            "phase": "idle",
            "sentence": node["why"],
            "role": "validator",
            "view": 1,
            "leader": "bolt",
            "votes": 0,
            "quorum": 3,
        }
        lists: JsonObject = {"missing": [], "diverged": []}
        return (
            nothing
            | told
            | lists
            | {name: node[name] for name in ("height", "time_ms", "consensus", "peers")}
        )

    async def versions(self, name: str) -> JsonObject:
        instance = await self.instance(name)
        version = {"version": 1, "code": CODE, "contract": instance["contract"], "terms_hash": "00" * 32}
        pause: JsonObject = {
            "paused": False,
            "until_ms": None,
            "text": None,
            "guardians": [],
            "again_ms": None,
        }
        ran = {"from_height": 0, "until_height": None, "proposal": None}
        return {"items": [version | ran], "pause": pause}

    async def rehearse(
        self,
        name: str,
        source: str,
        terms: Mapping[str, Any],
        from_height: int | None,
        height: int | None,
    ) -> JsonObject:
        await self.instance(name)
        return {"outcome": "00" * 32, "rehearsal": {"sentences": []}}

    async def proposals(self) -> Sequence[JsonObject]:
        return [await self.proposal(1)]

    async def proposal(self, proposal: int) -> JsonObject:
        if proposal != 1:
            raise Refused(404, "unknown_proposal", f"there is no proposal {proposal}")
        return {
            "proposal": 1,
            "contract": "members",
            "hash": "ab" * 32,
            "sentence": "suspend bolt",
            "content": {"changes": [{"kind": "suspend", "member": "bolt"}]},
            "reason": "",
            "proposer": "greenfarm",
            "height": 1,
            "expires_ms": GENESIS_TIME_MS + EXPIRY_MS_MAX,
            "status": "open",
            "closed_height": None,
            "approvals": ["greenfarm"],
            "needed": 3,
            "missing": ["bolt", "citybank", "millers"],
            "next": "greenfarm approved; 2 of bolt, citybank and millers must approve.",
        }

    async def members(self) -> JsonObject:
        items = [self._member(number, *named) for number, named in enumerate(MEMBERS)]
        return {"epoch": 1, "height": self.height, "items": items}

    def _member(self, number: int, name: str, title: str) -> JsonObject:
        reachable = number == 0 or name in self.connected
        return {
            "id": name,
            "number": number,
            "title": title,
            "role": "validator",
            "standing": "active",
            "text": f"{name} validates.",
            "since_height": 0,
            "validator_key": self.keys[name][0],
            "state": "here" if number == 0 else "connected" if reachable else "unreachable",
            "reachable": reachable,
            "height": self.height if reachable else None,
        }

    async def epochs(self) -> JsonObject:
        validators = [
            {"number": number, "member": name, "validator_key": self.keys[name][0]}
            for number, (name, _) in enumerate(MEMBERS)
        ]
        first = {"epoch": 1, "quorum": 3, "validators": validators}
        return {"items": [first | {"boundary": None}], "next": first | {"epoch": 2}}

    async def evidence(self) -> Sequence[JsonObject]:
        return [
            {
                "member": "bolt",
                "number": 1,
                "epoch": 1,
                "kind": "two notarise votes",
                "view": 7,
                "seq": None,
                "height": 0,
                "time_ms": GENESIS_TIME_MS,
            }
        ]

    async def genesis(self) -> JsonObject:
        members = [{"id": name, "title": title} for name, title in MEMBERS]
        return {
            "body": {"format": 1, "name": "test", "time_ms": GENESIS_TIME_MS, "members": members},
            "signatures": {name: "00" * 64 for name, _ in MEMBERS},
        }

    async def blocks(self, before: int | None, limit: int) -> Sequence[JsonObject]:
        blocks = self.chain_blocks[: before if before is not None else None][::-1][:limit]
        return [{key: value for key, value in block.items() if key != "transactions"} for block in blocks]

    async def block(self, height: int) -> JsonObject:
        if height > self.height:
            raise Refused(404, "unknown_block", f"there is no block {height}; the newest is {self.height}")
        return self.chain_blocks[height]

    async def transaction(self, transaction: str) -> JsonObject:
        if transaction not in self.entries:
            raise Refused(404, "unknown_transaction", f"{transaction} is not committed")
        return self.entries[transaction].body

    async def transactions(
        self,
        before: tuple[int, int] | None,
        limit: int,
        *,
        account: str | None = None,
        contract: str | None = None,
    ) -> Sequence[JsonObject]:
        found = [
            entry.body
            for entry in reversed(self.entries.values())
            if (before is None or (entry.body["height"], entry.body["index"]) < before)
            and account in (None, entry.body["transaction"]["sender"])
            and (
                contract is None
                or any(call["contract"] == contract for call in entry.body["transaction"]["calls"])
            )
        ]
        return found[:limit]

    async def accounts(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        return [{"id": name} for name in sorted(self.keys) if after is None or name > after][:limit]

    async def account(self, account: str) -> JsonObject:
        if account not in self.keys:
            raise Refused(404, "unknown_account", f"no account is named {account}")
        amount = self.balances.get(account, 0)
        balances = [{"currency": "euro", "amount": str(amount)}] if amount else []
        return {"id": account, "keys": self.keys[account], "balances": balances}

    async def contracts(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        text = "If delivery is confirmed by the deadline then release the payment, else a penalty."
        listed = [
            {"code": CODE, "name": "DeliveryOrPenalty", "text": text, "author": "greenfarm", "height": 0}
        ]
        return [item for item in listed if after is None or str(item["code"]) > after][:limit]

    async def contract(self, code: str) -> JsonObject:
        if code != CODE:
            raise Refused(404, "unknown_contract", f"no code has the id {code}")
        return {**(await self.contracts(None, 1))[0], "source": "class DeliveryOrPenalty(Contract): ...\n"}

    async def contract_schema(self, code: str) -> JsonObject:
        await self.contract(code)
        return schema_of(code, compile_contract(DELIVERY))

    async def instances(self, after: str | None, limit: int) -> Sequence[JsonObject]:
        keys = ("name", "code", "contract", "status", "phase")
        whole = [await self.instance(name) for name in ("deal", "euro")]
        listed = [{key: item[key] for key in keys} for item in whole]
        return [item for item in listed if after is None or item["name"] > after][:limit]

    async def instance(self, name: str) -> JsonObject:
        if name == "euro":
            supply = {"amount": str(sum(self.balances.values())), "currency": "euro"}
            return _instance(
                name,
                contract="Token",
                text="Money that its issuer mints.",
                terms=[_named("issuer", "Party", "citybank")],
                fields=[_named("supply", "Money", supply)],
                actions=[{"name": "transfer", "text": "Send money", "accounts": [], "possible": True}],
            )
        if name != "deal":
            raise Refused(404, "unknown_instance", f"no instance is named {name}")
        deadline_ms = GENESIS_TIME_MS + 7 * 86_400_000
        delivered = self.delivered_ms is not None
        on_time: JsonObject = {
            "condition": "self.delivered and self.delivered <= self.deadline",
            "consequence": ["self.pay(self.seller, self.price)", 'self.close("on time", 0)'],
            "holds": delivered,
        }
        never: JsonObject = {
            "condition": "now() > self.deadline + self.give_up",
            "consequence": ["self.pay(self.buyer, self.price)", 'self.close("not delivered", 0)'],
            "holds": None if delivered else False,
        }
        for branch in (on_time, never):
            branch |= {"parts": {"text": branch["condition"], "holds": branch["holds"]}, "because": ""}
        texts = ("self.delivered", "self.delivered <= self.deadline")
        inner = [{"text": text, "holds": delivered or None} for text in texts]
        on_time["parts"] |= {"word": "and", "parts": inner}
        settle = {
            "name": "settle",
            "text": "Settle the delivery",
            "in_phase": True,
            "reads": {"delivered": self.delivered_ms},
            "wake_ms": None if delivered else deadline_ms + 30 * 86_400_000,
            "next": "waits for an action or a fact",
            "branches": [on_time, never],
        }
        return _instance(
            name,
            contract="DeliveryOrPenalty",
            text="If delivery is confirmed by the deadline then release the payment, else a penalty.",
            phase="funded",
            terms=[
                _named("buyer", "Party", "millers"),
                _named("price", "Money", {"amount": "250000", "currency": "euro"}),
                _named("deadline", "Time", deadline_ms),
                _named("late_rate", "Percent", "1.5"),
                _named("give_up", "Span", 30 * 86_400_000),
            ],
            signatures=[{"party": "millers", "signed": True}, {"party": "greenfarm", "signed": True}],
            facts=[_named("delivered", "Time", self.delivered_ms)],
            fields=[{"name": "reminders", "type": "Table[Party, int]", "rows": [["bolt", 2]], "more": False}],
            balances=[{"currency": "euro", "amount": "250000"}],
            rules=[settle],
            actions=[{"name": "fund", "text": "Pay the price", "accounts": ["millers"], "possible": False}],
        )

    async def query(self, instance: str, query: str, arguments: Mapping[str, Any]) -> JsonObject:
        await self.instance(instance)
        if query != "balance":
            raise Refused(404, "unknown_query", f"{instance} has no query {query}")
        if arguments.keys() != {"account"} or not isinstance(arguments["account"], str):
            raise Refused(422, "arguments", "balance takes account, a name")
        return {"value": str(self.balances.get(arguments["account"], 0)), "height": self.height}

    async def state(self, key: str) -> JsonObject:
        account = bytes.fromhex(key).decode("ascii", "replace")
        amount = self.balances.get(account)
        return {"key": key, "value_hex": None if amount is None else f"{amount:016x}", "height": self.height}

    async def proof(self, key: str, timeout_s: float) -> JsonObject:
        return {"format": "test", **await self.state(key)}

    async def events(self, after: tuple[int, int], wanted: EventFilter) -> AsyncIterator[JsonObject]:
        position = after
        while True:
            self._ensure_up()
            grown = self._grown
            for event in [item for item in self.event_log if (item["height"], item["index"]) > position]:
                position = (event["height"], event["index"])
                if (
                    wanted.contract in (None, event["contract"])
                    and wanted.name in (None, event["name"])
                    and wanted.transaction in (None, event["transaction"])
                ):
                    yield event
            await grown.wait()

    async def advance_clock(self, by_ms: int) -> JsonObject:
        if not self.dev:
            raise Refused(403, "not_a_development_node", "this node shares its chain with others")
        self.offset_ms += by_ms
        return {"time_ms": self.time_ms}

    def _ensure_up(self) -> None:
        if self.down is not None:
            raise self.down


_FIRING = {
    "hash": "ab" * 32,
    "instance": "deal",
    "rule": "settle",
    "branch": 0,
    "conditions": [
        {
            "condition": "self.delivered and self.delivered <= self.deadline",
            "held": True,
            "parts": [
                {"text": "self.delivered", "held": True},
                {"text": "self.delivered <= self.deadline", "held": True},
            ],
        }
    ],
    "reads": {"self.price": {"amount": "250000", "currency": "euro"}},
    "effects": [{"verb": "pay", "operands": ["greenfarm", {"amount": "250000", "currency": "euro"}]}],
}


def _named(name: str, type_name: str, value: Any) -> JsonObject:
    return {"name": name, "type": type_name, "value": value}


def _instance(name: str, **known: Any) -> JsonObject:
    empty: JsonObject = {
        key: [] for key in ("signatures", "facts", "fields", "balances", "rules", "handlers")
    }
    return {"name": name, "code": CODE, "status": "active", "phase": "active", **empty, **known}


def _sentence(sender: str, body: Mapping[str, Any]) -> str:
    call = body["calls"][0]
    if call["contract"] == "euro":
        return f"{sender} sends {call['args'].get('amount')} euro to {call['args'].get('to')}"
    return f"{sender} calls {call['action']} of {call['contract']}"
