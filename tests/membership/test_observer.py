"""An observer's node follows the chain, answers like any other, and has its clients' transactions ordered."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from node.demo.partner import wait_until
from tests.consortium.four import CURRENCY
from tests.consortium.load import signed_transfers
from tests.membership.growing import SETTLE_S, connected, growing, role


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_posted_to_an_observer_is_ordered_by_a_validator(tmp_path: Path) -> None:
    with growing(tmp_path, 1) as chain:
        alpha = chain["alpha"]
        chain.open_currency(alpha, 1_000)
        bravo = chain.admit("bravo", by=alpha)
        assert bravo.await_height(alpha.height(), SETTLE_S)
        assert role(bravo, "bravo") == role(alpha, "bravo") == "observer"
        paid = alpha.act(CURRENCY, "transfer", {"to": "bravo", "amount": "100"})
        assert bravo.await_height(paid.height or 0, SETTLE_S)

        back = bravo.act(CURRENCY, "transfer", {"to": "alpha", "amount": "25"})
        assert (back.state, back.outcome) == ("committed", "ok")
        assert alpha.await_height(back.height or 0, SETTLE_S)
        assert (alpha.balance(CURRENCY), bravo.balance(CURRENCY)) == (925, 75)

        alpha.process.stop()  # the only validator
        assert wait_until(lambda: not connected(bravo), SETTLE_S)
        (transfer,) = signed_transfers(bravo, chain.chain, "alpha", 1)
        refused = httpx.post(f"{bravo.seat.api_url}/v1/transactions", json=transfer, timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (503, "no_validator")
        assert refused.headers["Retry-After"]
        chain.start(alpha)
        assert bravo.client.submit(transfer, until="committed", timeout_s=SETTLE_S).state == "committed"
        chain.assert_equal_execution()
