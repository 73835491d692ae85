"""Signed transfers in number, posted in batches, with a record of what was acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import orjson

from api.client import Call
from api.gateway import JsonObject
from api.signing import build_transaction, sign_transaction
from node.demo.partner import Partner, wait_until
from tests.consortium.four import CURRENCY

EXPIRY_MS = 600_000
GAS_LIMIT = 20_000


def signed_transfers(
    partner: Partner, chain: str, target: str, count: int, first: int = 0
) -> list[JsonObject]:
    """`count` different transfers of 1 from a partner, ready to post."""
    expires_ms = time.time_ns() // 1_000_000 + EXPIRY_MS
    return [
        sign_transaction(
            build_transaction(
                chain,
                partner.name,
                [Call(CURRENCY, "transfer", {"to": target, "amount": "1"})],
                expires_ms,
                gas_limit=GAS_LIMIT,
                salt=f"{partner.name}-{first + number}",
            ),
            [partner.account.signer],
        )
        for number in range(count)
    ]


@dataclass
class Load:
    """Posts small batches to one node until told to stop, whatever happens to the node."""

    partner: Partner
    chain: str
    target: str
    batch: int = 5
    pause_s: float = 0.1
    acknowledged: dict[str, int] = field(default_factory=dict)
    """Ids, with the time at which each expires, in ms."""
    attempts: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self.partner.seat.api_url, timeout=5) as client:
            while not self._stop.is_set():
                body = signed_transfers(self.partner, self.chain, self.target, self.batch, self.attempts)
                self.attempts += self.batch
                try:
                    answer = client.post(
                        "/v1/transactions:batch",
                        content=orjson.dumps({"transactions": body}),
                        headers={"Content-Type": "application/json"},
                    )
                except httpx.TransportError:
                    time.sleep(0.2)
                    continue
                if answer.is_success:
                    self.acknowledged |= {
                        item["id"]: posted["transaction"]["expires_ms"]
                        for item, posted in zip(answer.json()["items"], body, strict=True)
                        if item["state"] != "rejected"
                    }
                time.sleep(self.pause_s)


def await_ends(loads: Sequence[Load], timeout_s: float) -> None:
    """Until each acknowledged transaction is committed or expired on the node that acknowledged it."""
    waiting = {identifier: load.partner for load in loads for identifier in load.acknowledged}

    def settled() -> bool:
        for load in loads:  # most are in the ledger: a page of it for a hundred questions
            committed = load.partner.client.items("/v1/transactions", account=load.partner.name, limit="100")
            for item in committed:
                waiting.pop(item["id"], None)
        for identifier, partner in list(waiting.items()):
            state = partner.client.get(f"/v1/transactions/{identifier}")["state"]
            assert state != "unknown", f"{partner.name} acknowledged {identifier} and forgot it"
            if state not in ("committed", "expired"):
                return False
            del waiting[identifier]
        return True

    assert wait_until(settled, timeout_s), f"{len(waiting)} acknowledged transactions have no end"
