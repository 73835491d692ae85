"""Signed transfers between the holders of a big ledger, posted to several nodes at a steady rate."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import orjson

from api.client import Call
from api.signing import build_transaction, id_of, sign_transaction
from consensus.transactions import envelope_from_json
from node.bench.generator import Generator, Observation, Take
from node.bench.signing import GAS_LIMIT, Request, Task
from node.demo.partner import Partner
from tests.bench.big_ledger import holder, holder_key
from tests.consortium.four import CURRENCY

LEAD_S = 0.5


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one node will get, and how many bytes of it are signed envelopes."""

    partner: Partner
    requests: list[Request]
    signed_bytes: int


def prepare(partner: Partner, chain: str, accounts: int, count: int, batch: int, life_s: float) -> Prepared:
    """`count` transfers between accounts drawn at random, `batch` in a request."""
    draw = random.Random(partner.name)
    expires_ms = int((time.time() + life_s) * 1000)
    made, signed_bytes = [], 0
    for number in range(count):
        source, target = draw.randrange(accounts), draw.randrange(accounts)
        call = Call(CURRENCY, "transfer", {"to": holder(target), "amount": "1"})
        salt = f"{partner.name}.{os.getpid()}.{number}"
        body = build_transaction(chain, holder(source), [call], expires_ms, gas_limit=GAS_LIMIT, salt=salt)
        signed = sign_transaction(body, [holder_key(source)])
        pairs = [(bytes.fromhex(one["key"]), bytes.fromhex(one["signature"])) for one in signed["signatures"]]
        signed_bytes += len(envelope_from_json(body, pairs))
        made.append((orjson.dumps(signed), id_of(body)))
    parts = [made[first : first + batch] for first in range(0, count, batch)]
    requests = [Request(tuple(body for body, _ in part), tuple(name for _, name in part)) for part in parts]
    return Prepared(partner, requests, signed_bytes)


class SteadyLoad:
    """Posts in a thread of its own until all is posted, or until it is stopped; `seen` is what came of it."""

    def __init__(self, prepared: Sequence[Prepared], chain: str, rate: float) -> None:
        """`rate` is in transactions a second over all nodes."""
        self.seen: list[Observation] = []
        self._prepared = prepared
        self._chain = chain
        self._rate = rate / len(prepared)
        self._stopped = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> SteadyLoad:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is not None:
            self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Nothing more is posted."""
        self._stopped = True

    def _until_stopped(self, requests: list[Request]) -> Take:
        left = iter(requests)

        async def take() -> Request | None:
            return None if self._stopped else next(left, None)

        return take

    async def _run(self) -> None:
        start_s = time.monotonic() + LEAD_S
        self.seen = await asyncio.gather(*(self._post(one, start_s) for one in self._prepared))

    async def _post(self, prepared: Prepared, start_s: float) -> Observation:
        batch = len(prepared.requests[0].ids)
        count = sum(len(request.ids) for request in prepared.requests)
        task = Task(
            url=prepared.partner.seat.api_url,
            chain=self._chain,
            sender="",
            seed="",
            currency=CURRENCY,
            target="",
            rate=self._rate,
            batch=batch,
            seconds=count / self._rate,
            count=count,
            ahead=count,
        )
        return await Generator(task, self._until_stopped(prepared.requests), start_s).run()
