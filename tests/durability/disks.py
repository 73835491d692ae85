"""Disks that fail, stop half way or lose power."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from node.disk import Disk


class PowerLoss(BaseException):
    """The machine went off; nothing of the process runs any more."""


class HastyDisk(Disk):
    """Syncs nothing, where a test is not about power."""

    def sync(self, descriptor: int) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...


class FailingDisk(HastyDisk):
    """Reports an error at one operation, counted from 0; a write that fails has written half."""

    def __init__(self, fails_at: int, error: int) -> None:
        self.operations = 0
        self._fails_at = fails_at
        self._error = error

    def _step(self) -> None:
        self.operations += 1
        if self.operations == self._fails_at + 1:
            raise OSError(self._error, os.strerror(self._error))

    def create(self, path: Path) -> int:
        self._step()
        return super().create(path)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        try:
            self._step()
        except OSError:
            super().write(descriptor, data[: len(data) // 2])
            raise
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


class MortalDisk(HastyDisk):
    """Loses power before one operation, counted from 0, and then shows what a real disk might have kept.

    Everything that was synced stays. Of the rest `lose` keeps what it is told to.
    """

    def __init__(self, dies_at: int) -> None:
        self.operations = 0
        self._dies_at = dies_at
        self._synced_bytes: dict[Path, int] = {}
        self._paths: dict[int, Path] = {}
        self._undo: list[tuple[str, Path, Path | bytes | None]] = []

    def _step(self) -> None:
        if self.operations == self._dies_at:
            raise PowerLoss
        self.operations += 1

    def create(self, path: Path) -> int:
        self._step()
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self._synced_bytes[path] = 0
        self._undo.append(("create", path, None))
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._step()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        path = self._paths[descriptor]
        self._synced_bytes[path] = path.stat().st_size

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)
        self._synced_bytes[target] = self._synced_bytes.pop(source)
        self._paths = {number: target if path == source else path for number, path in self._paths.items()}
        self._undo.append(("rename", source, target))

    def remove(self, path: Path) -> None:
        self._step()
        self._undo.append(("remove", path, path.read_bytes()))
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        self._undo.clear()

    def lose(self, *, names: str, kept: str) -> None:
        """Turn the folder into what is found after power is back.

        `names`, of unsynced changes of the folder: "all" are kept, "none", or only "removals", since a disk
        may reorder them. `kept` of unsynced contents: "nothing", "half", "zeros" (after half) or "all".
        """
        for path, synced in self._synced_bytes.items():
            if path.exists():
                data = path.read_bytes()
                half = synced + (len(data) - synced) // 2
                path.write_bytes(
                    {
                        "nothing": data[:synced],
                        "half": data[:half],
                        "zeros": data[:half] + bytes(len(data) - half),
                        "all": data,
                    }[kept]
                )
        for action, path, what in reversed(self._undo) if names != "all" else ():
            if action == "create":
                path.unlink()
            elif action == "rename":
                assert isinstance(what, Path)
                what.rename(path)
            elif names == "none":
                assert isinstance(what, bytes)
                path.write_bytes(what)


NO_SPACE = errno.ENOSPC
IO_ERROR = errno.EIO
