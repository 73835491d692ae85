"""What a client, a partner and an operator may rely on, seen on four real nodes through their REST APIs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.client import Call
from api.signing import build_transaction, id_of, sign_transaction
from consensus.transactions import INTEGER_MAX
from node.demo.partner import Partner, wait_until
from node.keystore import generate
from tests.api.conformance import check_answers
from tests.consortium.four import CURRENCY, LEVEL_S, Consortium

pytestmark = pytest.mark.slow

VERIFIER = Path("docs/verify_proof.py")
IDLE_S = 3.0


@pytest.fixture(autouse=True)
def all_are_level(consortium: Consortium) -> None:
    """Each test finds four nodes that run and are level, also after one that failed."""
    consortium.mend()


def signed(partner: Partner, chain: str, *, expires_in_ms: int = 60_000, key: Partner | None = None) -> Any:
    """A transfer of 1 to coopbank, signed with the key of `key`."""
    transaction = build_transaction(
        chain,
        partner.name,
        [Call(CURRENCY, "transfer", {"to": "coopbank", "amount": "1"})],
        time.time_ns() // 1_000_000 + expires_in_ms,
    )
    return sign_transaction(transaction, [(key or partner).account.signer])


def post(partner: Partner, body: Any, **params: str) -> httpx.Response:
    return httpx.post(f"{partner.seat.api_url}/v1/transactions", json=body, params=params, timeout=30)


def test_a_transfer_is_seen_alike_on_every_node(consortium: Consortium) -> None:
    source = consortium.partners[1]
    before = [partner.balance(CURRENCY) for partner in (source, consortium.partners[2])]
    done = consortium.transfer(source, consortium.partners[2].name, 300)
    for partner in consortium.partners:
        assert partner.await_height(done.height, LEVEL_S)
        found = partner.client.get(f"/v1/transactions/{done.id}")
        assert (found["state"], found["outcome"], found["height"]) == ("committed", "ok", done.height)
    after = [partner.balance(CURRENCY) for partner in (source, consortium.partners[2])]
    assert after == [before[0] - 300, before[1] + 300]
    consortium.assert_equal_execution()


def test_posting_again_anywhere_gives_the_same_status_and_moves_money_once(consortium: Consortium) -> None:
    source = consortium.partners[1]
    body = signed(source, consortium.stage.chain)
    first = post(source, body, wait="committed")
    assert first.status_code == httpx.codes.OK, first.text
    assert consortium.partners[3].await_height(first.json()["height"], LEVEL_S)
    balance = source.balance(CURRENCY)
    for partner in (source, consortium.partners[3]):
        again = post(partner, body, wait="committed")
        assert again.status_code == httpx.codes.OK, again.text
        assert again.json()["height"] == first.json()["height"]
    assert source.balance(CURRENCY) == balance


def test_the_same_transaction_posted_to_all_nodes_at_once_is_executed_once(consortium: Consortium) -> None:
    source = consortium.partners[2]
    balance = source.balance(CURRENCY)
    body = signed(source, consortium.stage.chain)
    identifier = id_of(body["transaction"])
    for partner in consortium.partners:
        assert post(partner, body).is_success
    path = f"/v1/transactions/{identifier}"
    for partner in consortium.partners:
        assert wait_until(partial(_is_committed, partner, path), LEVEL_S)
    consortium.assert_equal_execution()
    assert source.balance(CURRENCY) == balance - 1


def test_one_transaction_signed_with_two_keys_of_its_account_is_executed_once(consortium: Consortium) -> None:
    """Two people of one organisation may each sign the same order and post it on different nodes."""
    source = consortium.partners[2]
    second = generate()
    keys = [source.account.signer.public_key.hex(), second.public_key.hex()]
    source.act("accounts", "set_keys", {"account": source.name, "keys": keys})
    consortium.assert_equal_execution()  # every node knows the second key
    balance = source.balance(CURRENCY)
    body = signed(source, consortium.stage.chain)
    transaction = body["transaction"]
    signers = ([second], [source.account.signer, second])
    others = [sign_transaction(transaction, list(some)) for some in signers]
    for partner, submission in zip(consortium.partners[:3], (body, *others), strict=True):
        assert post(partner, submission).is_success
    path = f"/v1/transactions/{id_of(transaction)}"
    for partner in consortium.partners:
        assert wait_until(partial(_is_committed, partner, path), LEVEL_S)
    consortium.assert_equal_execution()
    assert source.balance(CURRENCY) == balance - 1
    source.act("accounts", "set_keys", {"account": source.name, "keys": keys[:1]})


def _is_committed(partner: Partner, path: str) -> bool:
    return bool(partner.client.get(path)["state"] == "committed")


@pytest.mark.parametrize(
    ("status", "code", "make"),
    [
        (422, "wrong_chain", lambda c: signed(c.partners[1], "other-0000000000000000")),
        (403, "unauthorised", lambda c: signed(c.partners[1], c.stage.chain, key=c.partners[2])),
        (422, "expired", lambda c: signed(c.partners[1], c.stage.chain, expires_in_ms=-1)),
        (422, "expiry_too_far", lambda c: signed(c.partners[1], c.stage.chain, expires_in_ms=86_400_000)),
        (422, "bad_signature", lambda c: _broken(signed(c.partners[1], c.stage.chain))),
        (422, "malformed_transaction", lambda c: {"transaction": {"chain": 5}, "signatures": []}),
    ],
)  # fmt: skip
def test_bad_transactions_are_refused_with_a_reason(
    consortium: Consortium, status: int, code: str, make: Any
) -> None:
    balance = consortium.partners[1].balance(CURRENCY)
    answer = post(consortium.partners[1], make(consortium))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["hint"]
    consortium.assert_equal_execution()
    assert consortium.partners[1].balance(CURRENCY) == balance


def _broken(body: Any) -> Any:
    signature = body["signatures"][0]["signature"]
    body["signatures"][0]["signature"] = ("1" if signature[0] != "1" else "2") + signature[1:]
    return body


def test_a_contracts_refusal_is_committed_with_its_reason(consortium: Consortium) -> None:
    source = consortium.partners[1]
    too_much = [Call(CURRENCY, "transfer", {"to": "coopbank", "amount": str(INTEGER_MAX)})]
    done = source.client.send(source.account, too_much)
    assert (done.state, done.outcome, done.code) == ("committed", "failed", "funds")
    assert done.detail


def test_events_resume_without_gap_or_repetition(consortium: Consortium) -> None:
    source = consortium.partners[1]
    start = f"{source.height()}.999999"
    amounts = list(range(1, 8))
    for amount in amounts:
        consortium.transfer(source, "swiftship", amount)
    reader = consortium.partners[3].client
    stream = reader.events(after=start, contract=CURRENCY)
    first = [next(stream) for _ in range(3)]
    stream.close()
    last = first[-1]
    resumed = reader.events(after=f"{last['height']}.{last['index']}", contract=CURRENCY)
    rest = [next(resumed) for _ in range(4)]
    resumed.close()
    assert [int(event["fields"]["amount"]) for event in first + rest] == amounts


def test_a_stranger_with_the_genesis_verifies_a_proof(consortium: Consortium, tmp_path: Path) -> None:
    key = f"balance/millworks/{CURRENCY}".encode()
    proof = consortium.partners[3].client.get(f"/v1/proof/{key.hex()}")
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof))
    command = [sys.executable, "-I", str(VERIFIER), str(path), str(consortium.stage.genesis_path)]
    verdict = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert verdict.returncode == 0, verdict.stderr
    path.write_text(json.dumps(proof | {"value_hex": "00"}))
    forged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert forged.returncode == 1
    assert "NOT VALID" in forged.stdout + forged.stderr


def test_an_idle_chain_does_not_grow(consortium: Consortium) -> None:
    consortium.await_idle()
    height = consortium.bank.height()
    time.sleep(IDLE_S)
    assert consortium.bank.height() == height


def test_three_go_on_without_the_fourth_which_catches_up(consortium: Consortium) -> None:
    absent = consortium.partners[3]
    absent.process.kill()
    for amount in range(1, 21):
        consortium.transfer(consortium.partners[1], "coopbank", amount)
    height = consortium.bank.height()
    consortium.start([absent])
    assert absent.await_height(height, LEVEL_S)
    consortium.assert_equal_execution()
    # It takes part again: with another node away, its vote is needed.
    other = consortium.partners[2]
    other.process.kill()
    consortium.transfer(absent, "coopbank", 1)
    consortium.start([other])
    consortium.assert_equal_execution()


def test_a_second_process_on_the_same_data_is_refused(consortium: Consortium) -> None:
    command = [sys.executable, "-m", "node", "start", "--data", str(consortium.bank.seat.home)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2
    assert str(consortium.bank.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_every_node_rehearses_to_the_same_outcome(consortium: Consortium) -> None:
    """From real blocks: transfers that other code would have refused, and balances that would differ."""
    source = consortium.partners[1]
    height = consortium.transfer(source, "coopbank", 7).height
    code = consortium.bank.client.get(f"/v1/instances/{CURRENCY}")["code"]
    token = consortium.bank.client.get(f"/v1/contracts/{code}")["source"]
    assert token.count("amount > 0") > 1
    body = {"source": token.replace("amount > 0", "amount > 7"), "height": height}
    found = []
    for partner in consortium.partners:
        assert partner.await_height(height, LEVEL_S)
        found.append(partner.client.post(f"/v1/instances/{CURRENCY}/rehearsal", body))
    assert all(each == found[0] for each in found)
    rehearsed = found[0]["rehearsal"]
    assert rehearsed["counts"]["receipts"] > 0
    assert f"{CURRENCY} takes the code" in rehearsed["sentences"][0]


def test_every_answer_keeps_to_the_openapi_document(consortium: Consortium) -> None:
    check_answers(consortium.partners[2].seat.api_url)
