"""What a client does in which order, without doing it: generators that neither wait nor talk.

A plan yields `Ask` and `Pause`; whoever runs it sends the answer back, or throws httpx.TransportError
where none came. The threaded and the asyncio client run the same plans. Retrying is safe because a
transaction's id is the hash of what was signed: posting it again can have no second effect.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import httpx
import orjson

from api.gateway import JsonObject, TransactionState, TransactionStatus
from api.signing import Account, build_transaction, id_of, sign_transaction
from consensus.errors import ensure
from consensus.transactions import Call

PATIENCE_S = 30.0
"""Pauses between retries of one request add up to at most this."""
PAUSE_S = 0.2
PAUSE_S_MAX = 5.0
POLL_S = 10.0
"""Longest wait within one request."""
REQUEST_S = 15.0
"""Without an answer for this long, beyond what was asked to be waited, a request has failed."""
STREAM_SILENCE_S = 45.0
"""A node sends a heartbeat every 15 s; a stream silent for this long is opened again."""
EXPIRES_AFTER_MS = 5 * 60 * 1000
"""How long a transaction that is not told otherwise can take effect."""
RETRIED = frozenset({429, 502, 503, 504})

T = TypeVar("T")
Until = Literal["available", "committed"]


class ApiProblem(Exception):
    """The node's answer was a problem; `code` is stable, `hint` says what to do."""

    def __init__(self, status: int, body: JsonObject) -> None:
        self.status = status
        self.code = str(body.get("code", status))
        self.detail = str(body.get("detail", ""))
        self.hint = str(body.get("hint", ""))
        self.transaction: str | None = body.get("transaction")
        self.body = body
        super().__init__(f"{self.code}: {self.detail} {self.hint}".strip())


class Unreachable(Exception):
    """No answer came, again and again."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A step of a plan: send this and give the answer."""

    method: str
    path: str
    params: Mapping[str, str]
    body: Any = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a plan: wait."""

    seconds: float


Plan = Generator[Ask | Pause, httpx.Response | None, T]


def pause_s(attempt: int) -> float:
    return min(PAUSE_S * 2.0**attempt, PAUSE_S_MAX)


def ask(ask: Ask, *, retry: bool = True) -> Plan[Any]:
    """The answer's JSON; where the node is overloaded or out of reach, after retries."""
    paused_s, attempt = 0.0, 0
    while True:
        failure: ApiProblem | Unreachable
        pause_s = pause_s(attempt)
        try:
            answer = yield ask
        except httpx.TransportError as error:
            failure = Unreachable(f"{ask.method} {ask.path}: {error or type(error).__name__}")
        else:
            assert answer is not None  # noqa: S101 - a driver answers every Ask
            if answer.is_success:
                return orjson.loads(answer.content)
            failure = problem_of(answer)
            if answer.status_code not in RETRIED:
                raise failure
            pause_s = max(pause_s, _seconds(answer.headers.get("Retry-After")))
        if not retry or paused_s + pause_s > PATIENCE_S:
            raise failure
        yield Pause(pause_s)
        paused_s, attempt = paused_s + pause_s, attempt + 1


def problem_of(answer: httpx.Response) -> ApiProblem:
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = None
    return ApiProblem(answer.status_code, body if isinstance(body, dict) else {"detail": answer.text[:200]})


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def get(path: str, **params: str) -> Plan[Any]:
    return (yield from ask(Ask("GET", path, params)))


def read_status(body: JsonObject) -> TransactionStatus:
    known = {field.name for field in fields(TransactionStatus)}
    status = {name: value for name, value in body.items() if name in known} | {"id": body.get("id", "")}
    return TransactionStatus(**status | {"state": TransactionState(body["state"])})


def _is_done(status: TransactionStatus, until: Until) -> bool:
    if status.state is TransactionState.AVAILABLE:
        return until == "available"
    return status.state not in (TransactionState.PENDING, TransactionState.UNKNOWN)


def submit(submission: JsonObject, until: Until | None, timeout_s: float) -> Plan[TransactionStatus]:
    """Post, then wait until it is that far or time is up. A node that forgot it gets it again."""
    identifier = id_of(submission["transaction"])
    path, left_s, status = "/v1/transactions", timeout_s, None
    while True:
        wait_s = min(left_s, POLL_S)
        params = {} if until is None else {"wait": until, "timeout": f"{wait_s:.3f}"}
        post = status is None
        try:
            ask = Ask("POST", path, params, submission, wait_s) if post else Ask(
                "GET", f"{path}/{identifier}", params, None, wait_s
            )  # fmt: skip
            status = read_status((yield from ask(ask)))
        except ApiProblem as problem:
            if post or problem.code != "unknown_transaction":
                raise
            status = None
            continue
        left_s -= wait_s
        if until is None or left_s <= 0 or _is_done(status, until):
            return status


def submit_batch(submissions: Sequence[JsonObject]) -> Plan[list[TransactionStatus]]:
    """Post all, and again those that the node could not take, for as long as patience lasts."""
    statuses: dict[int, TransactionStatus] = {}
    left = list(range(len(submissions)))
    paused_s, attempt = 0.0, 0
    while left:
        ask = Ask("POST", "/v1/transactions:batch", {}, {"transactions": [submissions[place] for place in left]})
        answer = yield from ask(ask)
        statuses |= {place: read_status(item) for place, item in zip(left, answer["items"], strict=True)}
        left = [place for place in left if statuses[place].code == "overloaded"]
        pause_s = max(pause_s(attempt), 1.0)
        if not left or paused_s + pause_s > PATIENCE_S:
            break
        yield Pause(pause_s)
        paused_s, attempt = paused_s + pause_s, attempt + 1
    return [statuses[place] for place in range(len(submissions))]


def send(
    chain: str | None,
    sender: Account,
    calls: Sequence[Call],
    cosigners: Sequence[Account],
    gas_limit: int | None,
    until: Until | None,
    timeout_s: float,
) -> Plan[TransactionStatus]:
    """Build, sign, post, wait."""
    node = yield from get("/v1/status")
    # A development node's clock may be ahead of ours.
    expires_ms = max(time.time_ns() // 1_000_000, node["time_ms"]) + EXPIRES_AFTER_MS
    names = [account.name for account in cosigners]
    transaction = build_transaction(
        chain or node["chain"], sender.name, calls, expires_ms, cosigners=names, gas_limit=gas_limit
    )
    signers = {account.signer.public_key: account.signer for account in (sender, *cosigners)}
    return (yield from submit(sign_transaction(transaction, list(signers.values())), until, timeout_s))


def advance_clock(by_ms: int) -> Plan[Any]:
    # Not retried: to move the clock twice is not the same as once.
    return (yield from ask(Ask("POST", "/v1/dev/clock", {}, {"by_ms": by_ms}), retry=False))


class EventReader:
    """Turns the bytes of an event stream into messages, and keeps the place to resume from."""

    def __init__(self, after: str | None) -> None:
        self.last_id = after
        self._rest = b""
        self._kind, self._data, self._id = "", b"", ""

    def headers(self) -> dict[str, str]:
        """What a new connection asks for; whatever the last one left half-read is dropped."""
        self._rest, self._kind, self._data, self._id = b"", "", b"", ""
        accept = {"Accept": "text/event-stream"}
        return accept if self.last_id is None else accept | {"Last-Event-ID": self.last_id}

    def feed(self, data: bytes) -> Iterator[JsonObject]:
        """The events that `data` completes; messages of other kinds only matter to pages."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                self._kind = value.decode()
            elif name == b"data":
                self._data += value
            elif name == b"id":
                self._id = value.decode()
            elif not name and not value and self._kind:
                kind, data_whole, identifier = self._kind, self._data, self._id
                self._kind, self._data, self._id = "", b"", ""
                if kind == "event":
                    yield orjson.loads(data_whole)
                    self.last_id = identifier


