"""The node behind the API: admission of transactions, waiting for them, and reading (`node.reader`).

Runs in the API's loop. What belongs to trio (driver, network, replica) is asked through the bridge.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import structlog

from api.gateway import EventFilter, JsonObject, Refused, TransactionState, TransactionStatus
from api.submissions import BATCH_COUNT_MAX
from consensus.keys import verify_ed25519
from consensus.transactions import Found, Transaction
from consensus.types import MemberNumber
from contracts.engine import Engine
from node.bridge import Bridge
from node.checking.messages import Posted
from node.checking.pool import Checks
from node.clock import Clock
from node.directory import NO_NUMBER
from node.driver import Driver, Submission
from node.epochs_view import epochs_json
from node.events import EventLog
from node.executor import ExecutedBlock
from node.forwarding import Forwarder
from node.genesis import SignedGenesis
from node.look import Look
from node.membership import Membership
from node.network import Network
from node.peer_clocks import PeerClocks
from node.pending import PendingTransactions
from node.reader import Authority, Reader, node_version
from node.store import Store
from node.sync import CatchUp
from node.waiting_room import WaitingRoom
from node.why import tell

R = TypeVar("R")

log = structlog.get_logger("gateway")

INLINE_BYTES_MAX = 4 * 1024
"""So much, some 8 transactions, is checked in the loop itself; more goes to a thread, so that other requests
go on."""

_REACHED = {
    "available": {TransactionState.AVAILABLE, TransactionState.COMMITTED},
    "committed": {TransactionState.COMMITTED},
}
_TERMINAL = {TransactionState.COMMITTED, TransactionState.REJECTED, TransactionState.EXPIRED}


class NodeGateway(Reader):
    """Implements `api.gateway.Gateway`."""

    def __init__(
        self,
        *,
        signed_genesis: SignedGenesis,
        membership: Membership,
        dev: bool,
        engine: Engine,
        store: Store,
        clock: Clock,
        pending: PendingTransactions,
        bridge: Bridge,
        data_dir: Path,
        wall: str,
        checks: Checks,
    ) -> None:
        """`engine` is for reading only, another one than execution uses; `wall` says where that is done."""
        super().__init__(engine, store, clock, signed_genesis.genesis)
        self._signatures = signed_genesis.signatures
        self._membership = membership
        self._dev = dev
        self._pending = pending
        self._bridge = bridge
        self._data_dir = data_dir
        self._wall = wall
        self._checks = checks
        self._parameters = signed_genesis.genesis.parameters
        self._events = EventLog(self.read_events)
        self._waiting: dict[bytes, list[asyncio.Future[None]]] = {}
        self._room = WaitingRoom()
        self._admitting = 0
        """Transactions that were posted and are not yet held or refused."""
        self._driver: Driver
        self._network: Network
        self._catch_up: CatchUp
        self._clocks: PeerClocks
        self._forwarder: Forwarder

    def attach(
        self,
        driver: Driver,
        network: Network,
        catch_up: CatchUp,
        clocks: PeerClocks,
        forwarder: Forwarder,
        key: Callable[[], str | None],
    ) -> None:
        """Before anything is served. `key`: why the validator key does not vote, or None."""
        self._key = key
        self._clocks = clocks
        self._forwarder = forwarder
        self._driver = driver
        self._network = network
        self._catch_up = catch_up

    # -- called in trio -----------------------------------------------------------------------------
    def transactions_changed(self, transactions: Sequence[bytes], state: TransactionState) -> None:
        """Transactions became available."""
        self._bridge.post_to_api(self._wake, tuple(transactions))

    def block_executed(self, block: ExecutedBlock) -> None:
        """A block is stored: its batches need no tracking any more, and waiters get their answer."""
        self.refresh()
        own = self._pending.own
        self._pending.forget(block.batches)
        self._pending.settle(block.transactions, block.time_ms)
        self._room.executed(len(block.transactions), own - self._pending.own)
        self._bridge.post_to_api(self._on_block, block)

    # -- submission ---------------------------------------------------------------------------------
    @property
    def is_full(self) -> bool:
        """By what waits in all lanes. What other members hand over they admitted, and it is always taken."""
        pending, validators = self._pending, len(self._driver.committee.numbers)
        waiting, own, spreading_since_s = len(pending), pending.own, pending.spreading_since_s
        if not self._driver.is_validator:  # what a lane holds from before may never be ordered
            waiting, own, spreading_since_s = waiting - own, 0, None
        return self._room.is_full(
            waiting + self._admitting, own + self._admitting, validators, spreading_since_s
        )

    async def submit(self, envelopes: Sequence[bytes]) -> Sequence[TransactionStatus]:
        """Admit envelopes; returns once the admitted ones are durable here."""
        judge = partial(self.judge, envelopes, full=self.is_full)
        with self._admits(len(envelopes)):
            judged = await _run(judge, sum(map(len, envelopes)))
            return await self._have_ordered(judged, map(len, envelopes))

    async def submit_batch(self, body: bytes) -> Sequence[TransactionStatus]:
        """The same for a posted batch. Raises: ApiError."""
        judge = partial(self._judge_posted, body, full=self.is_full)
        with self._admits(min(BATCH_COUNT_MAX, body.count(b'"signatures"'))):  # it is read only later
            posted, judged = await _run(judge, len(body))
            return await self._have_ordered(judged, (item.size_bytes for item in posted))

    @contextmanager
    def _admits(self, count: int) -> Iterator[None]:
        self._admitting += count
        try:
            yield
        finally:
            self._admitting -= count

    async def _have_ordered(
        self, judged: Sequence[Transaction | TransactionStatus], sizes_bytes: Iterable[int]
    ) -> Sequence[TransactionStatus]:
        admitted = {item.id: item for item in judged if isinstance(item, Transaction)}
        for size_bytes, item in zip(sizes_bytes, judged, strict=True):
            refused = isinstance(item, TransactionStatus) and item.state is TransactionState.REJECTED
            if size_bytes:
                self._driver.seen.submitted(size_bytes, refused=refused)
            if isinstance(item, TransactionStatus) and refused:
                log.debug("transaction refused", tx=item.id, reason=item.code)
        ordered: Sequence[TransactionStatus] = ()
        if admitted:
            ordered = await self._bridge.call_trio(
                lambda resolve: self._start(tuple(admitted.values()), resolve)
            )
        by_id = {status.id: status for status in ordered}
        return [item if isinstance(item, TransactionStatus) else by_id[item.id.hex()] for item in judged]

    def _start(
        self, transactions: Sequence[Transaction], resolve: Callable[[Sequence[TransactionStatus]], None]
    ) -> None:
        """Have them ordered: in the own lane where this node has one, else by a validator."""
        if not self._driver.is_validator:
            self._forwarder.submit(transactions, resolve)
            return

        def durable(states: dict[bytes, TransactionState]) -> None:
            resolve([_submitted(transaction, states[transaction.id]) for transaction in transactions])

        self._driver.submit(transactions, Submission({item.id for item in transactions}, durable))

    def judge(
        self, envelopes: Sequence[bytes], *, handed_over_by: MemberNumber | None = None, full: bool = False
    ) -> list[Transaction | TransactionStatus]:
        """Of each the transaction, or why it is refused, or what became of it where it was admitted before.

        A copy in the lane of a member that hands it over does not count: no block will order it. `full`:
        nothing new is taken. May be called in any thread.
        """
        found = self._checks.check(envelopes, self.chain)
        with self._against() as against:
            return [self._judge(each, "", against, handed_over_by, full=full) for each in found]

    def _judge_posted(
        self, body: bytes, *, full: bool
    ) -> tuple[list[Posted], list[Transaction | TransactionStatus]]:
        posted = self._checks.posted(body, self.chain)
        with self._against() as against:
            return posted, [self._judge(each.found, each.id, against, None, full=full) for each in posted]

    @contextmanager
    def _against(self) -> Iterator[Authority]:
        with self.authority() as unauthorised:
            yield _nothing_against if self._is_left_to_others else unauthorised

    def _judge(
        self, found: Found, named: str, against: Authority, handed_over_by: MemberNumber | None, *, full: bool
    ) -> Transaction | TransactionStatus:
        """`named` is the id of what is no transaction, if it has one."""
        transaction = found.content
        if not isinstance(transaction, Transaction):
            return _rejected(named, transaction.code, transaction.detail)
        identifier = transaction.id.hex()
        known = self._done(transaction.id)
        # Another envelope that is on its way may lack a valid key: only this very one counts as posted.
        if known is None and self._pending.holds(transaction, self._driver.lanes(handed_over_by)):
            known = self._known(transaction.id)
        if known is not None:
            return known
        now_ms, cap_ms = self._clock.now().wall_ms, self._parameters.expiry_ms_max
        if transaction.expires_ms <= now_ms:
            return _rejected(
                identifier, "expired", f"expires_ms {transaction.expires_ms} has passed; it is {now_ms}"
            )
        if transaction.expires_ms > now_ms + cap_ms:
            return _rejected(
                identifier,
                "expiry_too_far",
                f"expires_ms is {transaction.expires_ms - now_ms} ms ahead, at most {cap_ms} ms are allowed",
            )
        if transaction.gas_limit > self._parameters.batch_gas_max:
            return _rejected(
                identifier, "gas_limit", f"gas_limit is at most {self._parameters.batch_gas_max} here"
            )
        if full:
            return _rejected(
                identifier,
                "overloaded",
                f"{len(self._pending)} transactions wait here already, for other nodes or to be executed; "
                "post it again soon",
            )
        if not found.is_signed(verify_ed25519):
            return _rejected(
                identifier, "bad_signature", "a signature is not valid for the bytes of this transaction"
            )
        refusal = against(transaction)
        if refusal is not None:
            return _rejected(identifier, "unauthorised", refusal)
        return transaction

    @property
    def _is_left_to_others(self) -> bool:
        """Whether this node's state is old, and what it admits is judged again by a validator."""
        behind = self._membership.number == NO_NUMBER or self._catch_up.progress is not None
        return behind and not self._driver.is_validator

    def _known(self, identifier: bytes) -> TransactionStatus | None:
        """What became, or is becoming, of a transaction."""
        tracked = self._pending.state(identifier, self.time_ms)  # first: execution stores, then forgets
        known = self._done(identifier)
        if known is None and (refusal := self._pending.refusal(identifier)) is not None:
            known = _rejected(identifier.hex(), *refusal)
        if known is None and tracked is not None:
            known = TransactionStatus(identifier.hex(), tracked, known=True)
        return known

    def _done(self, identifier: bytes) -> TransactionStatus | None:
        """What became of it in an executed block; a refused copy does not stand for all copies."""
        settled = self.settled(identifier)
        return None if settled is None or settled.state is TransactionState.REJECTED else settled

    # -- status and waiting -------------------------------------------------------------------------
    async def status(self, transaction: str) -> TransactionStatus:
        identifier = bytes.fromhex(transaction)
        known = self._known(identifier) or self.settled(identifier)
        return known or TransactionStatus(transaction, TransactionState.UNKNOWN)

    async def wait(
        self, transaction: str, until: Literal["available", "committed"], timeout_s: float
    ) -> TransactionStatus:
        identifier = bytes.fromhex(transaction)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(identifier, []).append(changed)
            try:
                status = await self.status(transaction)
                if status.state in _REACHED[until] | _TERMINAL:
                    return status
                async with asyncio.timeout_at(deadline):
                    await changed
            except TimeoutError:
                return await self.status(transaction)
            finally:
                self._stop_waiting(identifier, changed)

    def _stop_waiting(self, identifier: bytes, changed: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(identifier)
        if waiting is not None and changed in waiting:
            waiting.remove(changed)
            if not waiting:
                del self._waiting[identifier]

    def _wake(self, transactions: Sequence[bytes]) -> None:
        for identifier in transactions:
            for changed in self._waiting.pop(identifier, ()):
                if not changed.done():
                    changed.set_result(None)

    def _on_block(self, block: ExecutedBlock) -> None:
        self._wake(block.transactions)
        # A block's time may be past what others wait for: they are expired then.
        late = [
            identifier
            for identifier in self._waiting
            if self._pending.state(identifier, block.time_ms) is TransactionState.EXPIRED
        ]
        self._wake(late)
        self._events.announce()

    # -- this node ----------------------------------------------------------------------------------
    async def node(self) -> JsonObject:
        told, status = await self._told()
        return status | {"dev": self._dev, "why": told["sentence"]}

    async def why(self) -> JsonObject:
        told, status = await self._told()
        return told | {name: status[name] for name in ("height", "time_ms", "consensus", "peers")}

    async def _told(self) -> tuple[JsonObject, JsonObject]:
        """What the node waits for, and how it is otherwise."""
        look: Look = await self._bridge.call_trio(lambda resolve: resolve(self.look()))
        disk_free_bytes = shutil.disk_usage(self._data_dir).free
        status = {
            "member": self._membership.name,
            "role": self._membership.role_of(self._membership.number),
            "version": node_version(),
            "chain": self.chain,
            **self.tip(),
            "clock_ms": self._clock.now().wall_ms,
            "consensus": look.consensus,
            "peers": _peers(look, self._membership.role_of),
            "disk_free_bytes": disk_free_bytes,
            "execution_wall": self._wall,
        }
        return tell(look, disk_free_bytes), status

    def look(self) -> Look:
        """This node now; called in trio."""
        driver, now = self._driver, self._clock.now()
        snapshot = driver.replica.status_snapshot()
        return Look(
            me=self._membership.number,
            names=self._membership.directory.names,
            consensus=snapshot,
            why=driver.replica.why(now),
            peers=tuple(self._network.status()),
            clocks=self._clocks.offsets(),
            precision_ms=self._parameters.precision_ms,
            progress=self._catch_up.progress,
            key=self._key(),
            executed_height=self.height,
            waiting_transactions=len(self._pending) + snapshot["waiting_transactions"],
            journal_bytes=driver.journal_bytes,
            bad_messages=driver.bad_messages,
            now_ms=time.time_ns() // 1_000_000,  # as the network dates what it heard
        )

    async def members(self) -> JsonObject:
        peers = {peer["member"]: peer for peer in (await self.node())["peers"]}
        peers[self._membership.name] = {"state": "here", "connected": True, "height": self.height}
        return {
            "epoch": self._membership.committee.epoch,
            "height": self.height,
            "items": [
                member | {"role": self._membership.role_of(member["number"])} | _seen(peers.get(member["id"]))
                for member in self._look(lambda view: self._engine.list_members(view.state))
            ],
        }

    async def epochs(self) -> JsonObject:
        directory, first = self._membership.directory, self._genesis.committee
        return self._look(lambda view: epochs_json(view, directory, first))

    async def genesis(self) -> JsonObject:
        signatures = {member: signature.hex() for member, signature in self._signatures.items()}
        return {"body": self._genesis.body, "signatures": signatures}

    async def advance_clock(self, by_ms: int) -> JsonObject:
        if not self._dev:
            raise Refused(403, "not_a_development_node", "only the clock of a `quorate dev` can be moved")

        def move(resolve: Callable[[int], None]) -> None:
            time_ms = self._clock.advance(by_ms)
            self._driver.put(self._driver.replica.on_timer)
            resolve(time_ms)

        return {"time_ms": await self._bridge.call_trio(move)}

    # -- events -------------------------------------------------------------------------------------
    def events(self, after: tuple[int, int], wanted: EventFilter) -> AsyncIterator[JsonObject]:
        return self._events.follow(after, wanted)


async def _run(judge: Callable[[], R], size_bytes: int) -> R:
    return judge() if size_bytes <= INLINE_BYTES_MAX else await asyncio.to_thread(judge)


def _nothing_against(_: Transaction) -> str | None:
    return None


def _rejected(identifier: str, code: str, detail: str) -> TransactionStatus:
    return TransactionStatus(identifier, TransactionState.REJECTED, code=code, detail=detail)


def _submitted(transaction: Transaction, state: TransactionState) -> TransactionStatus:
    if state is TransactionState.REJECTED:
        return _rejected(
            transaction.id.hex(),
            "overloaded",
            "this member's lane is as far ahead of the last final block as it may be; post it again soon",
        )
    return TransactionStatus(transaction.id.hex(), state)


def _seen(peer: JsonObject | None) -> JsonObject:
    """A member's node as seen from here, by its entry among the peers, if it is in the network at all."""
    connected = peer is not None and peer["connected"]
    state = "connected" if connected else "unreachable"
    return {
        "state": state if peer is None else peer.get("state", state),
        "reachable": connected,
        "height": None if peer is None else peer["height"],
    }


def _peers(look: Look, role_of: Callable[[MemberNumber], str]) -> list[JsonObject]:
    heights = {peer["member"]: peer["executed_height"] for peer in look.consensus["peers"]}
    return [
        {
            "member": look.name(peer.member),
            "role": role_of(peer.member),
            "connected": peer.connected,
            "height": heights.get(peer.member),
            "rtt_ms": peer.rtt_ms,
            "last_heard_ms": peer.last_heard_ms,
            "last_error": peer.last_error,
            "clock_offset_ms": look.clocks[peer.member].offset_ms if peer.member in look.clocks else None,
        }
        for peer in look.peers
    ]
