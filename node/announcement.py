"""What a node leaves in its data folder for commands: where it is while it runs, and how it ended.

node.json    {pid, api_url, ops_url, listen} while it runs; stays behind after kill -9
ended.json   how it ended last time; made when it starts and overwritten in its place when it ends, so that
             the reason can be written down when the disk is full; the node holds a lock on it while it runs

The lock goes with its process, however that ends; a process id or a port may be another program's by then.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from node.config import NodeConfig
from node.documents import read_json, write_json
from node.errors import ConfigurationError

ENDED_FILE_BYTES = 4096
REASON_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Ending:
    """When a node ended (Unix ms), its exit code, and why, where that was not asked for."""

    ended_ms: int
    exit_code: int
    reason: str | None


@contextmanager
def announced(config: NodeConfig, api_url: str, ops_url: str | None, listen: str) -> Iterator[None]:
    """Say where the node is for as long as the block of the `with`. Raises: ConfigurationError."""
    told = {"pid": os.getpid(), "api_url": api_url, "ops_url": ops_url, "listen": listen}
    with ExitStack() as stack:
        with suppress(OSError):
            file = stack.enter_context(_ended_file(config.data_dir).open("wb", buffering=0))
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(b"{}".ljust(ENDED_FILE_BYTES))
        write_json(config.node_file, told)
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                config.node_file.unlink()


def note_end(data_dir: Path, exit_code: int, reason: str | None = None) -> None:
    """The node ends. Nothing happens where that cannot be written, or another process runs there."""
    if running_pid(data_dir) not in (None, os.getpid()):
        return
    text = None if reason is None else reason[:REASON_CHARACTERS_MAX]
    ending = Ending(time.time_ns() // 1_000_000, exit_code, text)
    path = _ended_file(data_dir)
    with suppress(OSError), path.open("r+b" if path.exists() else "wb") as file:
        file.write(orjson.dumps(asdict(ending)).ljust(ENDED_FILE_BYTES))


def last_end(data_dir: Path) -> Ending | None:
    """How the node ended; None where nothing is known: it runs, was killed, or never ran."""
    try:
        return Ending(**orjson.loads(_ended_file(data_dir).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def running_pid(data_dir: Path) -> int | None:
    """The process id of the node that runs on a data folder, None where none does."""
    try:
        pid = int(read_json(data_dir / "node.json")["pid"])
    except (ConfigurationError, KeyError, TypeError, ValueError):
        return None
    return pid if _is_locked(data_dir) else None


def announced_url(file: Path) -> str:
    """Where a node that runs says that its API is. Raises: ConfigurationError."""
    told = read_json(file)
    if type(told) is not dict or type(told.get("api_url")) is not str:
        raise ConfigurationError(f"{file} names no node: start the node again, or say where with --node")
    return str(told["api_url"])


def _is_locked(data_dir: Path) -> bool:
    """Whether a node holds the lock; also where that cannot be known."""
    try:
        with _ended_file(data_dir).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _ended_file(data_dir: Path) -> Path:
    return data_dir / "ended.json"
