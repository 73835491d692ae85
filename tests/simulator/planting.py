"""How a bug is planted into the real code, and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from consensus import dissemination, records, replica, voting
from consensus.effects import Outgoing, Persist
from node.simulator.swarm import Swarm

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and within how many seeds it must be found."""

    name: str
    text: str
    patches: Callable[[], list[Patch]]
    seeds_max: int
    first_seed: int = 0
    """Where to begin: a run that has what it takes need not be waited for."""
    faults: Callable[[int], Swarm] | None = None
    """What befalls a run instead of what its seed draws, where that shows the bug too seldom."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The bug is in the code for as long as this lasts."""
        patches = self.patches()
        saved = [(owner, name, owner.__dict__[name]) for owner, name, _ in patches]
        try:
            for owner, name, replacement in patches:
                setattr(owner, name, replacement)
            yield
        finally:
            for owner, name, original in saved:
                setattr(owner, name, original)


def without(wanted: Callable[[Any], bool]) -> list[Patch]:
    """Leave out the Persist of some records."""
    add, encode = Outgoing.add, records.encode_record
    dropped: set[bytes] = set()

    def encode_record(record: Any) -> bytes:
        data = encode(record)
        if wanted(record):
            dropped.add(data)
        return data

    def forgetful(self: Outgoing, effect: Any) -> None:
        if not (isinstance(effect, Persist) and effect.record in dropped):
            add(self, effect)

    return [
        (Outgoing, "add", forgetful),
        (voting, "encode_record", encode_record),
        (dissemination, "encode_record", encode_record),
        (replica, "encode_record", encode_record),
    ]
