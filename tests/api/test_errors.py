"""Errors: always problem+json, always explained, never a 500 whatever a client sends."""

from __future__ import annotations

import asyncio
import html
import inspect
import json
import re
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import access, bodies, catalogue, contracts, errors, ledger, ops, schemas, stream, transactions
from api import http as api_http
from api.app import create_app
from api.catalogue import CATALOGUE
from api.gateway import Refused
from api.signing import id_of
from consensus import transactions as parser
from contracts.errors import Revert
from tests.api.conftest import Make
from tests.api.memory_gateway import MemoryGateway


@pytest.mark.anyio
async def test_every_problem_has_a_page_that_says_what_to_do(client: httpx.AsyncClient) -> None:
    for code, problem in CATALOGUE.items():
        page = await client.get(f"/problems/{code}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        text = html.unescape(page.text)
        for part in (problem.title, problem.meaning, problem.remedy):
            assert part in text
    assert (await client.get("/problems/no_such_problem")).status_code == 404
    overview = (await client.get("/problems")).text
    assert all(f'"/problems/{code}"' in overview for code in CATALOGUE)


def test_every_code_that_the_code_names_is_in_the_catalogue() -> None:
    """Those of the API, of the parser of transactions, and of contracts that revert."""
    named = set()
    for module in (access, api_http, contracts, ledger, ops, stream, transactions, errors):
        named |= set(
            re.findall(r'ApiError\(\s*"(\w+)"|problem\(\s*request, "(\w+)"', inspect.getsource(module))
        )
    codes = {code for pair in named for code in pair if code}
    codes |= set(re.findall(r'InvalidTransaction\(\s*"(\w+)"', inspect.getsource(parser)))
    listed = re.search(r"`code` is one of: (.*?)\.", inspect.getdoc(Revert) or "", re.DOTALL)
    assert listed
    codes |= set(re.findall(r"\w+", listed[1]))
    assert len(codes) > 30
    assert codes <= set(CATALOGUE)


def test_the_catalogue_is_consistent() -> None:
    groups = (catalogue._REQUESTS, catalogue._READING, catalogue._ADMISSION, catalogue._EXECUTION)
    assert sum(map(len, groups)) == len(CATALOGUE), "a code is there twice"
    for code, problem in CATALOGUE.items():
        assert re.fullmatch("[a-z_]+", code)
        assert 400 <= problem.status < 600
        assert all(text[-1] == "." for text in (problem.meaning, problem.remedy))


@pytest.mark.anyio
async def test_a_code_that_nobody_foresaw_is_still_a_problem(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.down = Refused(418, "teapot", "short and stout")
    answer = await client.get("/v1/status")
    assert answer.status_code == 418
    assert (answer.json()["code"], answer.json()["type"]) == ("teapot", "/problems/refused")


@pytest.mark.anyio
async def test_every_error_after_the_body_was_read_names_the_transaction(
    gateway: MemoryGateway, transfer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = transfer()
    identifier = id_of(submission["transaction"])
    transport = httpx.ASGITransport(create_app(gateway), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        gateway.down = Refused(
            503, "unavailable", "stopping", fields={"status": 1, "transaction": "x", "detail": 2}
        )
        answer = await client.post("/v1/transactions", json=submission)
        assert answer.status_code == answer.json()["status"] == 503
        assert (answer.json()["transaction"], answer.json()["detail"]) == (identifier, "stopping")
        gateway.down = None

        async def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(gateway, "wait", fail)
        gateway.instant = False
        answer = await client.post("/v1/transactions?wait=committed", json=submission)
        assert (answer.status_code, answer.json()["transaction"]) == (500, identifier)


@pytest.mark.anyio
async def test_a_fault_of_ours_is_a_problem_without_its_insides(
    gateway: MemoryGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("secret 42")

    monkeypatch.setattr(gateway, "node", fail)
    transport = httpx.ASGITransport(create_app(gateway), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/v1/status")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


@pytest.mark.anyio
async def test_a_method_that_an_address_does_not_take_is_named(client: httpx.AsyncClient) -> None:
    for path, allowed in [
        ("/v1/blocks", "GET"),
        ("/v1/transactions", "GET, POST"),
        ("/v1/transactions:batch", "POST"),
    ]:
        answer = await client.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        (b"", "malformed_json", (1, 1)),
        (b'{"transaction": {},\n "signatures": [}', "malformed_json", (2, 17)),
        (b"\xff\xfe", "malformed_json", None),
        (b'{"transaction": NaN}', "malformed_json", None),
        (b'{"transaction": "\\ud800", "signatures": []}', "malformed_json", None),
        (b"[" * 5000, "malformed_json", None),
        (b"[]", "invalid_body", None),
        (b'{"transaction": {}}', "invalid_body", None),
        (b'{"transaction": {}, "signatures": {}}', "invalid_body", None),
        (b'{"transaction": {}, "signatures": [1]}', "invalid_body", None),
        (b'{"transaction": {}, "signatures": [{"key": 1, "signature": 2}]}', "invalid_body", None),
        (b'{"transaction": {}, "signatures": [], "more": 1}', "invalid_body", None),
        (b'{"transaction": {"\\u00e9": 1}, "signatures": []}', "malformed_transaction", None),
        (b'{"transaction": {"a": 9007199254740992}, "signatures": []}', "malformed_transaction", None),
        (b'{"transaction": {"a": 1e400}, "signatures": []}', None, None),
        (b'{"transaction": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]], "signatures": []}', "malformed_transaction", None),
        (b'{"transaction": [], "signatures": []}', "malformed_transaction", None),
    ],
)  # fmt: skip
async def test_a_malformed_body_is_refused_with_its_place(
    client: httpx.AsyncClient, body: bytes, code: str | None, place: tuple[int, int] | None
) -> None:
    answer = await client.post("/v1/transactions", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    if code is not None:
        assert answer.json()["code"] == code
    if place is not None:
        assert (answer.json()["line"], answer.json()["column"]) == place


@pytest.mark.anyio
async def test_a_hex_field_is_exact(client: httpx.AsyncClient, transfer: Make) -> None:
    for name in ("key", "signature"):
        for spoil in (lambda text: text[:-2], lambda text: text + "00", lambda text: "zz" + text[2:],
                      lambda text: " " * 2 + text[2:], lambda text: "\u0660" * len(text)):  # fmt: skip
            submission = transfer()
            submission["signatures"][0][name] = spoil(submission["signatures"][0][name])
            answer = await client.post("/v1/transactions", json=submission)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
            assert f"signatures[0].{name}" in answer.json()["detail"]


POSTS = (
    "/v1/transactions", "/v1/transactions:batch", "/v1/transactions/explain", "/v1/transactions/simulate",
    "/v1/instances/euro/query/balance", "/v1/dev/clock",
)  # fmt: skip

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("ab" * 32)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
words = st.sampled_from(
    ["transaction", "signatures", "transactions", "key", "signature", "calls", "contract", "action", "args",
     "chain", "sender", "expires_ms", "salt", "cosigners", "gas_limit", "arguments", "by_ms"]
)  # fmt: skip
near_misses = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=6),
    max_leaves=30,
)


_APP = create_app(MemoryGateway())


def _is_ours(path: str, content: bytes) -> None:
    """An answer that is either a success or a problem; an exception of the app is raised here."""

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(_APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, content=content, headers={"Content-Type": "application/json"})

    answer = asyncio.run(post())
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        schemas.Problem.model_validate(answer.json())


@given(path=st.sampled_from(POSTS), content=st.binary(max_size=300))
@example(path="/v1/transactions", content=b'{"transaction":{"a":"\xed\xa0\x80"},"signatures":[]}')
def test_no_bytes_make_the_node_fail(path: str, content: bytes) -> None:
    _is_ours(path, content)


@given(path=st.sampled_from(POSTS), value=values | near_misses)
def test_no_json_makes_the_node_fail(path: str, value: Any) -> None:
    # json, not orjson: it also writes integers beyond 64 bits and lone surrogates.
    _is_ours(path, json.dumps(value).encode())


def _mutate(draw: st.DrawFn, value: Any) -> Any:
    """A copy of `value` with one place replaced."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: _mutate(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _mutate(draw, value[place]), *value[place + 1 :]]
    return draw(values | near_misses)


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    return _mutate(draw, bodies.EXAMPLE_SUBMISSION)


@given(path=st.sampled_from(POSTS[:4]), value=nearly_right())
def test_no_nearly_right_transaction_makes_the_node_fail(path: str, value: Any) -> None:
    body = {"transactions": [value]} if path.endswith(":batch") else value
    _is_ours(path, json.dumps(body).encode())
