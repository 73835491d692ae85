"""The event log, addressed by (height, index), and those who follow it.

A follower reads from the store after its own position and sleeps only when it has read all there is,
so it can be slow, go away and come back without missing anything. Runs in the API's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from api.gateway import EventFilter

PAGE_EVENTS = 256
"""Events read from the store at a time."""

Position = tuple[int, int]
"""(height, index) of an event."""
ReadEvents = Callable[[Position, int], Sequence[dict[str, Any]]]
"""Reads at most so many events strictly after a position, in order."""


class EventLog:
    """Lets any number of followers read events as they are committed."""

    def __init__(self, read: ReadEvents) -> None:
        self._read = read
        self._grown = asyncio.Event()

    def announce(self) -> None:
        """A block was committed: wake those who wait."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def follow(self, after: Position, wanted: EventFilter) -> AsyncIterator[dict[str, Any]]:
        """Events strictly after `after` that match, for ever."""
        while True:
            grown = self._grown
            page = self._read(after, PAGE_EVENTS)
            for event in page:
                after = (event["height"], event["index"])
                if matches(event, wanted):
                    yield event
            if len(page) < PAGE_EVENTS:
                await grown.wait()
            else:
                await asyncio.sleep(0)  # a long history must not keep the loop from other requests


def matches(event: dict[str, Any], wanted: EventFilter) -> bool:
    """True when an event is what a subscriber asked for."""
    return (
        wanted.contract in (None, event["contract"])
        and wanted.name in (None, event["name"])
        and wanted.transaction in (None, event["transaction"])
    )
