"""Which version of execution a chain uses: what a source means, what computing costs, what is stored.

Two nodes that price an addition differently would part company without noticing why. So the version is a
parameter of genesis, the state says from which height on which one holds, and a node that does not have it
refuses to start, or stops before the block. A release that raises the version keeps what the one before
needs: both are in `SUPPORTED`, and blocks below the switch are executed as they always were.
"""

from __future__ import annotations

from contracts.errors import StateCorruption, UnsupportedVersion
from contracts.layout import VALUE
from contracts.state import Overlay

SUPPORTED = (3,)
"""Versions of the compiler, the gas schedule and the engine that this node has; see the test of the pins."""
SWITCHES_MAX = 64
"""Switches that a chain remembers; the oldest are left out."""
VERSIONS_KEY = b"execution"
"""Holds [[height, version], ...] as VALUE, by height: each version holds from its height on."""


def check_version(version: int, where: str) -> None:
    """Raises: UnsupportedVersion where this node does not have the version that is needed at `where`."""
    if version not in SUPPORTED:
        known = ", ".join(map(str, SUPPORTED))
        raise UnsupportedVersion(
            f"{where} is executed by version {version} of contracts; this node has {known}:"
            " install a release of quorate that has it, and start again"
        )


def write_first_version(overlay: Overlay, version: int) -> None:
    """Write the version that genesis says."""
    overlay.put(VERSIONS_KEY, [[0, version]], VALUE)


def schedule_version(overlay: Overlay, height: int, version: int) -> None:
    """Let another version hold from a height on, which lies ahead."""
    known = [switch for switch in overlay.get(VERSIONS_KEY, VALUE) or () if switch[0] < height]
    overlay.put(VERSIONS_KEY, [*known, [height, version]][-SWITCHES_MAX:], VALUE)


def version_at(overlay: Overlay, height: int) -> int:
    """The version that executes the block of a height. Raises: StateCorruption."""
    held = [version for first, version in overlay.get(VERSIONS_KEY, VALUE) or () if first <= height]
    if not held:
        raise StateCorruption(f"the state does not say which version executes height {height}")
    return int(held[-1])
