"""The harness sees each kind of broken promise, and says how to see it again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fuzz import __main__, harness, pins, runs
from tests.fuzz.decoders import DECODERS
from tests.fuzz.harness import Bounds, Decoder, Failure, execute, make_input, run_seed
from tests.fuzz.mutations import spoil_text
from tests.fuzz.pins import input_of, pin, shortened
from tests.fuzz.runs import replay_command
from tests.fuzz.trees import JSON, MSGPACK

NAME = "planted"
SAMPLE = b"a sample of what is read"


class Refused(Exception):
    """What the planted decoders declare."""


def planted(read: Callable[[bytes], Any], **changes: Any) -> Decoder:
    """A decoder of our own, to plant a fault in."""
    return replace(Decoder(NAME, read, (Refused,), lambda: [SAMPLE]), **changes)


def refuse(text: str) -> None:
    raise Refused(text)


def loop(_data: bytes) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        (planted(lambda data: vars()["nothing"]), "KeyError"),
        (planted(lambda data: sys.exit(3)), "SystemExit"),
        (planted(lambda data: refuse("")), "says nothing"),
        (planted(lambda data: refuse("x" * 10_000)), "10000 characters"),
        (planted(lambda data: data, check=lambda data, value: refuse("another")), "accepted, but Refused"),
        (planted(lambda data: bytearray(2**20)), "bytes of memory"),
        (
            planted(lambda data: sum(range(300_000)), bounds=Bounds(seconds=0.0001, ns_per_byte=0)),
            "s allowed",
        ),
        (planted(loop), "hangs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_promise_is_seen(decoder: Decoder, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "HANG_S", 0.1)
    with pytest.raises(Failure, match=said):
        execute(decoder, SAMPLE)


def test_what_is_promised_is_no_failure() -> None:
    assert execute(planted(len), SAMPLE)
    assert not execute(planted(lambda data: refuse("not this")), SAMPLE)


def test_every_seed_is_an_input_of_its_own() -> None:
    decoder = planted(len, shapes=(spoil_text, MSGPACK, JSON))
    assert len({make_input(decoder, seed) for seed in range(500)}) > 400


def test_a_seed_gives_the_same_input_in_any_process() -> None:
    """Else the command that is printed would replay something else."""
    names = ["consensus.messages.decode_message", "api.transactions.submit", "node.config.load_config"]
    code = (
        "from tests.fuzz.decoders import DECODERS\nfrom tests.fuzz.harness import make_input\n"
        f"for name in {names}: print([make_input(DECODERS[name], seed).hex() for seed in range(20)])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    here = [str([make_input(DECODERS[name], seed).hex() for seed in range(20)]) for name in names]
    assert found.stdout.splitlines() == here


# ---------------------------------------------------------------- a failure, from finding it to keeping it


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    """A decoder that can not bear one letter."""

    def read(data: bytes) -> None:
        if b"x" in data:
            raise ValueError("x")
        refuse("not this")

    decoder = planted(read, shapes=(spoil_text,))
    monkeypatch.setitem(DECODERS, NAME, decoder)
    return decoder


def test_a_failure_is_found_replayed_by_one_command_and_kept(
    faulty: Decoder, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runs.run_long([NAME], 0, 0.01, jobs=1) > 0
    printed = capsys.readouterr().out
    seed = next(line.split()[-1] for line in printed.splitlines() if "replay" in line)
    assert replay_command(NAME, int(seed)) in printed
    with pytest.raises(Failure, match="ValueError"):
        run_seed(faulty, int(seed))

    assert __main__.main(["replay", NAME, seed]) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"{NAME} {pin(b'x')}"

    monkeypatch.setattr(pins, "SEEDS_FILE", tmp_path / "seeds.txt")
    pins.SEEDS_FILE.write_text(f"# a comment\n\n{line} what it showed\n")
    ((name, named),) = pins.kept()
    assert (name, input_of(faulty, named)) == (NAME, b"x")
    assert __main__.main(["replay", name, named]) == 1


def test_shortening_keeps_the_cause_and_drops_the_rest(faulty: Decoder) -> None:
    assert shortened(faulty, b"a" * 1_000 + b"x" + b"b" * 1_000, "ValueError: x") == b"x"


def test_a_clean_input_and_a_clean_run_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    name = "consensus.records.decode_record"
    assert __main__.main(["replay", name, "1"]) == 0
    assert __main__.main(["replay", name, "1", "--count", "20"]) == 0
    assert __main__.main(["long", name, "--minutes", "0.01", "--jobs", "1", "--seed", "0"]) == 0
    assert "0 failures" in capsys.readouterr().out


def test_a_process_that_dies_is_told_with_what_it_was_doing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when a decoder takes all memory, or crashes the interpreter."""
    monkeypatch.setitem(DECODERS, NAME, planted(lambda data: os._exit(9)))
    assert runs.run_long([NAME], 5, 0.05, jobs=1) == 1
    assert f"python -m tests.fuzz replay {NAME} 5 --count {runs.BLOCK_SEEDS}" in capsys.readouterr().out
