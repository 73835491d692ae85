"""The Python client: signs, posts, waits, retries safely and follows events, in threads or in asyncio.

    with Client("http://127.0.0.1:7750") as node:
        status = node.send(Account.from_seed("greenfarm", seed), [Call("euro", "transfer", {...})])

In what order it asks, waits and asks again is in `api.plans`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import Any, TypeVar

import httpx
import orjson

from api import plans
from api.gateway import JsonObject, TransactionStatus
from api.plans import (
    PATIENCE_S,
    PAUSE_S_MAX,
    REQUEST_S,
    STREAM_SILENCE_S,
    ApiProblem,
    Ask,
    EventReader,
    Patience,
    Pause,
    Plan,
    Unreachable,
    Until,
)
from api.signing import Account
from consensus.transactions import Call

__all__ = ["Account", "ApiProblem", "AsyncClient", "Call", "Client", "Unreachable"]

T = TypeVar("T")


class Client:
    """Talks to one node; several threads may share it. `chain`: sign for this one, whatever the node says."""

    def __init__(
        self, url: str, *, chain: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._chain = chain
        self._http = httpx.Client(base_url=url, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def send(
        self,
        sender: Account,
        calls: Sequence[Call],
        *,
        cosigners: Sequence[Account] = (),
        gas_limit: int | None = None,
        until: Until | None = "committed",
        timeout_s: float = PATIENCE_S,
    ) -> TransactionStatus:
        """Build, sign and post a transaction, and wait for it.

        Raises: ApiProblem where it was not admitted. A contract's refusal is no exception: look at `outcome`.
        """
        accounts = (sender, *cosigners)
        return self._run(plans.send(self._chain, accounts, calls, gas_limit, until, timeout_s))

    def submit(
        self, submission: JsonObject, *, until: Until | None = None, timeout_s: float = PATIENCE_S
    ) -> TransactionStatus:
        """Post what `api.signing.sign_transaction` made."""
        return self._run(plans.submit(submission, until, timeout_s))

    def submit_batch(self, submissions: Sequence[JsonObject]) -> list[TransactionStatus]:
        """Post many; a status for each, in their order."""
        return self._run(plans.submit_batch(submissions))

    def get(self, path: str, **params: str) -> Any:
        """The JSON at a path, such as `/v1/status` or `/v1/instances/deal`."""
        return self._run(plans.ask(Ask("GET", path, params)))

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a question such as `/v1/transactions/explain`; asked again if need be."""
        return self._run(plans.ask(Ask("POST", path, {}, body)))

    def items(self, path: str, **params: str) -> Iterator[JsonObject]:
        """All items of a list such as `/v1/blocks`, page after page."""
        page = self.get(path, **params)
        yield from page["items"]
        while "next" in page:
            page = self.get(path, **params | {"cursor": page["next"]})
            yield from page["items"]

    def advance_clock(self, by_ms: int) -> JsonObject:
        """Move a development node's clock."""
        answer: JsonObject = self._run(plans.ask(_move_clock(by_ms), retry=False))
        return answer

    def events(self, *, after: str | None = None, **wanted: str) -> Generator[JsonObject, None, None]:
        """Events strictly after `after` (`height.index`), or from now on, without gap or repetition.

        `wanted` filters by contract, name or transaction. Lost connections are opened again.
        """
        reader, patience = EventReader(after), Patience()
        while True:
            try:
                with self._http.stream(
                    "GET", "/v1/events", params=wanted, headers=reader.headers(), timeout=STREAM_SILENCE_S
                ) as answer:
                    if not answer.is_success:
                        answer.read()
                        _raise_unless_passing(answer)
                    for data in answer.iter_bytes():
                        patience = Patience()
                        yield from reader.feed(data)
            except httpx.TransportError:
                pass
            time.sleep(_pause_s(patience))

    def _run(self, plan: Plan[T]) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = next(plan)
                    continue
                try:
                    answer = self._http.request(**_request(step))
                except httpx.TransportError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


class AsyncClient:
    """The same for asyncio."""

    def __init__(
        self, url: str, *, chain: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._chain = chain
        self._http = httpx.AsyncClient(base_url=url, transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def send(
        self,
        sender: Account,
        calls: Sequence[Call],
        *,
        cosigners: Sequence[Account] = (),
        gas_limit: int | None = None,
        until: Until | None = "committed",
        timeout_s: float = PATIENCE_S,
    ) -> TransactionStatus:
        """As Client.send."""
        accounts = (sender, *cosigners)
        return await self._run(plans.send(self._chain, accounts, calls, gas_limit, until, timeout_s))

    async def submit(
        self, submission: JsonObject, *, until: Until | None = None, timeout_s: float = PATIENCE_S
    ) -> TransactionStatus:
        """As Client.submit."""
        return await self._run(plans.submit(submission, until, timeout_s))

    async def submit_batch(self, submissions: Sequence[JsonObject]) -> list[TransactionStatus]:
        """As Client.submit_batch."""
        return await self._run(plans.submit_batch(submissions))

    async def get(self, path: str, **params: str) -> Any:
        """As Client.get."""
        return await self._run(plans.ask(Ask("GET", path, params)))

    async def post(self, path: str, body: Any) -> Any:
        """As Client.post."""
        return await self._run(plans.ask(Ask("POST", path, {}, body)))

    async def items(self, path: str, **params: str) -> AsyncIterator[JsonObject]:
        """As Client.items."""
        page = await self.get(path, **params)
        for item in page["items"]:
            yield item
        while "next" in page:
            page = await self.get(path, **params | {"cursor": page["next"]})
            for item in page["items"]:
                yield item

    async def advance_clock(self, by_ms: int) -> JsonObject:
        """As Client.advance_clock."""
        answer: JsonObject = await self._run(plans.ask(_move_clock(by_ms), retry=False))
        return answer

    async def events(self, *, after: str | None = None, **wanted: str) -> AsyncGenerator[JsonObject, None]:
        """As Client.events."""
        reader, patience = EventReader(after), Patience()
        while True:
            try:
                async with self._http.stream(
                    "GET", "/v1/events", params=wanted, headers=reader.headers(), timeout=STREAM_SILENCE_S
                ) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        _raise_unless_passing(answer)
                    async for data in answer.aiter_bytes():
                        patience = Patience()
                        for event in reader.feed(data):
                            yield event
            except httpx.TransportError:
                pass
            await asyncio.sleep(_pause_s(patience))

    async def _run(self, plan: Plan[T]) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(plan)
                    continue
                try:
                    answer = await self._http.request(**_request(step))
                except httpx.TransportError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


def _request(step: Ask) -> dict[str, Any]:
    """The arguments of httpx's `request`."""
    return {
        "method": step.method,
        "url": step.path,
        "params": dict(step.params),
        "content": None if step.body is None else orjson.dumps(step.body),
        "headers": {} if step.body is None else {"Content-Type": "application/json"},
        "timeout": httpx.Timeout(REQUEST_S, read=REQUEST_S + step.wait_s),
    }


def _move_clock(by_ms: int) -> Ask:
    """Never retried: to move the clock twice is not the same as once."""
    return Ask("POST", "/v1/dev/clock", {}, {"by_ms": by_ms})


def _raise_unless_passing(answer: httpx.Response) -> None:
    if not plans.is_passing(answer):
        raise plans.problem_of(answer)


def _pause_s(patience: Patience) -> float:
    """A stream is opened again for ever, at last every PAUSE_S_MAX."""
    pause = patience.pause()
    return PAUSE_S_MAX if pause is None else pause.seconds
