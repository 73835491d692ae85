"""SIGTERM: not ready, no new requests, who waits is answered, exit 0 in time; a second signal hurries."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from api.signing import id_of
from node.bridge import SHUTDOWN_GRACE_S
from node.demo.partner import Partner, wait_until
from node.documents import read_json
from tests.consortium.four import CURRENCY, Consortium
from tests.consortium.load import signed_transfers
from tests.operator import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXIT_S = 30.0
"""A node ends within this time, though whoever waits for it would wait longer."""
PATIENT = """
import node.bridge
node.bridge.SHUTDOWN_GRACE_S = 120
from node.cli import main
main()
"""
"""It lets open requests go on for longer than EXIT_S."""


def send(partner: Partner, number: signal.Signals) -> None:
    assert partner.process.pid is not None
    os.kill(partner.process.pid, number)


def slow_request(partner: Partner) -> socket.socket:
    """A request whose body never comes: it is under way until somebody ends it."""
    opened = socket.create_connection(("127.0.0.1", partner.seat.api_port), timeout=60)
    opened.sendall(
        b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert b" 100 " in opened.recv(4096), "its body is waited for"
    opened.sendall(b"{")
    return opened


def log_after(partner: Partner, size: int) -> str:
    return partner.process.log_path.read_bytes()[size:].decode()


def test_who_waits_is_answered_streams_end_and_nothing_is_lost(consortium: Consortium) -> None:
    node = consortium.partners[2]
    ops_url = read_json(node.seat.home / "node.json")["ops_url"]
    balance = consortium.bank.balance(CURRENCY)
    answers: dict[str, Any] = {}
    (body,) = signed_transfers(node, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())

    def follow() -> None:
        with httpx.stream("GET", f"{node.seat.api_url}/v1/events", timeout=70) as stream:
            answers["stream"] = stream.status_code
            answers["streamed"] = list(stream.iter_lines())

    def probe() -> None:
        with httpx.Client(timeout=60) as client:
            while "ready" not in answers and node.process.is_running():
                try:
                    answer = client.get(f"{ops_url}/readyz")
                except httpx.TransportError:
                    continue  # it has ended
                if answer.status_code == 503:
                    answers["ready"] = answer.json()["missing"]
                time.sleep(0.01)

    # Sent before all others, so it is waiting by the time that these are answered.
    waiting = HTTPConnection("127.0.0.1", node.seat.api_port, timeout=70)
    waiting.request("GET", f"/v1/transactions/{'ab' * 32}?wait=committed&timeout=60")
    threads = [threading.Thread(target=work) for work in (follow, probe)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: "stream" in answers, 60)
    with slow_request(node) as slow:
        posted = httpx.post(f"{node.seat.api_url}/v1/transactions", json=body, timeout=60)
        send(node, signal.SIGTERM)
        assert node.process.wait(EXIT_S) == 0
        assert b" 503 " in slow.recv(4096), "a request that cannot end is told so"
    for thread in threads:
        thread.join(60)
    assert posted.status_code == 202
    assert waiting.getresponse().status == 404, "told at once that nothing is known of it"
    waiting.close()
    assert answers["stream"] == 200
    assert answers["ready"] == "the node is stopping"
    consortium.start([node])
    assert wait_until(lambda: consortium.bank.balance(CURRENCY) == balance + 1, 60), (
        "what it had taken is done"
    )


def test_no_new_request_is_taken_while_it_drains(consortium: Consortium) -> None:
    node = consortium.partners[2]
    with faults.patched(consortium, node, PATIENT) as process:
        with slow_request(node):
            process.terminate()
            assert wait_until(lambda: not accepts(node), EXIT_S)
            assert process.poll() is None, "it was draining when it refused"
        assert process.wait(EXIT_S) == 0


def accepts(node: Partner) -> bool:
    try:
        return httpx.get(f"{node.seat.api_url}/livez", timeout=EXIT_S).status_code == 200
    except httpx.TransportError:
        return False


def test_one_signal_leaves_time_to_requests_under_way(consortium: Consortium) -> None:
    node = consortium.partners[2]
    size = node.process.log_path.stat().st_size
    with slow_request(node):
        began_s = time.monotonic()
        send(node, signal.SIGTERM)
        assert node.process.wait(EXIT_S) == 0
        assert time.monotonic() - began_s >= SHUTDOWN_GRACE_S
    log = log_after(node, size)
    assert "stopping at once" not in log
    assert "Traceback" not in log
    consortium.start([node])


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries(consortium: Consortium, second: signal.Signals) -> None:
    """A node that would be patient ends all the same."""
    node = consortium.partners[2]
    with faults.patched(consortium, node, PATIENT) as process:
        size = node.process.log_path.stat().st_size
        with slow_request(node):
            process.terminate()
            assert wait_until(lambda: "stopping" in log_after(node, size), EXIT_S)
            process.send_signal(second)
            assert process.wait(EXIT_S) == 0
        log = log_after(node, size)
        assert "stopping at once" in log
        assert "Traceback" not in log


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
        path = f"{node.seat.api_url}/v1/transactions/{id_of(body['transaction'])}"
        assert wait_until(lambda: httpx.get(path, timeout=EXIT_S).is_success, EXIT_S)
        send(node, signal.SIGTERM)
        assert node.process.wait(EXIT_S) == 0
        thread.join(60)
        assert answer[0].status_code == 202, "taken and not yet final: the client knows the id and asks again"
        assert answer[0].json()["state"] in ("pending", "available")
    consortium.start([node])
    consortium.transfer(node, "coopbank", 1)
