"""What the machine can do and what processes take of it. Reads Linux' /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consensus.keys import Ed25519Signer, verify_ed25519

CALIBRATION_CHECKS = 4_000
MESSAGE_BYTES = 300
"""About what is signed of a transfer."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: processor time, the most memory it held at once, and the bytes of its folder."""

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


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mib_max(pid: int) -> float:
    """The most resident memory that a process had at once."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / _MIB


def disk_bytes(folder: Path) -> int:
    """Of all files in a folder, whatever appears or goes meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def meter(pid: int, folder: Path) -> Callable[[], Usage]:
    """Begin to measure a process; the answer says what it took since, and what it has now."""
    cpu_before_s, disk_before = cpu_s(pid), disk_bytes(folder)
    return lambda: Usage(cpu_s(pid) - cpu_before_s, memory_mib_max(pid), disk_bytes(folder) - disk_before)
