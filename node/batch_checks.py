"""Checks batches before the replica sees them: a signature check per transaction costs time, so it is done in
worker threads, in order for each sender, and once for a batch that two members send at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from consensus.batches import CheckedBatch, InvalidBatch, UnknownSigner, check_batch
from consensus.errors import InvalidMessage
from consensus.keys import Verifier
from consensus.messages import Message, batch_digest, decode_message
from consensus.parameters import Parameters
from consensus.replica import Replica
from consensus.transactions import EnvelopeReader
from consensus.types import Batch, Digest, Get, Have, MemberNumber

UNCHECKED_BYTES_MAX = 32 * 1024 * 1024
"""Batches of one sender that wait for their check, in bytes; what comes on top is dropped, pulled later."""
UNCHECKED_COUNT_MAX = 512
CHECK_THREADS = 2


class Receiver(Protocol):
    """Who gets what was checked, in trio; an action given to `put` runs on the replica soon and in order."""

    def is_shut_out(self, member: MemberNumber) -> bool: ...

    def blame(self, member: MemberNumber, error: InvalidMessage) -> None: ...

    def put_message(self, member: MemberNumber, message: Message) -> None: ...

    def put_batch(self, member: MemberNumber, batch: CheckedBatch, done: Callable[[], None]) -> None: ...

    def put_invalid(self, batch: Batch) -> None: ...


@dataclass(slots=True)
class _Inbound:
    """What one sender's batches stream brought and the replica has not seen."""

    send: trio.MemorySendChannel[bytes]
    receive: trio.MemoryReceiveChannel[bytes]
    size_bytes: int = 0


class BatchChecks:
    """One node's checks. All methods are called in trio."""

    def __init__(
        self,
        receiver: Receiver,
        replica: Replica,
        *,
        chain_id: bytes,
        chain: str,
        parameters: Parameters,
        verifier: Verifier,
        read: EnvelopeReader,
    ) -> None:
        self.dropped = 0
        """Batches that came when too many waited."""
        self.checked = 0
        self._receiver = receiver
        self._replica = replica
        self._chain_id = chain_id
        self._chain = chain
        self._parameters = parameters
        self._verifier = verifier
        self._read = read
        self._inbound: dict[MemberNumber, _Inbound] = {}
        self._under_way: dict[Digest, trio.Event] = {}
        self._threads = trio.CapacityLimiter(CHECK_THREADS)
        self._nursery: trio.Nursery | None = None

    def start(self, nursery: trio.Nursery) -> None:
        """Check in this nursery, also what came before."""
        self._nursery = nursery
        for member, inbound in self._inbound.items():
            nursery.start_soon(self._check_all, member, inbound)

    def put(self, member: MemberNumber, body: bytes) -> None:
        """Something came on a member's stream for batches."""
        inbound = self._inbound.get(member)
        if inbound is None:
            inbound = _Inbound(*trio.open_memory_channel[bytes](UNCHECKED_COUNT_MAX))
            self._inbound[member] = inbound
            if self._nursery is not None:
                self._nursery.start_soon(self._check_all, member, inbound)
        if inbound.size_bytes + len(body) > UNCHECKED_BYTES_MAX:
            self.dropped += 1
            return
        try:
            inbound.send.send_nowait(body)
        except trio.WouldBlock:
            self.dropped += 1
            return
        inbound.size_bytes += len(body)

    async def _check_all(self, member: MemberNumber, inbound: _Inbound) -> None:
        async for body in inbound.receive:
            inbound.size_bytes -= len(body)
            if self._receiver.is_shut_out(member):
                continue
            try:
                message = decode_message(body)
                if isinstance(message, Batch):
                    await self._check_once(member, message)
                elif isinstance(message, Have | Get):
                    self._receiver.put_message(member, message)
                else:
                    raise InvalidMessage("only batches and what asks for them belong on this stream")
            except InvalidMessage as error:
                self._receiver.blame(member, error)

    async def _check_once(self, member: MemberNumber, batch: Batch) -> None:
        """A copy that came while the batch is checked waits; most often it is not wanted any more then.

        Raises: InvalidMessage.
        """
        digest = batch_digest(self._chain_id, batch.header)
        while (under_way := self._under_way.get(digest)) is not None:
            await under_way.wait()
        if not self._replica.expects(batch.header):
            return
        done = self._under_way[digest] = trio.Event()

        def end() -> None:
            del self._under_way[digest]
            done.set()

        try:
            checked = await self._check(member, batch)
        except InvalidMessage:
            end()
            raise
        if checked is None:
            end()
        else:
            self._receiver.put_batch(member, checked, end)

    async def _check(self, member: MemberNumber, batch: Batch) -> CheckedBatch | None:
        """None for one that may be right in another epoch. Raises: InvalidMessage."""
        key = self._replica.lane_key(batch.header.lane)
        if key is None:
            return None  # its author is no validator here and now
        self.checked += 1
        try:
            return await trio.to_thread.run_sync(self._check_in_thread, batch, key, limiter=self._threads)
        except UnknownSigner:
            if self._replica.is_in_step(member):
                raise
            return None
        except InvalidBatch:
            self._receiver.put_invalid(batch)
            raise

    def _check_in_thread(self, batch: Batch, key: bytes) -> CheckedBatch:
        return check_batch(
            batch,
            chain_id=self._chain_id,
            chain=self._chain,
            key=key,
            verifier=self._verifier,
            parameters=self._parameters,
            read=self._read,
        )
