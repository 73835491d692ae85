"""The journal keeps what it said it keeps, and refuses to guess."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import CorruptionError, InvariantError
from node import journal as journal_module
from node.disk import FolderLock
from node.errors import ConfigurationError
from node.journal import Journal, JournalFailed, JournalLost, parse_segment
from tests.durability.disks import IO_ERROR, NO_SPACE, FailingDisk, HastyDisk, MortalDisk, PowerLoss

FRAMES = ([b"a batch" * 5, b""], [b"a vote"], [b"\x00\x00\x00", b"its certificate", b"\x00"])
"""Records of three appends; some are zeros, which must not be taken for an unwritten end."""


def reopen(folder: Path) -> list[bytes]:
    journal, records = Journal.open(folder, disk=HastyDisk())
    journal.close()
    return records


def segment_of(folder: Path) -> Path:
    (path,) = folder.glob("segment-*.journal")
    return path


@pytest.fixture
def written(tmp_path: Path) -> tuple[bytes, list[int]]:
    """A segment's bytes, and its length after the head's frame and after each append."""
    journal, _ = Journal.open(tmp_path / "written")
    lengths = [journal.size_bytes]
    for frame in FRAMES:
        journal.append(frame)
        lengths.append(journal.size_bytes)
    data = segment_of(tmp_path / "written").read_bytes()
    journal.close()
    assert lengths[-1] == len(data)
    return data, lengths


def flat(frames: int) -> list[bytes]:
    return [record for frame in FRAMES[:frames] for record in frame]


@given(st.lists(st.lists(st.binary(max_size=300), max_size=5), max_size=6))
def test_records_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal, records = Journal.open(folder, disk=HastyDisk())
    assert records == []
    for frame in frames:
        journal.append(frame)
    journal.close()
    expected = [record for frame in frames for record in frame]
    assert reopen(folder) == expected
    assert reopen(folder) == expected, "opening changes nothing"


def test_identity_stays_over_restart_and_rotation(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path)
    assert journal.recovery.created
    journal.rotate([b"new"])
    journal.append([b"and more"])
    journal.close()
    again, records = Journal.open(tmp_path, bound_id=journal.id)
    assert (again.id, again.recovery.created, records) == (journal.id, False, [b"new", b"and more"])
    again.close()


def test_a_bound_key_refuses_a_missing_or_foreign_journal(tmp_path: Path) -> None:
    """A validator with a key but without its journal may have voted and forgotten it."""
    with pytest.raises(JournalLost, match="not here"):
        Journal.open(tmp_path / "empty", bound_id=bytes(16))
    reopen(tmp_path / "foreign")
    with pytest.raises(JournalLost, match="not here"):
        Journal.open(tmp_path / "foreign", bound_id=bytes(16))
    reopen(tmp_path / "foreign")


# ---------------------------------------------------------------- torn ends and damage


def test_an_end_cut_short_at_any_byte_is_dropped(written: tuple[bytes, list[int]]) -> None:
    """A crash in the middle of a write: everything acknowledged is there, nothing half."""
    data, lengths = written
    for length in range(lengths[0], len(data) + 1):
        whole = max(index for index, end in enumerate(lengths) if end <= length)
        segment = parse_segment(data[:length], Path("s"))
        assert segment.records == flat(whole)
        assert segment.dropped_bytes == length - lengths[whole]


def test_an_end_of_zeros_from_any_byte_is_dropped(written: tuple[bytes, list[int]]) -> None:
    """The file grew but the blocks were not written; the same where zeros follow a whole frame."""
    data, lengths = written
    for length in range(lengths[-2], len(data)):
        torn = data[:length] + bytes(len(data) - length)
        assert parse_segment(torn, Path("s")).records == flat(len(FRAMES) - 1), length
    for zeros in range(1, 100):
        assert parse_segment(data + bytes(zeros), Path("s")).records == flat(len(FRAMES))


def test_every_flipped_bit_is_noticed(written: tuple[bytes, list[int]]) -> None:
    """One flipped bit in the last vote would be amnesia if it were taken for a torn end."""
    data, _ = written
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            with pytest.raises(CorruptionError, match="s, byte"):
                parse_segment(bytes(damaged), Path("s"))


@given(data=st.data())
def test_any_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    """Whatever overwrites the file: an error, or some whole frames from the start; never other records."""
    frames = data.draw(st.lists(st.lists(st.binary(max_size=40), max_size=3), min_size=1, max_size=4))
    good = journal_module._FILE_HEAD.pack(b"quorate-journal\n", 1, bytes(16))
    good += journal_module._NUMBER.pack(crc32(good))
    prefixes = []
    for index, frame in enumerate(frames):
        good += journal_module._frame(frame)
        prefixes.append([record for earlier in frames[: index + 1] for record in earlier])
    start = data.draw(st.integers(0, len(good)))
    garbage = data.draw(st.binary(max_size=60))
    damaged = good[:start] + garbage + data.draw(st.sampled_from((b"", good[start + len(garbage) :])))
    try:
        segment = parse_segment(damaged, Path("s"))
    except CorruptionError:
        return
    assert segment.records in prefixes
    if segment.records != prefixes[-1]:
        # What was dropped is an end: cut short within a frame, or zeros up to the end of the file.
        assert len(damaged) < len(good) or damaged.endswith(b"\x00")


def test_damage_stops_the_node_with_file_place_and_advice(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path)
    journal.append([b"vote"])
    journal.close()
    path = segment_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptionError) as caught:
        Journal.open(tmp_path)
    assert str(path) in str(caught.value)
    assert re.search(r"byte \d+: .*new key", str(caught.value))
    assert path.read_bytes() == data, "evidence is left as it was"


def test_a_whole_segment_whose_first_frame_is_gone_is_damage(tmp_path: Path) -> None:
    """A segment gets its name only after its first frame is on disk, so no crash can have cut that."""
    reopen(tmp_path)
    path = segment_of(tmp_path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CorruptionError):
            Journal.open(tmp_path)


def test_of_two_segments_the_newer_one_counts(tmp_path: Path) -> None:
    """A crash between the new segment and the removal of the old one leaves both."""
    journal, _ = Journal.open(tmp_path)
    journal.append([b"old"])
    older = segment_of(tmp_path)
    data = older.read_bytes()
    journal.rotate([b"new"])
    journal.close()
    older.write_bytes(data)
    assert reopen(tmp_path) == [b"new"]
    assert not older.exists()


def test_reading_takes_time_in_proportion_to_length(tmp_path: Path) -> None:
    """A day's journal has tens of thousands of frames; looking ahead in each took minutes at every start."""
    journal, _ = Journal.open(tmp_path / "long", disk=HastyDisk())
    for number in range(20_000):
        journal.append([number.to_bytes(4, "big") * 128])
    journal.close()
    began_s = time.monotonic()
    assert len(reopen(tmp_path / "long")) == 20_000
    assert time.monotonic() - began_s < 10, "quadratic: it was 40 s and more"


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reopen(tmp_path)
    monkeypatch.setattr(journal_module, "JOURNAL_FORMAT", 2)
    with pytest.raises(CorruptionError, match="format 1"):
        Journal.open(tmp_path)


def test_a_frame_that_its_length_can_not_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "FRAME_BYTES_MAX", 100)
    journal, _ = Journal.open(tmp_path)
    journal.append([bytes(96)])
    with pytest.raises(InvariantError, match="too large"):
        journal.append([bytes(97)])
    journal.close()
    assert reopen(tmp_path) == [bytes(96)]


# ---------------------------------------------------------------- failing disks and power loss


def work(folder: Path, disk: FailingDisk | MortalDisk, history: list[list[bytes]]) -> None:
    """A journal's life; `history` gets each state before it is asked for."""
    history.append([])
    journal, records = Journal.open(folder, disk=disk)
    try:
        state = records
        for action, new in (
            ("append", [b"one" * 40, b"two"]),
            ("append", [b"three" * 30]),
            ("rotate", [b"two", b"three"]),
            ("append", [b"four" * 50]),
            ("rotate", [b"four"]),
            ("append", [b"five" * 20]),
        ):
            state = new if action == "rotate" else state + new
            history.append(state)
            (journal.rotate if action == "rotate" else journal.append)(new)
    finally:
        journal.close()


def count_operations(folder: Path) -> int:
    disk = MortalDisk(dies_at=-1)
    work(folder, disk, [])
    return disk.operations


@pytest.mark.parametrize("names", ["all", "none", "removals"])
@pytest.mark.parametrize("kept", ["nothing", "half", "zeros", "all"])
def test_power_loss_at_any_operation_loses_nothing_acknowledged(
    tmp_path: Path, names: str, kept: str
) -> None:
    """What is found is the last acknowledged state, or all of the one that was under way."""
    for dies_at in range(count_operations(tmp_path / "whole")):
        folder = tmp_path / str(dies_at)
        disk = MortalDisk(dies_at)
        history: list[list[bytes]] = [[]]
        with pytest.raises(PowerLoss):
            work(folder, disk, history)
        disk.lose(names=names, kept=kept)
        journal, records = Journal.open(folder, disk=HastyDisk())
        assert records in history[-2:], dies_at
        journal.append([b"life goes on"])
        journal.close()
        assert reopen(folder) == [*records, b"life goes on"]


@pytest.mark.parametrize("error", [NO_SPACE, IO_ERROR])
def test_a_failed_operation_poisons_the_journal(tmp_path: Path, error: int) -> None:
    """After a failure nobody knows what is on disk: no retry, and nothing acknowledged is lost."""
    for fails_at in range(count_operations(tmp_path / "whole")):
        folder = tmp_path / str(fails_at)
        history: list[list[bytes]] = [[]]
        with pytest.raises(JournalFailed, match=os.strerror(error)):
            work(folder, FailingDisk(fails_at, error), history)
        assert reopen(folder) in history[-2:], fails_at


def test_a_poisoned_journal_stays_so(tmp_path: Path) -> None:
    disk = FailingDisk(fails_at=-1, error=IO_ERROR)
    journal, _ = Journal.open(tmp_path, disk=disk)
    disk._fails_at = disk.operations + 1  # the next sync
    with pytest.raises(JournalFailed, match="start the node again"):
        journal.append([b"lost"])
    operations = disk.operations
    with pytest.raises(JournalFailed, match="not used any more"):
        journal.append([b"more"])
    with pytest.raises(JournalFailed, match="not used any more"):
        journal.rotate([b"more"])
    assert disk.operations == operations, "the disk was not touched again"
    journal.close()


def test_a_system_that_takes_a_part_gets_the_rest(tmp_path: Path) -> None:
    class StingyDisk(FailingDisk):
        def write(self, descriptor: int, data: bytes | memoryview) -> int:
            return super().write(descriptor, data[:7])

    journal, _ = Journal.open(tmp_path, disk=StingyDisk(fails_at=-1, error=IO_ERROR))
    journal.append([b"longer than seven bytes"])
    journal.close()
    assert reopen(tmp_path) == [b"longer than seven bytes"]


# ---------------------------------------------------------------- one process


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    journal, _ = Journal.open(tmp_path)
    program = "import sys, pathlib; from node.journal import Journal; Journal.open(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert other.returncode != 0
    assert f"in use by process {os.getpid()}" in other.stderr
    with pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
        Journal.open(tmp_path)
    journal.close()
    reopen(tmp_path)


def test_a_lock_is_free_after_release(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.release()
    first.release()
    FolderLock(tmp_path).release()
