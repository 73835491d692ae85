"""What the recorder wrote can be done again, by anybody, without the node's keys."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from consensus.keys import verify_ed25519
from consensus.replica import Replica
from consensus.types import BatchRange, Get, Have, LaneTip, Proposal, VoteKind
from node.errors import CommandFailed, ConfigurationError
from node.recorder import RecordedReplica, Recorder, export, read_incident, replay
from node.recorder import recorder as recorder_module
from node.recorder.frames import Unreadable, Writer, load, payloads
from node.recorder.incident import MAGIC
from node.simulator import machine
from node.simulator.genesis import CHAIN, CHAIN_ID
from node.simulator.swarm import Swarm
from node.simulator.world import World
from tests.consensus.support import GENESIS, certificate, vote

ABOUT = {"chain": CHAIN, "chain_id": CHAIN_ID.hex(), "member": "n0", "quorate": "0"}
HARD = Swarm(
    seed=11,
    ed25519=True,
    crash=0.002,
    loss=0.1,
    duplication=0.2,
    delay_ms=(1, 60),
    twins=(3,),
    heal_at_ms=3_000,
    rotate=0.01,
)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Validators under faults, each with a recorder, those that were started again included."""
    recorders: dict[int, Recorder] = {}

    def make(*, me: int, **rest: Any) -> Replica:
        if me in recorders:
            recorders[me].close()
        recorders[me] = Recorder(tmp_path / str(me), ABOUT)
        return RecordedReplica(recorders[me], me=me, **rest)

    monkeypatch.setattr(machine, "Replica", make)
    world = World(HARD)
    world.run()
    return world


def test_every_member_s_recording_replays_to_the_same_effects(recorded: World, tmp_path: Path) -> None:
    assert recorded.counts["crash"] > 0
    for member in (0, 1, 2):
        incident = export(tmp_path / str(member), tmp_path / f"{member}.incident")
        lines: list[str] = []
        done = replay(incident, lines.append)
        assert (tmp_path / f"{member}.incident").stat().st_mode & 0o077 == 0
        assert done.difference is None
        assert done.turns > 100
        assert len(lines) > done.turns
        assert replay(read_incident(tmp_path / f"{member}.incident")).trace_hash == done.trace_hash


def test_a_replica_that_does_something_else_is_told(
    recorded: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = export(tmp_path / "0", tmp_path / "out")
    monkeypatch.setattr("consensus.voting.Voting._vote_to_finalise", lambda self: None)
    assert replay(incident).difference is not None


def test_the_ring_is_bounded_and_goes_on_over_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(recorder_module, "SEGMENT_BYTES_MAX", 8_000)
    request.getfixturevalue("recorded")
    files = recorder_module.segments(tmp_path / "0")
    assert len(files) == recorder_module.SEGMENTS_KEPT
    assert int(files[-1].stem) > recorder_module.SEGMENTS_KEPT
    assert replay(export(tmp_path / "0", tmp_path / "out")).difference is None


def test_a_changed_file_is_refused(recorded: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(tmp_path / "0", out)
    data = bytearray(out.read_bytes())
    for place in (0, 30, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        out.write_bytes(changed)
        with pytest.raises(CommandFailed, match=r"changed or cut short|no incident file"):
            read_incident(out)
    out.write_bytes(data[:-1])
    with pytest.raises(CommandFailed, match="cut short"):
        read_incident(out)


def test_what_a_kill_left_unfinished_is_left_out(recorded: World, tmp_path: Path) -> None:
    newest = recorder_module.segments(tmp_path / "0")[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    assert replay(export(tmp_path / "0", tmp_path / "out")).difference is None


def test_nothing_recorded_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no recording"):
        export(tmp_path, tmp_path / "out")


def test_a_disk_that_is_full_stops_the_recorder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    recorder = Recorder(tmp_path, ABOUT)
    monkeypatch.setattr(machine, "Replica", partial(RecordedReplica, recorder))
    world = World(Swarm(size=1, heal_at_ms=500))
    world.run()
    assert world.machines[0].ledger.height > 0


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1 + 1",)


@pytest.mark.parametrize("thing", [Harmful(), print, Path("x"), load])
def test_a_recording_names_nothing_but_values(thing: object) -> None:
    (payload,) = payloads(Writer({}).frame(("call", thing)))
    with pytest.raises(Unreadable, match="which no recording does"):
        load(payload, {})


@pytest.mark.parametrize(
    "value",
    [
        vote(VoteKind.SKIP, 7, None, 2),
        Have((LaneTip(1, 4, bytes(32)), LaneTip(2, 5, bytes(32)))),
        Get((bytes(32),), (BatchRange(bytes(32), 3),)),
        certificate(VoteKind.NOTARISE, 3, bytes(32), (0, 1, 2)),
        Proposal(GENESIS, vote(VoteKind.NOTARISE, 1, bytes(32), 1), ()),
    ],
)
def test_a_value_is_written_by_its_fields_and_read_as_it_was(value: object) -> None:
    (payload,) = payloads(Writer({}).frame(("call", value, value)))
    _, first, second = load(payload, {})
    assert first == value
    assert first is second, "what is the same is written once"
    assert b"__setstate__" not in payload
    assert b"voter" not in payload, "no names of fields"


READERS = {
    *("me", "is_validator", "final_height", "snapshot_records", "expects", "transactions", "held_batches"),
    *("batch", "status_snapshot", "why", "committee", "lane_key", "is_in_step"),
}
"""Public parts of a replica that only tell what it knows; all others must be recorded."""


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (Replica, b"\x8c\x11consensus.replica\x8c\x07Replica\x93"),
        (verify_ed25519, b"\x8c\x0econsensus.keys\x8c\x0everify_ed25519\x93"),
        (VoteKind(1), b"\x8c\x0fconsensus.types\x8c\x08VoteKind\x93K\x01\x85R"),
    ],
)
def test_a_recording_changes_nothing_but_its_own(changed: object, named: bytes) -> None:
    with pytest.raises(Unreadable, match="it changes"):
        load(b"\x80\x05" + named + b"N}\x8c\x04evil\x8c\x01!s\x86b.", {})
    assert not hasattr(changed, "evil")


@pytest.mark.parametrize("payload", [b"Nr" + b"\x00\x00\x00\x04.", b"\x96" + (2**29).to_bytes(8, "little")])
def test_a_few_bytes_of_a_recording_take_no_gigabyte(payload: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(Unreadable):
        load(b"\x80\x05" + payload, {})
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 2**24


def test_every_input_of_a_replica_is_recorded() -> None:
    public = {name for name in vars(Replica) if not name.startswith("_")}
    assert public - READERS == {name for name in vars(RecordedReplica) if name in public}


def hostile(folder: Path, content: bytes) -> Path:
    """An incident file that is whole, with what no recorder writes."""
    file = folder / "hostile.incident"
    packed = MAGIC + zlib.compress(content)
    file.write_bytes(packed + sha256(packed).digest())
    return file


def framed(payload: bytes) -> bytes:
    return struct.pack(">II", len(payload), crc32(payload)) + payload


HANGS = framed(b"\x80\x05\x8f()" + b"2\x86" * 64 + b"\x90.")
"""A set of one tuple that holds the same tuple twice, and so on: to hash it takes 2**64 steps."""
SWELLS = framed(b"\x80\x05(" + b"]" * 2**23 + b"l.")
"""Empty lists, a byte for each."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("content", "command", "said"),
    [
        (HANGS, ["replay", "--seconds", "3"], "was not read to its end in 3 s of processor time"),
        (SWELLS, ["replay-here", "--mib", "600"], "takes more than 600 MiB to read"),
    ],
)
def test_a_hostile_file_can_not_hang_or_swell_its_reader(
    tmp_path: Path, content: bytes, command: list[str], said: str
) -> None:
    file = hostile(tmp_path, content)
    words = [sys.executable, "-P", "-m", "node", "incident", *command, str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith(f"quorate: {file} "), done.stderr
    assert said in done.stderr


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandFailed, match="is no file"):
        read_incident(tmp_path / "pipe")
