"""The checking processes: they say what the node itself would say, and nobody loses an answer by them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.catalogue import ApiError
from api.submissions import Submission, read_batch
from consensus.batches import InvalidBatch, check_batch, make_batch
from consensus.errors import InvalidMessage, InvalidTransaction
from consensus.keys import Ed25519Signer, verify_ed25519
from consensus.parameters import Parameters
from consensus.transactions import (
    BODY_BYTES_MAX,
    SIGNATURES_MAX,
    Found,
    body_from_json,
    canonical_json,
    make_envelope,
    parse_transaction,
    read_envelopes,
    signed_bytes,
)
from consensus.types import NO_DIGEST, LaneTip
from node.checking.child import NICENESS
from node.checking.messages import answer, found_of, posted_of, read_posted, request_of
from node.checking.pool import ORDERED_PROCESSORS_MIN, OWN_BYTES_MAX, PROCESSES_MAX, Checks, processes_max
from node.demo.partner import wait_until

CHAIN, CHAIN_ID = "checking", bytes(32)
BOUND_S = 60.0
SIGNERS = [Ed25519Signer(bytes([number]) * 32) for number in range(3)]


def submission(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A transfer as a client posts it."""
    transaction = {
        "calls": [{"contract": "coin", "action": "transfer", "args": {"to": "bolt", "amount": "1"}}],
        "chain": CHAIN,
        "expires_ms": 1_800_000_000_000,
        "salt": f"salt{number}",
        "sender": "greenfarm",
    } | changes
    signature = SIGNERS[0].sign(signed_bytes(canonical_json(transaction)))
    signed = [{"key": SIGNERS[0].public_key.hex(), "signature": signature.hex()}]
    return {"transaction": transaction, "signatures": signed}


def envelope(salt: int = 0) -> bytes:
    body = body_from_json(submission(salt)["transaction"])
    return make_envelope(body, [(each.public_key, each.sign(signed_bytes(body))) for each in SIGNERS[:1]])


def body_of(items: Iterable[Any]) -> bytes:
    return orjson.dumps({"transactions": list(items)})


def told(found: Found) -> object:
    """What is said of an envelope, in the end."""
    if isinstance(found.content, InvalidTransaction):
        return found.content.code, found.content.detail
    return found.content, found.is_signed(verify_ed25519)


def outcome_of_post(read: Any, body: bytes) -> object:
    try:
        return [(each.id, each.size_bytes, told(each.found)) for each in read(body, CHAIN)]
    except ApiError as error:
        return error.code, error.detail, error.fields


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(ORDERED_PROCESSORS_MIN)))
    made = Checks()
    yield made
    pids = [process.pid for process in made._running]
    made.close()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), BOUND_S)


MANY = [envelope(salt) for salt in range(OWN_BYTES_MAX // 250)]


def only(checks: Checks) -> int:
    [process] = checks._running
    return process.pid


# ---------------------------------------------------------------- what is said


texts = st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("calls", "chain", "cosigners", "expires_ms", "gas_limit", "salt", "sender", "unknown")
spoilt_fields = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values))
good = st.integers(0, 9).map(submission)


@st.composite
def spoilt_submissions(draw: st.DrawFn) -> Any:
    """Something near a good submission: other fields, other signatures, or another shape altogether."""
    item = submission(draw(st.integers(0, 9)), **draw(spoilt_fields))
    item["signatures"] += draw(st.lists(st.just(item["signatures"][0]) | json_values, max_size=1))
    if draw(st.booleans()):
        place = draw(st.integers(0, 127))
        text = item["signatures"][0]["signature"]
        item["signatures"][0]["signature"] = text[:place] + draw(st.sampled_from("0f!")) + text[place + 1 :]
    return draw(st.just(item) | json_values)


@st.composite
def spoilt_envelopes(draw: st.DrawFn) -> bytes:
    data = bytearray(envelope(draw(st.integers(0, 9))))
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.just(len(data)) | st.integers(0, len(data)))])


@given(st.lists(spoilt_envelopes(), min_size=1, max_size=4))
def test_of_envelopes_the_same_is_said_either_way(envelopes: list[bytes]) -> None:
    """Guards codes and texts of refusals, and every field of what is admitted."""
    here = list(map(told, read_envelopes(envelopes, CHAIN)))
    for verb in ("check", "parse"):
        there = found_of(answer(request_of(verb, CHAIN, envelopes)), envelopes)
        assert list(map(told, there)) == here
        assert all(
            (found.signed is None) == (verb == "parse" or isinstance(found.content, InvalidTransaction))
            for found in there
        )


@given(
    st.lists(good | spoilt_submissions(), max_size=4).map(body_of)
    | json_values.map(orjson.dumps)
    | st.binary(max_size=20)
)
@settings(deadline=None)
def test_of_what_is_posted_the_same_is_said_either_way(body: bytes) -> None:
    def by_messages(posted: bytes, chain: str) -> object:
        return posted_of(answer(request_of("posted", chain, posted)))

    assert outcome_of_post(by_messages, body) == outcome_of_post(read_posted, body)


@given(st.lists(good | spoilt_submissions(), max_size=4))
@settings(deadline=None)
def test_of_what_is_posted_the_same_is_said_as_of_its_envelope(items: list[Any]) -> None:
    """Guards the shorter way from JSON: what others find in the envelope is what this node found."""
    try:
        posted = read_posted(body_of(items), CHAIN)
    except ApiError:
        return
    for item, each in zip(read_batch(body_of(items)), posted, strict=True):
        if isinstance(item, ApiError):
            assert told(each.found) == (item.code, item.detail)
            assert (each.id, each.size_bytes) == ("", 0)
        else:
            assert [told(each.found)] == list(map(told, read_envelopes([item.envelope], CHAIN)))
            assert (each.id, each.size_bytes) == (item.id, len(item.envelope))


@pytest.mark.parametrize("over", [0, 1])
def test_limits_of_an_envelope_are_told_for_what_is_posted(over: int) -> None:
    """Tests BODY_BYTES_MAX and SIGNATURES_MAX at their edges, on the shorter way."""
    item = submission(gas_limit=100_000)
    call = item["transaction"]["calls"][0]
    call["args"]["to"] = "x" * (BODY_BYTES_MAX + over - len(canonical_json(item["transaction"])) + 4)
    assert len(canonical_json(item["transaction"])) == BODY_BYTES_MAX + over
    many = submission(gas_limit=100_000)
    many["signatures"] = [
        {"key": f"{number:064x}", "signature": "00" * 64} for number in range(SIGNATURES_MAX + over)
    ]
    for each in (item, many):
        [posted] = read_posted(body_of([each]), CHAIN)
        [read] = read_batch(body_of([each]))
        assert isinstance(read, Submission)
        assert [told(posted.found)] == list(map(told, read_envelopes([read.envelope], CHAIN)))
        assert isinstance(posted.found.content, InvalidTransaction) == bool(over)


def test_a_process_says_it(checks: Checks) -> None:
    """Guards the way there and back: no death of a process stands behind a right answer."""
    spoilt = bytearray(MANY[0])
    spoilt[-1] ^= 1
    envelopes = [b"nonsense", *MANY, bytes(spoilt)]
    found = list(checks.check(envelopes, CHAIN))
    assert [each.signed for each in found] == [None, *[True] * len(MANY), False]
    assert found[1].content == parse_transaction(MANY[0], CHAIN)
    assert list(map(told, found)) == list(map(told, read_envelopes(envelopes, CHAIN)))
    assert [each.signed for each in checks.parse_ordered(MANY, CHAIN)] == [None] * len(MANY)
    body = body_of([*map(submission, range(len(MANY))), {"nothing": 1}])
    assert outcome_of_post(checks.posted, body) == outcome_of_post(read_posted, body)
    assert {each.found.signed for each in checks.posted(body, CHAIN)} == {True, None}
    too_many = body_of([1] * 30_000)
    assert outcome_of_post(checks.posted, too_many) == outcome_of_post(read_posted, too_many)
    assert len(checks._idle) == len(checks._running) == 1


@pytest.mark.parametrize("spoil", ["nothing", "a signature", "an envelope", "the gas"])
def test_of_a_batch_the_same_is_said_either_way(checks: Checks, spoil: str) -> None:
    """Guards who is blamed for a batch, and with which words."""
    transactions = [parse_transaction(each, CHAIN) for each in MANY]
    if spoil == "a signature":
        [key, _] = transactions[3].signatures[0]
        wrong = make_envelope(transactions[3].body, [(key, bytes(64))])
        transactions[3] = parse_transaction(wrong, CHAIN)
    if spoil == "an envelope":
        transactions[2] = transactions[2]._replace(envelope=b"no envelope")
    if spoil == "the gas":
        transactions[1] = transactions[1]._replace(gas_limit=1)
    batch = make_batch(CHAIN_ID, 0, LaneTip(0, 0, NO_DIGEST), transactions, SIGNERS[1]).batch

    def said(read: Any) -> object:
        try:
            return check_batch(
                batch, chain_id=CHAIN_ID, chain=CHAIN, key=SIGNERS[1].public_key, verifier=verify_ed25519,
                parameters=Parameters(), read=read,
            )  # fmt: skip
        except InvalidMessage as error:
            return type(error), str(error)

    here = said(read_envelopes)
    assert said(checks.check_ordered) == here
    assert (spoil == "nothing") != (isinstance(here, tuple) and here[0] is InvalidBatch)
    assert checks._idle


# ---------------------------------------------------------------- the processes


def test_little_starts_no_process(checks: Checks) -> None:
    """Guards nodes that have little to do: no process, no memory. Tests OWN_BYTES_MAX at its edge."""
    fits = b" " * (OWN_BYTES_MAX - 19) + b'{"transactions":[]}'
    assert outcome_of_post(checks.posted, fits) == outcome_of_post(checks.posted, b'{"transactions":[]}')
    list(checks.check([bytes(OWN_BYTES_MAX)], CHAIN))
    assert not checks._running
    list(checks.check([bytes(OWN_BYTES_MAX + 1)], CHAIN))
    first = only(checks)
    with pytest.raises(ApiError):
        checks.posted(b" " + fits, CHAIN)
    assert only(checks) == first


@pytest.mark.parametrize(("processors", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (64, 4)])
def test_processes_for_processors(processors: int, processes: int) -> None:
    assert processes_max(processors) == processes <= PROCESSES_MAX


@pytest.mark.parametrize("spare", [0, 1])
def test_what_validators_order_needs_a_spare_processor(monkeypatch: pytest.MonkeyPatch, spare: int) -> None:
    """Guards many nodes on few processors, where handing over costs more than it saves."""
    processors = range(ORDERED_PROCESSORS_MIN - 1 + spare)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(processors))
    checks = Checks()
    try:
        for read in (checks.check_ordered, checks.parse_ordered):
            assert list(map(told, read(MANY, CHAIN))) == list(map(told, read_envelopes(MANY, CHAIN)))
        assert len(checks._running) == spare
        list(checks.check(MANY, CHAIN))
        assert len(checks._running) == 1
    finally:
        checks.close()


def test_a_process_has_nothing_of_the_nodes_own(checks: Checks) -> None:
    list(checks.check(MANY, CHAIN))
    pid = only(checks)
    assert Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")[1:] == [b""]
    files = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115 - no files
    assert {file.partition(":")[0] for file in files} == {"pipe", "/dev/null"}
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
    assert os.getpgid(pid) != os.getpgid(0), "a signal to the node's group is not for it"


def test_what_a_dead_process_was_to_check_is_checked(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guards the answer, and that a process which dies again and again is not started all the time."""
    right = list(map(told, read_envelopes(MANY, CHAIN)))
    assert list(map(told, checks.check(MANY, CHAIN))) == right
    first = only(checks)
    os.kill(first, signal.SIGSTOP)
    answered: list[object] = []
    asking = threading.Thread(target=lambda: answered.extend(map(told, checks.check(MANY, CHAIN))))
    asking.start()
    assert wait_until(lambda: not checks._idle, BOUND_S)
    os.kill(first, signal.SIGKILL)
    asking.join(BOUND_S)
    assert answered == right
    assert "a checking process died (SIGKILL)" in capsys.readouterr().out
    assert list(map(told, checks.check(MANY, CHAIN))) == right
    assert not checks._running
    monkeypatch.setattr(checks, "_next_start_s", 0.0)
    assert list(map(told, checks.check(MANY, CHAIN))) == right
    assert only(checks) != first


def test_where_no_process_starts_the_node_checks(
    checks: Checks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("node.checking.process.COMMAND", ("/nowhere/python",))
    assert list(map(told, checks.check(MANY, CHAIN))) == list(map(told, read_envelopes(MANY, CHAIN)))
    assert "a checking process does not start (No such file or directory)" in capsys.readouterr().out


def test_at_its_end_what_is_asked_is_checked_here(checks: Checks) -> None:
    list(checks.check(MANY, CHAIN))
    os.kill(only(checks), signal.SIGSTOP)
    answered: list[object] = []
    asking = threading.Thread(target=lambda: answered.extend(map(told, checks.check(MANY, CHAIN))))
    asking.start()
    assert wait_until(lambda: not checks._idle, BOUND_S)
    checks.close()
    asking.join(BOUND_S)
    assert answered == list(map(told, read_envelopes(MANY, CHAIN)))
    assert list(map(told, checks.check(MANY, CHAIN))) == answered


def test_it_ends_with_the_node() -> None:
    """Guards against processes that stay when their node is killed."""
    program = (
        "from node.checking.pool import Checks; checks = Checks(); "
        "list(checks.check([bytes(100_000)], 'chain')); "
        "print(*[process.pid for process in checks._running], flush=True); input()"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        node.kill()
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), BOUND_S)


def test_what_validators_order_goes_first() -> None:
    """Guards ordering where more is posted than can be checked."""
    checks, order = Checks(), []
    checks._places = 1

    def ask(urgent: bool) -> None:
        with checks._place(urgent):
            order.append(urgent)

    with checks._place(False):
        asking = []
        for urgent in (False, False, True):
            asking.append(threading.Thread(target=ask, args=[urgent]))
            asking[-1].start()
            assert wait_until(lambda: sum(checks._waiting) == len(asking), BOUND_S)
    for each in asking:
        each.join(BOUND_S)
    assert order == [True, False, False]
