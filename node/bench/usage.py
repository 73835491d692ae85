"""What the machine can do and what processes take of it. Reads Linux' /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from consensus.keys import Ed25519Signer, verify_ed25519

CALIBRATION_CHECKS = 4_000
MESSAGE_BYTES = 300
"""About what is signed of a transfer."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024
_ENDED = FileNotFoundError, ProcessLookupError
"""What the system says of a process that has ended, at first or while it is read about."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process and those that it started took.

    Processor time, the most memory that each held at once, and the bytes of its folder.
    """

    cpu_s: float
    memory_mib_max: float
    disk_bytes: int


def signature_limit(nodes: int) -> float:
    """Transactions a second if all processors did nothing but check one signature of each on every node."""
    signer = Ed25519Signer(bytes(32))
    message = bytes(MESSAGE_BYTES)
    signature = signer.sign(message)
    cores = os.cpu_count() or 1

    def check(count: int) -> None:
        for _ in range(count):
            verify_ed25519(signer.public_key, message, signature)

    began_s = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(check, [CALIBRATION_CHECKS] * cores))
    return cores * CALIBRATION_CHECKS / (time.perf_counter() - began_s) / nodes


def family(pid: int) -> list[int]:
    """A process and those that it started, and so on, as far as they run."""
    found = [pid]
    for each in found:
        with suppress(*_ENDED):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_s(pid: int) -> float:
    """User and system time of a family so far, with what those took that have ended."""
    ticks = 0
    for each in family(pid):
        with suppress(*_ENDED):
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(") ", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS_PER_S


def memory_mib_max(pid: int) -> float:
    """The most resident memory that each of a family had at once, together."""
    kib = 0
    for each in family(pid):
        with suppress(*_ENDED):
            status = Path(f"/proc/{each}/status").read_text().splitlines()
            kib += sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return kib * 1024 / _MIB


def disk_bytes(folder: Path) -> int:
    """Of all files in a folder, whatever appears or goes meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):  # which passes over a folder that goes
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def meter(pid: int, folder: Path) -> Callable[[], Usage]:
    """Begin to measure a process; the answer says what it took since, and what it has now."""
    cpu_before_s, disk_before = cpu_s(pid), disk_bytes(folder)
    return lambda: Usage(cpu_s(pid) - cpu_before_s, memory_mib_max(pid), disk_bytes(folder) - disk_before)
