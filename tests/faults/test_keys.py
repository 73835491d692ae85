"""A validator key without its journal: it never votes again, and its node follows."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trio

from consensus.committee import Committee, Validator
from consensus.errors import DecodeError
from consensus.keys import Ed25519Signer
from consensus.messages import batch_payload, vote_payload
from consensus.types import NO_DIGEST, BatchHeader, Vote, VoteKind
from node.demo.partner import Partner, wait_until
from node.key_binding import Binding
from node.key_inquiry import (
    PAUSE_S,
    KeyAnswer,
    KeyInquiry,
    KeyRequest,
    Witness,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from node.store import Store
from tests.consortium.four import LEVEL_S, Consortium, running
from tests.consortium.load import signed_transfers

GENESIS = b"g" * 32
KEY = Ed25519Signer(bytes(32))
REQUEST = KeyRequest(GENESIS, 3, KEY.public_key)
HEADER = BatchHeader(3, 7, NO_DIGEST, NO_DIGEST, 1, 100, 1_000)
STANDS_STILL_S = 4.0
SALTS = itertools.count(10**6)


def vote(voter: int = 3, genesis: bytes = GENESIS, key: Ed25519Signer = KEY) -> Vote:
    payload = vote_payload(genesis, VoteKind.SKIP, 1, 5, None)
    return Vote(VoteKind.SKIP, 1, 5, None, voter, key.sign(payload))


def batch(header: BatchHeader = HEADER, key: Ed25519Signer = KEY) -> tuple[BatchHeader, bytes]:
    return header, key.sign(batch_payload(GENESIS, header))


def test_a_vote_or_a_batch_proves_that_a_key_signed() -> None:
    assert KeyAnswer(vote(), None).proof(REQUEST) == "a vote in view 5 of epoch 1"
    assert KeyAnswer(None, batch()).proof(REQUEST) == "batch 7 of its lane"


@pytest.mark.parametrize(
    "answer",
    [
        KeyAnswer(None, None),
        KeyAnswer(vote(voter=2), None),
        KeyAnswer(vote(genesis=bytes(32)), None),
        KeyAnswer(vote(key=Ed25519Signer(b"x" * 32)), None),
        KeyAnswer(None, batch(replace(HEADER, lane=2))),
        KeyAnswer(None, batch(key=Ed25519Signer(b"x" * 32))),
        KeyAnswer(None, (replace(HEADER, seq=8), batch()[1])),
    ],
)
def test_nobody_can_silence_a_key_with_a_made_up_proof(answer: KeyAnswer) -> None:
    assert answer.proof(REQUEST) is None


@pytest.mark.parametrize("answer", [KeyAnswer(vote(), batch()), KeyAnswer(None, None)])
def test_requests_and_answers_have_one_encoding(answer: KeyAnswer) -> None:
    assert decode_request(encode_request(REQUEST)) == REQUEST
    assert decode_answer(encode_answer(answer)) == answer
    with pytest.raises(DecodeError):
        decode_answer(encode_answer(answer) + b"\x00")


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with closing(Store.open(tmp_path / "ledger")) as store:
        yield Witness(GENESIS, store)


def test_nobody_makes_a_witness_forget_the_vote_of_another(witness: Witness) -> None:
    witness.heard(3, vote())
    witness.heard(2, replace(vote(), epoch=9, view=10**9, signature=bytes(64)))
    assert witness.testify(REQUEST).vote == vote()


class Others:
    """The network of member 3: these are connected, and know of no vote of its key."""

    def __init__(self, *members: int) -> None:
        self.connected = members
        self.asked_all = trio.Event()

    def status(self) -> list[Any]:
        return [SimpleNamespace(member=member, connected=True) for member in self.connected]

    async def request(self, member: int, body: bytes, timeout_ms: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if member == self.connected[-1]:
            self.asked_all.set()
        return encode_answer(KeyAnswer(None, None))


@pytest.mark.parametrize(
    ("connected", "votes"), [((4, 5, 6), False), ((0, 4, 5, 6), False), ((0, 1), True), ((0, 2, 4), True)]
)
def test_a_quorum_of_validators_clears_a_key(
    witness: Witness, tmp_path: Path, connected: tuple[int, ...], votes: bool
) -> None:
    committee = Committee(1, tuple(Validator(number, bytes([number]) * 32) for number in range(4)))
    replica = SimpleNamespace(committee=committee, take_part=None)
    binding = Binding(tmp_path / "validator.journal", KEY.public_key)
    driver: Any = SimpleNamespace(replica=replica, put=lambda _: None)
    network: Any = Others(*connected)
    inquiry = KeyInquiry(
        driver=driver,
        network=network,
        witness=witness,
        request=REQUEST,
        binding=binding,
        journal_id=b"j" * 16,
    )

    async def ask() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inquiry.run)
            if votes:
                await inquiry.settled.wait()
            else:
                await network.asked_all.wait()
                await trio.sleep(4 * PAUSE_S)
            nursery.cancel_scope.cancel()

    trio.run(ask)
    assert (binding.journal_id() == b"j" * 16) is votes


# ---------------------------------------------------------------- real nodes


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    with running(tmp_path_factory.mktemp("keys") / "four") as four:
        four.open_currency(1_000_000)
        for partner in four.partners[1:]:
            four.transfer(partner, "coopbank", 1)
        yield four


def journal(home: Path) -> None:
    shutil.rmtree(home / "journal")


def all_but_keys(home: Path) -> None:
    """As on a new machine, with the keys from the backup that was made before the first start."""
    for folder in ("journal", "ledger", "code-cache"):
        shutil.rmtree(home / folder)
    (home / "keys" / "validator.journal").unlink()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lose", [all_but_keys, journal])
def test_a_key_without_its_journal_does_not_vote(
    consortium: Consortium, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    loser, other, source = consortium.partners[3], consortium.partners[2], consortium.partners[1]
    loser.process.stop()
    kept = shutil.copytree(loser.seat.home, tmp_path / "kept")
    try:
        lose(loser.seat.home)
        _never_votes(consortium, loser, source, other)
    finally:  # what only seemed lost is put back: the next test finds four validators
        loser.process.stop()
        shutil.rmtree(loser.seat.home)
        shutil.copytree(kept, loser.seat.home)
        consortium.mend()
    consortium.assert_equal_execution()
    look = loser.look()
    assert look is not None
    assert "does not vote" not in look["why"]


def _never_votes(consortium: Consortium, loser: Partner, source: Partner, other: Partner) -> None:
    size = loser.process.log_path.stat().st_size
    for _ in range(2):  # and it stays so after the next start
        consortium.start([loser])
        consortium.transfer(source, "coopbank", 1)
        assert loser.await_height(source.height(), LEVEL_S)
        assert wait_until(partial(_says_so, loser), LEVEL_S), loser.look()
        # Clients are served all the same: what they post goes to a validator.
        consortium.transfer(loser, "coopbank", 1)
        loser.process.stop()
    said = loser.process.log_path.read_bytes()[size:].decode(errors="replace").splitlines()
    lines = [line for line in said if "must not again" in line]
    assert len(lines) == 2, said
    assert all("quorate member rotate" in line for line in lines)
    # Its vote is missed: with another node away there is no quorum.
    consortium.start([loser])
    other.process.stop()
    height = source.height()
    (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=next(SALTS))
    assert httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60).is_success
    assert not wait_until(lambda: source.height() > height + 1, STANDS_STILL_S)
    consortium.start([other])


def _says_so(partner: Partner) -> bool:
    look = partner.look()
    return look is not None and "does not vote, and its validator key must not again" in look["why"]
