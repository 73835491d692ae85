"""Where a node's execution parts from the others': what is compared, remembered, asked and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trio.testing

from consensus.effects import Report, ReportKind
from consensus.errors import CorruptionError, InvalidMessage
from consensus.merkle_list import list_root
from consensus.types import Digest
from contracts.merkle import Write
from contracts.receipts import Delivery, Event, ExecLink, Receipt, Status, Timer
from node import divergence
from node.divergence import (
    ITEMS_MAX,
    KEY_BYTES_MAX,
    REMEMBERED_BLOCKS_MAX,
    REMEMBERED_BYTES_MAX,
    WHAT_BYTES_MAX,
    BlockSummary,
    Divergence,
    ExecutedParts,
    RecentBlocks,
    SummaryRequest,
    decode_answer,
    encode_answer,
    encode_request,
    first_key,
    first_transaction,
    refuse_diverged,
    summary_server,
)
from node.network import RequestRefused
from node.services import Handler, Service, Services
from tests.consensus.support import CHAIN_ID, committee, digest
from tests.network.support import Node, consortium, run

ME = 0
PAY, SELL = digest("pay"), digest("sell")
START = ExecLink(6, digest("six"), *[bytes(32)] * 3)


def receipt(identifier: Digest = PAY, *, gas_used: int = 100, events: tuple[int, int] = (0, 0)) -> Receipt:
    return Receipt(identifier, None, Status.OK, "", "", gas_used, (), (), *events)


def timer(instance: str, *, gas_used: int = 100) -> Receipt:
    return receipt(digest(instance), gas_used=gas_used)._replace(timer=Timer(instance, 5_000))


def event(amount: int) -> Event:
    return Event(7, 0, "euro", "paid", (("amount", amount),), PAY)


def executed(
    *receipts: Receipt, events: Sequence[Event] = (), writes: Sequence[Write] = (), after: ExecLink = START
) -> ExecutedParts:
    """A block; what it wrote stands for its state root."""
    said, told = [item.encode() for item in receipts], [item.encode() for item in events]
    state_root = digest(repr((after.state_root, writes)))
    link = after.next(state_root, list_root(said), list_root(told))
    return ExecutedParts(after.exec_hash, link, said, told, writes)


def text_of(identifier: Digest) -> str:
    return f"transaction {identifier.hex()}"


# ---------------------------------------------------------------- what is compared


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (executed(receipt()), executed(receipt()), "no transaction: receipts agree"),
        (executed(receipt(), receipt(SELL)), executed(receipt(), receipt(SELL, gas_used=1)), text_of(SELL)),
        (executed(receipt(), receipt(SELL)), executed(receipt(gas_used=1), receipt(SELL)), text_of(PAY)),
        (
            executed(receipt(events=(0, 1)), events=[event(1)]),
            executed(receipt(events=(0, 1)), events=[event(2)]),
            text_of(PAY),
        ),
        (executed(timer("order-1")), executed(timer("order-1", gas_used=1)), "a timer of order-1"),
        (executed(), executed(timer("order-1")), "a timer of order-1, which this node did not execute"),
        (executed(receipt()), executed(), f"{text_of(PAY)}, which the others did not execute"),
        (
            executed(receipt()),
            executed(timer("order-1"), receipt()),
            f"a timer of order-1, where this node executed {text_of(PAY)}",
        ),
        (
            executed(receipt()._replace(delivery=Delivery("shop", "euro", 1))),
            executed(receipt(gas_used=1)._replace(delivery=Delivery("shop", "euro", 1))),
            "an event of euro told to shop",
        ),
        (
            executed(events=[event(1)]),
            executed(events=[event(2)]),
            "no transaction that is listed: receipts or events beyond these differ",
        ),
    ],
)
def test_the_first_transaction_whose_outcome_differs_is_named(
    ours: ExecutedParts, theirs: ExecutedParts, told: str
) -> None:
    assert first_transaction(ours.summary(), theirs.summary()) == told


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([(b"a", b"1")], [(b"a", b"1")], "no key: the states agree"),
        ([(b"a", b"1"), (b"b", b"1")], [(b"a", b"1"), (b"b", b"2")], "state b'b'"),
        ([(b"a", b"1"), (b"b", b"1")], [(b"b", b"2")], "state b'a'"),
        ([(b"b", b"1")], [(b"a", b"1"), (b"b", b"1")], "state b'a'"),
        ([(b"a", None)], [(b"a", b"")], "state b'a'"),
        ([(b"k" * 999, b"1")], [(b"k" * 999, b"2")], f"state {b'k' * KEY_BYTES_MAX!r}"),
        ([(b"k" * 998 + b"a", b"1")], [(b"k" * 998 + b"b", b"1")], f"state {b'k' * KEY_BYTES_MAX!r}"),
    ],
)
def test_the_first_key_that_was_written_otherwise_is_named(
    ours: list[Write], theirs: list[Write], told: str
) -> None:
    assert first_key(executed(writes=ours).summary(), executed(writes=theirs).summary()) == told


def test_a_state_that_differs_where_the_block_did_not_write_is_told() -> None:
    ours = executed().summary()
    assert "the block did not write" in first_key(ours, replace(ours, state_root=digest("other")))


# ---------------------------------------------------------------- what is remembered


def block_of(size_bytes: int, height: int) -> ExecutedParts:
    """A block that takes so much in memory."""
    fixed = divergence.ITEM_BYTES + 1
    return executed(writes=[(b"k", bytes(size_bytes - fixed))], after=replace(START, height=height - 1))


def remembered(recent: RecentBlocks, heights: range) -> list[int]:
    return [height for height in heights if recent.summary(height) is not None]


def test_so_many_blocks_are_remembered_and_no_more() -> None:
    recent = RecentBlocks()
    for height in range(1, REMEMBERED_BLOCKS_MAX + 1):
        recent.add(block_of(200, height))
    assert remembered(recent, range(100)) == list(range(1, REMEMBERED_BLOCKS_MAX + 1))
    recent.add(block_of(200, REMEMBERED_BLOCKS_MAX + 1))
    assert remembered(recent, range(100)) == list(range(2, REMEMBERED_BLOCKS_MAX + 2))


def test_so_many_bytes_are_remembered_and_no_more() -> None:
    recent, half = RecentBlocks(), REMEMBERED_BYTES_MAX // 2
    assert block_of(half, 1).size_bytes == half
    recent.add(block_of(half, 1))
    recent.add(block_of(half, 2))
    assert remembered(recent, range(9)) == [1, 2]
    recent.add(block_of(200, 3))
    assert remembered(recent, range(9)) == [2, 3]
    recent.add(block_of(REMEMBERED_BYTES_MAX + 1, 4))
    assert remembered(recent, range(9)) == []
    recent.add(block_of(REMEMBERED_BYTES_MAX, 5))
    assert remembered(recent, range(9)) == [5]


def test_receipts_and_events_count_too() -> None:
    block = executed(receipt(events=(0, 1)), events=[event(1)])
    assert block.size_bytes == sum(map(len, [*block.receipts, *block.events])) + 2 * divergence.ITEM_BYTES


def test_the_longest_summary_fits_an_answer_and_a_longer_list_is_cut() -> None:
    told = receipt()._replace(delivery=Delivery("x" * 128, "y" * 128, 1))
    writes = [(b"%0999d" % number, b"") for number in range(ITEMS_MAX)]
    block = executed(writes=writes)
    most = replace(block, receipts=[told.encode()] * ITEMS_MAX).summary()
    assert decode_answer(encode_answer(most)) == most
    assert len(most.outcomes) == len(most.writes) == ITEMS_MAX
    assert len(most.outcomes[0][0]) == WHAT_BYTES_MAX
    more = replace(block, receipts=[told.encode()] * (ITEMS_MAX + 1), writes=[*writes, (b"z", b"")])
    assert more.summary() == most


# ---------------------------------------------------------------- asking, on real connections


class Member(Node):
    """Answers what it is told to answer."""

    def __init__(self, member: int, handler: Handler | None = None) -> None:
        super().__init__(member)
        self._services = Services({} if handler is None else {Service.EXECUTION: handler})

    async def on_request(self, member: int, body: bytes) -> bytes:
        return await self._services.on_request(member, body)


def recent_of(*blocks: ExecutedParts) -> RecentBlocks:
    recent = RecentBlocks()
    for block in blocks:
        recent.add(block)
    return recent


def honest(*blocks: ExecutedParts) -> Handler:
    return summary_server(CHAIN_ID, recent_of(*blocks))


async def mute(_member: int, _body: bytes) -> bytes:
    await trio.sleep(3_600)
    return b""


async def garbage(_member: int, _body: bytes) -> bytes:
    return b"\xc1"


async def refuse(_member: int, _body: bytes) -> bytes:
    raise RequestRefused("not now")


def lost_once(then: Handler) -> Handler:
    """Its first answer is lost, as with a connection that breaks."""
    asked = count()

    async def tell(member: int, body: bytes) -> bytes:
        if next(asked) == 0:
            raise RequestRefused("lost")
        return await then(member, body)

    return tell


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late, too."""
    monkeypatch.setattr(divergence, "ASK_MS_MAX", 30_000)


OURS = executed(receipt(), writes=[(b"balance/mill/euro", b"1")])
THEIRS = executed(receipt(gas_used=1), writes=[(b"balance/mill/euro", b"2")])
LIE = executed(receipt(SELL), writes=[(b"balance/bank/euro", b"9")])
FIRST = f"first to differ at height 7: {text_of(PAY)}; state b'balance/mill/euro'"


def explained(own: RecentBlocks, *others: Handler, height: int = 7) -> str:
    """What a node says whose three partners answer like this; one of them may be faulty."""

    async def main() -> str:
        nodes = [Member(ME), *(Member(number, handler) for number, handler in enumerate(others, 1))]
        async with consortium(*nodes):
            inquiry = Divergence(
                recent=own,
                network=nodes[ME].network,
                chain_id=CHAIN_ID,
                committee=partial(committee, 4),
                me=ME,
                ledger_dir=ledger,
            )
            fields = (("height", height), ("own", "aa"), ("theirs", "bb"))
            return await inquiry.explain(Report(ReportKind.DIVERGED, None, "alarm", fields))

    with TemporaryDirectory() as folder:
        ledger = Path(folder)
        refuse_diverged(ledger)
        told = run(main)
        with pytest.raises(CorruptionError) as again:
            refuse_diverged(ledger)
        assert str(again.value).startswith(told)
    return told


@pytest.mark.parametrize(
    "others",
    [
        (honest(THEIRS),) * 3,
        (honest(LIE), honest(THEIRS), honest(THEIRS)),
        (mute, honest(THEIRS), honest(THEIRS)),
        (honest(THEIRS), garbage, honest(THEIRS)),
        (honest(THEIRS), honest(THEIRS), refuse),
        (honest(THEIRS), honest(), honest(THEIRS)),
        (honest(THEIRS), honest(THEIRS)),  # the third is not connected
    ],
)
def test_what_more_say_alike_than_may_be_faulty_is_told(others: tuple[Handler, ...]) -> None:
    assert explained(recent_of(OURS), *others) == f"alarm; {FIRST}"


def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    honest_ones = [lost_once(honest(THEIRS)) for _ in range(3)]
    assert explained(recent_of(OURS), *honest_ones) == f"alarm; {FIRST}"


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ((), "too few of the others could be asked, or they do not agree"),
        ((honest(THEIRS),), "too few of the others could be asked, or they do not agree"),
        ((honest(THEIRS), honest(LIE), refuse), "too few of the others could be asked, or they do not agree"),
        ((honest(), honest(), honest(THEIRS)), "the others do not remember how they executed height 7"),
    ],
)
def test_what_no_one_can_tell_is_not_made_up(others: tuple[Handler, ...], why: str) -> None:
    assert explained(recent_of(OURS), *others) == f"alarm; where it differs first is not known: {why}"


def test_a_node_that_has_forgotten_says_so() -> None:
    told = explained(RecentBlocks(), honest(THEIRS), honest(THEIRS))
    assert told.endswith("not known: this node does not remember how it executed height 7")


def test_members_that_do_not_answer_hold_up_the_stop_for_no_longer_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(divergence, "ASK_MS_MAX", 100)
    told = explained(recent_of(OURS), mute, mute, mute)
    assert told.startswith("alarm; where it differs first is not known: ")


def test_it_goes_back_to_where_it_began() -> None:
    """Execution hashes are chained, and not each height is compared: it may be noticed later."""
    later = executed(receipt(SELL), writes=[(b"z", b"1")], after=OURS.link)
    same = executed(receipt(SELL), writes=[(b"z", b"1")], after=THEIRS.link)
    own, others = recent_of(OURS, later), honest(THEIRS, same)
    assert explained(own, others, others, height=8) == f"alarm; {FIRST}"


def test_who_asks_for_another_chain_is_no_honest_member() -> None:
    with pytest.raises(InvalidMessage, match="member 3 asks for the execution of another chain"):
        trio.run(honest(THEIRS), 3, encode_request(SummaryRequest(bytes(32), 7)))


@pytest.mark.parametrize("answer", [None, OURS.summary()])
def test_answers_have_one_encoding(answer: BlockSummary | None) -> None:
    assert decode_answer(encode_answer(answer)) == answer
    with pytest.raises(InvalidMessage):
        decode_answer(encode_answer(answer) + b"\x00")
