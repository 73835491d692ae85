"""`GET /v1/consensus/why` and `quorate why` on real nodes, for each fault that is brought about."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from node.demo.partner import Partner, wait_until
from node.doctor import Verdict, examine
from tests.cli.support import Shell
from tests.consortium.four import Consortium
from tests.consortium.load import signed_transfers
from tests.operator import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SAID_S = 60.0
QUORATE = Path(sys.executable).with_name("quorate")
SLOW_TO_EXECUTE = """
import sys, time
from node import sync
from node.executor import Executor
sync.GIVEN_BLOCKS_MAX = 1  # so that catching up lasts as long as executing
execute = Executor.execute
def slow(self, block, batches):
    time.sleep(0.3)
    return execute(self, block, batches)
Executor.execute = slow
from node.cli import main
main()
"""


def ask(partner: Partner) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{partner.seat.api_url}/v1/consensus/why", timeout=60).json()
    return answer


def says(partner: Partner, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the node says, as soon as it fits."""
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.append(ask(partner))
        return fits(seen[-1])

    assert wait_until(look, SAID_S), seen[-1]
    return seen[-1]


def post(consortium: Consortium, source: Partner) -> None:
    """Something to agree on, without waiting for it."""
    (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())
    assert httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60).status_code == 202


def missing(told: dict[str, Any]) -> list[str]:
    return [one["member"] for one in told["missing"]]


def test_idle(consortium: Consortium) -> None:
    told = says(consortium.bank, lambda told: told["phase"] == "idle" and not told["missing"])
    assert told["sentence"] == f"idle at height {told['height']}: nothing to agree on"
    assert (told["role"], told["waiting_ms"], told["catch_up"], told["clock_offset_ms"]) == (
        "validator", None, None, None,
    )  # fmt: skip


def test_one_member_lost(consortium: Consortium) -> None:
    lost = consortium.partners[3]
    with faults.killed(consortium, lost):
        told = says(consortium.bank, lambda told: missing(told) == [lost.name] and told["phase"] == "idle")
        (gone,) = told["missing"]
        assert gone["connected"] is False
        before_ms = gone["unreachable_ms"]
        assert "swiftship: unreachable for " in told["sentence"]
        later = says(consortium.bank, lambda told: told["missing"][0]["unreachable_ms"] > before_ms + 1_000)
        assert later["phase"] == "idle"
        consortium.transfer(consortium.partners[1], "coopbank", 1)
        says(consortium.bank, lambda told: missing(told) == [lost.name])
    says(consortium.bank, lambda told: not told["missing"])


def test_waiting_for_votes_and_then_no_quorum(consortium: Consortium) -> None:
    """Two nodes hang: at first they are silent, then the connections go, and it is told for how long."""
    hanging = consortium.partners[2:]
    with ExitStack() as stack:
        stack.enter_context(faults.suspended(*hanging))
        post(consortium, consortium.partners[1])
        told = says(consortium.bank, lambda told: told["phase"] in ("notarise", "skip", "proposal"))
        assert told["sentence"].startswith("no block for ")
        told = says(consortium.bank, lambda told: told["phase"] == "no_quorum" and told["waiting_ms"] > 3_000)
        assert set(missing(told)) == {partner.name for partner in hanging}
        assert told["quorum"] == 3
        assert "2 of the 3 validators that it takes are in reach" in told["sentence"]
        waited_ms = told["waiting_ms"]
        assert told["next_ms"] is not None
        later = says(consortium.bank, lambda told: told["waiting_ms"] > waited_ms + 2_000)
        assert all(one["unreachable_ms"] > 2_000 for one in later["missing"])
    says(consortium.bank, lambda told: told["phase"] == "idle" and not told["missing"])


def test_a_wrong_clock_is_known_here_and_there(consortium: Consortium) -> None:
    wrong = consortium.partners[3]
    with faults.patched(consortium, wrong, faults.WRONG_CLOCK):
        told = says(consortium.bank, lambda told: "its clock is 60 min ahead of ours" in told["sentence"])
        assert (told["phase"], told["clock_offset_ms"]) == ("idle", None)
        told = says(wrong, lambda told: told["phase"] == "clock")
        assert told["sentence"].startswith("this node's clock is 60 min ahead of the others': set it right; ")
        assert abs(told["clock_offset_ms"] - 3_600_000) < 5_000


def test_catching_up_has_a_rate_and_an_end(consortium: Consortium) -> None:
    node, source = consortium.partners[3], consortium.partners[1]
    node.process.kill()
    for _ in range(25):
        consortium.transfer(source, "coopbank", 1)
    with faults.patched(consortium, node, SLOW_TO_EXECUTE):
        told = says(node, lambda told: told["phase"] == "catching_up")
        assert told["catch_up"]["target"] > told["catch_up"]["height"]
        assert told["sentence"].startswith(f"catching up: at height {told['catch_up']['height']} of ")
        height = consortium.bank.height()
        assert wait_until(lambda: node.height() >= height, SAID_S)


def test_execution_behind_is_told_while_it_lasts(consortium: Consortium) -> None:
    node, source = consortium.partners[3], consortium.partners[1]
    code = SLOW_TO_EXECUTE.replace("0.3", "1.5")
    with faults.patched(consortium, node, code):
        for _ in range(3):
            post(consortium, source)
        told = says(node, lambda told: told["phase"] == "execution")
        assert "is executed" in told["sentence"]
    says(node, lambda told: told["phase"] == "idle")


@pytest.mark.parametrize("fault", [faults.OTHERWISE, faults.MISCOUNTS], ids=["state", "receipts"])
def test_divergence_is_told_by_those_who_see_it(consortium: Consortium, shell: Shell, fault: str) -> None:
    node, sent = consortium.partners[3], []
    log_bytes = node.process.log_path.stat().st_size
    with faults.patched(consortium, node, fault) as process:
        for _ in range(20):
            sent.append(consortium.transfer(consortium.partners[1], node.name, 1))
            if wait_until(lambda: process.poll() is not None, 1.0):
                break
        assert wait_until(lambda: process.poll() is not None, SAID_S)
        assert process.poll() == 1
        done = shell("why", "--data", node.seat.home, "--json")
        assert done.code == 1
        told = orjson.loads(done.out)
        assert (told["phase"], told["exit_code"]) == ("not_running", 1)
        assert "otherwise than the others" in told["reason"]
        transaction, key = f"transaction {sent[0].id}", "no key: the states agree"
        if fault == faults.OTHERWISE:
            transaction, key = "no transaction: receipts agree", "state b'balance/swiftship/euro'"
        first = f"first to differ at height {sent[0].height}: {transaction}; {key}"
        assert told["reason"].endswith(f"; {first}")
        lines = node.process.log_path.read_bytes()[log_bytes:].decode().splitlines()
        assert lines[-1] == f"quorate: the node stopped: {told['reason']}"
        (alarm,) = [line for line in lines if "theirs" in line]
        assert transaction in alarm
        assert key in alarm
        # Started again with the same ledger it says again what and where, and what to do.
        node.process.start()
        assert node.process.wait(SAID_S) == 1
        said = node.process.last_words()
        assert said.startswith(f"quorate: the node stopped: {told['reason']}; ")
        assert "remove the folder ledger and start again" in said
        (ledger,) = [found for found in examine(node.seat.home) if found.check == "ledger"]
        assert ledger.verdict is Verdict.FAIL
        assert told["reason"] in ledger.detail


# ---------------------------------------------------------------- a node that does not answer


def test_a_stopped_disk_is_told_by_what_the_node_left(consortium: Consortium, shell: Shell) -> None:
    node = consortium.partners[3]
    with faults.full_disk(consortium, node, consortium.partners[1]):
        done = shell("why", "--data", node.seat.home)
        assert done.code == 1
        assert "the node does not run: it ended" in done.out
        assert "File too large; check the disk, then start the node again" in done.out
        assert "MiB are free for the data folder" in done.out


FAULTY = """
from node.executor import Executor
def execute(self, block, batches):
    raise RuntimeError("a planted fault")
Executor.execute = execute
from node.cli import main
main()
"""


def test_a_fault_of_ours_is_told_by_what_the_node_left(consortium: Consortium, shell: Shell) -> None:
    node = consortium.partners[3]
    log_bytes = node.process.log_path.stat().st_size
    with faults.patched(consortium, node, FAULTY) as process:
        consortium.transfer(consortium.partners[1], node.name, 1)
        assert wait_until(lambda: process.poll() is not None, SAID_S)
        assert process.poll() == 1
        done = shell("why", "--data", node.seat.home)
        assert done.code == 1
        assert "with exit code 1: a fault of quorate itself, RuntimeError('a planted fault')" in done.out
        assert b"Traceback" in node.process.log_path.read_bytes()[log_bytes:]


def test_killed_hanging_and_asked_to_stop_are_told_apart(consortium: Consortium, shell: Shell) -> None:
    node = consortium.partners[3]
    with faults.killed(consortium, node):
        assert "it was killed, or has not run yet" in shell("why", "--data", node.seat.home).out
    node.process.stop()
    assert "with exit code 0: it was told to" in shell("why", "--data", node.seat.home).out
    consortium.start([node])
    with faults.suspended(node):
        done = shell("why", "--data", node.seat.home)
        assert done.code == 1
        assert f"the node's process {node.process.pid} is there and does not answer" in done.out


def test_a_node_elsewhere_is_not_looked_for_in_the_data_folder(consortium: Consortium, shell: Shell) -> None:
    done = shell("why", "--data", consortium.bank.seat.home, "--node", "http://127.0.0.1:1")
    assert (done.code, "no node answers at http://127.0.0.1:1" in done.err) == (1, True)


def test_watching_prints_what_changes(consortium: Consortium, tmp_path: Path) -> None:
    node, lost = consortium.bank, consortium.partners[3]
    output = tmp_path / "watched"
    command = [str(QUORATE), "why", "--watch", "--data", str(node.seat.home)]
    with output.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as watch:
        try:
            assert wait_until(lambda: "idle at height" in output.read_text(), SAID_S)
            with faults.killed(consortium, lost):
                assert wait_until(lambda: "swiftship: unreachable for" in output.read_text(), SAID_S)
            assert wait_until(lambda: "unreachable" not in output.read_text().splitlines()[-1], SAID_S)
        finally:
            watch.terminate()
    lines = [line for line in output.read_text().splitlines() if line.startswith("idle")]
    told = [re.sub(r" for [\d.]+ (ms|s|min)", "", line) for line in lines]
    assert all(one != other for one, other in pairwise(told)), "seconds that pass are no change"


# ---------------------------------------------------------------- the doctor beside others


def test_the_doctor_asks_the_others_for_the_time(consortium: Consortium) -> None:
    """Beside a running node by what that measured; without one by connecting as the node would."""
    node = consortium.partners[3]
    assert says(node, lambda told: all(peer["clock_offset_ms"] is not None for peer in told["peers"]))
    beside = {finding.check: finding for finding in examine(node.seat.home)}
    assert (beside["clock"].verdict, beside["port api"].verdict) == (Verdict.OK, Verdict.OK)
    assert f"(process {node.process.pid})" in beside["port api"].detail
    alone = {}

    def is_told_by_all() -> bool:
        alone.update({finding.check: finding for finding in examine(node.seat.home)})
        return all(partner.name in alone["clock"].detail for partner in consortium.partners[:3])

    with faults.killed(consortium, node):
        assert wait_until(is_told_by_all, SAID_S), alone["clock"]
    assert alone["clock"].verdict is Verdict.OK
