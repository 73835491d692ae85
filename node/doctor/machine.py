"""Is the machine fit: Python, packages, open files, disk, ports?"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from statistics import median

from api.probes import DISK_FREE_BYTES_MIN
from node.config import LoadedConfig, NodeConfig
from node.doctor.findings import Finding, fail, ok, warn
from node.wall.confinement import offered
from node.why import DISK_LOW_BYTES

SYNC_MS_WARN = 50
"""A disk that takes longer to make 4 KiB durable slows every vote down."""
SYNC_PROBES = 9
SYNC_PROBE_BYTES = 4096
FILES_FAIL, FILES_WARN = 1024, 4096
"""Files that the system lets a process open."""
PYTHONS = ((3, 11), (3, 12))


def software() -> Iterator[Finding]:
    """Python, packages, and what the system lets a process open."""
    running = sys.version_info[:2]
    version = ".".join(map(str, sys.version_info[:3]))
    if running in PYTHONS:
        yield ok("python", version)
    else:
        yield fail("python", f"{version} is not tested", "install Python 3.12 and quorate with it")
    wrong = list(_wrong_packages())
    if wrong:
        yield fail("packages", "; ".join(wrong), "install again from requirements.lock")
    else:
        yield ok("packages", f"quorate {metadata.version('quorate')} has all that it needs")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= FILES_WARN:
        yield ok("open files", f"at most {'any number' if hard == resource.RLIM_INFINITY else hard}")
    else:
        advice = f"set LimitNOFILE={FILES_WARN} or more (systemd), or ulimit -Hn"
        give = fail if hard < FILES_FAIL else warn
        yield give("open files", f"at most {hard}, {FILES_WARN} are wanted", advice)


def _wrong_packages() -> Iterator[str]:
    """Dependencies that are absent or older than what quorate is tested with."""
    for line in metadata.requires("quorate") or ():
        match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(==|>=)\s*([0-9.]+)", line.partition(";")[0].strip())
        if match is None or "extra" in line:
            continue
        name, relation, wanted = match.groups()
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield f"{name} is not installed"
            continue
        right = (
            _numbers(found) >= _numbers(wanted) if relation == ">=" else _numbers(found) == _numbers(wanted)
        )
        if not right:
            yield f"{name} is {found}, {relation} {wanted} is needed"


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]
    return tuple(numbers + [0] * (3 - len(numbers)))


def settings(loaded: LoadedConfig) -> Finding:
    """Settings that were read, and what looks like one and is none."""
    if loaded.ignored:
        names = ", ".join(loaded.ignored)
        return warn("settings", f"{names}: no settings, so ignored", "see: quorate config show --origin")
    return ok("settings", f"of {loaded.config.data_dir.absolute()}")


def execution_wall(config: NodeConfig) -> Finding:
    """Where blocks are executed, and whether the system can confine it."""
    problem = offered()
    if config.execution_wall == "off":
        could = "this system could confine it" if problem is None else problem
        return ok("wall", f"off: blocks are executed in the node's own process; {could}")
    if problem is not None:
        return warn("wall", problem, "use a kernel with seccomp, or a container that leaves it on")
    return ok("wall", "blocks are executed in a process without files, sockets and children")


def data_folder(folder: Path) -> Finding:
    """Who may write into it."""
    mode = folder.stat().st_mode
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return fail(
            "folder", f"{folder} cannot be written", f"give it to the node's user: chown {os.getuid()}"
        )
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return warn("folder", f"others may write into {folder}", f"say: chmod go-w {folder}")
    return ok("folder", f"{folder} can be written by you alone")


def disk(folder: Path) -> Iterator[Finding]:
    """Room, and how long a vote takes to become durable."""
    free_bytes = shutil.disk_usage(folder).free
    told = f"{free_bytes >> 20} MiB free"
    if free_bytes < DISK_FREE_BYTES_MIN:
        yield fail(
            "disk", f"{told}, {DISK_FREE_BYTES_MIN >> 20} MiB are needed", "make room, or move the folder"
        )
    elif free_bytes < DISK_LOW_BYTES:
        yield warn("disk", told, "make room soon: the chain grows, and nothing is pruned")
    else:
        yield ok("disk", told)
    try:
        took_ms = _sync_ms(folder)
    except OSError as error:
        yield fail("sync", f"nothing can be made durable in {folder}: {error.strerror}", "check the disk")
        return
    if took_ms > SYNC_MS_WARN:
        advice = "every vote waits for it: use a local disk, an SSD, no network file system"
        yield warn("sync", f"{took_ms:.1f} ms to make {SYNC_PROBE_BYTES} bytes durable", advice)
    else:
        yield ok("sync", f"{took_ms:.1f} ms to make {SYNC_PROBE_BYTES} bytes durable")


def _sync_ms(folder: Path) -> float:
    """How long the disk takes for one vote, the median of some. Raises: OSError."""
    path = folder / f".doctor.{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        took_s = []
        for _ in range(SYNC_PROBES):
            began_s = time.perf_counter()
            os.write(descriptor, bytes(SYNC_PROBE_BYTES))
            os.fdatasync(descriptor)
            took_s.append(time.perf_counter() - began_s)
        return 1000 * median(took_s)
    finally:
        os.close(descriptor)
        path.unlink()


def ports(config: NodeConfig, pid: int | None) -> Iterator[Finding]:
    """Whether the node could listen; `pid` is that of the node if it runs."""
    _, kind, host, _, port = config.listen.split("/")[:5]
    endpoints = [
        ("listen", "" if kind.startswith("dns") else host, int(port)),
        ("api", config.api_host, config.api_port),
    ]
    if config.ops_endpoint is not None:
        endpoints.append(("ops", *config.ops_endpoint))
    for name, where, number in endpoints:
        if pid is not None:
            yield ok(f"port {name}", f"{number} is this node's, which runs (process {pid})")
            continue
        try:
            with socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((where, number))
            yield ok(f"port {name}", f"{number} is free")
        except OSError as error:
            yield fail(
                f"port {name}", f"{where}:{number}: {error.strerror}", "stop who has it, or set another"
            )
