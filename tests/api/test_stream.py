"""The event stream behind a real server: order, resuming, filters, slow readers, heartbeats, the end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from fastapi import FastAPI

from api import stream
from api.access import Access
from api.app import begin_shutdown, create_app
from api.gateway import Refused
from tests.api.conftest import Make, serving
from tests.api.memory_gateway import MemoryGateway

Message = dict[str, Any]


def _messages(text: Iterator[str]) -> Iterator[Message]:
    """Parses a stream line by line, as its specification says; comments are messages of kind `comment`."""
    message: Message = {}
    for line in text:
        if not line:
            if message:
                yield message
            message = {}
        elif line.startswith(":"):
            yield {"event": "comment"}
        else:
            name, _, value = line.partition(":")
            message[name] = orjson.loads(value) if name == "data" else value.removeprefix(" ")


class Reader:
    """An open stream."""

    def __init__(self, base_url: str, last: str | None = None, **params: str) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        self._client = httpx.Client(base_url=base_url, timeout=60)
        request = self._client.build_request("GET", "/v1/events", params=params, headers=headers)
        self.answer = self._client.send(request, stream=True)
        self._messages = _messages(self.answer.iter_lines())

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._client.close()

    def take(self, count: int) -> list[Message]:
        """So many events, whatever else comes between them."""
        found: list[Message] = []
        while len(found) < count:
            found += [message for message in [next(self._messages)] if message.get("event") == "event"]
        return found

    def until(self, kind: str) -> Message:
        """The next message of a kind."""
        return next(message for message in self._messages if message.get("event") == kind)

    def rest(self) -> list[Message]:
        """All that comes until the node ends the stream."""
        return list(self._messages)


def _post(base_url: str, *submissions: object) -> None:
    for submission in submissions:
        httpx.post(f"{base_url}/v1/transactions", json=submission).raise_for_status()


def _ids(messages: list[Message]) -> list[str]:
    return [message["id"] for message in messages]


def test_events_come_as_they_happen_with_their_place_as_id(base_url: str, transfer: Make) -> None:
    _post(base_url, transfer("1"))
    with Reader(base_url) as reader:
        assert reader.answer.headers["content-type"].startswith("text/event-stream")
        _post(base_url, transfer("2"), transfer("3"))
        first, second = reader.take(2)
        assert (first["id"], second["id"]) == ("2.0", "3.0")
        assert first["data"]["fields"]["amount"] == "2"


def test_a_reader_resumes_strictly_after_the_last_event(base_url: str, transfer: Make) -> None:
    _post(base_url, *[transfer(str(amount)) for amount in range(1, 6)])
    with Reader(base_url, last="2.0") as reader:
        assert _ids(reader.take(3)) == ["3.0", "4.0", "5.0"]
    with Reader(base_url, last="4.0", **{"from": "0"}) as reader:  # as EventSource does when it reconnects
        assert _ids(reader.take(1)) == ["5.0"]


@pytest.mark.parametrize(
    ("start", "first"), [("0", "1.0"), ("0.0", "1.0"), ("3", "3.0"), ("3.0", "3.0"), ("3.1", "4.0")]
)
def test_from_begins_with_that_height_or_event(base_url: str, transfer: Make, start: str, first: str) -> None:
    _post(base_url, *[transfer(str(amount)) for amount in range(1, 6)])
    with Reader(base_url, **{"from": start}) as reader:
        assert _ids(reader.take(1)) == [first]


def test_a_reader_knows_its_place_before_the_first_event(base_url: str, transfer: Make) -> None:
    """A connection that breaks before any event must not lose the events in between."""
    _post(base_url, transfer())
    with Reader(base_url) as reader:
        place = next(reader._messages)["id"]
    _post(base_url, transfer("7"))
    with Reader(base_url, last=place) as reader:
        assert reader.take(1)[0]["data"]["fields"]["amount"] == "7"


@pytest.mark.parametrize("start", ["0", "0.0", "1", "2.0", "2.1"])
def test_the_first_place_never_skips_what_was_asked_for(base_url: str, transfer: Make, start: str) -> None:
    _post(base_url, transfer(), transfer())
    with Reader(base_url, **{"from": start}) as reader:
        place = next(reader._messages).get("id")
    with (
        Reader(base_url, **{"from": start}) as whole,
        Reader(base_url, last=place, **{"from": start}) as resumed,
    ):
        _post(base_url, transfer())
        assert _ids(whole.take(1)) == _ids(resumed.take(1))


def test_filters_choose_by_contract_name_and_transaction(base_url: str, transfer: Make) -> None:
    _post(base_url, transfer("1"), transfer("2"))
    with Reader(base_url, **{"from": "0"}) as reader:
        chosen = reader.take(2)[1]["data"]["transaction"]
    for wanted in (
        {"transaction": chosen},
        {"contract": "euro", "name": "transferred", "transaction": chosen},
    ):
        with Reader(base_url, **{"from": "0", **wanted}) as reader:
            assert _ids(reader.take(1)) == ["2.0"]
    with Reader(base_url, **{"from": "0", "contract": "deal", "blocks": "true"}) as reader:
        assert reader.until("block")["data"] == {"height": 2}


def test_blocks_are_told_without_moving_the_place(
    base_url: str, gateway: MemoryGateway, transfer: Make
) -> None:
    with Reader(base_url, blocks="true") as reader:
        assert reader.until("block") == {"event": "block", "data": {"height": 0}}
        _post(base_url, transfer("99999999"))  # fails, so it makes a block without an event
        assert reader.until("block") == {"event": "block", "data": {"height": 1}}


def test_a_quiet_stream_has_a_heartbeat(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.2)
    with Reader(base_url) as reader:
        reader.until("comment")
        reader.until("comment")


@pytest.mark.parametrize("place", ["x", "1", "-1.0", "1.0.0", "01.0", "1.", "1.9999999999", "\u0661.0"])
def test_a_wrong_place_is_refused(base_url: str, place: str) -> None:
    headers = [("Last-Event-ID", place.encode())]
    answer = httpx.get(f"{base_url}/v1/events", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    if place != "1":
        answer = httpx.get(f"{base_url}/v1/events", params={"from": place})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_the_number_of_streams_is_bounded_and_places_come_free(gateway: MemoryGateway) -> None:
    with serving(create_app(gateway, access=Access(streams_max=1))) as url:
        with Reader(url) as reader:
            next(reader._messages)
            refused = httpx.get(f"{url}/v1/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with Reader(url) as reader:
                if reader.answer.status_code == 200:
                    return
            time.sleep(0.02)
    pytest.fail("the place of a reader that left did not come free")


def test_streams_end_when_the_node_stops(base_url: str, app: FastAPI) -> None:
    with Reader(base_url) as reader:
        next(reader._messages)
        begin_shutdown(app)
        assert all(message["event"] == "comment" for message in reader.rest())


def test_a_node_that_fails_says_so_in_the_stream(
    base_url: str, gateway: MemoryGateway, transfer: Make
) -> None:
    _post(base_url, transfer())
    gateway.down = Refused(503, "unavailable", "the store is closed")
    with Reader(base_url, **{"from": "0"}) as reader:
        problem = reader.until("problem")
        assert (problem["data"]["code"], problem["data"]["status"]) == ("unavailable", 503)
        assert reader.rest() == []


MANY = 20_000
"""Events that do not fit into the buffers of two sockets and a server."""


@pytest.fixture
def long_history(gateway: MemoryGateway, transfer: Make) -> None:
    event = {
        "index": 0, "contract": "euro", "name": "transferred", "transaction": None, "time_ms": 0,
        "fields": {"memo": "x" * 160},
    }  # fmt: skip
    gateway.event_log = [event | {"height": height} for height in range(1, MANY + 1)]
    gateway.chain_blocks = [gateway._block(height, []) for height in range(MANY + 1)]


def _open_slowly(base_url: str, last: str | None = None) -> socket.socket:
    """A connection with small buffers that has asked for all events and not read any."""
    address = urlsplit(base_url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
    connection.sendall(f"GET /v1/events?from=0 HTTP/1.0\r\nHost: {address.netloc}\r\n{resume}\r\n".encode())
    return connection


def _read(connection: socket.socket, enough: bytes) -> list[Message]:
    """All whole messages until one contains `enough` or the connection ends."""
    connection.settimeout(60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    data = b""
    while enough not in data[-100_000:]:
        try:
            more = connection.recv(1 << 16)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    body = data.partition(b"\r\n\r\n")[2]
    whole = body[: body.rindex(b"\n\n") + 2].decode()
    return list(_messages(iter(whole.split("\n"))))


@pytest.mark.usefixtures("long_history")
def test_a_slow_reader_is_told_and_misses_nothing(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LAGGED_AFTER_S", 0.3)
    with _open_slowly(base_url) as connection:
        time.sleep(1.5)
        messages = _read(connection, f"id: {MANY}.0\n".encode())
    lagged = [message for message in messages if message.get("event") == "lagged"]
    assert lagged
    assert lagged[0]["data"]["stalled_ms"] >= 300
    assert "id" not in lagged[0]
    events = [message for message in messages if message.get("event") == "event"]
    assert _ids(events) == [f"{height}.0" for height in range(1, MANY + 1)]


@pytest.mark.usefixtures("long_history")
def test_a_reader_that_stops_reading_is_cut_off_and_resumes_without_a_gap(
    base_url: str, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_MAX_S", 0.3)
    with _open_slowly(base_url) as connection:
        for taken in (1, 0):
            deadline = time.monotonic() + 60
            while app.state.streams.taken != taken:
                assert time.monotonic() < deadline, f"streams open: {app.state.streams.taken}, not {taken}"
                time.sleep(0.01)
        first = [message for message in _read(connection, b"never") if message.get("event") == "event"]
    assert 0 < len(first) < MANY
    with _open_slowly(base_url, last=first[-1]["id"]) as connection:
        rest = _read(connection, f"id: {MANY}.0\n".encode())
    events = first + [message for message in rest if message.get("event") == "event"]
    assert _ids(events) == [f"{height}.0" for height in range(1, MANY + 1)]
