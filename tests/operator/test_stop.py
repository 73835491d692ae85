"""SIGTERM: not ready, no new requests, who waits is answered, exit 0 in time; a second signal hurries."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

import httpx
import pytest

from node.bridge import SHUTDOWN_GRACE_S
from node.demo.partner import Partner, wait_until
from node.documents import read_json
from tests.consortium.four import CURRENCY, Consortium
from tests.consortium.load import signed_transfers
from tests.operator import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EXIT_S = 8.0
"""What docs/operators.md says."""


def send(partner: Partner, number: signal.Signals) -> None:
    assert partner.process.pid is not None
    os.kill(partner.process.pid, number)


def slow_request(partner: Partner) -> socket.socket:
    """A request whose body never comes: it is under way until somebody ends it."""
    opened = socket.create_connection(("127.0.0.1", partner.seat.api_port), timeout=20)
    opened.sendall(
        b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    return opened


def test_who_waits_is_answered_streams_end_and_nothing_is_lost(consortium: Consortium) -> None:
    node = consortium.partners[2]
    ops_url = read_json(node.seat.home / "node.json")["ops_url"]
    balance = consortium.bank.balance(CURRENCY)
    answers: dict[str, Any] = {}
    (body,) = signed_transfers(node, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())

    def wait_for_nothing() -> None:
        path = f"{node.seat.api_url}/v1/transactions/{'ab' * 32}"
        answers["wait"] = httpx.get(path, params={"wait": "committed", "timeout": 60}, timeout=70)

    def follow() -> None:
        with httpx.stream("GET", f"{node.seat.api_url}/v1/events", timeout=70) as stream:
            answers["stream"] = stream.status_code
            answers["streamed"] = list(stream.iter_lines())

    def probe() -> None:
        while "ready" not in answers:
            try:
                answer = httpx.get(f"{ops_url}/readyz", timeout=2)
            except httpx.TransportError:
                return
            if answer.status_code == 503:
                answers["ready"] = answer.json()["missing"]
            time.sleep(0.01)

    threads = [threading.Thread(target=work) for work in (wait_for_nothing, follow, probe)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: "stream" in answers, 10)
    with slow_request(node) as slow:
        time.sleep(0.5)
        posted = httpx.post(f"{node.seat.api_url}/v1/transactions", json=body)
        began_s = time.monotonic()
        send(node, signal.SIGTERM)
        assert node.process.wait(EXIT_S) == 0
        assert time.monotonic() - began_s < EXIT_S
        slow.settimeout(5)
        assert b" 503 " in slow.recv(4096), "a request that cannot end is told so"
    for thread in threads:
        thread.join(20)
    assert posted.status_code == 202
    assert answers["wait"].status_code == 404, "told at once that nothing is known of it"
    assert answers["stream"] == 200
    assert answers["ready"] == "the node is stopping"
    consortium.start([node])
    assert wait_until(lambda: consortium.bank.balance(CURRENCY) == balance + 1, 60), (
        "what it had taken is done"
    )


def test_no_new_request_is_taken_while_it_drains(consortium: Consortium) -> None:
    node = consortium.partners[2]
    with slow_request(node):
        time.sleep(0.3)
        send(node, signal.SIGTERM)
        refused = wait_until(lambda: not accepts(node), SHUTDOWN_GRACE_S)
        still_there = node.process.is_running()
        assert node.process.wait(EXIT_S) == 0
    assert refused
    assert still_there, "it was draining when it refused"
    consortium.start([node])


def accepts(node: Partner) -> bool:
    try:
        return httpx.get(f"{node.seat.api_url}/livez", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries(consortium: Consortium, second: signal.Signals) -> None:
    """Measured against the same stop with one signal, not against a clock."""
    node = consortium.partners[2]
    took_s = []
    for signals in ([signal.SIGTERM], [signal.SIGTERM, second]):
        size = node.process.log_path.stat().st_size
        with slow_request(node):
            time.sleep(0.3)
            began_s = time.monotonic()
            for number in signals:
                send(node, number)
                time.sleep(0.2)
            assert node.process.wait(EXIT_S) == 0
            took_s.append(time.monotonic() - began_s)
        log = node.process.log_path.read_bytes()[size:].decode()
        assert ("stopping at once" in log) == (len(signals) == 2)
        assert "Traceback" not in log
        consortium.start([node])
    assert took_s[0] >= SHUTDOWN_GRACE_S
    assert took_s[1] < took_s[0]


def test_it_stops_also_while_the_chain_stands_still(consortium: Consortium) -> None:
    node, source = consortium.partners[1], consortium.partners[1]
    with faults.killed(consortium, *consortium.partners[2:]):
        (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())
        answer: list[httpx.Response] = []

        def post() -> None:
            url = f"{node.seat.api_url}/v1/transactions?wait=committed&timeout=60"
            answer.append(httpx.post(url, json=body, timeout=70))

        thread = threading.Thread(target=post)
        thread.start()
        time.sleep(1.5)
        send(node, signal.SIGTERM)
        assert node.process.wait(EXIT_S) == 0
        thread.join(10)
        assert answer[0].status_code == 202, "taken and not yet final: the client knows the id and asks again"
        assert answer[0].json()["state"] in ("pending", "available")
    consortium.start([node])
    consortium.transfer(node, "coopbank", 1)
