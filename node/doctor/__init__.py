"""Whether a node can run where it is: everything that may be wrong around it, each with what to do about it.

Looks and changes nothing: no key is made, no journal is opened for writing, no vote is cast.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from node.announcement import running_pid
from node.config import load_config
from node.doctor import belongings, machine
from node.doctor.findings import Finding, Verdict, fail
from node.errors import ConfigurationError

__all__ = ["Finding", "Verdict", "examine"]


def examine(data_dir: Path | None) -> Iterator[Finding]:
    """Look at everything; what depends on something that fails is left out."""
    yield from machine.software()
    try:
        loaded = load_config(data_dir)
    except ConfigurationError as error:
        yield fail("settings", str(error), "correct it where it says")
        return
    config = loaded.config
    yield machine.settings(loaded)
    yield machine.execution_wall(config)
    if not config.data_dir.is_dir():
        yield fail(
            "folder", f"there is no folder {config.data_dir}", "make it with: quorate init, or name another"
        )
        return
    yield machine.data_folder(config.data_dir)
    yield from machine.disk(config.data_dir)
    pid = running_pid(config.data_dir)
    yield from machine.ports(config, pid)
    genesis = yield from belongings.keys_and_genesis(config)
    if genesis is not None:
        yield from belongings.journal(config)
        yield from belongings.ledger(config, genesis, pid)
        from node.doctor.clock import clock  # importing libp2p takes seconds

        yield from clock(config, genesis, pid)
