"""What a client does in which order, without doing it: generators that neither wait nor talk.

A plan yields `Ask` and `Pause`; whoever runs it sends the answer back, or throws httpx.TransportError
where none came. The threaded and the asyncio client run the same plans. Retrying is safe because a
transaction's id is the hash of what was signed: posting it again can have no second effect.
"""

from __future__ import annotations

import re
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
EVENT_BYTES_MAX = 8 * 1024 * 1024
"""One line of an event stream; a longer one is no node's."""
MESSAGE_LINES_MAX = 16
EXPIRES_AFTER_MS = 5 * 60 * 1000
"""How long a transaction can take effect where its sender does not say."""

_RETRIED = frozenset({429, 502, 503, 504})
_EVENT_ID = re.compile(rb"[0-9]{1,15}\.[0-9]{1,9}\Z")
_STATUS_FIELDS = ("id", "height", "index", "outcome", "code", "detail", "hint", "receipt")

T = TypeVar("T")
Until = Literal["available", "committed"]


class ApiProblem(Exception):
    """The node's answer was a problem; `code` is stable, `hint` says what to do."""

    def __init__(self, status: int, body: JsonObject) -> None:
        self.status = status
        texts = {name: value for name, value in body.items() if isinstance(value, str)}
        self.code = texts.get("code", str(status))
        self.detail = texts.get("detail", "")
        self.hint = texts.get("hint", "")
        self.transaction = texts.get("transaction")
        self.body = body
        super().__init__(f"{self.code}: {self.detail} {self.hint}".strip())


class Unreachable(Exception):
    """No answer came, again and again."""


def malformed(what: str) -> ApiProblem:
    """The problem that what answered is no node, or one that this client does not understand."""
    hint = "Is this the address of a quorate node, of a version that fits?"
    return ApiProblem(502, {"code": "malformed_answer", "detail": what, "hint": hint})


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
                return _loaded(answer.content)
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
        items = _field((yield from ask(Ask("POST", "/v1/transactions:batch", {}, body))), "items", list)
        if len(items) != len(left):
            raise malformed(f"{len(items)} answers to {len(left)} transactions")
        statuses |= {place: _status(item) for place, item in zip(left, items, strict=True)}
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
    expires_ms = max(time.time_ns() // 1_000_000, _field(node, "clock_ms", int)) + EXPIRES_AFTER_MS
    sender, *cosigners = (account.name for account in accounts)
    transaction = build_transaction(
        chain or _field(node, "chain", str),
        sender,
        calls,
        expires_ms,
        cosigners=cosigners,
        gas_limit=gas_limit,
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
        """The events that `data` completes. Messages of other kinds are for pages. Raises: ApiProblem."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                self._take(line)
                continue
            message, self._message = self._message, {}
            if b"id" in message:
                self._last_id = _event_id(message[b"id"])
            if message.get(b"event") == b"event":
                event = _loaded(message.get(b"data", b""))
                if not isinstance(event, dict):
                    raise malformed("an event is no object")
                yield event
        if len(self._rest) > EVENT_BYTES_MAX:
            raise malformed("an event has no end")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        self._message[name] = value.removeprefix(b" ")
        if len(line) > EVENT_BYTES_MAX or len(self._message) > MESSAGE_LINES_MAX:
            raise malformed("an event has no end")


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


def _loaded(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise malformed(f"the answer is not JSON: {error}") from None


def _field(answer: Any, name: str, kind: type[T]) -> T:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise malformed(f"the answer has no {name}")
    return value


def _event_id(data: bytes) -> str:
    if not _EVENT_ID.match(data):
        raise malformed("an event's id is no place in a chain")
    return data.decode()


def _status(body: Any) -> TransactionStatus:
    state = _field(body, "state", str)
    if state not in tuple(TransactionState):
        raise malformed(f"a transaction is in the state {state[:40]!r}")
    values = {"id": ""} | {name: body[name] for name in _STATUS_FIELDS if name in body}
    return TransactionStatus(state=TransactionState(state), **values)


def _is_done(status: TransactionStatus, until: Until) -> bool:
    if status.state is TransactionState.AVAILABLE:
        return until == "available"
    return status.state not in (TransactionState.PENDING, TransactionState.UNKNOWN)
