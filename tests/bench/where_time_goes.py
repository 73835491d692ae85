"""Sums up a py-spy recording (`--format raw`) of a node: which part of the house its processor time went to.

The recorder counts a thread that waits for its turn as one that works. So its samples only divide what a
thread took of the processor, as the system counted it.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

WAITING = (
    "WorkerThread._work (",
    "_worker (",
    "EpollSelector.select (",
    "EpollIOManager.get_events (",
    "_end_with_input (",
)
"""Innermost frames of threads that only wait, which the recorder cannot always tell from work."""

PARTS = (
    ("signature checks", ("verify_ed25519", "crypto_sign_open")),
    ("parsing transactions", ("consensus/transactions.py",)),
    ("state tree", ("contracts/merkle.py", "contracts/tree_pages.py")),
    ("contract engine", ("contracts/",)),
    ("store", ("node/store/",)),
    ("journal", ("node/journal.py", "node/disk.py")),
    ("encoding and decoding", ("consensus/codec.py", "consensus/messages.py")),
    ("ordering core", ("consensus/",)),
    ("network", ("node/network/", "libp2p/", "node/wire.py")),
    ("API", ("api/", "uvicorn/", "starlette/", "fastapi/", "node/gateway.py", "node/reader.py")),
    ("driver, executor, threads", ("node/", "trio/", "asyncio/", "threading.py")),
)
"""What marks a stack as a part's, the first match counting from the innermost frame's point of view."""


UNSEEN = "threads that were never seen at work"
_THREAD = re.compile(r"thread \(([0-9]+)\)")


def processor_s(pid: int) -> dict[int, float]:
    """What each thread of a process has taken of the processor so far, in seconds."""
    taken: dict[int, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            ticks = (task / "stat").read_text().rpartition(")")[2].split()[11:13]
            taken[int(task.name)] = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return taken


def summarise(recording: Path, taken_s: Mapping[int, float]) -> list[tuple[str, float]]:
    """(part, share of the processor time that the threads took while they were recorded), largest first."""
    sampled: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for line in recording.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        thread = _THREAD.match(frames[0])
        if thread is not None and not frames[-1].startswith(WAITING):
            sampled[int(thread[1])][_part_of(frames)] += int(samples)
    parts: defaultdict[str, float] = defaultdict(float)
    for thread_id, seconds in taken_s.items():
        counted = sampled.get(thread_id) or Counter([UNSEEN])
        for part, count in counted.items():
            parts[part] += seconds * count / counted.total()
    total = sum(parts.values()) or 1
    return sorted(((part, seconds / total) for part, seconds in parts.items()), key=lambda each: -each[1])


def _part_of(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, marks in PARTS[:-1]:
            if any(mark in frame for mark in marks):
                return part
    return PARTS[-1][0]
