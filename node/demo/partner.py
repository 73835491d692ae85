"""One organisation of the demo: it acts with its own key, through its own node, as its people would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from api.client import Account, Call, Client
from api.gateway import TransactionState, TransactionStatus
from node.demo.processes import NodeProcess
from node.demo.stage import Seat
from node.errors import CommandFailed
from node.keystore import Role

POLL_S = 0.05
QUICK_S = 5.0
"""Longest wait for one answer when a node may well be down."""
FINAL_S = 60.0
"""So long a transaction may take to become final, on a machine that does other things."""


class Partner:
    """An actor with its node and the way to it."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.process = NodeProcess(seat.home)
        self.client = Client(seat.api_url)
        self.account = Account(seat.actor.member, seat.keys.private(Role.ADMINISTRATOR))
        self._quick = httpx.Client(base_url=seat.api_url, timeout=QUICK_S)

    def close(self) -> None:
        """End its connections; the node is not touched."""
        self.client.close()
        self._quick.close()

    @property
    def name(self) -> str:
        return self.seat.actor.member

    @property
    def called(self) -> str:
        """The node in a sentence."""
        return f"{self.seat.label} ({self.name})"

    def act(
        self, contract: str, action: str, args: dict[str, Any], gas_limit: int | None = None
    ) -> TransactionStatus:
        """Sign one call, post it to the own node, and wait. Raises: CommandFailed unless it takes effect."""
        return self.act_all([Call(contract, action, args)], gas_limit)

    def act_all(self, calls: list[Call], gas_limit: int | None = None) -> TransactionStatus:
        """The same for several calls, all or nothing."""
        status = self.client.send(self.account, calls, gas_limit=gas_limit, timeout_s=FINAL_S)
        if status.state is not TransactionState.COMMITTED or status.outcome != "ok":
            what = ", ".join(f"{call.action} on {call.contract}" for call in calls)
            raise CommandFailed(f"{self.name}: {what} is {status.state}: {status.code} {status.detail}")
        return status

    def balance(self, currency: str) -> int:
        """Minor units, as this partner's node has it."""
        balances = self.client.get(f"/v1/accounts/{self.name}")["balances"]
        return next((int(item["amount"]) for item in balances if item["currency"] == currency), 0)

    def look(self) -> dict[str, Any] | None:
        """The node's status, or None where it gives no answer now."""
        try:
            answer = self._quick.get("/v1/status")
        except httpx.TransportError:
            return None
        found: dict[str, Any] | None = answer.json() if answer.is_success else None
        return found

    def height(self) -> int:
        """-1 where the node gives no answer."""
        found = self.look()
        return -1 if found is None else int(found["height"])

    def await_start(self, timeout_s: float) -> None:
        """Wait until the node answers. Raises: CommandFailed when it ends, or time is up."""
        process = self.process
        if not wait_until(lambda: process.is_ready() or not process.is_running(), timeout_s):
            raise CommandFailed(f"{self.called} gives no answer; see {process.log_path}")
        if not process.is_running():
            raise CommandFailed(
                f"{self.called} ended with exit code {process.exit_code}: {process.last_words()}"
            )

    def await_height(self, height: int, timeout_s: float) -> bool:
        """True as soon as this node has executed that height; False when it ends before, or time is up."""
        wait_until(lambda: self.height() >= height or not self.process.is_running(), timeout_s)
        return self.height() >= height


def wait_until(holds: Callable[[], bool], timeout_s: float) -> bool:
    """True as soon as it holds; False when time is up."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() >= end_s:
            return False
        time.sleep(POLL_S)
    return True


def execution_of_all(partners: list[Partner], timeout_s: float) -> dict[str, tuple[int, str]]:
    """Height and execution hash on each node, taken when all are at the same height if that comes in time."""
    seen: dict[str, tuple[int, str]] = {}

    def level() -> bool:
        for partner in partners:
            found = partner.look()
            seen[partner.name] = (-1, "no answer") if found is None else (found["height"], found["exec_hash"])
        return len({height for height, _ in seen.values()}) == 1

    wait_until(level, timeout_s)
    return seen
