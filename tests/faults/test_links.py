"""One fault at a time between real nodes: what goes on meanwhile, and how soon all is well afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from api.signing import id_of
from node.demo.partner import wait_until
from tests.consortium.four import LEVEL_S
from tests.consortium.load import signed_transfers
from tests.faults.relayed import RelayedConsortium, relayed
from tests.faults.swarm import ALL

pytestmark = pytest.mark.slow

AWAY_S = 7.0
"""Longer than a connection lives without an answer, so that it must be made anew."""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayedConsortium]:
    with relayed(tmp_path_factory.mktemp("links") / "four") as running:
        running.open_currency(1_000_000)
        yield running


@pytest.fixture(autouse=True)
def all_is_well_again(consortium: RelayedConsortium) -> Iterator[None]:
    """After the fault every node finalises what is new, within seconds; how long it took is printed."""
    yield
    consortium.relay.heal()
    for process in consortium.processes:
        process.set_clock(0)
        process.resume()
    consortium.start([partner for partner in consortium.partners if not partner.process.is_running()])
    began_s = time.monotonic()
    done = consortium.transfer(consortium.partners[1], "coopbank", 1)
    for partner in consortium.partners:
        assert partner.await_height(done.height, LEVEL_S)
    print(f"all nodes final {time.monotonic() - began_s:.1f} s after healing")
    consortium.assert_equal_execution()
    for partner in consortium.partners:
        assert "Traceback" not in partner.process.log_path.read_text(errors="replace")


def test_the_relay_carries_everything(consortium: RelayedConsortium) -> None:
    """Nothing of what follows would mean anything if nodes found another way."""
    before = consortium.relay.relayed_bytes
    consortium.transfer(consortium.partners[1], "coopbank", 1)
    assert consortium.relay.relayed_bytes > before
    consortium.await_idle()
    consortium.relay.partition({0, 1})
    height = consortium.bank.height()
    time.sleep(2)
    assert {partner.height() for partner in consortium.partners} == {height}


def test_three_go_on_while_one_is_cut_off(consortium: RelayedConsortium) -> None:
    consortium.relay.partition({3})
    time.sleep(AWAY_S)
    source = consortium.partners[1]
    for _ in range(5):
        consortium.transfer(source, "millworks", 1)
    cut_off = consortium.partners[3]
    assert cut_off.height() < source.height()
    look = cut_off.look()
    assert look is not None
    assert "idle" in look["why"] or "coopbank (unreachable" in look["why"], look["why"]


def test_two_and_two_stand_still_and_go_on(consortium: RelayedConsortium) -> None:
    consortium.relay.partition({0, 1})
    time.sleep(AWAY_S)
    heights = {partner.height() for partner in consortium.partners}
    time.sleep(1)
    assert {partner.height() for partner in consortium.partners} == heights


def test_a_node_that_is_not_heard_costs_its_turns_only(consortium: RelayedConsortium) -> None:
    consortium.relay.silence(2, ALL - {2})
    time.sleep(AWAY_S)
    for _ in range(5):
        consortium.transfer(consortium.partners[1], "millworks", 1)


def test_a_line_of_200_ms_that_loses_5_percent_is_slow_and_no_more(consortium: RelayedConsortium) -> None:
    consortium.relay.slow_down(0.2, 0.05)
    for partner in consortium.partners[1:] * 2:
        consortium.transfer(partner, "coopbank", 1)


def test_connections_that_break_all_at_once_are_made_anew(consortium: RelayedConsortium) -> None:
    for _ in range(3):
        assert consortium.relay.reset() > 0
        consortium.transfer(consortium.partners[2], "coopbank", 1)


@pytest.mark.parametrize("offset_ms", [3_600_000, -3_600_000, 5_000])
def test_a_clock_that_jumps_while_the_node_runs(consortium: RelayedConsortium, offset_ms: int) -> None:
    """On f nodes: the others go on without waiting for more than its turns, and it follows."""
    wrong, source = consortium.partners[3], consortium.partners[1]
    consortium.processes[3].set_clock(offset_ms)
    for _ in range(5):
        consortium.transfer(source, "coopbank", 1)
    done = consortium.transfer(source, "coopbank", 1)
    assert wrong.await_height(done.height, LEVEL_S)


def test_with_wrong_clocks_on_more_than_f_nodes_the_chain_waits(consortium: RelayedConsortium) -> None:
    """Rightly: no quorum agrees on the time. It goes on when they are right again."""
    for node in (2, 3):
        consortium.processes[node].set_clock(3_600_000)
    source = consortium.partners[1]
    (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=10**6)
    answer = httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60)
    assert answer.is_success, answer.text
    path = f"/v1/transactions/{id_of(body['transaction'])}"
    time.sleep(4)
    assert source.client.get(path)["state"] in ("pending", "available")
    for node in (2, 3):
        consortium.processes[node].set_clock(0)
    assert wait_until(lambda: source.client.get(path)["state"] == "committed", LEVEL_S)


def test_a_node_that_stood_still_for_longer_than_its_connections(consortium: RelayedConsortium) -> None:
    consortium.processes[2].suspend()
    time.sleep(AWAY_S)
    done = consortium.transfer(consortium.partners[1], "coopbank", 1)
    consortium.processes[2].resume()
    assert consortium.partners[2].await_height(done.height, LEVEL_S)


def test_all_four_stand_still_and_wake_up(consortium: RelayedConsortium) -> None:
    """As machines do that sleep: nobody was awake to notice."""
    for process in consortium.processes:
        process.suspend()
    time.sleep(AWAY_S)
    for process in consortium.processes:
        process.resume()
