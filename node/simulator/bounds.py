"""What a validator may hold in memory and on disk, whatever the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.delivery import AHEAD_MAX
from consensus.lanes import SLACK
from consensus.voting import VIEW_WINDOW
from node.simulator.checks import Failed

if TYPE_CHECKING:
    from node.simulator.machine import Machine

JOURNAL_BYTES_MAX = 512 * 1024
"""As in the driver, only smaller: a longer journal is replaced by what is still needed."""
KINDS = 3
"""Of votes, and so of certificates."""


def check_bounds(machine: Machine) -> None:
    """Raises: Failed naming what grew beyond its bound."""
    replica, parameters = machine.replica, machine.world.application.parameters
    if replica is None:
        return
    state = replica._state
    views = state.certificates.frontier - state.certificates.final_view + VIEW_WINDOW
    ordered = sum(len(digests) for digests in state.unexecuted.values())
    lanes = len(list(state.lanes))
    found = {
        "proposals": (len(state.proposals), views),
        "sets of votes": (len(state.tally._votes), KINDS * views),
        "certificates": (len(state.certificates.all()), KINDS * (views + AHEAD_MAX)),
        "batches": (len(state.lanes.all()), lanes * SLACK * parameters.lane_ahead_batches_max + ordered),
        "blocks to execute": (len(state.unexecuted), AHEAD_MAX),
        "bytes of journal": (machine.disk.size_bytes, 2 * JOURNAL_BYTES_MAX + _needed_bytes(machine)),
    }
    for what, (count, limit) in found.items():
        if count > limit:
            raise Failed(f"{machine.name} holds {count} {what}, at most {limit} are allowed")


def _needed_bytes(machine: Machine) -> int:
    """A journal is at least as long as what a fresh one would begin with."""
    if machine.disk.size_bytes <= 2 * JOURNAL_BYTES_MAX or machine.replica is None:
        return 0
    return 2 * sum(map(len, machine.replica.snapshot_records()))
