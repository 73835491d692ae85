"""What real nodes write, at their most talkative: fields to search by, and neither keys nor payloads."""

from __future__ import annotations

import re
import time

import httpx
import orjson
import pytest

from node.demo.partner import wait_until
from node.documents import read_json
from tests.consortium.four import Consortium
from tests.operator import faults

pytestmark = pytest.mark.slow

SECRET_WORD = "4711-kittens-4711"
"""A payload: it is in a transaction, and must be in no log."""


def test_logs_can_be_searched_and_give_nothing_away(consortium: Consortium) -> None:
    node, source = consortium.partners[3], consortium.partners[1]
    (node.seat.home / "config.toml").write_text(
        re.sub(
            r"^# (log_format|log_level) = .*$",
            lambda match: f'{match[1]} = "{"json" if match[1] == "log_format" else "debug"}"',
            (node.seat.home / "config.toml").read_text(),
            flags=re.MULTILINE,
        )
    )
    size = node.process.log_path.stat().st_size
    with faults.killed(consortium, node):
        consortium.transfer(source, "coopbank", 1)
    consortium.transfer(node, "coopbank", 1)
    register = {"account": f"swiftship.{SECRET_WORD[5:12]}", "keys": ["ab" * 32]}
    node.act("accounts", "register", register)
    answer = httpx.post(
        f"{node.seat.api_url}/v1/transactions",
        json={"transaction": {"chain": SECRET_WORD}, "signatures": []},
        timeout=60,
    )
    assert answer.is_client_error
    assert wait_until(lambda: b"block is final" in node.process.log_path.read_bytes()[size:], 60)
    text = node.process.log_path.read_bytes()[size:].decode()
    text = text[: text.rindex("\n")]  # the node goes on writing
    lines = [orjson.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert len(lines) > 5
    for line in lines:
        assert {"event", "level", "timestamp", "node"} <= line.keys(), line
    final = [line for line in lines if line["event"] == "block is final"]
    assert all(line["height"] > 0 and line["view"] > 0 and line["logger"] == "driver" for line in final)
    keys = [source.seat.keys.private(role) for role in ("validator", "network", "administrator")]
    keys += [node.seat.keys.private(role) for role in ("validator", "network", "administrator")]
    for secret in (*(key.seed.hex() for key in keys), SECRET_WORD, SECRET_WORD[5:12], "ab" * 32):
        assert secret not in text


def test_a_level_is_set_on_a_running_node(consortium: Consortium) -> None:
    node = consortium.bank
    url = read_json(node.seat.home / "node.json")["ops_url"]
    size = node.process.log_path.stat().st_size
    consortium.transfer(node, "greenfarm", 1)
    consortium.await_idle()  # an empty block may follow the one with the transfer
    body = {"logger": "driver", "level": "debug", "for_s": 600}
    assert httpx.put(f"{url}/loglevel", json=body, timeout=60).json()["loggers"]["driver"]["level"] == "debug"
    assert b"block is final" not in node.process.log_path.read_bytes()[size:]
    consortium.transfer(node, "greenfarm", 1)
    assert wait_until(lambda: b"block is final" in node.process.log_path.read_bytes()[size:], 60)
    assert httpx.put(f"{url}/loglevel", json={"logger": "driver", "level": None}, timeout=60).is_success
    time.sleep(0.5)
    size = node.process.log_path.stat().st_size
    consortium.transfer(node, "greenfarm", 1)
    assert b"block is final" not in node.process.log_path.read_bytes()[size:]
