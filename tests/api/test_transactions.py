"""Submitting: what is accepted, what a repetition gets, how long one may wait, what each error tells."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from api import submissions, transactions
from api.gateway import JsonObject
from api.http import WAIT_S_MAX
from api.signing import id_of
from consensus.transactions import CALLS_MAX, SIGNATURES_MAX, canonical_json, signed_bytes
from tests.api.conftest import Make
from tests.api.memory_gateway import MemoryGateway, signer_of

pytestmark = pytest.mark.anyio


async def test_a_new_transaction_is_accepted_with_its_id_and_place(
    client: httpx.AsyncClient, transfer: Make
) -> None:
    submission = transfer()
    answer = await client.post("/v1/transactions", json=submission)
    assert answer.status_code == 202
    identifier = id_of(submission["transaction"])
    assert answer.json() == {"id": identifier, "state": "pending"}
    assert answer.headers["Location"] == f"/v1/transactions/{identifier}"

    found = (await client.get(answer.headers["Location"])).json()
    assert (found["state"], found["outcome"], found["height"]) == ("committed", "ok", 1)
    assert found["sentence"] == "greenfarm sends 25 euro to bolt"
    assert found["transaction"] == submission["transaction"]


async def test_posting_again_gives_the_same_status_and_executes_once(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    submission = transfer("100")
    await client.post("/v1/transactions", json=submission)
    again = await client.post("/v1/transactions", json=submission)
    assert (again.status_code, again.json()["state"]) == (200, "committed")
    assert gateway.balances["bolt"] == 100
    assert gateway.height == 1


async def test_spelling_of_the_json_does_not_matter(client: httpx.AsyncClient, transfer: Make) -> None:
    """The node makes the canonical form, so key order and spaces of the body are the client's own."""
    submission = transfer()
    shuffled = dict(reversed(submission["transaction"].items()))
    answer = await client.post(
        "/v1/transactions", json={"signatures": submission["signatures"], "transaction": shuffled}
    )
    assert answer.json()["id"] == id_of(submission["transaction"])


async def test_waiting_ends_when_it_is_committed(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    gateway.instant = False
    asyncio.get_running_loop().call_later(0.05, gateway.seal)
    answer = await client.post("/v1/transactions?wait=committed&timeout=10", json=transfer())
    assert (answer.status_code, answer.json()["state"]) == (200, "committed")
    assert answer.elapsed.total_seconds() < 5


async def test_a_wait_that_ends_too_early_still_gives_the_id(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    gateway.instant = False
    submission = transfer()
    answer = await client.post("/v1/transactions?wait=committed&timeout=0.05", json=submission)
    assert answer.status_code == 202
    assert answer.json() == {"id": id_of(submission["transaction"]), "state": "pending"}


async def test_a_status_can_be_waited_for(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    gateway.instant = False
    place = (await client.post("/v1/transactions", json=transfer())).headers["Location"]
    asyncio.get_running_loop().call_later(0.05, gateway.seal)
    answer = await client.get(place, params={"wait": "committed", "timeout": "10"})
    assert answer.json()["state"] == "committed"


async def test_a_contracts_refusal_is_committed_and_failed(client: httpx.AsyncClient, transfer: Make) -> None:
    answer = await client.post("/v1/transactions?wait=committed", json=transfer("99999999"))
    body = answer.json()
    assert (answer.status_code, body["state"], body["outcome"], body["code"]) == (
        200,
        "committed",
        "failed",
        "funds",
    )
    assert "greenfarm holds less" in body["detail"]
    assert body["hint"]


async def test_an_unknown_transaction_is_named_in_the_error(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/transactions/{'ab' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_transaction")
    assert answer.json()["transaction"] == "ab" * 32
    assert answer.json()["state"] == "unknown"


async def _rejection(client: httpx.AsyncClient, submission: object) -> tuple[int, str, str | None]:
    answer = await client.post("/v1/transactions", json=submission)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["detail"]
    assert body["hint"]
    return answer.status_code, body["code"], body.get("transaction")


async def test_a_signature_of_something_else_is_refused(client: httpx.AsyncClient, transfer: Make) -> None:
    submission = transfer()
    submission["transaction"]["salt"] = "other"
    identifier = id_of(submission["transaction"])
    assert await _rejection(client, submission) == (422, "bad_signature", identifier)


async def test_a_key_that_may_not_act_is_refused(client: httpx.AsyncClient, transfer: Make) -> None:
    submission = transfer(by="bolt")
    identifier = id_of(submission["transaction"])
    assert await _rejection(client, submission) == (403, "unauthorised", identifier)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"chain": "other-0000000000000000"}, 422, "wrong_chain"),
        ({"sender": "Green Farm"}, 422, "malformed_transaction"),
        ({"salt": ""}, 422, "malformed_transaction"),
        ({"calls": []}, 422, "malformed_transaction"),
        ({"extra": 1}, 422, "malformed_transaction"),
        ({"gas_limit": 1.5}, 422, "malformed_transaction"),
        ({"expires_ms": 1}, 422, "expired"),
        ({"expires_ms": 2**53 - 1}, 422, "expiry_too_far"),
    ],
)
async def test_a_wrong_field_is_refused_with_the_id(
    client: httpx.AsyncClient, transfer: Make, change: dict[str, object], status: int, code: str
) -> None:
    transaction = transfer()["transaction"] | change
    signer = signer_of("greenfarm")
    made = signer.sign(signed_bytes(canonical_json(transaction)))
    submission = {
        "transaction": transaction,
        "signatures": [{"key": signer.public_key.hex(), "signature": made.hex()}],
    }
    has_canonical_form = type(transaction.get("gas_limit")) is not float
    identifier = id_of(transaction) if has_canonical_form else None
    assert await _rejection(client, submission) == (status, code, identifier)


async def test_back_pressure_is_429_and_recovers(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    gateway.instant, gateway.capacity = False, 1
    submission = transfer()
    await client.post("/v1/transactions", json=transfer())
    refused = await client.post("/v1/transactions", json=submission)
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["transaction"] == id_of(submission["transaction"])
    gateway.seal()
    assert (await client.post("/v1/transactions", json=submission)).status_code == 202


async def test_a_batch_gives_one_result_for_each_item_in_order(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    good, known, forged = transfer(), transfer(), transfer(by="bolt")
    short: JsonObject = {"transaction": {}}
    await client.post("/v1/transactions", json=known)
    answer = await client.post(
        "/v1/transactions:batch", json={"transactions": [forged, good, 7, known, short]}
    )
    assert answer.status_code == 200
    body = answer.json()
    assert [item["state"] for item in body["items"]] == [
        "rejected",
        "pending",
        "rejected",
        "committed",
        "rejected",
    ]
    assert [item.get("code") for item in body["items"]] == [
        "unauthorised",
        None,
        "invalid_body",
        None,
        "invalid_body",
    ]
    assert body["items"][0]["id"] == id_of(forged["transaction"])
    assert body["items"][1]["id"] == id_of(good["transaction"])
    assert "transactions[4]" in body["items"][4]["detail"]
    assert (body["accepted"], body["rejected"]) == (2, 3)
    assert gateway.height == 2


async def test_a_batch_says_which_items_to_post_again(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    gateway.instant, gateway.capacity = False, 2
    batch = {"transactions": [transfer() for _ in range(3)]}
    answer = await client.post("/v1/transactions:batch", json=batch)
    assert answer.status_code == 200
    assert [item.get("code") for item in answer.json()["items"]] == [None, None, "overloaded"]
    assert answer.headers["Retry-After"]
    none_taken = await client.post("/v1/transactions:batch", json={"transactions": [transfer(), transfer()]})
    assert (none_taken.status_code, none_taken.json()["code"]) == (429, "overloaded")


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1, 200), (1_000, 200), (1_001, 422)])
async def test_the_size_of_a_batch_is_bounded(client: httpx.AsyncClient, count: int, status: int) -> None:
    assert submissions.BATCH_COUNT_MAX == 1_000
    answer = await client.post("/v1/transactions:batch", json={"transactions": [7] * count})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("seconds", "status"), [(WAIT_S_MAX, 200), (WAIT_S_MAX + 0.1, 422), (-1, 422), ("nan", 422)]
)
async def test_the_time_of_waiting_is_bounded(
    client: httpx.AsyncClient, transfer: Make, seconds: object, status: int
) -> None:
    answer = await client.post(f"/v1/transactions?wait=committed&timeout={seconds}", json=transfer())
    assert answer.status_code == status


async def test_the_number_of_signatures_and_calls_is_bounded(
    client: httpx.AsyncClient, transfer: Make
) -> None:
    submission = transfer()
    submission["signatures"] *= SIGNATURES_MAX + 1
    assert (await _rejection(client, submission))[1] == "malformed_envelope"
    submission = transfer()
    submission["transaction"]["calls"] *= CALLS_MAX + 1
    assert (await _rejection(client, submission))[1] == "malformed_transaction"


async def test_a_body_is_bounded_at_its_edge(client: httpx.AsyncClient, transfer: Make) -> None:
    """Both where the length is declared and where it only shows while reading."""
    headers = {"Content-Type": "application/json"}
    fits = b" " * (transactions.SUBMIT_BYTES_MAX - 2) + b"{}"
    assert (await client.post("/v1/transactions", content=fits, headers=headers)).json()[
        "code"
    ] == "invalid_body"

    async def undeclared() -> object:
        yield fits
        yield b" "

    for body in (fits + b" ", undeclared()):
        answer = await client.post("/v1/transactions", content=body, headers=headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_explain_gives_the_sentence_and_the_bytes_to_sign(
    client: httpx.AsyncClient, transfer: Make
) -> None:
    submission = transfer()
    answer = (
        await client.post("/v1/transactions/explain", json={"transaction": submission["transaction"]})
    ).json()
    assert answer["sentence"] == "greenfarm sends 25 euro to bolt"
    assert answer["id"] == id_of(submission["transaction"])
    assert bytes.fromhex(answer["signed_bytes_hex"]) == signed_bytes(
        canonical_json(submission["transaction"])
    )
    assert (await client.post("/v1/transactions/explain", json=submission)).json() == answer


@pytest.mark.parametrize("question", ["explain", "simulate"])
async def test_drafts_are_judged_by_the_parser(
    client: httpx.AsyncClient, transfer: Make, question: str
) -> None:
    draft = {"transaction": transfer()["transaction"] | {"sender": "?"}}
    answer = await client.post(f"/v1/transactions/{question}", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_transaction")
    assert "transaction.sender" in answer.json()["detail"]


async def test_simulate_commits_nothing(
    client: httpx.AsyncClient, gateway: MemoryGateway, transfer: Make
) -> None:
    answer = await client.post("/v1/transactions/simulate", json=transfer())
    assert answer.json()["status"] == "ok"
    assert gateway.height == 0


async def test_transactions_are_listed_newest_first_by_account_and_contract(
    client: httpx.AsyncClient, transfer: Make
) -> None:
    for amount in ("1", "2", "3"):
        await client.post("/v1/transactions", json=transfer(amount))
    amounts = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/transactions", params={"limit": "1", **cursor})).json()
        amounts += [item["transaction"]["calls"][0]["args"]["amount"] for item in page["items"]]
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}
    assert amounts == ["3", "2", "1"]
    for query, count in [
        ("account=greenfarm", 3),
        ("account=bolt", 0),
        ("contract=euro", 3),
        ("contract=deal", 0),
    ]:
        assert len((await client.get(f"/v1/transactions?{query}")).json()["items"]) == count
