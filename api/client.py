"""The Python client: signs, posts, waits, retries safely and follows events, in threads or in asyncio.

    with Client("http://127.0.0.1:7750") as node:
        status = node.send(Account.from_seed("greenfarm", seed), [Call("euro", "transfer", {...})])
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeVar

import httpx

from api import plans
from api.gateway import JsonObject, TransactionStatus
from api.plans import PATIENCE_S, STREAM_SILENCE_S, ApiProblem, EventReader, Pause, Plan, Unreachable, Until
from api.signing import Account
from consensus.transactions import Call

__all__ = ["Account", "ApiProblem", "AsyncClient", "Call", "Client", "Unreachable"]

T = TypeVar("T")


class _Base:
    """What both clients share: where the node is, and how a step becomes a request."""

    def __init__(self, chain: str | None) -> None:
        self._chain = chain

    @staticmethod
    def _request(step: _Ask) -> dict[str, Any]:
        content = None if step.body is None else orjson.dumps(step.body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        timeout = httpx.Timeout(REQUEST_S, read=REQUEST_S + step.wait_s)
        return {
            "method": step.method, "url": step.path, "params": dict(step.params), "content": content,
            "headers": headers, "timeout": timeout,
        }  # fmt: skip


class Client(_Base):
    """Talks to one node; safe to use from several threads. `chain`: sign for this chain whatever the node says."""

    def __init__(self, url: str, *, chain: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(chain)
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
        return self._run(plans.send(self._chain, sender, calls, cosigners, gas_limit, until, timeout_s))

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
        return self._run(plans.get(path, **params))

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a question such as `/v1/transactions/explain`; retried, so not for what changes."""
        return self._run(plans.ask(plans.Ask("POST", path, {}, body)))

    def items(self, path: str, **params: str) -> Iterator[JsonObject]:
        """All items of a list such as `/v1/blocks`, page after page."""
        page = self.get(path, **params)
        yield from page["items"]
        while "next" in page:
            page = self.get(path, **params | {"cursor": page["next"]})
            yield from page["items"]

    def advance_clock(self, by_ms: int) -> JsonObject:
        """Move a development node's clock."""
        answer: JsonObject = self._run(plans.advance_clock(by_ms))
        return answer

    def events(self, *, after: str | None = None, **wanted: str) -> Iterator[JsonObject]:
        """Events strictly after `after` (`height.index`), or from now on; for ever, without gap or repetition.

        `wanted` filters by contract, name or transaction. Lost connections are opened again.
        """
        reader, attempt = EventReader(after), 0
        while True:
            try:
                with self._http.stream(
                    "GET", "/v1/events", params=wanted, headers=reader.headers(), timeout=STREAM_SILENCE_S
                ) as answer:
                    if not answer.is_success:
                        answer.read()
                        plans.raise_unless_retried(answer)
                    for data in answer.iter_bytes():
                        attempt = 0
                        yield from reader.feed(data)
            except httpx.TransportError:
                pass
            time.sleep(plans.pause_s(attempt))
            attempt += 1

    def _run(self, plan: Plan[T]) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = plan.send(None)
                    continue
                try:
                    answer = self._http.request(**self._request(step))
                except httpx.TransportError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result


class AsyncClient(_Base):
    """The same for asyncio."""

    def __init__(
        self, url: str, *, chain: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(chain)
        self._http = httpx.AsyncClient(base_url=url, transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        return await self._run(plans.send(self._chain, sender, calls, cosigners, gas_limit, until, timeout_s))

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
        return await self._run(plans.get(path, **params))

    async def post(self, path: str, body: Any) -> Any:
        """As Client.post."""
        return await self._run(plans.ask(plans.Ask("POST", path, {}, body)))

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
        answer: JsonObject = await self._run(plans.advance_clock(by_ms))
        return answer

    async def events(self, *, after: str | None = None, **wanted: str) -> AsyncIterator[JsonObject]:
        """As Client.events."""
        reader, attempt = EventReader(after), 0
        while True:
            try:
                async with self._http.stream(
                    "GET", "/v1/events", params=wanted, headers=reader.headers(), timeout=STREAM_SILENCE_S
                ) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        plans.raise_unless_retried(answer)
                    async for data in answer.aiter_bytes():
                        attempt = 0
                        for event in reader.feed(data):
                            yield event
            except httpx.TransportError:
                pass
            await asyncio.sleep(plans.pause_s(attempt))
            attempt += 1

    async def _run(self, plan: Plan[T]) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = plan.send(None)
                    continue
                try:
                    answer = await self._http.request(**self._request(step))
                except httpx.TransportError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
