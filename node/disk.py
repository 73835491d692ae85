"""The few file operations that durability stands on, and the lock that keeps a folder to one process.

Whoever promises that something is on disk goes through a `Disk`, so that tests can make each single
operation fail, stop half way or be the last one before a crash.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from node.errors import ConfigurationError

LOCK_FILE = "lock"


class Lock(Protocol):
    """Keeps a folder to one process."""

    def release(self) -> None:
        """Give the folder back; calling it twice does no harm."""


class Disk:
    """The operating system's own operations. Every method may raise OSError."""

    def make_folder(self, folder: Path) -> None:
        """A folder for the owner alone; one that exists will do. Durable after a sync of its parent."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lock(self, folder: Path) -> Lock:
        """Raises: ConfigurationError where another process has the folder."""
        return FolderLock(folder)

    def names(self, folder: Path) -> list[str]:
        """The names of what is in a folder, in no order."""
        return os.listdir(folder)  # noqa: PTH208 - names, not paths

    def read(self, path: Path) -> bytes:
        """All of a file."""
        return path.read_bytes()

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file; one that exists already is an error."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """How many bytes were written, at least one, perhaps fewer than given."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Returns once the file's contents and length are on disk."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """All at once, replacing `target`; durable after `sync_folder`."""
        source.rename(target)

    def remove(self, path: Path) -> None:
        """Durable after `sync_folder`."""
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Returns once the folder's list of names is on disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FolderLock:
    """Held by the one process that may use a folder; the system frees it however the process ends."""

    def __init__(self, folder: Path) -> None:
        """Raises: ConfigurationError naming the process that holds it."""
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise ConfigurationError(
                f"{folder} is in use by process {holder}: two nodes with one key would contradict each "
                "other; stop that one, or give this one a data folder and keys of its own"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the folder back; calling it twice does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
