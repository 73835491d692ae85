"""A disk in memory that fails, fills up and loses power, and the real journal on it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from consensus.errors import InvariantError
from node.disk import Disk as RealDisk
from node.journal import Journal, parse_segment
from node.simulator.chance import Chance

FOLDER = Path("journal")
ERRORS = (errno.ENOSPC, errno.EIO)


class Forgotten(Exception):
    """The journal lost what it said it holds."""


@dataclass
class File:
    """Contents, of which the first `synced` bytes are sure to outlive a loss of power."""

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0


class MemoryLock:
    """A simulated machine has one process."""

    def release(self) -> None:
        """Nothing to do."""


class MemoryDisk(RealDisk):
    """One folder. `before` is called with each operation's name, and may raise or stop the process there."""

    def __init__(self, before: Callable[[str], None]) -> None:
        self._before = before
        self._files: dict[str, File] = {}
        self._undo: list[dict[str, File | None]] = []
        """What names meant before each of the changes that were not synced yet."""
        self._open: list[File] = []

    def make_folder(self, folder: Path) -> None:
        pass

    def lock(self, folder: Path) -> MemoryLock:
        return MemoryLock()

    def names(self, folder: Path) -> list[str]:
        return list(self._files)

    def read(self, path: Path) -> bytes:
        return bytes(self._files[path.name].data)

    def create(self, path: Path) -> int:
        self._before("create")
        self._name({path.name: File()})
        self._open.append(self._files[path.name])
        return len(self._open) - 1

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        file = self._open[descriptor]
        try:
            self._before("write")
        except OSError:
            file.data += data[: len(data) // 2]
            raise
        file.data += data
        return len(data)

    def sync(self, descriptor: int) -> None:
        self._before("sync")
        self._open[descriptor].synced = len(self._open[descriptor].data)

    def close(self, descriptor: int) -> None:
        pass

    def rename(self, source: Path, target: Path) -> None:
        self._before("rename")
        self._name({source.name: None, target.name: self._files[source.name]})

    def remove(self, path: Path) -> None:
        self._before("remove")
        self._name({path.name: None})

    def sync_folder(self, folder: Path) -> None:
        self._before("sync")
        self._undo.clear()

    def _name(self, changes: dict[str, File | None]) -> None:
        self._undo.append({name: self._files.get(name) for name in changes})
        self._apply(changes)

    def _apply(self, changes: dict[str, File | None]) -> None:
        for name, file in changes.items():
            if file is None:
                self._files.pop(name, None)
            else:
                self._files[name] = file

    # -- faults -------------------------------------------------------------------------------------
    def lose_power(self, chance: Chance) -> None:
        """Of what was not synced, some is kept: the first changes of names, the first bytes, or zeros."""
        for _ in range(chance.between(0, len(self._undo))):
            self._apply(self._undo.pop())
        self._undo.clear()
        for file in self._files.values():
            unsynced = len(file.data) - file.synced
            if unsynced:
                kept = file.synced + chance.between(0, unsynced)
                zeros = chance.below(2) * (len(file.data) - kept)
                file.data[kept:] = bytes(zeros)
            file.synced = len(file.data)

    def flip_bit(self, chance: Chance) -> None:
        """One bit of one file, as bad hardware does."""
        file = self._files[chance.pick(sorted(self._files))]
        place = chance.below(8 * len(file.data))
        file.data[place // 8] ^= 1 << place % 8


class Disk:
    """A validator's journal, the real one, on a disk in memory."""

    def __init__(self, before: Callable[[str], None] = lambda _: None) -> None:
        self._before = before
        self.files = MemoryDisk(before)
        self._journal: Journal | None = None
        self._id: bytes | None = None
        self.durable: set[bytes] = set()
        """Records that were said to be on disk, and are still wanted."""
        self._draft: set[bytes] | None = None
        """What is about to replace them."""

    @property
    def size_bytes(self) -> int:
        """Length of the journal."""
        return self._opened().size_bytes

    def open(self) -> list[bytes]:
        """What a starting process finds. Raises: CorruptionError, JournalFailed, Forgotten."""
        self._journal, records = Journal.open(FOLDER, self._id, self.files)
        self._id = self._journal.id
        found = set(records)
        if not self.durable <= found and (self._draft is None or not self._draft <= found):
            raise Forgotten(f"{len(self.durable - found)} durable records are not in the journal any more")
        self.durable, self._draft = found, None
        return records

    def append(self, records: list[bytes]) -> None:
        """Raises: JournalFailed."""
        self._opened().append(records)
        self.durable.update(records)

    def rotate(self, records: list[bytes]) -> None:
        """Raises: JournalFailed."""
        self._draft = set(records)
        self._opened().rotate(records)
        self.durable, self._draft = self._draft, None

    def records(self) -> list[bytes]:
        """What is in the newest segment now."""
        names = sorted(name for name in self.files.names(FOLDER) if name.endswith(".journal"))
        path = FOLDER / names[-1]
        return parse_segment(self.files.read(path), path).records

    def erase(self) -> None:
        """A new disk."""
        self.files, self._journal, self._id, self.durable = MemoryDisk(self._before), None, None, set()

    def _opened(self) -> Journal:
        if self._journal is None:
            raise InvariantError("the journal is opened when the process starts")
        return self._journal


def refused(error: int) -> OSError:
    """What the system says of a full or broken disk."""
    return OSError(error, os.strerror(error))
