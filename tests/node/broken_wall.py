"""The process behind the second wall, as if a contract had got through the first wall: `... ATTACK [MARKER]`.

The attack is made before each block and question, which is then done as if nothing had been, if the process
still can.
With a MARKER, a file that does not exist, only the first of these processes attacks.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from errno import EPERM
from pathlib import Path
from typing import Any

from contracts.engine import Engine
from node.pipes import Pipe
from node.wall import child
from node.wall.messages import EXIT_MEMORY, pack

PARENT = os.getppid()
LIBC = ctypes.CDLL(None, use_errno=True)
SECRET = "QUORATE_PASSPHRASE"


def system_call(name: str, *arguments: object) -> None:
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def find_secret() -> None:
    if SECRET not in os.environ:
        raise PermissionError(EPERM, "no secret in the environment")


ESCAPES: dict[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open(os.devnull, os.O_WRONLY),
    "list a folder": lambda: list(Path("/").iterdir()),
    "read the node's memory": lambda: os.open(f"/proc/{PARENT}/mem", os.O_RDONLY),
    "delete a file": lambda: Path("/none").unlink(),
    "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "fork": os.fork,
    "thread": lambda: threading.Thread(target=print).start(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal the node": lambda: os.kill(PARENT, 0),
    "trace the node": lambda: system_call("ptrace", 16, PARENT, None, None),
    "more processor time": lambda: resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY,) * 2),
    "outlive the limit": lambda: signal.signal(signal.SIGXCPU, signal.SIG_IGN),
    "machine code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "duplicate a descriptor": lambda: os.dup(0),
    "new namespace": lambda: system_call("unshare", 0x1000_0000),
    "sleep": lambda: time.sleep(0.001),
    "poll": lambda: select.select([0], [], [], 0),
    "find the passphrase": find_secret,
}


def refused(escape: Callable[[], object]) -> bool:
    try:
        escape()
    except OSError as error:
        return error.errno == EPERM
    except RuntimeError as error:
        return "can't start new thread" in str(error)
    except ValueError as error:  # how `resource` says EPERM
        return "not allowed" in str(error)
    return False


def try_everything() -> None:
    if through := [name for name, escape in ESCAPES.items() if not refused(escape)]:
        raise RuntimeError(f"through the second wall: {through}")


def take_memory() -> None:
    taken = []
    while True:
        taken.append(bytes(256 * 1024 * 1024))


def never_end() -> None:
    while True:
        pass


def ask_for_ever(pipe: Pipe) -> None:
    while True:
        pipe.send(pack("next"))
        pipe.receive()


ATTACKS: dict[str, Callable[[], object]] = {
    "escape": try_everything,
    "memory": take_memory,
    "endless": never_end,
    "end": lambda: os._exit(7),
    "crash": lambda: ctypes.string_at(0),
    "still": lambda: os.read(0, 1),
    "garbage": lambda: os.write(1, (1).to_bytes(8, "big") + b"\xc1"),
    "other verb": lambda: Pipe(0, 1).send(pack("put", "state", b"key", b"value")),
    "no answer": lambda: Pipe(0, 1).send(pack("done", "json", b"[")),
    "ask for ever": lambda: ask_for_ever(Pipe(0, 1)),
    "fault": lambda: 1 // 0,
}


def main() -> None:
    attack, *markers = sys.argv[1:]
    armed = not any(Path(marker).exists() for marker in markers)
    for marker in markers:
        Path(marker).touch()

    def attacking(does: Callable[..., Any]) -> Callable[..., Any]:
        def attacked(self: Engine, *given: Any) -> Any:
            if armed:
                ATTACKS[attack]()
            return does(self, *given)

        return attacked

    for name in ("perform", "simulate", "query", "describe_instance"):
        setattr(Engine, name, attacking(getattr(Engine, name)))
    child.main()


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os._exit(EXIT_MEMORY)
    finally:
        os._exit(1)
