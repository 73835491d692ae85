"""A node that admits no more than it can soon have executed."""

from __future__ import annotations

import time

import httpx
import pytest

from node.demo.partner import wait_until
from tests.consortium.four import Consortium
from tests.consortium.load import signed_transfers
from tests.operator import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMITTED_S = 60.0
FEW = """
from node import waiting_room
waiting_room.WAITING_MAX = waiting_room.SPREADING_MIN = 6
from node.cli import main
main()
"""


def test_who_posts_more_than_may_wait_is_asked_to_come_again(consortium: Consortium) -> None:
    """And then it is taken; what was admitted before is told as what it is all the time."""
    node = consortium.partners[3]
    bodies = signed_transfers(node, consortium.stage.chain, "coopbank", 8, first=time.monotonic_ns())

    def post(place: int) -> tuple[int, str]:
        answer = httpx.post(f"{node.seat.api_url}/v1/transactions", json=bodies[place], timeout=60)
        told = answer.json()
        return answer.status_code, told.get("code") or told["state"]

    def committed(place: int) -> bool:
        return post(place)[1] == "committed"

    with faults.patched(consortium, node, FEW):
        consortium.await_idle()
        with faults.suspended(*consortium.partners[1:3]):  # no quorum: what is taken waits
            assert [post(place) for place in range(6)] == 6 * [(202, "pending")]
            assert [post(place) for place in (6, 7)] == 2 * [(429, "overloaded")]
            assert post(0) == (200, "pending")
            batch = httpx.post(
                f"{node.seat.api_url}/v1/transactions:batch", json={"transactions": bodies[6:]}, timeout=60
            )
            assert (batch.status_code, batch.json()["code"]) == (429, "overloaded")
        assert wait_until(lambda: all(map(committed, range(8))), COMMITTED_S)
