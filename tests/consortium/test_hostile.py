"""One member of four turned hostile: the three others go on, name it, and stay within their bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from api.client import Call
from api.signing import build_transaction, id_of, sign_transaction
from consensus.transactions import canonical_json
from node.demo.partner import Partner, wait_until
from tests.consortium.four import CURRENCY, LEVEL_S, Consortium
from tests.consortium.hostile import Hostile

pytestmark = pytest.mark.slow

ATTACK_S = 2.5
COMMITTED_MIN = 2
"""Transfers that get through while an attack runs; the hostile member's own turns cost a second each."""
LOG_BYTES_MAX = 16 * 1024
"""What an attack may add to a log: a line for each of the first offences, then silence."""
MEMORY_BYTES_MAX = 150 * 1024 * 1024
"""What an attack may add to a node's memory."""


@pytest.fixture(scope="module")
def hostile(consortium: Consortium) -> Iterator[Hostile]:
    """Takes the place of n4, which is down meanwhile."""
    absent = consortium.partners[3]
    consortium.await_level()
    absent.process.stop()
    yield Hostile(absent)
    consortium.mend()
    consortium.assert_equal_execution()


def log_of(partner: Partner, after: int = 0) -> str:
    return partner.process.log_path.read_bytes()[after:].decode(errors="replace")


def memory_bytes(partner: Partner) -> int:
    """Resident memory of the node."""
    with open(f"/proc/{partner.process.pid}/statm") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * 4096


def test_a_strangers_copy_does_not_stand_in_the_way(consortium: Consortium, hostile: Hostile) -> None:
    """A member copies somebody's transaction, signs it with its own key and is first with it.

    The genuine one is neither taken for posted already nor for refused: it takes effect.
    """
    source = consortium.partners[1]
    transaction = build_transaction(
        consortium.stage.chain,
        source.name,
        [Call(CURRENCY, "transfer", {"to": "coopbank", "amount": "3"})],
        time.time_ns() // 1_000_000 + 240_000,
    )
    path = f"/v1/transactions/{id_of(transaction)}"
    thread = hostile.attack(lambda: hostile.copy_of(canonical_json(transaction)), ATTACK_S)
    with httpx.Client(base_url=source.seat.api_url, timeout=90) as client:
        end_s = time.monotonic() + LEVEL_S
        while client.get(path).status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < end_s, "the copy never arrived"
        before = source.balance(CURRENCY)
        genuine = sign_transaction(transaction, [source.account.signer])
        answer = client.post("/v1/transactions", json=genuine, params={"wait": "committed", "timeout": "60"})
    thread.join()
    assert answer.is_success, answer.text
    assert (answer.json()["state"], answer.json()["outcome"]) == ("committed", "ok")
    assert source.balance(CURRENCY) == before - 3


def test_what_it_signed_twice_is_proven_on_the_chain_and_nobody_else_is_accused(
    consortium: Consortium, hostile: Hostile
) -> None:
    honest = consortium.partners[:3]
    thread = hostile.attack(hostile.contradictions, ATTACK_S)
    end_s = time.monotonic() + LEVEL_S
    while not (proven := honest[0].client.get("/v1/evidence")["items"]) or thread.is_alive():
        assert time.monotonic() < end_s, "its contradictions never came to the chain"
        consortium.transfer(honest[1], "coopbank", 1)
    thread.join()
    assert {(found["member"], found["epoch"]) for found in proven} == {(hostile.name, 1)}
    for partner in honest:
        assert partner.await_height(proven[0]["height"], LEVEL_S)
        assert partner.client.get("/v1/evidence")["items"] == proven


@pytest.mark.parametrize(
    ("attack", "is_named"),
    [
        (Hostile.contradictions, True),
        (Hostile.lies_of_progress, False),
        (Hostile.requests, False),
        (Hostile.junk, True),  # last, for it is shut out then
    ],
)
def test_three_go_on_under_attack(
    consortium: Consortium, hostile: Hostile, attack: object, is_named: bool
) -> None:
    honest = consortium.partners[:3]
    sizes = [partner.process.log_path.stat().st_size for partner in honest]
    memory = [memory_bytes(partner) for partner in honest]
    thread = hostile.attack(attack.__get__(hostile), ATTACK_S)  # type: ignore[attr-defined]
    committed = 0
    while thread.is_alive() or committed < COMMITTED_MIN:
        consortium.transfer(honest[committed % 3], "coopbank", 1)
        committed += 1
    thread.join()
    for partner, size, before in zip(honest, sizes, memory, strict=True):
        assert partner.process.is_running()
        if is_named:
            # Of contradictions an operator is told once: an earlier test may have made the first.
            since = 0 if attack is Hostile.contradictions else size
            named = partial(_names, partner, since, hostile)
            assert wait_until(named, LEVEL_S), "an operator must learn who it is"
        said = log_of(partner, size)
        assert "Traceback" not in said
        assert len(said) < LOG_BYTES_MAX
        assert memory_bytes(partner) - before < MEMORY_BYTES_MAX


def _names(partner: Partner, since: int, hostile: Hostile) -> bool:
    return f"={hostile.name}" in log_of(partner, since)
