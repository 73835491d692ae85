"""A small chain with real keys, hashes and signatures, made without nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from consensus.committee import Committee, Validator, committee_digest
from consensus.keys import Ed25519Signer
from consensus.merkle_list import list_root
from consensus.messages import batch_digest, batch_payload, header_digest, vote_payload
from consensus.parameters import Parameters
from consensus.transactions import canonical_json
from consensus.types import (
    NO_DIGEST,
    Batch,
    BatchHeader,
    Certificate,
    Cut,
    Digest,
    FinalBlock,
    Header,
    LaneTip,
    VoteKind,
)
from contracts import tree_pages
from contracts.merkle import Tree, Write
from contracts.receipts import ExecLink
from contracts.tree_pages import NO_STATE, PageCache, Top, top_of
from node.genesis import SIGNING_PREFIX, Genesis, parse_body
from node.lineage import Boundary
from node.proof import before_genesis
from node.store import BlockCommit, Place

BEGIN_MS = 1_767_225_600_000
MEMBERS = ("acme", "bolt", "coop", "dock")


def signer(member: int, role: int) -> Ed25519Signer:
    """The same keys in every run."""
    return Ed25519Signer(bytes([member + 1, role]) + bytes(30))


def make_genesis(members: Sequence[str] = MEMBERS) -> dict[str, Any]:
    """A genesis file that all members signed."""
    keys = [[signer(number, role).public_key.hex() for role in range(3)] for number in range(len(members))]
    body = {
        "format": 1,
        "name": "example",
        "time_ms": BEGIN_MS,
        "members": [
            {
                "number": number,
                "id": member,
                "title": f"{member}, an example with ü",
                "address": f"/ip4/127.0.0.1/tcp/{4001 + number}",
                "validator_key": keys[number][0],
                "network_key": keys[number][1],
                "admin_key": keys[number][2],
            }
            for number, member in enumerate(members)
        ],
        "accounts": [],
        "parameters": dataclasses.asdict(Parameters()),
    }
    signed = SIGNING_PREFIX + canonical_json(body)
    return {
        "body": body,
        "signatures": {member: signer(number, 2).sign(signed).hex() for number, member in enumerate(members)},
    }


def committee_of(epoch: int, members: Sequence[int]) -> Committee:
    """These members' committee, each with the same key in every epoch."""
    return Committee(epoch, tuple(Validator(n, signer(n, 0).public_key) for n in members))


class Pages(dict[bytes, bytes]):
    """The stored pages of a tree, in memory."""

    def get_page(self, key: bytes) -> bytes | None:
        return self.get(key)

    def top(self) -> Top:
        """Of these pages."""
        return top_of(row for row in sorted(self.items()) if len(row[0]) <= tree_pages.TOP_NIBBLES_MAX + 1)

    def write(self, writes: Sequence[Write]) -> None:
        for key, page in writes:
            if page is None:
                self.pop(key, None)
            else:
                self[key] = page


class MiniChain:
    """Makes one block after another; what a block writes is given, not executed."""

    def __init__(self, members: Sequence[str] = MEMBERS) -> None:
        self.genesis_json = make_genesis(members)
        self.genesis: Genesis = parse_body(self.genesis_json["body"], "genesis")
        self.chain_id = self.genesis.hash
        self.committee = committee_of(1, range(len(members)))
        """The first one's: what a verifier learns from the genesis."""
        self.committees = [self.committee]
        self.boundaries: list[Boundary] = []
        self.pages = Pages()
        self.top = NO_STATE
        self.state: dict[bytes, bytes] = {}
        self.links = [before_genesis(self.chain_id)]
        self.headers: list[Header] = []
        self.cut: Cut = ()
        self._cache = PageCache()

    @property
    def height(self) -> int:
        return len(self.links) - 2

    def link(self, height: int) -> ExecLink:
        return self.links[height + 1]

    def grow(
        self,
        writes: Sequence[Write] = (),
        *,
        envelopes: Sequence[bytes] = (),
        events: Sequence[bytes] = (),
        exec_lag: int = 1,
        next_members: Sequence[int] | None = None,
        fillers: int = 0,
    ) -> BlockCommit:
        """The next block, or genesis; each envelope gets a receipt, its id is its bytes filled up to 32.

        With `next_members` it ends its epoch, and they are the next one's committee; it may become final
        through one of the `fillers` that follow it.
        """
        height = self.height + 1
        receipts = tuple(b"receipt of " + envelope for envelope in envelopes)
        self.top, tree_writes = Tree(self.pages, self.top, self._cache).update(writes)
        self.pages.write(tree_writes)
        for key, value in writes:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        batches = self._batches(envelopes)
        self.cut = tuple(LaneTip(0, batch.header.seq, digest) for digest, batch in batches) or self.cut
        link = self.links[-1].next(self.top.root, list_root(receipts), list_root(events))
        block = following = None
        if height > 0:
            named = self.link(max(0, height - exec_lag))
            header = self.child_header(self.headers[-1] if self.headers else None, named)
            if next_members is not None:
                following = committee_of(header.epoch + 1, next_members)
                header = replace(header, next_set=committee_digest(self.chain_id, following))
            self.headers.append(header)
            after = [header]
            for _ in range(fillers):
                filler = self.child_header(after[-1], named)
                after.append(replace(filler, height=header.height, time_ms=header.time_ms))
            block = self.finalise(header, after[1:])
            if following is not None:
                self.committees.append(following)
                self.boundaries.append(Boundary(block, following))
        self.links.append(link)
        return BlockCommit(
            link=link,
            block=block,
            next_committee=following,
            batches=batches,
            transactions=tuple(
                (envelope.ljust(32, b"."), Place(height, index, batches[0][0], index, executed=True))
                for index, envelope in enumerate(envelopes)
            ),
            receipts=receipts,
            events=tuple(events),
            state_writes=tuple(sorted(writes)),
            aux_writes=((b"height", b"%d" % height),),
            tree_writes=tree_writes,
            top=self.top,
        )

    def child_header(self, parent: Header | None, named: ExecLink) -> Header:
        """A header after `parent` that vouches for `named`."""
        view = 2 if parent is None else parent.view + 1  # the first view was skipped
        height = 1 if parent is None else parent.height + 1
        return Header(
            epoch=len(self.committees),
            view=view,
            height=height,
            parent_view=0 if parent is None else parent.view,
            parent=self.chain_id if parent is None else header_digest(self.chain_id, parent),
            time_ms=BEGIN_MS + 1000 * height,
            cut=self.cut,
            exec_height=named.height,
            exec_hash=named.exec_hash,
            evidence=(),
            next_set=None,
        )

    def finalise(
        self, header: Header, descendants: Sequence[Header] = (), voters: Sequence[int] | None = None
    ) -> FinalBlock:
        """With the votes of a quorum, or of `voters`, for the last of these headers."""
        last = [header, *descendants][-1]
        digest = header_digest(self.chain_id, last)
        payload = vote_payload(self.chain_id, VoteKind.FINALISE, last.epoch, last.view, digest)
        committee = self.committees[last.epoch - 1]
        votes = tuple(
            (n, signer(n, 0).sign(payload)) for n in voters or committee.numbers[: committee.quorum]
        )
        return FinalBlock(
            header, tuple(descendants), Certificate(VoteKind.FINALISE, last.epoch, last.view, digest, votes)
        )

    def _batches(self, envelopes: Sequence[bytes]) -> tuple[tuple[Digest, Batch], ...]:
        if not envelopes:
            return ()
        before = self.cut[0] if self.cut else LaneTip(0, 0, NO_DIGEST)
        size_bytes = sum(map(len, envelopes))
        header = BatchHeader(
            0, before.seq + 1, before.digest, list_root(envelopes), len(envelopes), size_bytes, 0
        )
        signature = signer(0, 0).sign(batch_payload(self.chain_id, header))
        return ((batch_digest(self.chain_id, header), Batch(header, signature, tuple(envelopes))),)
