"""Transactions that this node can not order go to a validator, which admits them as if posted there.

Two need that: an observer, to which clients may post as to any other node; and a validator that leaves, which
promised to order what no block has cut yet. What a validator took is durable there before it says so; from
then on its answer is to the client what this node's own would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
import trio

from api.gateway import TransactionState, TransactionStatus
from consensus.codec import DIGEST, blob, decode, encode, optional, pair, record, sequence, text
from consensus.errors import InvalidMessage
from consensus.transactions import ENVELOPE_BYTES_MAX, Transaction
from consensus.types import Digest, MemberNumber
from node.clock import Clock
from node.driver import Driver, Submission
from node.network import Network, RequestFailed, RequestRefused
from node.pending import PendingTransactions
from node.services import Service, addressed
from node.wire import SYNC_REQUEST_BYTES_MAX

log = structlog.get_logger("forwarding")

REQUEST_TIMEOUT_MS = 10_000
ENVELOPES_BYTES_MAX = SYNC_REQUEST_BYTES_MAX - 1024
"""Envelopes of one request, in bytes, each with ENVELOPE_OVERHEAD_BYTES."""
ENVELOPE_OVERHEAD_BYTES = 5
ENVELOPES_MAX = 1024
PAUSE_S = 1.0
"""Before a leaving validator tries again to hand over what nobody took."""
CODE_LENGTH_MAX, DETAIL_LENGTH_MAX = 64, 1024
NO_VALIDATOR = "no_validator"
OVERLOADED = "overloaded"
NOBODY = (
    NO_VALIDATOR,
    (
        "this node votes for nothing and orders nothing itself, and reaches no validator that would: "
        "post it again soon, or to another member's node"
    ),
)


@dataclass(frozen=True, slots=True)
class SubmitRequest:
    """Asks a validator of the chain with this genesis hash (32 bytes) to admit transactions' envelopes."""

    genesis: Digest
    envelopes: tuple[bytes, ...]


Refusal = tuple[str, str]
"""Code and detail, as a client is told them."""

_REQUEST = record(
    SubmitRequest, genesis=DIGEST, envelopes=sequence(blob(1, ENVELOPE_BYTES_MAX), ENVELOPES_MAX)
)
_ANSWER = sequence(optional(pair(text(CODE_LENGTH_MAX), text(DETAIL_LENGTH_MAX))), ENVELOPES_MAX)


def encode_request(request: SubmitRequest) -> bytes:
    """Canonical bytes."""
    return encode(_REQUEST, request)


def decode_request(data: bytes) -> SubmitRequest:
    """Raises: DecodeError."""
    return decode(_REQUEST, data, "submit request", SYNC_REQUEST_BYTES_MAX)


def encode_answer(answer: Sequence[Refusal | None]) -> bytes:
    """Canonical bytes: for each envelope why it is refused, or nil."""
    return encode(_ANSWER, tuple(answer))


def decode_answer(data: bytes) -> tuple[Refusal | None, ...]:
    """Raises: DecodeError."""
    return decode(_ANSWER, data, "submit answer", ENVELOPES_MAX * (CODE_LENGTH_MAX + DETAIL_LENGTH_MAX))


class Judge(Protocol):
    """The node's admission; called in worker threads."""

    def __call__(
        self, envelopes: Sequence[bytes], *, handed_over_by: MemberNumber | None = None
    ) -> Sequence[Transaction | TransactionStatus]: ...


class Forwarder:
    """Sends transactions to validators, and takes them from others where this node is one. Lives in trio."""

    def __init__(
        self,
        *,
        driver: Driver,
        network: Network,
        pending: PendingTransactions,
        judge: Judge,
        chain_id: Digest,
        clock: Clock,
    ) -> None:
        self._driver = driver
        self._network = network
        self._pending = pending
        self._judge = judge
        self._chain_id = chain_id
        self._clock = clock
        self._turn = 0
        self._nursery: trio.Nursery | None = None
        self._early: list[tuple[Transaction, ...]] = []

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for transactions in self._early:
                nursery.start_soon(self._hand_over, transactions)
            await trio.sleep_forever()

    # -- out ----------------------------------------------------------------------------------------
    def submit(
        self, transactions: Sequence[Transaction], resolve: Callable[[Sequence[TransactionStatus]], None]
    ) -> None:
        """Have admitted transactions ordered by a validator; `resolve` gets the status of each, in order."""

        async def forward() -> None:
            resolve(await self._forward(transactions))

        if self._nursery is None:
            resolve([_status(transaction, NOBODY) for transaction in transactions])
        else:
            self._nursery.start_soon(forward)

    def hand_over(self, transactions: Sequence[Transaction]) -> None:
        """Keep the promise given for transactions of the own lane, which nobody cuts any more."""
        if self._nursery is None:
            self._early.append(tuple(transactions))
        else:
            self._nursery.start_soon(self._hand_over, tuple(transactions))

    async def _hand_over(self, transactions: Sequence[Transaction]) -> None:
        waiting = {transaction.id.hex(): transaction for transaction in transactions}
        while waiting:
            taken = 0
            for status in await self._order_anywhere(tuple(waiting.values())):
                if status.code in (NO_VALIDATOR, OVERLOADED):
                    continue
                if status.state is TransactionState.REJECTED and await self._admits(waiting[status.id]):
                    continue  # one validator's word does not undo what a client was promised: ask another
                identifier = waiting.pop(status.id).id
                self._driver.handed_over(identifier, status.state)
                taken += status.state is not TransactionState.REJECTED
                if status.state is TransactionState.REJECTED:
                    self._pending.refuse(identifier, status.code or "refused", status.detail or "")
                    log.warning("a transaction was not taken over", tx=status.id, reason=status.detail)
            if taken:
                log.info("handed over transactions", count=taken)
            now_ms = self._clock.now().wall_ms
            for late in [each for each in waiting.values() if each.expires_ms <= now_ms]:
                self._driver.handed_over(late.id, TransactionState.REJECTED)
                del waiting[late.id.hex()]
            if waiting:
                await trio.sleep(PAUSE_S)

    async def _admits(self, transaction: Transaction) -> bool:
        """Whether this node finds nothing against a transaction of its own lane."""
        judge = partial(self._judge, [transaction.envelope], handed_over_by=self._driver.replica.me)
        (judged,) = await trio.to_thread.run_sync(judge)
        return isinstance(judged, Transaction)

    async def _order_anywhere(self, transactions: Sequence[Transaction]) -> list[TransactionStatus]:
        """By this node, if it has a lane again, else by a validator."""
        if not self._driver.is_validator:
            return await self._forward(transactions)
        states = await self._order(transactions, self._driver.replica.me)
        return [_status(transaction, _refusal(transaction, states)) for transaction in transactions]

    async def _forward(self, transactions: Sequence[Transaction]) -> list[TransactionStatus]:
        statuses = []
        for chunk in _chunks(transactions):
            refusals = await self._ask(chunk)
            for transaction, refusal in zip(chunk, refusals, strict=True):
                if refusal is None:
                    self._pending.entrust(transaction)
                statuses.append(_status(transaction, refusal))
        return statuses

    async def _ask(self, chunk: Sequence[Transaction]) -> Sequence[Refusal | None]:
        """What the first validator that answers says; each time another one is asked first."""
        envelopes = tuple(transaction.envelope for transaction in chunk)
        request = addressed(Service.SUBMIT, encode_request(SubmitRequest(self._chain_id, envelopes)))
        for validator in self._validators():
            try:
                answer = decode_answer(await self._network.request(validator, request, REQUEST_TIMEOUT_MS))
                if len(answer) != len(chunk):
                    raise InvalidMessage(f"{len(answer)} answers to {len(chunk)} transactions")
            except RequestFailed as error:
                log.info("a validator did not take transactions", peer=validator, reason=str(error))
            except InvalidMessage as error:
                self._network.report_bad(validator, str(error))
            else:
                return answer
        return [NOBODY] * len(chunk)

    def _validators(self) -> list[MemberNumber]:
        committee = self._driver.committee.numbers
        reached = [
            peer.member for peer in self._network.status() if peer.connected and peer.member in committee
        ]
        self._turn += 1
        first = self._turn % max(1, len(reached))
        return reached[first:] + reached[:first]

    # -- in -----------------------------------------------------------------------------------------
    async def on_request(self, member: MemberNumber, body: bytes) -> bytes:
        """Admit what another member's node forwards. Raises: InvalidMessage, RequestRefused."""
        request = decode_request(body)
        if request.genesis != self._chain_id:
            raise InvalidMessage(f"member {member} forwards transactions of another chain")
        if not self._driver.is_validator:
            raise RequestRefused("this node is no validator now")

        judged = await trio.to_thread.run_sync(partial(self._judge, request.envelopes, handed_over_by=member))
        admitted = {item.id: item for item in judged if isinstance(item, Transaction)}
        states = await self._order(tuple(admitted.values()), member) if admitted else {}
        return encode_answer([_refusal(item, states) for item in judged])

    async def _order(
        self, transactions: Sequence[Transaction], member: MemberNumber
    ) -> dict[bytes, TransactionState]:
        answer: dict[bytes, TransactionState] = {}
        answered = trio.Event()

        def resolve(states: dict[bytes, TransactionState]) -> None:
            answer.update(states)
            answered.set()

        waiting = {transaction.id for transaction in transactions}
        self._driver.submit(transactions, Submission(waiting, resolve, handed_over_by=member))
        await answered.wait()
        return answer


def _chunks(transactions: Sequence[Transaction]) -> Iterator[list[Transaction]]:
    chunk: list[Transaction] = []
    size_bytes = 0
    for transaction in transactions:
        cost_bytes = len(transaction.envelope) + ENVELOPE_OVERHEAD_BYTES
        if chunk and (size_bytes + cost_bytes > ENVELOPES_BYTES_MAX or len(chunk) == ENVELOPES_MAX):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(transaction)
        size_bytes += cost_bytes
    if chunk:
        yield chunk


def _status(transaction: Transaction, refusal: Refusal | None) -> TransactionStatus:
    if refusal is None:
        return TransactionStatus(transaction.id.hex(), TransactionState.PENDING)
    code, detail = refusal
    return TransactionStatus(transaction.id.hex(), TransactionState.REJECTED, code=code, detail=detail)


def _refusal(item: Transaction | TransactionStatus, states: dict[bytes, TransactionState]) -> Refusal | None:
    """What to answer; a transaction that is known here counts as taken."""
    if isinstance(item, Transaction):
        if states[item.id] is TransactionState.REJECTED:
            return OVERLOADED, "this validator's lane is as far ahead as it may be; post it again soon"
        return None
    if item.state is not TransactionState.REJECTED:
        return None
    return (item.code or "refused")[:CODE_LENGTH_MAX], (item.detail or "")[: DETAIL_LENGTH_MAX // 4]
