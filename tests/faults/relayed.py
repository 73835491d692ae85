"""Four nodes with a relay between them and clocks that a test can move while they run."""

from __future__ import annotations

import mmap
import os
import re
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.config import CONFIG_FILE
from node.demo.partner import Partner
from node.demo.processes import NodeProcess
from node.ports import free_ports
from tests.consortium.four import Consortium
from tests.faults.relay import Relay

OFFSET = struct.Struct("<q")
OFFSET_FILE = "clock-offset"
_START = """
import mmap, struct, sys
from node.clock import Clock, Now
with open(sys.argv.pop(1), "rb") as file:
    offset = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
read = Clock.now
def now(self):
    right = read(self)
    return Now(right.wall_ms + struct.unpack_from("<q", offset)[0], right.mono_ms)
Clock.now = now
from node.cli import main
main()
"""


class FaultyProcess(NodeProcess):
    """A node whose wall clock is off by what a file says, and that can be suspended."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        path = home / OFFSET_FILE
        path.write_bytes(OFFSET.pack(0))
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 0)

    def command(self) -> list[str]:
        python, isolated, *_, start, data, home, ends = super().command()
        offset_path = str(self.home / OFFSET_FILE)
        return [python, isolated, "-c", _START, offset_path, start, data, home, ends]

    def set_clock(self, offset_ms: int) -> None:
        """From now on its clock differs by so much from the right one."""
        OFFSET.pack_into(self._offset, 0, offset_ms)

    def suspend(self) -> None:
        if self.is_running():
            assert self.pid is not None
            os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self.is_running():
            assert self.pid is not None
            os.kill(self.pid, signal.SIGCONT)


class RelayedConsortium(Consortium):
    """Every node is dialled through the relay only."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self.processes: list[FaultyProcess] = []
        for partner in self.partners:
            process = FaultyProcess(partner.seat.home)
            partner.process = process
            self.processes.append(process)
        targets = free_ports(len(self.partners))
        doors = [
            _listen_elsewhere(partner, port) for partner, port in zip(self.partners, targets, strict=True)
        ]
        self.relay = Relay(doors, targets, lambda node: self.processes[node].pid, seed)

    def index(self, partner: Partner) -> int:
        return self.partners.index(partner)


def _listen_elsewhere(partner: Partner, port: int) -> int:
    """Let a node listen on `port`; where its partners dial, which is the relay's door, is returned."""
    path = partner.seat.home / CONFIG_FILE
    pattern = re.compile(r'^(listen = "/ip4/127\.0\.0\.1/tcp/)(\d+)"$', re.MULTILINE)
    text = path.read_text()
    match = pattern.search(text)
    assert match is not None, text
    path.write_text(pattern.sub(rf'\g<1>{port}"', text))
    return int(match[2])


@contextmanager
def relayed(folder: Path, seed: int = 1) -> Iterator[RelayedConsortium]:
    """A consortium that runs for as long as the block of the `with`, behind a relay."""
    consortium = RelayedConsortium(folder, seed)
    consortium.relay.start()
    try:
        consortium.start()
        yield consortium
    finally:
        for process in consortium.processes:
            process.resume()
        consortium.stop()
        consortium.relay.stop()
