"""What clients send to the API, what the API's answers are read from, and what people type."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import httpx
import orjson
from fastapi import Request

from api.access import Access, read_json
from api.app import create_app
from api.catalogue import ApiError
from api.gateway import TransactionStatus
from api.http import decode_cursor, page, parse_position
from api.ops import read_level
from api.plans import ApiProblem, Ask, EventReader, problem_of, submit
from api.submissions import read_submission
from api.transactions import BATCH_BYTES_MAX, _read_draft
from consensus.errors import InvalidTransaction
from consensus.transactions import canonical_json, parse_transaction
from node.announcement import announced_url
from node.commands.arguments import parse_arguments, span_ms
from node.commands.genesis import _overrides, _time_ms
from node.commands.proofs import _key_bytes
from node.commands.transactions import _read_submission as read_submission_file
from node.demo.control import REQUEST_BYTES_MAX, ControlServer
from node.demo.faults import Faults
from node.errors import ConfigurationError
from tests.api.memory_gateway import MemoryGateway
from tests.fuzz.decoders.consensus import VECTORS, chain_name
from tests.fuzz.decoders.files import DOCUMENT, from_file
from tests.fuzz.decoders.network import pieces
from tests.fuzz.harness import JSON_MEMORY_PER_BYTE, Bounds, Decoder
from tests.fuzz.mutations import spoil_text
from tests.fuzz.trees import JSON

NOW_MS = 1_767_225_600_000


# ---------------------------------------------------------------- the API's server


_app = cache(lambda: create_app(MemoryGateway()))


def request_of(body: bytes) -> Request:
    """A request with this body, in two chunks."""
    half = len(body) // 2
    chunks = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:], "more_body": False},
    ]

    async def receive() -> dict[str, Any]:
        return chunks.pop(0)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Request(
        {"type": "http", "method": "POST", "path": "/", "headers": headers, "app": _app()}, receive
    )


def _submitted(data: bytes) -> tuple[bytes, str]:
    submission = read_submission(asyncio.run(read_json(request_of(data), BATCH_BYTES_MAX)), "body")
    return submission.envelope, submission.id


def _admissible(_data: bytes, submitted: tuple[bytes, str]) -> None:
    """The envelope is one that every node judges in the same way, and the id is that of what was signed."""
    envelope, identifier = submitted
    code = "valid"
    try:
        assert parse_transaction(envelope, chain_name()).id.hex() == identifier
    except InvalidTransaction as error:
        code = error.code
    assert code not in ("malformed_json", "not_canonical")


def _submissions() -> list[bytes]:
    valid = json.loads((VECTORS / "transactions.json").read_bytes())["valid"]
    return [orjson.dumps({name: vector[name] for name in ("transaction", "signatures")}) for vector in valid]


def _cursor(data: bytes) -> tuple[int, int]:
    position = decode_cursor("events", data.decode("utf-8", "replace"))
    assert position is not None
    return parse_position(position, "query.cursor")


def _cursors() -> list[bytes]:
    items = [{"at": position} for position in ("0.0", "12.345", "900719925474099.999999999", "end")]
    pages = [page("events", items[start:], 1, lambda item: str(item["at"])) for start in range(3)]
    return [orjson.loads(found.body)["next"].encode() for found in pages]


# ---------------------------------------------------------------- the API's client


def _events(data: bytes) -> list[Any]:
    """The same however the network slices it."""
    whole, sliced = _followed([data]), _followed(pieces(data))
    assert repr(whole) == repr(sliced), "what is read depends on how it was sliced"
    if isinstance(whole, ApiProblem):
        raise whole
    return whole[0]


def _followed(slices: Sequence[bytes]) -> tuple[list[Any], dict[str, str]] | ApiProblem:
    """The events and what a new connection would ask for, or why there is nothing to follow."""
    reader = EventReader(None)
    try:
        events = [event for piece in slices for event in reader.feed(piece)]
    except ApiProblem as problem:
        return problem
    return events, reader.headers()


def _streams() -> list[bytes]:
    event = b'event: event\nid: 17.0\ndata: {"height":17,"index":0,"contract":"euro"}\n\n'
    return [
        b"id: 9.3\nretry: 1000\n\n" + event * 2,
        b": \n\n" + event + b'event: lagged\ndata: {"stalled_ms":5}\n\n' + event,
    ]


def _answered(data: bytes) -> TransactionStatus:
    """What the client makes of a success with this body."""
    plan = submit({"transaction": {}}, None, 1.0)
    assert isinstance(next(plan), Ask)
    try:
        plan.send(httpx.Response(202, content=data))
    except StopIteration as end:
        status: TransactionStatus = end.value
        return status
    raise AssertionError("a success is not asked for again")


def _statuses() -> list[bytes]:
    state = {"id": "00" * 32, "state": "committed", "height": 7, "index": 0, "outcome": "ok"}
    return [orjson.dumps(state), orjson.dumps({"state": "pending"})]


# ---------------------------------------------------------------- the command line

_TYPES = {
    "price": "Money", "deadline": "Time", "grace": "Span", "open": "bool", "parts": "list[str]",
    "shares": "dict[str, int]", "to": "Party",
}  # fmt: skip


def typed(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """Reads bytes the way the shell hands a word over: what is no UTF-8 becomes lone surrogates."""
    return lambda data: read(os.fsdecode(data))


def _typed_arguments(text: str) -> dict[str, Any]:
    return parse_arguments(text.split("\0"), _TYPES, NOW_MS)


def _can_be_sent(_data: bytes, arguments: dict[str, Any]) -> None:
    canonical_json(arguments)


def _asked(data: bytes) -> str:
    """What a demo without nodes answers to another terminal."""
    here, there = socket.socketpair()
    server = object.__new__(ControlServer)
    server._handler = Faults([], lambda: None).handle
    with here, there:
        here.sendall(data[: 2 * REQUEST_BYTES_MAX] + b"\n")
        server._answer(there)
        there.close()
        return here.makefile().read()


def decoders() -> Sequence[Decoder]:
    body = Bounds(memory_per_byte=JSON_MEMORY_PER_BYTE)
    wrong = (ConfigurationError,)
    words: list[tuple[str, Callable[[str], Any], list[bytes]]] = [
        ("arguments.span_ms", span_ms, [b"500ms", b"15m", b"2d"]),
        ("genesis.time", _time_ms, [b"2026-03-01T09:00:00Z", b"2026-03-01T09:00:00.5+01:00"]),
        ("genesis.set", lambda text: _overrides(text.split("\0")), [b"heartbeat_ms=30000", b"a=1\0b=2"]),
        ("proofs.key", _key_bytes, [b"balance/millworks/euro", b"0x00ff", "é".encode()]),
    ]
    return [
        Decoder(
            "api.transactions.submit",
            _submitted,
            (ApiError,),
            cache(_submissions),
            (JSON,),
            _admissible,
            body,
            executions=1_000,
        ),
        Decoder(
            "api.transactions.explain",
            lambda data: asyncio.run(_read_draft(request_of(data), chain_name())),
            (ApiError,),
            cache(_submissions),
            (JSON,),
            bounds=body,
        ),
        Decoder(
            "api.ops.read_level",
            read_level,
            (ValueError,),
            lambda: [b'{"logger":"driver","level":"debug","for_s":600}', b'{"level":null}'],
            (JSON,),
            bounds=body,
        ),
        Decoder("api.http.decode_cursor", _cursor, (ApiError,), cache(_cursors), (spoil_text,)),
        Decoder(
            "api.access.allows_host",
            lambda data: Access(("node.example",)).allows_host(data.decode("latin-1")),
            (),
            lambda: [b"localhost:7750", b"[::1]:80", b"node.example", b"192.0.2.7:1"],
            (spoil_text,),
        ),
        Decoder("api.plans.EventReader", _events, (ApiProblem,), cache(_streams), (spoil_text,), bounds=body),
        Decoder("api.plans.submit", _answered, (ApiProblem,), cache(_statuses), (JSON,), bounds=body),
        Decoder(
            "api.plans.problem_of",
            lambda data: str(problem_of(httpx.Response(503, content=data))),
            (),
            lambda: [b'{"code":"overloaded","detail":"full","hint":"wait"}', b"<html>"],
            (JSON,),
            bounds=body,
        ),
        Decoder(
            "node.commands.arguments.parse_arguments",
            typed(_typed_arguments),
            wrong,
            lambda: [
                b"price=2500 euro\0deadline=+10s\0open=true\0to=acme",
                b'deadline=2026-05-31T12:00:00Z\0grace=500\0parts:=["a", {"b": 1.5}]\0other=x=y',
                b'deadline=1767225600000\0shares={"a": 1}',
            ],
            (spoil_text,),
            _can_be_sent,
            body,
        ),
        *(
            Decoder(
                f"node.commands.{name}",
                typed(read),
                wrong,
                partial(list, samples),
                (spoil_text,),
                bounds=body,
                executions=300,
            )
            for name, read, samples in words
        ),
        Decoder(
            "node.demo.control",
            _asked,
            (OSError, ValueError, RecursionError),  # those that end one request alone
            lambda: [b'{"command":"kill","node":"n3"}', b'{"command":"restart","node":"n3","fresh":true}'],
            (JSON,),
            lambda _, answer: [json.loads(line) for line in answer.splitlines()],
            body,
            executions=200,
        ),
        Decoder(
            "node.commands.transactions.file",
            from_file(read_submission_file),
            wrong,
            cache(_submissions),
            (JSON,),
            lambda data, submission: [signature["key"] for signature in submission["signatures"]],
            DOCUMENT,
        ),
        Decoder(
            "node.announcement.announced_url",
            from_file(announced_url, "node.json"),
            wrong,
            lambda: [b'{"pid":7,"api_url":"http://127.0.0.1:7750","listen":"/ip4/127.0.0.1/tcp/4001"}'],
            (JSON,),
            bounds=DOCUMENT,
            executions=200,
        ),
    ]
