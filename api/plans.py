"""What a client does in which order, without doing it: generators that neither wait nor talk.

A plan yields `Ask` and `Pause`; whoever runs it sends the answer back, or throws httpx.TransportError
where none came. The threaded and the asyncio client run the same plans. Retrying is safe because a
transaction's id is the hash of what was signed: posting it again can have no second effect.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import httpx
import orjson

from api.gateway import JsonObject, TransactionState, TransactionStatus
from api.signing import Account, build_transaction, id_of, sign_transaction
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
"""How long a transaction can take effect where its sender does not say."""

_RETRIED = frozenset({429, 502, 503, 504})
_STATUS_FIELDS = ("id", "height", "index", "outcome", "code", "detail", "hint", "receipt")

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
    """A step of a plan: send this, and give the answer."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a plan: wait."""

    seconds: float


Plan = Generator[Ask | Pause, httpx.Response, T]


class Patience:
    """Pauses that grow, until they add up to PATIENCE_S."""

    def __init__(self) -> None:
        self._spent_s = 0.0
        self._next_s = PAUSE_S

    def pause(self, at_least_s: float = 0.0) -> Pause | None:
        """The next pause; None when patience is at its end."""
        pause_s = max(self._next_s, at_least_s)
        self._spent_s += pause_s
        self._next_s = min(2 * self._next_s, PAUSE_S_MAX)
        return Pause(pause_s) if self._spent_s <= PATIENCE_S else None


def ask(step: Ask, *, retry: bool = True) -> Plan[Any]:
    """The answer's JSON; while the node is overloaded or out of reach, asked again."""
    patience = Patience()
    while True:
        failure: ApiProblem | Unreachable
        retry_after_s = 0.0
        try:
            answer = yield step
        except httpx.TransportError as error:
            failure = Unreachable(f"{step.method} {step.path}: {type(error).__name__} {error}")
        else:
            if answer.is_success:
                return orjson.loads(answer.content)
            failure = problem_of(answer)
            if not is_passing(answer):
                raise failure
            retry_after_s = _seconds(answer.headers.get("Retry-After"))
        pause = patience.pause(retry_after_s) if retry else None
        if pause is None:
            raise failure
        yield pause


def submit(submission: JsonObject, until: Until | None, timeout_s: float) -> Plan[TransactionStatus]:
    """Post, then wait until it is that far or time is up. A node that forgot it is given it again."""
    path = f"/v1/transactions/{id_of(submission['transaction'])}"
    posted, left_s = False, timeout_s
    while True:
        wait_s = min(left_s, POLL_S)
        params = {} if until is None else {"wait": until, "timeout": f"{wait_s:.3f}"}
        if not posted:
            step = Ask("POST", "/v1/transactions", params, submission, wait_s)
        else:
            step = Ask("GET", path, params, None, wait_s)
        left_s -= wait_s
        try:
            status = _status((yield from ask(step)))
        except ApiProblem as problem:
            if problem.code != "unknown_transaction" or left_s <= 0:
                raise
            posted = False
            continue
        posted = True
        if until is None or left_s <= 0 or _is_done(status, until):
            return status


def submit_batch(submissions: Sequence[JsonObject]) -> Plan[list[TransactionStatus]]:
    """Post all, and again those that the node could not take, while patience lasts."""
    statuses: dict[int, TransactionStatus] = {}
    left, patience = list(range(len(submissions))), Patience()
    while left:
        body = {"transactions": [submissions[place] for place in left]}
        answer = yield from ask(Ask("POST", "/v1/transactions:batch", {}, body))
        statuses |= {place: _status(item) for place, item in zip(left, answer["items"], strict=True)}
        left = [place for place in left if statuses[place].code == "overloaded"]
        pause = patience.pause() if left else None
        if pause is None:
            break
        yield pause
    return [statuses[place] for place in range(len(submissions))]


def send(
    chain: str | None,
    accounts: Sequence[Account],
    calls: Sequence[Call],
    gas_limit: int | None,
    until: Until | None,
    timeout_s: float,
) -> Plan[TransactionStatus]:
    """Build, sign, post, wait; the first of `accounts` is the sender, the others are cosigners."""
    node = yield from ask(Ask("GET", "/v1/status"))
    # A development node's clock may be ahead of ours.
    expires_ms = max(time.time_ns() // 1_000_000, node["clock_ms"]) + EXPIRES_AFTER_MS
    sender, *cosigners = (account.name for account in accounts)
    transaction = build_transaction(
        chain or node["chain"], sender, calls, expires_ms, cosigners=cosigners, gas_limit=gas_limit
    )
    signers = {account.signer.public_key: account.signer for account in accounts}
    return (yield from submit(sign_transaction(transaction, list(signers.values())), until, timeout_s))


class EventReader:
    """Turns the bytes of an event stream into events, and keeps the place to resume from."""

    def __init__(self, after: str | None) -> None:
        self._last_id = after
        self._rest = b""
        self._message: dict[bytes, bytes] = {}

    def headers(self) -> dict[str, str]:
        """What a new connection asks for; what the last one left half-read is dropped."""
        self._rest, self._message = b"", {}
        headers = {"Accept": "text/event-stream"}
        return headers if self._last_id is None else headers | {"Last-Event-ID": self._last_id}

    def feed(self, data: bytes) -> Iterator[JsonObject]:
        """The events that `data` completes. Messages of other kinds are for pages."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.partition(b":")
                self._message[name] = value.removeprefix(b" ")
                continue
            message, self._message = self._message, {}
            if b"id" in message:
                self._last_id = message[b"id"].decode()
            if message.get(b"event") == b"event":
                yield orjson.loads(message[b"data"])


def problem_of(answer: httpx.Response) -> ApiProblem:
    """The problem that an answer reports, of a node or of a proxy before it."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = None
    return ApiProblem(answer.status_code, body if isinstance(body, dict) else {"detail": answer.text[:200]})


def is_passing(answer: httpx.Response) -> bool:
    """True for a problem that may be over when asked again."""
    return answer.status_code in _RETRIED


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _status(body: JsonObject) -> TransactionStatus:
    values = {"id": ""} | {name: body[name] for name in _STATUS_FIELDS if name in body}
    return TransactionStatus(state=TransactionState(body["state"]), **values)


def _is_done(status: TransactionStatus, until: Until) -> bool:
    if status.state is TransactionState.AVAILABLE:
        return until == "available"
    return status.state not in (TransactionState.PENDING, TransactionState.UNKNOWN)
