"""Reading: lists and cursors, the block's tag, queries, and the height that every answer carries."""

from __future__ import annotations

import httpx
import pytest

from api.gateway import Refused
from api.http import ITEMS_MAX
from api.ledger import KEY_BYTES_MAX
from tests.api.conftest import Make
from tests.api.memory_gateway import CODE, GENESIS_TIME_MS, MemoryGateway

pytestmark = pytest.mark.anyio


async def test_every_answer_says_what_height_it_reflects(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    assert (await client.get("/v1/blocks")).headers["Chain-Height"] == "0"
    await client.post("/v1/transactions", json=transfer())
    for path in ("/v1/blocks", "/v1/nothing", "/v1/blocks/99"):
        assert (await client.get(path)).headers["Chain-Height"] == "1"


async def test_lists_go_on_where_the_page_before_ended(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    for _ in range(4):
        gateway.seal()
    for path, key, expected in [
        ("/v1/blocks", "height", [4, 3, 2, 1, 0]),
        ("/v1/accounts", "id", ["bolt", "citybank", "greenfarm", "millers"]),
        ("/v1/contracts", "code", [CODE]),
        ("/v1/instances", "name", ["deal", "euro"]),
    ]:
        for limit in ("1", "2", "200"):
            found, params = [], {"limit": limit}
            while True:
                page = (await client.get(path, params=params)).json()
                assert len(page["items"]) <= int(limit)
                found += [item[key] for item in page["items"]]
                if "next" not in page:
                    break
                params["cursor"] = page["next"]
            assert found == expected


@pytest.mark.parametrize(
    ("limit", "status"), [("0", 422), ("1", 200), (str(ITEMS_MAX), 200), (str(ITEMS_MAX + 1), 422)]
)
async def test_the_length_of_a_page_is_bounded(client: httpx.AsyncClient, limit: str, status: int) -> None:
    assert (await client.get("/v1/blocks", params={"limit": limit})).status_code == status


@pytest.mark.parametrize(
    "path", ["/v1/blocks", "/v1/transactions", "/v1/accounts", "/v1/contracts", "/v1/instances"]
)
@pytest.mark.parametrize(
    "cursor", ["x", "\u00e9", "e30", "YmxvY2tzOng", "dHJhbnNhY3Rpb25zOjE", "bm9uZTox", "===="]
)
async def test_a_made_up_cursor_is_refused(client: httpx.AsyncClient, path: str, cursor: str) -> None:
    answer = await client.get(path, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


async def test_a_block_is_not_sent_twice(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    await client.post("/v1/transactions", json=transfer())
    first = await client.get("/v1/blocks/1")
    tag = first.headers["ETag"]
    assert tag == f'"{first.json()["hash"]}"'
    assert len(first.json()["transactions"]) == 1
    for known in (tag, f'"other", W/{tag}'):
        again = await client.get("/v1/blocks/1", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert (await client.get("/v1/blocks/0", headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/blocks/77", "unknown_block"),
        ("/v1/accounts/nobody", "unknown_account"),
        (f"/v1/contracts/{'00' * 32}", "unknown_contract"),
        ("/v1/instances/none", "unknown_instance"),
        ("/v1/instances/none/query/balance", "unknown_instance"),
        ("/v1/instances/euro/query/none", "unknown_query"),
        ("/v1/none", "not_found"),
    ],
)
async def test_what_does_not_exist_is_named(client: httpx.AsyncClient, path: str, code: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_query_takes_its_arguments_from_address_or_body(client: httpx.AsyncClient) -> None:
    by_address = await client.get("/v1/instances/euro/query/balance?account=greenfarm")
    by_body = await client.post(
        "/v1/instances/euro/query/balance", json={"arguments": {"account": "greenfarm"}}
    )
    assert by_address.json() == by_body.json() == {"value": "1000000", "height": 0}
    twice = await client.get("/v1/instances/euro/query/balance?account=a&account=b")
    assert twice.json()["code"] == "invalid_parameter"
    wrong = await client.get("/v1/instances/euro/query/balance")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "arguments")


async def test_rules_say_what_holds_and_when_to_look_again(client: httpx.AsyncClient) -> None:
    rule = (await client.get("/v1/instances/deal")).json()["rules"][0]
    assert [branch["holds"] for branch in rule["branches"]] == [False, False]
    assert rule["wake_ms"] > GENESIS_TIME_MS


@pytest.mark.parametrize(
    ("length", "status"), [(0, 404), (1, 200), (KEY_BYTES_MAX, 200), (KEY_BYTES_MAX + 1, 422)]
)
async def test_the_length_of_a_key_is_bounded(client: httpx.AsyncClient, length: int, status: int) -> None:
    for kind in ("state", "proof"):
        assert (await client.get(f"/v1/{kind}/{'00' * length}")).status_code == status


async def test_why_gives_the_sentence_with_its_figures(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    why = (await client.get("/v1/consensus/why")).json()
    assert why["sentence"].startswith("All is well")
    assert why["consensus"]["quorum"] == 3
    assert len(why["peers"]) == 3


async def test_a_refusal_of_the_node_keeps_its_status_and_time_to_come_back(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    gateway.down = Refused(
        503, "unavailable", "the node is starting", retry_after_s=7, fields={"since_ms": 5}
    )
    answer = await client.get(f"/v1/transactions/{'ab' * 32}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert (answer.json()["since_ms"], answer.json()["transaction"]) == (5, "ab" * 32)


async def test_the_clock_of_a_development_node_moves_forward(
    client: httpx.AsyncClient, gateway: MemoryGateway
) -> None:
    assert (await client.post("/v1/dev/clock", json={"by_ms": 5})).json() == {"time_ms": GENESIS_TIME_MS + 5}
    for by_ms in (-1, 1.5, "1", None, True):
        answer = await client.post("/v1/dev/clock", json={"by_ms": by_ms})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    gateway.dev = False
    answer = await client.post("/v1/dev/clock", json={"by_ms": 5})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_development_node")


@pytest.mark.parametrize("value", [0.5, 2**53, {"Odd key": 1}, [[[[[[[[[[[[]]]]]]]]]]]]])
async def test_a_rehearsals_terms_are_such_as_a_transaction_could_carry(
    client: httpx.AsyncClient, value: object
) -> None:
    body = {"source": "class A(Contract): ...", "terms": {"price": 1}}
    assert (await client.post("/v1/instances/deal/rehearsal", json=body)).is_success
    body["terms"] = {"price": value}
    answer = await client.post("/v1/instances/deal/rehearsal", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert answer.json()["detail"].startswith("terms.price")
