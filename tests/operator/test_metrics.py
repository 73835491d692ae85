"""Every metric moves for its reason, on real nodes."""

from __future__ import annotations

import operator
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from node.demo.partner import Partner, wait_until
from node.documents import read_json
from tests.consortium.four import Consortium
from tests.consortium.hostile import Hostile
from tests.consortium.load import signed_transfers
from tests.operator import faults, promql

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MOVES_S = 60.0
ATTACK_S = 3.0
API_MD = [
    "consensus_height",
    "consensus_validators",
    "consensus_missing_validators",
    "consensus_byzantine_validators",
    "consensus_validator_last_signed_height",
    "consensus_validator_missed_blocks",
    "consensus_block_interval_seconds_count",
    "consensus_views",
    "consensus_num_txs",
    "consensus_total_txs",
    "consensus_block_size_bytes",
    "consensus_late_votes",
    "consensus_duplicate_vote",
    "mempool_size",
    "mempool_failed_txs",
    "mempool_tx_size_bytes_count",
    "p2p_peers",
    "p2p_message_send_bytes_total",
    "p2p_message_receive_bytes_total",
]
"""Names that operators know from other chains, promised as they are."""


def read(partner: Partner, name: str, **labels: str) -> float:
    """The sum over the series of a metric with these labels; -1 where there is none."""
    url = read_json(partner.seat.home / "node.json")["ops_url"]
    _, found = promql.scrape(0, httpx.get(f"{url}/metrics", timeout=30).text, {})
    series = [value for key, value in found.get(name, {}).items() if labels.items() <= dict(key).items()]
    return sum(series) if series else -1.0


def becomes(look: Callable[[], float], fits: Callable[[float], bool]) -> bool:
    return wait_until(lambda: fits(look()), MOVES_S)


def test_every_promised_name_is_served(consortium: Consortium) -> None:
    assert [name for name in API_MD if read(consortium.bank, f"quorate_{name}") < 0] == []


def test_what_a_transfer_moves(consortium: Consortium) -> None:
    node, source = consortium.bank, consortium.partners[1]
    consortium.await_idle()
    counted = (
        "quorate_consensus_height", "quorate_consensus_final_height", "quorate_consensus_total_txs",
        "quorate_consensus_block_interval_seconds_count", "quorate_p2p_message_send_bytes_total",
        "quorate_p2p_message_receive_bytes_total", "process_cpu_seconds_total", "quorate_store_size_bytes",
    )  # fmt: skip
    before = {name: read(node, name) for name in counted}
    sizes = read(source, "quorate_mempool_tx_size_bytes_count")
    consortium.transfer(source, "coopbank", 1)
    for name in counted:
        if "store" not in name:  # LevelDB's files also shrink
            assert becomes(partial(read, node, name), partial(operator.lt, before[name])), name
    assert read(node, "quorate_consensus_total_txs") == before["quorate_consensus_total_txs"] + 1
    assert read(node, "quorate_store_size_bytes") > 0
    assert read(source, "quorate_mempool_tx_size_bytes_count") == sizes + 1


def test_the_newest_block_has_what_was_posted_together(consortium: Consortium) -> None:
    source = consortium.partners[1]
    assert source.account is not None
    bodies = signed_transfers(source, consortium.stage.chain, "coopbank", 5, first=time.monotonic_ns())
    total = read(source, "quorate_consensus_total_txs")
    url = f"{source.seat.api_url}/v1/transactions:batch"
    assert httpx.post(url, json={"transactions": bodies}, timeout=60).is_success
    assert becomes(lambda: read(source, "quorate_consensus_total_txs"), lambda now: now == total + 5)
    # The block after, which vouches for the execution, is empty.
    assert becomes(lambda: read(source, "quorate_consensus_num_txs"), lambda now: now == 0)
    assert read(source, "quorate_consensus_block_size_bytes") == 0


def test_a_refused_transaction_is_counted(consortium: Consortium) -> None:
    node = consortium.bank
    before = read(node, "quorate_mempool_failed_txs")
    (body,) = signed_transfers(node, "another-chain", "greenfarm", 1)
    assert httpx.post(f"{node.seat.api_url}/v1/transactions", json=body, timeout=60).status_code == 422
    assert read(node, "quorate_mempool_failed_txs") == before + 1


def test_all_sign_and_all_are_heard(consortium: Consortium) -> None:
    node = consortium.bank
    assert read(node, "quorate_consensus_validators") == 4
    assert becomes(lambda: read(node, "quorate_p2p_peers"), lambda now: now == 3)
    height = read(node, "quorate_consensus_final_height")
    for partner in consortium.partners:
        last = partial(read, node, "quorate_consensus_validator_last_signed_height", validator=partner.name)
        assert becomes(last, lambda now: now >= height - 1), partner.name
    for partner in consortium.partners[1:]:
        assert read(node, "quorate_p2p_peer_connected", peer=partner.name) == 1
        rtt = partial(read, node, "quorate_p2p_peer_rtt_seconds", peer=partner.name)
        assert becomes(rtt, lambda now: 0 < now < 10), partner.name
        offset = partial(read, node, "quorate_clock_offset_seconds", peer=partner.name)
        assert becomes(offset, lambda now: abs(now) < 0.5), partner.name


def test_votes_that_come_after_the_block_are_late(consortium: Consortium) -> None:
    """With four validators the fourth vote is not needed, so it is late sooner or later."""
    node, source = consortium.bank, consortium.partners[1]

    def late() -> bool:
        consortium.transfer(source, "coopbank", 1)
        return read(node, "quorate_consensus_late_votes") > before

    before = read(node, "quorate_consensus_late_votes")
    assert wait_until(late, MOVES_S)


def test_what_a_lost_member_moves(consortium: Consortium) -> None:
    node, source, lost = consortium.bank, consortium.partners[1], consortium.partners[3]
    missed = read(node, "quorate_consensus_validator_missed_blocks", validator=lost.name)
    late = read(node, "quorate_consensus_validator_missed_blocks", validator=source.name)
    with faults.killed(consortium, lost):
        assert becomes(lambda: read(node, "quorate_consensus_missing_validators"), lambda now: now == 1)
        assert becomes(lambda: read(node, "quorate_p2p_peers"), lambda now: now == 2)
        assert read(node, "quorate_p2p_peer_connected", peer=lost.name) == 0
        for _ in range(12):
            consortium.transfer(source, "coopbank", 1)
        signed = read(node, "quorate_consensus_validator_last_signed_height", validator=lost.name)
        assert signed < read(node, "quorate_consensus_final_height") - 8
        assert becomes(
            lambda: read(node, "quorate_consensus_validator_missed_blocks", validator=lost.name),
            lambda now: now > missed,
        )
        others = read(node, "quorate_consensus_validator_missed_blocks", validator=source.name)
        assert others - late < 12
        sent = read(node, "quorate_p2p_message_send_bytes_total", peer=lost.name)
        assert sent > 0
    assert becomes(lambda: read(node, "quorate_consensus_missing_validators"), lambda now: now == 0)


def test_what_a_stall_moves(consortium: Consortium) -> None:
    node, source = consortium.bank, consortium.partners[1]
    assert becomes(lambda: read(node, "quorate_consensus_waiting_seconds"), lambda now: now == 0)
    with ExitStack() as stack:
        stack.enter_context(faults.suspended(*consortium.partners[2:]))
        (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())
        assert httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60).status_code == 202
        assert becomes(lambda: read(node, "quorate_consensus_waiting_seconds"), lambda now: now > 4)
        assert becomes(lambda: read(node, "quorate_mempool_size"), lambda now: now >= 1)
        # The same votes are said again and again, every base timeout.
        repeated = read(node, "quorate_consensus_duplicate_vote")
        assert becomes(lambda: read(node, "quorate_consensus_duplicate_vote"), lambda now: now > repeated)
        began = read(node, "quorate_consensus_waiting_seconds")
        assert becomes(lambda: read(node, "quorate_consensus_waiting_seconds"), lambda now: now > began)
    assert becomes(lambda: read(node, "quorate_consensus_waiting_seconds"), lambda now: now == 0)
    assert becomes(lambda: read(node, "quorate_mempool_size"), lambda now: now == 0)


def test_views_grow_while_leaders_are_skipped(consortium: Consortium) -> None:
    node, source = consortium.bank, consortium.partners[1]
    seen = []

    def skipped() -> bool:
        (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())
        httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60)
        seen.append(read(node, "quorate_consensus_views"))
        return seen[-1] > 1

    with faults.killed(consortium, consortium.partners[3]):
        assert wait_until(skipped, MOVES_S), seen


def test_a_wrong_clock_moves_its_offset_alone(consortium: Consortium) -> None:
    node, wrong = consortium.bank, consortium.partners[3]
    with faults.patched(consortium, wrong, faults.WRONG_CLOCK):
        assert becomes(
            lambda: read(node, "quorate_clock_offset_seconds", peer=wrong.name), lambda now: 3599 < now < 3601
        )
        right = consortium.partners[1]
        assert becomes(
            lambda: abs(read(node, "quorate_clock_offset_seconds", peer=right.name)), lambda now: now < 0.5
        )


def test_catching_up_has_a_target(consortium: Consortium) -> None:
    node, source = consortium.partners[3], consortium.partners[1]
    node.process.kill()
    for _ in range(20):
        consortium.transfer(source, "coopbank", 1)
    code = """
import sys, time
from node import sync
from node.executor import Executor
sync.GIVEN_BLOCKS_MAX = 1  # so that catching up lasts as long as executing
execute = Executor.execute
def slow(self, block, batches):
    time.sleep(0.4)
    return execute(self, block, batches)
Executor.execute = slow
from node.cli import main
main()
"""
    seen: list[float] = []
    lags: list[float] = []
    with faults.patched(consortium, node, code):

        def caught_up() -> bool:
            seen.append(read(node, "quorate_catch_up_target_height"))
            lags.append(read(node, "quorate_execution_lag_blocks"))
            return read(node, "quorate_consensus_height") >= consortium.bank.height()

        assert wait_until(caught_up, MOVES_S)
        assert becomes(lambda: read(node, "quorate_catch_up_target_height"), lambda now: now == 0)
    assert max(seen) >= 20
    assert max(lags) >= 1


def test_a_member_that_contradicts_itself_is_counted(consortium: Consortium) -> None:
    node, liar = consortium.bank, consortium.partners[2]
    assert read(node, "quorate_consensus_byzantine_validators") == 0
    assert read(node, "quorate_evidence") == 0
    with faults.killed(consortium, liar):
        hostile = Hostile(liar)
        bad = read(node, "quorate_p2p_bad_messages_total")
        attack = hostile.attack(hostile.contradictions, ATTACK_S)

        def accused() -> bool:
            consortium.transfer(consortium.partners[1], "coopbank", 1)  # so that there are views to lie about
            return read(node, "quorate_consensus_byzantine_validators") == 1

        assert wait_until(accused, MOVES_S)
        assert read(node, "quorate_evidence") >= 1
        attack.join()
        hostile.attack(hostile.garbage, ATTACK_S).join()
        assert becomes(lambda: read(node, "quorate_p2p_bad_messages_total"), lambda now: now > bad)


HANGS = """
import time, trio
from pathlib import Path
from node.peer_clocks import PeerClocks
async def hang(self):
    while not Path({when!r}).exists():
        await trio.sleep(0.1)
    while Path({when!r}).exists():
        time.sleep(0.1)
    await trio.sleep_forever()
PeerClocks.run = hang
from node.cli import main
main()
"""
"""The node's own thread is held up for as long as there is a file."""


def test_a_node_that_hangs_is_alive_and_down(consortium: Consortium, tmp_path: Path) -> None:
    """The ops port has a thread of its own, and what concerns the process is measured still."""
    node, hangs = consortium.partners[3], tmp_path / "hangs"
    with faults.patched(consortium, node, HANGS.format(when=str(hangs))):
        hangs.touch()
        url = read_json(node.seat.home / "node.json")["ops_url"]
        assert becomes(lambda: read(node, "quorate_up"), lambda now: now == 0)
        assert httpx.get(f"{url}/livez", timeout=30).json() == {"live": True}
        answer = httpx.get(f"{url}/readyz", timeout=30)
        assert (answer.status_code, answer.json()["missing"]) == (503, "the node gave no answer for 2 s")
        assert read(node, "process_resident_memory_bytes") > 0
        hangs.unlink()
        assert becomes(lambda: read(node, "quorate_up"), lambda now: now == 1)


def test_the_process_is_measured(consortium: Consortium) -> None:
    node = consortium.bank
    files = read(node, "process_open_fds")
    assert 0 < files < read(node, "process_max_fds")
    with ExitStack() as stack:
        for _ in range(60):  # more than are counted, for others' connections end meanwhile
            client = stack.enter_context(httpx.Client(base_url=node.seat.api_url, timeout=30))
            client.get("/livez")
        assert read(node, "process_open_fds") >= files + 20
    journal = read(node, "quorate_journal_size_bytes")
    consortium.transfer(consortium.partners[1], "coopbank", 1)
    assert becomes(lambda: read(node, "quorate_journal_size_bytes"), lambda now: now > journal)
    free = shutil.disk_usage(node.seat.home).free
    assert abs(read(node, "quorate_disk_free_bytes") - free) < 1 << 30
    requests = read(node, "quorate_api_requests_total", route="/v1/genesis")
    httpx.get(f"{node.seat.api_url}/v1/genesis", timeout=60)
    assert read(node, "quorate_api_requests_total", route="/v1/genesis") == max(requests, 0) + 1
    with httpx.stream("GET", f"{node.seat.api_url}/v1/events", timeout=10):
        assert becomes(lambda: read(node, "quorate_api_streams"), lambda now: now == 1)
    assert becomes(lambda: read(node, "quorate_api_streams"), lambda now: now == 0)
