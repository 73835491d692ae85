"""Where this node's execution parts from the others': the first transaction, and the first key of the state.

Each node remembers what its newest blocks came to. One that learns that it executed otherwise than the others
asks them once before it stops, and believes what more of them say alike than may be faulty. That it must stop
follows from execution hashes; this only says where to look, and nothing is decided by it. What was found is
kept beside the ledger's files, and a node that is started with them says it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import structlog
import trio

from consensus.codec import DIGEST, blob, decode, encode, optional, pack, pair, record, sequence, text, uint
from consensus.committee import Committee
from consensus.effects import Report
from consensus.errors import CorruptionError, InvalidMessage
from consensus.types import Digest, MemberNumber
from contracts.merkle import Write
from contracts.receipts import ExecLink, Receipt
from node.network import Network, RequestFailed
from node.services import Handler, Service, addressed
from node.store import REMEDY

log = structlog.get_logger("executor")

REMEMBERED_BLOCKS_MAX = 64
REMEMBERED_BYTES_MAX = 16 * 1024 * 1024
"""All remembered blocks together, in bytes; the oldest go first."""
ITEM_BYTES = 100
"""What a receipt, event or write takes in memory besides its bytes, roughly."""
ASK_MS_MAX = 3_000
"""The node stops after that time, whatever the others answer."""
ASKED_TIMES_MAX = 2
AGAIN_MS = 200
"""A member whose answer is lost with its connection is asked again after that time."""
ITEMS_MAX = 16_384
"""Outcomes, and writes, that a summary lists; it ends there."""
WHAT_BYTES_MAX = 160
"""Two names and what is said of them, all in ASCII; cut where it is longer."""
KEY_BYTES_MAX = 128
"""A longer key of the state is cut."""
NOTE = "diverged"
"""The file of the ledger that says how this node went another way."""
REQUEST_BYTES_MAX = 64
ANSWER_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """Asks what a height came to, on the chain with this genesis hash (32 bytes)."""

    genesis: Digest
    height: int


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """What executing one block came to; `before` is the execution hash of the block before it.

    Shapes: `outcomes` (what was executed, hash of its receipt and events) in their order, `writes` (key of
    the state, hash of what was written) sorted by key; hashes and roots are 32 bytes.
    """

    before: Digest
    state_root: Digest
    receipts_root: Digest
    events_root: Digest
    outcomes: tuple[tuple[str, Digest], ...]
    writes: tuple[tuple[bytes, Digest], ...]


_REQUEST = record(SummaryRequest, genesis=DIGEST, height=uint())
_ANSWER = optional(
    record(
        BlockSummary,
        before=DIGEST,
        state_root=DIGEST,
        receipts_root=DIGEST,
        events_root=DIGEST,
        outcomes=sequence(pair(text(WHAT_BYTES_MAX), DIGEST), ITEMS_MAX),
        writes=sequence(pair(blob(0, KEY_BYTES_MAX), DIGEST), ITEMS_MAX),
    )
)


def encode_request(request: SummaryRequest) -> bytes:
    """Canonical bytes."""
    return encode(_REQUEST, request)


def decode_request(data: bytes) -> SummaryRequest:
    """Raises: DecodeError."""
    return decode(_REQUEST, data, "summary request", REQUEST_BYTES_MAX)


def encode_answer(answer: BlockSummary | None) -> bytes:
    """Canonical bytes; None: not remembered."""
    return encode(_ANSWER, answer)


def decode_answer(data: bytes) -> BlockSummary | None:
    """Raises: DecodeError."""
    return decode(_ANSWER, data, "summary answer", ANSWER_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class ExecutedParts:
    """A block as it was executed, receipts and events in canonical bytes; hashed only when somebody asks."""

    before: Digest
    link: ExecLink
    receipts: Sequence[bytes]
    events: Sequence[bytes]
    writes: Sequence[Write]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, roughly."""
        items = len(self.receipts) + len(self.events) + len(self.writes)
        written = sum(len(key) + len(value or b"") for key, value in self.writes)
        return items * ITEM_BYTES + written + sum(map(len, self.receipts)) + sum(map(len, self.events))

    def summary(self) -> BlockSummary:
        """As the others may have it."""
        link, outcomes = self.link, []
        for encoded in self.receipts[:ITEMS_MAX]:
            receipt = Receipt.decode(encoded)
            events = self.events[receipt.first_event : receipt.first_event + receipt.event_count]
            outcomes.append((_what(receipt)[:WHAT_BYTES_MAX], _hash(encoded, *events)))
        writes = [(key[:KEY_BYTES_MAX], _hash(key, value)) for key, value in self.writes[:ITEMS_MAX]]
        roots = link.state_root, link.receipts_root, link.events_root
        return BlockSummary(self.before, *roots, tuple(outcomes), tuple(writes))


def _hash(*parts: bytes | None) -> Digest:
    return sha256(pack(parts)).digest()


def _what(receipt: Receipt) -> str:
    if receipt.timer is not None:
        return f"a timer of {receipt.timer.instance}"
    if receipt.delivery is not None:
        return f"an event of {receipt.delivery.emitter} told to {receipt.delivery.instance}"
    return f"transaction {receipt.id.hex()}"


class RecentBlocks:
    """What the newest blocks came to; one thread at a time adds, any may ask."""

    def __init__(self) -> None:
        self._kept: dict[int, ExecutedParts] = {}
        self._bytes = 0

    def add(self, block: ExecutedParts) -> None:
        """The next block is executed."""
        self._kept[block.link.height] = block
        self._bytes += block.size_bytes
        while len(self._kept) > REMEMBERED_BLOCKS_MAX or self._bytes > REMEMBERED_BYTES_MAX:
            self._bytes -= self._kept.pop(next(iter(self._kept))).size_bytes

    def summary(self, height: int) -> BlockSummary | None:
        """None where it is not remembered."""
        block = self._kept.get(height)
        return None if block is None else block.summary()


def summary_server(chain_id: Digest, recent: RecentBlocks) -> Handler:
    """Tells peers what a block came to here."""

    async def tell(member: MemberNumber, body: bytes) -> bytes:
        request = decode_request(body)
        if request.genesis != chain_id:
            raise InvalidMessage(f"member {member} asks for the execution of another chain")
        return await trio.to_thread.run_sync(lambda: encode_answer(recent.summary(request.height)))

    return tell


def first_transaction(ours: BlockSummary, theirs: BlockSummary) -> str:
    """The first whose outcome differs, for the operator."""
    for here, there in zip_longest(ours.outcomes, theirs.outcomes):
        if here == there:
            continue
        if there is None:
            return f"{here[0]}, which the others did not execute"
        if here is None:
            return f"{there[0]}, which this node did not execute"
        return there[0] if here[0] == there[0] else f"{there[0]}, where this node executed {here[0]}"
    if (ours.receipts_root, ours.events_root) == (theirs.receipts_root, theirs.events_root):
        return "no transaction: receipts agree"
    return "no transaction that is listed: receipts or events beyond these differ"


def first_key(ours: BlockSummary, theirs: BlockSummary) -> str:
    """The first key of the state that the block wrote otherwise, for the operator."""
    if differing := set(ours.writes) ^ set(theirs.writes):
        return f"state {min(differing)[0]!r}"
    if ours.state_root == theirs.state_root:
        return "no key: the states agree"
    return "no key that is listed: something in the state that the block did not write"


def refuse_diverged(ledger_dir: Path) -> None:
    """Start with no ledger that is known to be wrong. Raises: CorruptionError with what was found then."""
    try:
        told = (ledger_dir / NOTE).read_text(errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        told = f"{ledger_dir / NOTE} cannot be read: {error.strerror}"
    raise CorruptionError(f"{told}; found at an earlier run: {REMEDY}")


class Difference(NamedTuple):
    """What differs first, in words for the operator."""

    height: int
    transaction: str
    key: str


class Divergence:
    """Asks the others where this node went another way."""

    def __init__(
        self, *, recent: RecentBlocks, network: Network, chain_id: Digest, committee: Callable[[], Committee],
        me: MemberNumber, ledger_dir: Path,
    ) -> None:  # fmt: skip
        self._note = ledger_dir / NOTE
        self._recent = recent
        self._network = network
        self._chain_id = chain_id
        self._committee = committee
        self._me = me

    async def explain(self, report: Report) -> str:
        """The alarm in one line, with what the others tell in time; kept for the next start."""
        told = await self._told(report)
        try:
            self._note.write_text(told)
        except OSError as error:
            log.warning("what differs could not be kept", path=str(self._note), reason=error.strerror)
        return told

    async def _told(self, report: Report) -> str:
        fields = dict(report.fields)
        found: Difference | str = f"no answer within {ASK_MS_MAX} ms"
        with trio.move_on_after(ASK_MS_MAX / 1000):
            found = await self._first(int(fields["height"]))
        if isinstance(found, str):
            log.error(report.text, **fields, unknown=found)
            return f"{report.text}; where it differs first is not known: {found}"
        log.error(report.text, **fields, first=found.height, transaction=found.transaction, key=found.key)
        return f"{report.text}; first to differ at height {found.height}: {found.transaction}; {found.key}"

    async def _first(self, height: int) -> Difference | str:
        """What differs first, at that height or below (execution hashes are chained), or why none knows."""
        while True:
            ours = self._recent.summary(height)
            if ours is None:
                return f"this node does not remember how it executed height {height}"
            answers = await self._agreed(height)
            if not answers:
                return "too few of the others could be asked, or they do not agree"
            theirs = answers[0]
            if theirs is None:
                return f"the others do not remember how they executed height {height}"
            if ours.before == theirs.before:
                return Difference(height, first_transaction(ours, theirs), first_key(ours, theirs))
            height -= 1

    async def _agreed(self, height: int) -> list[BlockSummary | None]:
        """The answer that more validators give alike than may be faulty; empty where there is none."""
        committee, agreed = self._committee(), list[BlockSummary | None]()
        given: Counter[BlockSummary | None] = Counter()
        request = addressed(Service.EXECUTION, encode_request(SummaryRequest(self._chain_id, height)))

        async def ask(member: MemberNumber, times_left: int = ASKED_TIMES_MAX) -> None:
            try:
                answer = decode_answer(await self._network.request(member, request, ASK_MS_MAX))
            except RequestFailed:
                if times_left > 1:
                    await trio.sleep(AGAIN_MS / 1000)
                    await ask(member, times_left - 1)
                return
            except InvalidMessage as error:
                self._network.report_bad(member, str(error))
                return
            given[answer] += 1
            if given[answer] > committee.faults_max:
                agreed.append(answer)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for member in committee.numbers:
                if member != self._me:
                    nursery.start_soon(ask, member)
        return agreed[:1]
