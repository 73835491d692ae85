"""Faults that are done to real nodes, and undone: each a context in which it holds."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node.config import load_config
from node.demo.partner import Partner, wait_until
from tests.consortium.four import LEVEL_S, START_S, Consortium
from tests.docs import stops

EXIT_S = 20.0
OTHERWISE = """
import sys
from node.executor import Executor
from node.store import sealed
execute = Executor.execute
def wrong(self, block, batches):
    key = b"balance/swiftship/euro"
    row = self._store.state.get(key)
    if row is not None and batches:
        wrong = sealed(key, row[:-1] + bytes([row[-1] ^ 1]))
        self._store._source.put(b"S" + key, wrong, sync=True)
        self._store.release()
        self._store.state._recent.clear()
    return execute(self, block, batches)
Executor.execute = wrong
from node.cli import main
main()
"""
"""Somebody writes into the ledger while the node runs."""
MISCOUNTS = """
from contracts.receipts import Receipt
encode = Receipt.encode
Receipt.encode = lambda self: encode(self._replace(gas_used=self.gas_used + 1))
from node.cli import main
main()
"""
"""A machine that computes wrongly."""
MUTE = """
from consensus.voting import Voting
Voting.step = lambda self, now: None
from node.cli import main
main()
"""
"""A member that is there and does not vote."""
WRONG_CLOCK = """
import sys
from node.clock import Clock
keep = Clock.__init__
def wrong(self):
    keep(self)
    self._offset_ms = 3_600_000
Clock.__init__ = wrong
from node.cli import main
main()
"""


def heal(consortium: Consortium, partners: Sequence[Partner]) -> None:
    """These nodes run as usual again, and have executed what the others have.

    A node answers before it has caught up: the next fault would meet another node than it means.
    """
    consortium.start(partners)
    height = max(partner.height() for partner in consortium.partners)
    for partner in partners:
        assert partner.await_height(height, LEVEL_S), f"{partner.called} does not catch up"


@contextmanager
def killed(consortium: Consortium, *partners: Partner) -> Iterator[None]:
    """These nodes are gone until the end of the block."""
    for partner in partners:
        partner.process.kill()
    try:
        yield
    finally:
        heal(consortium, partners)


@contextmanager
def suspended(*partners: Partner) -> Iterator[None]:
    """These nodes hang until the end of the block."""
    for partner in partners:
        assert partner.process.pid is not None
        os.kill(partner.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for partner in partners:
            assert partner.process.pid is not None
            os.kill(partner.process.pid, signal.SIGCONT)


@contextmanager
def patched(consortium: Consortium, partner: Partner, code: str) -> Iterator[subprocess.Popen[bytes]]:
    """The partner's node runs with `code` instead; it runs as usual again at the end of the block.

    Where it stopped by itself, it fetches every block anew.
    """
    partner.process.stop()
    command = [sys.executable, "-P", "-c", code, "start", "--data", str(partner.seat.home)]
    with partner.process.log_path.open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            assert wait_until(lambda: partner.height() >= 0 or process.poll() is not None, START_S)
            yield process
        finally:
            stopped_itself = process.poll() not in (None, 0)
            process.terminate()
            process.wait(EXIT_S)
            if stopped_itself:
                shutil.rmtree(partner.seat.home / "ledger", ignore_errors=True)
            heal(consortium, [partner])


@contextmanager
def full_disk(consortium: Consortium, partner: Partner, source: Partner) -> Iterator[None]:
    """The system lets no file of the node grow further; the node has stopped. Started again at the end."""
    pid = partner.process.pid
    assert pid is not None
    files = (partner.seat.home / "journal").glob("segment-*")
    room = max(file.stat().st_size for file in files) + 2_000
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, room))
    try:
        for amount in range(1, 100):
            consortium.transfer(source, "coopbank", amount)
            if not partner.process.is_running():
                break
        assert partner.process.wait(EXIT_S) == 1
        yield
    finally:
        partner.process.stop()
        heal(consortium, [partner])


@contextmanager
def damaged_journal(consortium: Consortium, partner: Partner) -> Iterator[None]:
    """A bit of the journal is another; the node does not start. The right file is put back at the end."""
    partner.process.stop()
    config = load_config(partner.seat.home, environ={}).config
    kept = partner.seat.home.with_name("kept-journal")
    shutil.copytree(config.journal_dir, kept)
    stops.damage_journal(config)
    try:
        partner.process.start()
        assert partner.process.wait(EXIT_S) == 1
        yield
    finally:
        partner.process.stop()
        shutil.rmtree(config.journal_dir)
        kept.rename(config.journal_dir)
        heal(consortium, [partner])


@contextmanager
def lost_journal(consortium: Consortium, partner: Partner) -> Iterator[None]:
    """The journal is not where it was."""
    partner.process.stop()
    config = load_config(partner.seat.home, environ={}).config
    kept = config.journal_dir.rename(partner.seat.home.with_name("lost-journal"))
    try:
        partner.process.start()
        assert wait_until(lambda: not partner.process.is_running() or partner.process.is_ready(), START_S)
        yield
    finally:
        partner.process.stop()
        shutil.rmtree(config.journal_dir, ignore_errors=True)
        kept.rename(config.journal_dir)
        heal(consortium, [partner])


def all_level(consortium: Consortium) -> bool:
    """Whether all four are at one height soon."""
    return wait_until(lambda: len({partner.height() for partner in consortium.partners}) == 1, LEVEL_S)
