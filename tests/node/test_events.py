"""Followers of the event log miss nothing, however slow they are."""

from __future__ import annotations

import asyncio
from typing import Any

from api.gateway import EventFilter
from node.events import PAGE_EVENTS, EventLog


def event(height: int, index: int, contract: str = "euro") -> dict[str, Any]:
    return {"height": height, "index": index, "contract": contract, "name": "Paid", "transaction": None}


class Ledger:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def read(self, after: tuple[int, int], limit: int) -> list[dict[str, Any]]:
        later = [item for item in self.events if (item["height"], item["index"]) > after]
        return later[:limit]


async def collect(
    log: EventLog, count: int, wanted: EventFilter, after: tuple[int, int] = (0, -1)
) -> list[Any]:
    found = []
    async for item in log.follow(after, wanted):
        found.append((item["height"], item["index"]))
        if len(found) == count:
            break
    return found


def test_a_follower_sees_history_over_pages_and_then_what_is_new() -> None:
    async def run() -> None:
        ledger = Ledger()
        log = EventLog(ledger.read)
        ledger.events = [event(1, index) for index in range(PAGE_EVENTS + 3)]
        task = asyncio.create_task(collect(log, PAGE_EVENTS + 5, EventFilter()))
        await asyncio.sleep(0.01)
        assert not task.done()
        ledger.events += [event(2, 0), event(2, 1)]
        log.announce()
        found = await asyncio.wait_for(task, 5)
        assert found == [(1, index) for index in range(PAGE_EVENTS + 3)] + [(2, 0), (2, 1)]

    asyncio.run(run())


def test_filters_and_positions() -> None:
    async def run() -> None:
        ledger = Ledger()
        log = EventLog(ledger.read)
        ledger.events = [event(1, 0), event(1, 1, "other"), event(2, 0), event(3, 0)]
        assert await collect(log, 2, EventFilter(contract="euro"), (1, 0)) == [(2, 0), (3, 0)]
        assert await collect(log, 1, EventFilter(contract="other")) == [(1, 1)]

    asyncio.run(run())


def test_an_announcement_between_reading_and_waiting_is_not_lost() -> None:
    async def run() -> None:
        ledger = Ledger()
        log = EventLog(ledger.read)
        read = ledger.read

        def read_while_a_block_comes(after: tuple[int, int], limit: int) -> list[dict[str, Any]]:
            found = read(after, limit)
            if not ledger.events:
                ledger.events = [event(1, 0)]
                log.announce()
            return found

        log = EventLog(read_while_a_block_comes)
        assert await asyncio.wait_for(collect(log, 1, EventFilter()), 5) == [(1, 0)]

    asyncio.run(run())
