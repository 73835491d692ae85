"""What this validator executed, what others say they executed, and whether that agrees.

Execution hashes are chained: an equal hash at one height means equal execution of all before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from consensus.committee import Committee
from consensus.errors import ensure
from consensus.types import Digest, ExecutedTip, Header, MemberNumber


class Claim(Enum):
    """How a named execution compares with one's own."""

    EQUAL = "equal"
    UNKNOWN = "unknown"
    """Not executed here yet."""
    CONTRADICTS = "contradicts"


class Execution:
    """Own execution hashes from the last certified height on, and the newest signed word of every peer."""

    def __init__(
        self,
        hashes: Iterable[tuple[int, Digest]],
        changed_height: int,
        next_wakeup_ms: int | None,
        decided: tuple[int, Committee] | None = None,
    ) -> None:
        self._hashes = dict(hashes)
        ensure(len(self._hashes) > 0, "the execution hash of the anchor's height is needed")
        self.height = max(self._hashes)
        self.changed_height = changed_height
        self.next_wakeup_ms = next_wakeup_ms
        self.decided = decided
        """The height whose execution decided this epoch's successor, and the committee decided."""
        self._tips: dict[MemberNumber, ExecutedTip] = {}

    @property
    def hash(self) -> Digest:
        """At the executed height, 32 bytes."""
        return self._hashes[self.height]

    def advance(self, exec_hash: Digest, changed: bool, next_wakeup_ms: int | None) -> None:
        """The next height is executed."""
        self.height += 1
        self._hashes[self.height] = exec_hash
        self.next_wakeup_ms = next_wakeup_ms
        if changed:
            self.changed_height = self.height

    def begin(self, committee: Committee) -> None:
        """Another epoch: nothing is decided yet on the next, and who is no validator of it has no word."""
        self.decided = None
        self._tips = {number: tip for number, tip in self._tips.items() if number in committee.numbers}

    def compare(self, height: int, exec_hash: Digest) -> Claim:
        """How a claim about `height` compares; heights below the last certified one count as unknown."""
        own = self._hashes.get(height)
        if own is None:
            return Claim.UNKNOWN
        return Claim.EQUAL if own == exec_hash else Claim.CONTRADICTS

    def name_for(self, parent: Header) -> tuple[int, Digest]:
        """What a child of `parent` should name: the own tip, but nothing below what the parent named."""
        if self.height <= parent.exec_height:
            return parent.exec_height, parent.exec_hash
        height = min(self.height, parent.height)
        return height, self._hashes[height]

    def heard(self, tip: ExecutedTip) -> None:
        """A peer's signed word, checked; only its newest counts."""
        known = self._tips.get(tip.voter)
        if known is None or known.height <= tip.height:
            self._tips[tip.voter] = tip

    def tip_of(self, member: MemberNumber) -> ExecutedTip | None:
        """The newest checked word of a peer."""
        return self._tips.get(member)

    def contradictions(self) -> list[ExecutedTip]:
        """Peers whose word contradicts ours, by member number."""
        return [
            tip
            for _, tip in sorted(self._tips.items())
            if self.compare(tip.height, tip.exec_hash) is Claim.CONTRADICTS
        ]

    def ahead_of(self, height: int) -> list[MemberNumber]:
        """Peers that say they executed beyond `height`, furthest first."""
        tips = [tip for tip in self._tips.values() if tip.height > height]
        return [tip.voter for tip in sorted(tips, key=lambda tip: (-tip.height, tip.voter))]

    def hashes_from(self, height: int) -> tuple[tuple[int, Digest], ...]:
        """(height, hash) from `height` on, ascending."""
        return tuple(sorted(item for item in self._hashes.items() if item[0] >= height))

    def forget_below(self, height: int) -> None:
        """Every header to come names `height` or more."""
        for old in [h for h in self._hashes if h < height]:
            del self._hashes[old]
