"""The journal: what this validator has promised, on disk before anybody hears of it.

One file, a *segment*, is appended to; each append is one frame with its own checksum, one write and one
sync. `docs/journal.md` gives the format and says why a torn end can be told from a damaged one:

- a frame ends with a mark that is not zero, so a frame that was written whole never ends in zeros;
- a frame's length has a checksum of its own, so a damaged length can not pose as a frame cut short.

So recovery drops only an end that is cut short or zero, which is a frame that nobody was told of. Any other
damage might be a lost vote, and a validator that forgot a vote may contradict itself: it must not go on.

A segment is never changed in place and never trusted twice: `open` copies what it read into a new segment.
That leaves a torn end behind, and it brings to disk what a failed sync of an earlier process may have left
in memory only, where reading it back looks the same.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from consensus.errors import CorruptionError, ensure
from node.disk import Disk, Lock
from node.errors import NodeError

JOURNAL_FORMAT = 1
JOURNAL_ID_BYTES = 16
FRAME_BYTES_MAX = 2**32 - 1
"""The records of one append with their lengths, in bytes."""

_MAGIC = b"quorate-journal\n"
_FILE_HEAD = struct.Struct(f">{len(_MAGIC)}sH{JOURNAL_ID_BYTES}s")
_FRAME_HEAD = struct.Struct(">II")
_NUMBER = struct.Struct(">I")
_END_MARK = b"\xa5"
_FILE_HEAD_BYTES = _FILE_HEAD.size + _NUMBER.size
_FRAME_HEAD_BYTES = _FRAME_HEAD.size + _NUMBER.size
_SEGMENT_NAME = re.compile(r"segment-([0-9]{12})\.journal\Z")


class JournalFailed(NodeError):
    """The disk refused a write or a sync: nothing more may be promised, so the node must stop."""


class JournalLost(CorruptionError):
    """The journal that a validator key is bound to is not there: the key must not vote any more."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `open` found: nothing (`created`), or a segment, `dropped_bytes` of it a torn frame at its end."""

    created: bool
    dropped_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's contents. `journal_id` is 16 bytes."""

    journal_id: bytes
    records: list[bytes]
    dropped_bytes: int


class Journal:
    """An open journal: for one process, and one caller at a time."""

    def __init__(self, folder: Path, disk: Disk, lock: Lock, journal_id: bytes, recovery: Recovery) -> None:
        """For `open` only: has no segment yet."""
        self.id = journal_id
        self.recovery = recovery
        self.size_bytes = 0
        """Length of the segment."""
        self._folder = folder
        self._disk = disk
        self._lock = lock
        self._descriptor = -1
        self._failure: str | None = None

    @classmethod
    def open(
        cls, folder: Path, bound_id: bytes | None = None, disk: Disk | None = None
    ) -> tuple[Journal, list[bytes]]:
        """The journal in `folder`, made if there is none, and all its records in order.

        `bound_id` is the journal that the validator key is bound to (16 bytes): then no other will do.

        Raises: JournalLost; CorruptionError for damage; ConfigurationError where another process has the
        folder; JournalFailed where the disk does not work.
        """
        disk = disk or Disk()
        try:
            disk.make_folder(folder)
            disk.sync_folder(folder.parent)
            lock = disk.lock(folder)
        except OSError as error:
            raise JournalFailed(
                f"journal {folder}: can not be opened: {error.strerror}; check the disk, then start again"
            ) from error
        try:
            found = _read_newest(disk, folder)
            if bound_id is not None and (found is None or found.journal_id != bound_id):
                raise JournalLost(
                    f"the validator key is bound to journal {bound_id.hex()}, which is not here ({folder})"
                )
            recovery = Recovery(found is None, 0 if found is None else found.dropped_bytes)
            found = found or Segment(os.urandom(JOURNAL_ID_BYTES), [], 0)
            journal = cls(folder, disk, lock, found.journal_id, recovery)
            journal.rotate(found.records)
        except BaseException:
            lock.release()
            raise
        return journal, found.records

    def append(self, records: Sequence[bytes]) -> None:
        """Returns once all `records` are on disk, as a whole or, after a crash, not at all.

        Raises: JournalFailed, then and for ever after: a sync that failed once can not be repeated.
        """
        self._ensure_usable()
        frame = _frame(records)
        try:
            self._write(self._descriptor, frame)
            self._disk.sync(self._descriptor)
        except OSError as error:
            raise self._fail("append", error) from error
        self.size_bytes += len(frame)

    def rotate(self, initial_records: Sequence[bytes]) -> None:
        """Replace everything by `initial_records`, durable on return; after a crash it is all old or all new.

        Raises: JournalFailed, as `append` does.
        """
        self._ensure_usable()
        head = _FILE_HEAD.pack(_MAGIC, JOURNAL_FORMAT, self.id)
        contents = head + _NUMBER.pack(crc32(head)) + _frame(initial_records)
        try:
            names = self._disk.names(self._folder)
            older = _segments(names)
            number = older[-1][0] + 1 if older else 1
            path = self._folder / f"segment-{number:012}.journal"
            draft = path.with_suffix(".draft")
            if draft.name in names:  # left by a crash
                self._disk.remove(draft)
            descriptor = self._disk.create(draft)
            self._write(descriptor, contents)
            self._disk.sync(descriptor)
            self._disk.rename(draft, path)
            self._disk.sync_folder(self._folder)
            # The new segment is the journal now; until here a crash would have left the old one.
            for _, name in older:
                self._disk.remove(self._folder / name)
            self._disk.sync_folder(self._folder)
        except OSError as error:
            raise self._fail("start a new segment", error) from error
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
        self._descriptor, self.size_bytes = descriptor, len(contents)

    def close(self) -> None:
        """Give the folder back; calling it twice does no harm."""
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1
        self._failure = self._failure or "it is closed"
        self._lock.release()

    def _write(self, descriptor: int, data: bytes) -> None:
        """One write; only a system that takes less than it was given gets the rest in another."""
        view = memoryview(data)
        while view:
            view = view[self._disk.write(descriptor, view) :]

    def _fail(self, action: str, error: OSError) -> JournalFailed:
        self._failure = f"could not {action}: {error.strerror}"
        return JournalFailed(
            f"journal {self._folder}: {self._failure}; check the disk, then start the node again"
        )

    def _ensure_usable(self) -> None:
        if self._failure is not None:
            raise JournalFailed(f"journal {self._folder}: not used any more, {self._failure}")


def parse_segment(data: bytes, path: Path) -> Segment:
    """The contents of a segment; `path` is for the error's text. Raises: CorruptionError."""
    if len(data) < _FILE_HEAD_BYTES:
        raise _damaged(path, 0, "its head is cut short")
    magic, file_format, journal_id = _FILE_HEAD.unpack_from(data)
    if crc32(data[: _FILE_HEAD.size]) != _NUMBER.unpack_from(data, _FILE_HEAD.size)[0] or magic != _MAGIC:
        raise _damaged(path, 0, "its head fails its checksum")
    if file_format != JOURNAL_FORMAT:
        raise CorruptionError(f"journal {path} has format {file_format}, this quorate reads {JOURNAL_FORMAT}")
    records: list[bytes] = []
    offset = _FILE_HEAD_BYTES
    while offset < len(data):
        end = _frame_end(data, offset, path)
        if end is None:
            break
        found = _records(data[offset + _FRAME_HEAD_BYTES : end - len(_END_MARK)])
        if found is None:
            raise _damaged(path, offset, "the records of a frame do not fill it")
        records += found
        offset = end
    if offset == _FILE_HEAD_BYTES:
        raise _damaged(
            path, offset, "its first frame, which was on disk before the file had its name, is not whole"
        )
    return Segment(journal_id, records, len(data) - offset)


def _frame_end(data: bytes, offset: int, path: Path) -> int | None:
    """Where the frame at `offset` ends, or None for one that was never written to its end."""
    body = offset + _FRAME_HEAD_BYTES
    if len(data) < body:
        return None
    length: int
    length, checksum = _FRAME_HEAD.unpack_from(data, offset)
    if (
        crc32(data[offset : offset + _FRAME_HEAD.size])
        != _NUMBER.unpack_from(data, offset + _FRAME_HEAD.size)[0]
    ):
        if _is_zero(data, body):
            return None
        raise _damaged(path, offset, "the head of a frame fails its checksum")
    mark = body + length
    # The rest is looked through only where it may be zero, not for each frame: there are many.
    if len(data) <= mark or (data[mark] == 0 and _is_zero(data, mark)):
        return None
    if data[mark : mark + 1] != _END_MARK or crc32(data[body:mark]) != checksum:
        raise _damaged(path, offset, "a frame fails its checksum")
    return mark + len(_END_MARK)


def _is_zero(data: bytes, start: int) -> bool:
    return data.count(0, start) == len(data) - start


def _frame(records: Sequence[bytes]) -> bytes:
    payload = b"".join(part for record in records for part in (_NUMBER.pack(len(record)), record))
    ensure(len(payload) <= FRAME_BYTES_MAX, "one append to the journal is too large")
    head = _FRAME_HEAD.pack(len(payload), crc32(payload))
    return head + _NUMBER.pack(crc32(head)) + payload + _END_MARK


def _records(payload: bytes) -> list[bytes] | None:
    """What is in a frame; None where its lengths contradict its own, whatever the checksum says."""
    records, offset = [], 0
    while offset < len(payload):
        start = offset + _NUMBER.size
        offset = start + int.from_bytes(payload[offset:start], "big")
        records.append(payload[start:offset])
    return records if offset == len(payload) else None


def _segments(names: Sequence[str]) -> list[tuple[int, str]]:
    matches = ((_SEGMENT_NAME.match(name), name) for name in names)
    return sorted((int(match[1]), name) for match, name in matches if match)


def newest_segment(folder: Path) -> Segment | None:
    """What the journal in a folder holds, None where there is none; changes nothing, also beside a node.

    Raises: CorruptionError; JournalFailed where it can not be read.
    """
    return _read_newest(Disk(), folder) if folder.is_dir() else None


def _read_newest(disk: Disk, folder: Path) -> Segment | None:
    """What the journal holds. A crash while a segment replaces another leaves both: the newer one counts."""
    try:
        segments = _segments(disk.names(folder))
        if not segments:
            return None
        newest = folder / segments[-1][1]
        return parse_segment(disk.read(newest), newest)
    except OSError as error:
        raise JournalFailed(
            f"journal {folder}: can not be read: {error.strerror}; check the disk, then start again"
        ) from error


def _damaged(path: Path, offset: int, what: str) -> CorruptionError:
    return CorruptionError(
        f"journal {path}, byte {offset}: {what}; a vote may be lost, so the validator key must not vote "
        "again: put the undamaged file back, or have the members accept a new key (docs/journal.md)"
    )
