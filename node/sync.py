"""Catch-up of a node that was away: final blocks from several peers at once, while the chain goes on.

`node.sync_plan` says what is asked of whom. What arrives is checked by the replica (certificates, lineage)
and against the certified digests (contents), then executed like any other block.

Memory, in bytes of blocks: AHEAD_BYTES_MAX wait for those before them, ANSWERS_AT_ONCE answers of at most
SYNC_ANSWER_BYTES_MAX are under way, and twice GIVEN_BYTES_MAX wait for execution: CATCH_UP_BYTES_MAX
together, however long the node was away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from consensus.batches import CheckedBatch, open_batch
from consensus.effects import SyncNeeded
from consensus.errors import InvalidMessage
from consensus.transactions import EnvelopeReader
from consensus.types import Digest, FinalBlock, MemberNumber
from node.driver import Driver, RefusedBlock
from node.network import Network, RequestFailed
from node.services import Service, addressed
from node.sync_messages import (
    SYNC_ANSWER_BYTES_MAX,
    BlocksAnswer,
    BlocksRequest,
    decode_answer,
    encode_request,
)
from node.sync_plan import AHEAD_BYTES_MAX, ANSWERS_AT_ONCE, HELP_AFTER_S, Plan, Received

log = structlog.get_logger("sync")

REQUEST_TIMEOUT_MS = 15_000
GIVEN_BLOCKS_MAX = 64
"""Blocks that may wait for execution during catch-up; the replica holds back at a few more."""
GIVEN_BYTES_MAX = 8 * 1024 * 1024
"""While more wait for execution nothing is given, in bytes; so much is given at once, or one block."""
CATCH_UP_BYTES_MAX = AHEAD_BYTES_MAX + ANSWERS_AT_ONCE * SYNC_ANSWER_BYTES_MAX + 2 * GIVEN_BYTES_MAX
"""All that catch-up keeps in memory, in bytes of blocks as they are sent."""
SLICE_BLOCKS = 16
"""Blocks given to the replica at once, and made durable with one sync."""
LOOK_S = HELP_AFTER_S / 4
"""How often it is looked after peers that take too long."""
REPORT_S = 5.0
"""Between lines of progress in the log."""
RATE_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far catch-up has come, and how fast both it and the chain are."""

    height: int
    target: int
    blocks_per_s: float
    growth_per_s: float

    @property
    def remaining_s(self) -> float | None:
        """Until it is level, at these rates; None while it does not gain."""
        gain = self.blocks_per_s - self.growth_per_s
        return (self.target - self.height) / gain if gain > 0 else None

    @property
    def sentence(self) -> str:
        """For operators."""
        said = f"catching up: at height {self.height} of {self.target}"
        if self.remaining_s is None:
            return said
        return (
            f"{said}, {self.blocks_per_s:.0f} blocks/s while the chain grows by {self.growth_per_s:.0f}/s: "
            f"level in about {self.remaining_s:.0f} s"
        )


class CatchUp:
    """Fetches what this node misses until it is where its peers are."""

    def __init__(
        self,
        *,
        driver: Driver,
        network: Network,
        chain_id: Digest,
        chain: str,
        read: EnvelopeReader,
        executed_height: Callable[[], int],
        executed: Callable[[], trio.Event],
    ) -> None:
        self._driver = driver
        self._network = network
        self._chain_id = chain_id
        self._chain = chain
        self._read = read
        self._executed_height = executed_height
        self._executed = executed
        self._plan: Plan | None = None
        self._wanted: SyncNeeded | None = None
        self._wake = trio.Event()
        self._given: deque[tuple[int, int]] = deque()
        self._samples: deque[tuple[float, int, int]] = deque()

    @property
    def held_bytes(self) -> int:
        """Of blocks that came and are not executed; answers under way excepted."""
        ahead = 0 if self._plan is None else self._plan.held_bytes
        return ahead + sum(size_bytes for _, size_bytes in self._given)

    @property
    def progress(self) -> Progress | None:
        """None where there is nothing to catch up with."""
        target = None if self._plan is None else self._plan.target
        height = self._executed_height()
        if target is None or target <= height:
            return None
        now_s = trio.current_time()
        then_s, height_then, target_then = self._samples[0] if self._samples else (now_s, height, target)
        span_s = max(now_s - then_s, 1e-3)
        return Progress(
            height, target, (height - height_then) / span_s, max(0, target - target_then) / span_s
        )

    def ask(self, wanted: SyncNeeded) -> None:
        """Start, or learn of more peers."""
        if self._plan is not None:
            self._plan.add_peers(wanted.peers)
        else:
            self._wanted = wanted
        self._notify()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while self._wanted is None:
                await self._wake.wait()
            wanted, self._wanted = self._wanted, None
            await self._catch_up(wanted)

    async def _catch_up(self, wanted: SyncNeeded) -> None:
        plan = self._plan = Plan(self._driver.replica.final_height + 1)
        began_at, began_s = plan.next_height, trio.current_time()
        plan.add_peers(wanted.peers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_all, plan, nursery)
            nursery.start_soon(self._report, plan)
            await self._feed(plan)
            nursery.cancel_scope.cancel()
        self._plan = None
        self._samples.clear()
        blocks, took_s = plan.next_height - began_at, trio.current_time() - began_s
        if blocks:
            log.info("caught up", height=plan.next_height - 1, blocks=blocks, took_s=round(took_s, 1))

    # -- asking -------------------------------------------------------------------------------------
    async def _ask_all(self, plan: Plan, nursery: trio.Nursery) -> None:
        while True:
            for peer in plan.peers:
                span = plan.assign(peer, trio.current_time())
                if span is not None:
                    nursery.start_soon(self._ask, plan, peer, span)
            await self._changed(LOOK_S)

    async def _ask(self, plan: Plan, peer: MemberNumber, span: tuple[int, int]) -> None:
        request = addressed(Service.BLOCKS, encode_request(BlocksRequest(self._chain_id, *span)))
        try:
            body = await self._network.request(peer, request, REQUEST_TIMEOUT_MS)
            answer: BlocksAnswer = await trio.to_thread.run_sync(decode_answer, body)
            plan.answered(peer, span, answer, trio.current_time())
        except RequestFailed as error:
            plan.failed(peer, trio.current_time())
            log.debug("a peer gave no blocks", peer=peer, height=span[0], reason=str(error))
        except InvalidMessage as error:
            self._bar(plan, peer, plan.next_height, error)
        self._notify()

    def _bar(self, plan: Plan, peer: MemberNumber, height: int, error: InvalidMessage) -> None:
        log.warning("a peer gave wrong blocks, others are asked", peer=peer, height=height, reason=str(error))
        plan.bar(peer, height)
        self._network.report_bad(peer, str(error))

    # -- giving to the replica ----------------------------------------------------------------------
    async def _feed(self, plan: Plan) -> None:
        while not plan.is_done(trio.current_time()):
            await self._wait_for_room()
            plan.skip_through(self._driver.replica.final_height)
            received = plan.take(SLICE_BLOCKS, GIVEN_BYTES_MAX)
            if received:
                self._notify()  # there is room for more answers
                await self._give(plan, received)
            else:
                await self._changed(LOOK_S)

    async def _wait_for_room(self) -> None:
        """Until execution is near enough."""
        while True:
            executed = self._executed_height()
            while self._given and self._given[0][0] <= executed:
                self._given.popleft()
            blocks = self._driver.replica.final_height - executed
            if blocks <= GIVEN_BLOCKS_MAX and sum(size for _, size in self._given) <= GIVEN_BYTES_MAX:
                return
            await self._executed().wait()

    async def _give(self, plan: Plan, received: Sequence[Received]) -> None:
        self._given.extend((block.height, block.size_bytes) for block in received)
        try:
            blocks = await trio.to_thread.run_sync(self._open, received)
            await self._driver.give_synced(blocks)
        except RefusedBlock as error:
            while self._given and self._given[-1][0] >= error.height:
                self._given.pop()
            self._bar(plan, received[error.height - received[0].height].peer, error.height, error)

    def _open(self, received: Sequence[Received]) -> list[tuple[FinalBlock, list[CheckedBatch]]]:
        """Parse what the blocks order. Raises: RefusedBlock."""
        opened = []
        for one in received:
            try:
                batches = [
                    open_batch(batch, self._chain_id, self._chain, read=self._read)
                    for batch in one.item.batches
                ]
            except InvalidMessage as error:
                raise RefusedBlock(one.height, str(error)) from None
            opened.append((one.item.block, batches))
        return opened

    # -- waiting and telling ------------------------------------------------------------------------
    def _notify(self) -> None:
        woken, self._wake = self._wake, trio.Event()
        woken.set()

    async def _changed(self, timeout_s: float) -> None:
        """Until something was asked or answered, but not longer than that."""
        with trio.move_on_after(timeout_s):
            await self._wake.wait()

    async def _report(self, plan: Plan) -> None:
        """Measure, and say from time to time how far it is."""
        said_s = trio.current_time()
        while True:
            now_s = trio.current_time()
            if plan.target is not None:
                self._samples.append((now_s, self._executed_height(), plan.target))
            while self._samples and self._samples[0][0] < now_s - RATE_WINDOW_S:
                self._samples.popleft()
            progress = self.progress
            if progress is not None and now_s - said_s >= REPORT_S:
                said_s = now_s
                log.info(progress.sentence, height=progress.height)
            await trio.sleep(REPORT_S / 5)
