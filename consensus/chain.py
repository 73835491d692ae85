"""The tree of headers above the last delivered block, and the headers that are still to be fetched.

A header is taken from its leader's proposal, or because a certificate or a child names its digest; so
nobody can fill the tree with headers of his own making.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from consensus.errors import ensure
from consensus.messages import header_digest
from consensus.types import NO_DIGEST, Digest, Header

RECENT_MAX = 128
"""Delivered headers kept for peers that are a little behind, and until they are executed."""
GAP_MAX = 16
"""Headers fetched one by one, child to parent; a wider gap is a matter for catch-up."""


def genesis_header(epoch: int, time_ms: int, exec_hash: Digest) -> Header:
    """Stands for genesis as the parent of the first block; its digest is the genesis hash, by definition."""
    return Header(epoch, 0, 0, 0, NO_DIGEST, time_ms, (), 0, exec_hash, (), None)


@dataclass(frozen=True, slots=True)
class Link:
    """A header with its digest (32 bytes)."""

    digest: Digest
    header: Header


class Chain:
    """Headers by digest. The *floor* is the last delivered block; it never moves back."""

    def __init__(self, chain_id: bytes, floor: Link) -> None:
        self._chain_id = chain_id
        self.floor = floor
        self._links: dict[Digest, Link] = {floor.digest: floor}
        self._recent: deque[Digest] = deque([floor.digest])
        self._wanted: set[Digest] = set()
        self._loose: dict[Digest, int] = {}
        """Of those held, what nothing but a serving peer's word leads to, and for how many each counts."""

    @property
    def loose(self) -> int:
        """How many headers are held on a serving peer's word alone; large ones count for several."""
        return sum(self._loose.values())

    def get(self, digest: Digest) -> Header | None:
        """The header, if it is held."""
        link = self._links.get(digest)
        return None if link is None else link.header

    def add(self, header: Header, *, loose: bool = False) -> Link:
        """Hold a header that came from its leader or that was asked for, or on a serving peer's word."""
        link = Link(header_digest(self._chain_id, header), header)
        if not loose:
            self._loose.pop(link.digest, None)
        elif link.digest not in self._links:
            size = sum(map(len, header.evidence)) // 1024 + len(header.cut) // 16
            self._loose[link.digest] = 1 + size
        self._links.setdefault(link.digest, link)
        self._wanted.discard(link.digest)
        return link

    def is_wanted(self, header: Header) -> bool:
        """Whether this very header was asked for."""
        return header_digest(self._chain_id, header) in self._wanted

    def path(self, digest: Digest) -> list[Link] | None:
        """From the floor's child to `digest`; None, and the gap is wanted, where a header is missing.

        A gap that is too wide to walk is left to catch-up.
        """
        links: list[Link] = []
        while digest != self.floor.digest:
            link = self._links.get(digest)
            if link is None:
                self.want(digest)
                return None
            if link.header.height <= self.floor.header.height:
                return None  # a branch that the floor has cut off
            if (
                link.header.parent not in self._links
                and link.header.height > self.floor.header.height + GAP_MAX
            ):
                return None
            links.append(link)
            digest = link.header.parent
        return links[::-1]

    def want(self, digest: Digest) -> None:
        """Ask for a header that a certificate or a child names."""
        if digest not in self._links:
            self._wanted.add(digest)

    def wanted(self) -> list[Digest]:
        """Headers to fetch, sorted."""
        return sorted(self._wanted)

    def advance(self, link: Link) -> None:
        """The floor's child `link` is delivered: it is the floor now."""
        ensure(link.header.parent == self.floor.digest, "blocks are delivered strictly by height")
        self.floor = link
        self._loose.pop(link.digest, None)
        self._recent.append(link.digest)
        if len(self._recent) > RECENT_MAX:
            self._links.pop(self._recent.popleft(), None)

    def prune(self) -> None:
        """Drop headers that can not follow the floor, but for the most recent delivered ones.

        By view as well as by height: a leader may have claimed any height for what it proposed.
        """
        recent, floor = set(self._recent), self.floor.header
        for digest, link in list(self._links.items()):
            header = link.header
            behind = header.height <= floor.height or (header.epoch, header.view) <= (floor.epoch, floor.view)
            if behind and digest not in recent:
                del self._links[digest]
        self._loose = {digest: size for digest, size in self._loose.items() if digest in self._links}
        self._wanted.clear()

    def drop_loose(self) -> None:
        """Forget what only serving peers' word leads to."""
        for digest in sorted(self._loose):
            del self._links[digest]
        self._loose.clear()

    def above(self, height: int) -> list[Link]:
        """Headers above `height`, by height and digest, but for loose ones."""
        links = [
            link
            for link in self._links.values()
            if link.header.height > height and link.digest not in self._loose
        ]
        return sorted(links, key=lambda link: (link.header.height, link.digest))

    def delivered_above(self, height: int) -> list[Header]:
        """Delivered headers above `height`, as far as they are kept."""
        headers = [self._links[digest].header for digest in self._recent]
        return [header for header in headers if header.height > height]
