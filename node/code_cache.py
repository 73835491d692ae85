"""Compiled contracts in files of this node, so that a restart need not compile them again.

A cache and nothing more: what is missing, unreadable or of another version is compiled anew.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class CodeCache:
    """One file a contract in a folder that only this node writes; a `contracts.programs.CodeCache`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: bytes) -> bytes | None:
        """What was put under `key` (32 bytes), or None."""
        try:
            return self._path(key).read_bytes()
        except OSError:
            return None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value` if the disk lets us; the rename makes it appear as a whole."""
        path = self._path(key)
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(value)
            draft.rename(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()

    def _path(self, key: bytes) -> Path:
        return self._folder / f"{key.hex()}.code"
