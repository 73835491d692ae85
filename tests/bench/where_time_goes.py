"""Sums up a py-spy recording (`--format raw`) of a node: which part of the house the time went to."""

from __future__ import annotations

from collections import Counter
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
    ("state tree", ("contracts/merkle.py",)),
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


def summarise(recording: Path) -> list[tuple[str, float]]:
    """(part, share of all samples in which something worked), largest first."""
    counted: Counter[str] = Counter()
    for line in recording.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        if not frames[-1].startswith(WAITING):
            counted[_part_of(frames)] += int(samples)
    total = sum(counted.values()) or 1
    return [(part, samples / total) for part, samples in counted.most_common()]


def _part_of(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, marks in PARTS[:-1]:
            if any(mark in frame for mark in marks):
                return part
    return PARTS[-1][0]
