"""What befalls an unlucky operator: a node suffers and says so in a line, three go on, and it comes back."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from api.client import Call
from api.signing import build_transaction, id_of, sign_transaction
from node.demo.partner import Partner, wait_until
from tests.consortium.four import CURRENCY, LEVEL_S, Consortium
from tests.consortium.load import signed_transfers

pytestmark = pytest.mark.slow

EXIT_S = 30.0
"""A node ends within this time after SIGTERM, though whoever waits for it would wait longer."""
ANSWER_S = 30.0
"""A submission is answered within this time, also while nothing becomes final."""
SHORT_MS = 5_000
"""So long the short-lived transactions live."""
WRONG_CLOCK = """
import sys
from node.clock import Clock
keep = Clock.__init__
def wrong(self):
    keep(self)
    self._offset_ms = {offset_ms}
Clock.__init__ = wrong
from node.cli import main
main()
"""


@pytest.fixture(autouse=True)
def nobody_panics(consortium: Consortium) -> Iterator[None]:
    """After each test all four run, agree, and no log holds a traceback."""
    yield
    consortium.mend()
    consortium.assert_equal_execution()
    for partner in consortium.partners:
        assert "Traceback" not in partner.process.log_path.read_text(errors="replace")


@contextmanager
def down(consortium: Consortium, *partners: Partner) -> Iterator[None]:
    """These nodes are killed for as long as the block of the `with`."""
    for partner in partners:
        partner.process.kill()
    try:
        yield
    finally:
        consortium.start(partners)


def log_after(partner: Partner, size: int) -> list[str]:
    return partner.process.log_path.read_bytes()[size:].decode(errors="replace").splitlines()


def log_size(partner: Partner) -> int:
    return partner.process.log_path.stat().st_size


def connect(partner: Partner, request: str) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", partner.seat.api_port), timeout=60)
    opened.sendall(f"{request} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return opened


def test_a_full_disk_is_one_clear_line_and_the_node_comes_back(consortium: Consortium) -> None:
    unlucky, source = consortium.partners[3], consortium.partners[1]
    size, pid = log_size(unlucky), unlucky.process.pid
    assert pid is not None
    files = (unlucky.seat.home / "journal").glob("segment-*")
    # The system refuses to let any file of the process grow further, as a full disk would.
    room = max(file.stat().st_size for file in files) + 2_000
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, room))
    for amount in range(1, 100):
        consortium.transfer(source, "coopbank", amount)
        if not unlucky.process.is_running():
            break
    assert unlucky.process.wait(EXIT_S) == 1
    *before, line = log_after(unlucky, size)
    assert not any("Traceback" in other or other.startswith("quorate: ") for other in before), before
    assert line.startswith("quorate: the node stopped: ")
    assert "File too large" in line
    assert "check the disk, then start the node again" in line
    consortium.transfer(source, "coopbank", 1)
    consortium.start([unlucky])


def test_a_suspended_node_is_missed_and_takes_up_again(consortium: Consortium) -> None:
    sleeper, source = consortium.partners[2], consortium.partners[1]
    assert sleeper.process.pid is not None
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    try:
        for amount in range(1, 6):
            consortium.transfer(source, "coopbank", amount)
    finally:
        os.kill(sleeper.process.pid, signal.SIGCONT)
    assert sleeper.await_height(consortium.bank.height(), LEVEL_S)
    consortium.transfer(sleeper, "coopbank", 1)


def test_killed_again_and_again_while_it_starts(consortium: Consortium) -> None:
    """From the very first start on, when nothing of the data folder exists yet but keys and genesis."""
    victim = consortium.partners[3]
    victim.process.kill()
    for folder in ("ledger", "code-cache"):
        shutil.rmtree(victim.seat.home / folder)
    for delay_s in (0.5, 0.9, 1.0, 1.1, 1.3):
        victim.process.start()
        time.sleep(delay_s)
        assert victim.process.is_running(), victim.process.last_words()
        victim.process.kill()
    consortium.transfer(consortium.partners[1], "coopbank", 1)
    consortium.start([victim])
    assert victim.await_height(consortium.bank.height(), LEVEL_S)


def test_a_wrong_clock_costs_its_own_turns_and_is_named(consortium: Consortium) -> None:
    wrong, source = consortium.partners[3], consortium.partners[1]
    sizes = [(partner, log_size(partner)) for partner in consortium.partners[:3]]

    def said() -> list[str]:
        return [line for partner, size in sizes for line in log_after(partner, size)]

    def names_the_wrong_clock(line: str) -> bool:
        return "too far ahead of this clock" in line and f"={wrong.name}" in line

    with down(consortium, wrong):
        code = WRONG_CLOCK.format(offset_ms=3_600_000)
        command = [sys.executable, "-P", "-c", code, "start", "--data", str(wrong.seat.home)]
        with wrong.process.log_path.open("ab") as log, subprocess.Popen(command, stderr=log) as process:
            try:
                assert wait_until(lambda: wrong.height() >= 0, LEVEL_S)

                def is_named() -> bool:  # as soon as it has had a turn
                    consortium.transfer(source, "coopbank", 1)
                    return any(map(names_the_wrong_clock, said()))

                assert wait_until(is_named, LEVEL_S), said()
                height = consortium.bank.height()
                # Not `await_height`: it would look whether the process runs that was killed above.
                assert wait_until(lambda: wrong.height() >= height, LEVEL_S), "it follows all the same"
            finally:
                process.terminate()


def test_what_is_taken_without_a_quorum_ends_and_the_rest_is_refused_at_once(consortium: Consortium) -> None:
    """No client hangs; what was acknowledged and is too late is `expired`, also after its node's restart."""
    source = consortium.partners[1]
    balance = source.balance(CURRENCY)
    consortium.assert_equal_execution()
    with down(consortium, *consortium.partners[2:]):
        lasting = signed_transfers(source, consortium.stage.chain, "coopbank", 140)
        bodies = [_short_lived(consortium, source, number) for number in range(3)]
        too_late_s = time.monotonic() + SHORT_MS / 1000
        bodies += lasting
        with httpx.Client(base_url=source.seat.api_url, timeout=ANSWER_S) as client:
            answers = [client.post("/v1/transactions", json=body) for body in bodies]
        codes = {answer.json().get("code") for answer in answers if not answer.is_success}
        assert codes == {"overloaded"}
        assert all(answer.headers["Retry-After"] for answer in answers if not answer.is_success)
        pairs = zip(bodies, answers, strict=True)
        taken = [id_of(body["transaction"]) for body, answer in pairs if answer.is_success]
        # The short-lived ones are too late then, whenever the quorum comes back.
        assert wait_until(lambda: time.monotonic() > too_late_s, LEVEL_S)
        source.process.kill()
        consortium.start([source])
        assert {_state(source, identifier) for identifier in taken} == {"pending"}
    ends = [_end(source, identifier) for identifier in taken]
    assert ends == ["expired"] * 3 + ["committed"] * (len(taken) - 3)
    assert source.balance(CURRENCY) == balance - (len(taken) - 3)
    consortium.transfer(source, "coopbank", 1)  # there is room again, without a restart


def _short_lived(consortium: Consortium, source: Partner, number: int) -> Any:
    call = Call(CURRENCY, "transfer", {"to": "coopbank", "amount": "1000"})
    expires_ms = time.time_ns() // 1_000_000 + SHORT_MS
    body = build_transaction(consortium.stage.chain, source.name, [call], expires_ms, salt=f"short-{number}")
    return sign_transaction(body, [source.account.signer])


def _state(partner: Partner, identifier: str) -> str:
    state: str = partner.client.get(f"/v1/transactions/{identifier}")["state"]
    return state


def _end(partner: Partner, identifier: str) -> str:
    ended = partial(lambda: _state(partner, identifier) not in ("pending", "available"))
    assert wait_until(ended, LEVEL_S)
    return _state(partner, identifier)


def test_a_node_ends_at_once_whoever_waits_for_it(consortium: Consortium) -> None:
    """Open streams and waiting requests get their end, and nothing is thrown at the operator."""
    node = consortium.partners[2]
    size = log_size(node)
    opened = [connect(node, "GET /v1/events?from=0") for _ in range(5)]
    opened += [connect(node, f"GET /v1/transactions/{n:064x}?wait=committed&timeout=60") for n in range(20)]
    opened += [connect(node, f"GET /v1/proof/{'ab' * 8}?timeout=60") for _ in range(2)]
    time.sleep(0.5)
    node.process.ask_to_stop()
    assert node.process.wait(EXIT_S) == 0
    lines = log_after(node, size)
    stopping = next(place for place, line in enumerate(lines) if " stopping " in line)
    assert [" stopped " in line for line in lines[stopping + 1 :]] == [True], lines
    for one in opened:
        one.close()
    consortium.start([node])


def test_a_node_without_its_ledger_fetches_it_again_under_load(consortium: Consortium) -> None:
    """What the advice of a damaged store says; the journal stays, so nothing is voted twice."""
    node, source = consortium.partners[3], consortium.partners[1]
    node.process.kill()
    shutil.rmtree(node.seat.home / "ledger")
    node.process.start()
    for amount in range(1, 6):
        consortium.transfer(source, "coopbank", amount)
    node.await_start(LEVEL_S)
    assert node.await_height(consortium.bank.height(), LEVEL_S)
    consortium.transfer(node, "coopbank", 1)
