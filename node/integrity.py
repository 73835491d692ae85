"""Checks that what the store holds fits together, down to the single entry of the state.

LevelDB's checksums tell damage from data, but not what somebody wrote into the files on purpose, or a fault
of ours. Everything here follows from hashes: the state's tree must lead to the state root, the roots to the
execution hash, and that, chained from block to block, is what the members certify.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, takewhile

from consensus.codec import DIGEST_BYTES
from consensus.errors import CorruptionError
from consensus.merkle_list import list_root
from consensus.messages import batch_digest, header_digest
from consensus.types import Digest
from contracts.errors import StateCorruption
from contracts.layout import BUCKET, REPLAY, Bucket
from contracts.merkle import Tree
from node.proof import before_genesis
from node.store import REMEDY, Rows, View

START_BLOCKS_MAX = 100
"""Blocks, the newest, that a starting node checks."""
START_ENTRIES_MAX = 20_000
"""Entries of the state that a starting node checks; a smaller state is checked as a whole."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found to be sound; `complete` where nothing was left out."""

    height: int
    blocks: int
    entries: int
    complete: bool


def verify_integrity(
    view: View, genesis_hash: Digest, blocks_max: int | None = None, entries_max: int | None = None
) -> Checked:
    """Check the newest blocks and the state of a store, all where no bound is given; not the certificates.

    Raises: StateCorruption naming the key; CorruptionError naming the block.
    """
    height = view.height()
    if height < 0:
        return Checked(height, 0, 0, complete=True)
    first = 0 if blocks_max is None else max(0, height + 1 - blocks_max)
    for at in range(first, height + 1):
        check_block(view, at, genesis_hash)
    entries, all_entries = check_state(view, height, entries_max)
    if all_entries:
        check_executed_ids(view)
    return Checked(height, height + 1 - first, entries, complete=first == 0 and all_entries)


def check_block(view: View, height: int, genesis_hash: Digest) -> None:
    """Whether a block follows the one before, and all it did from its parts. Raises: CorruptionError."""
    _check_execution(view, height, genesis_hash)
    if height > 0:
        _check_ordered(view, height, genesis_hash)


def _check_execution(view: View, height: int, genesis_hash: Digest) -> None:
    link = view.link(height)
    previous = view.link(height - 1) if height > 0 else before_genesis(genesis_hash)
    if previous.next(link.state_root, link.receipts_root, link.events_root) != link:
        raise _contradiction(
            height, "its execution hash does not follow from the block before and its own roots"
        )
    if list_root(view.receipts(height)) != link.receipts_root:
        raise _contradiction(height, "its receipts are not those that it was executed with")
    if list_root(view.events(height)) != link.events_root:
        raise _contradiction(height, "its events are not those that it was executed with")


def _check_ordered(view: View, height: int, genesis_hash: Digest) -> None:
    header = view.final_block(height).header
    parent = genesis_hash
    if height > 1:
        parent = header_digest(genesis_hash, view.final_block(height - 1).header)
    if header.height != height or header.parent != parent:
        raise _contradiction(height, "its header does not follow the block before")
    if header.exec_height >= height or view.link(header.exec_height).exec_hash != header.exec_hash:
        raise _contradiction(
            height, f"its header vouches for another execution of block {header.exec_height}"
        )
    for digest, batch in zip(view.batch_digests(height), view.batches_of(height), strict=True):
        if (
            batch_digest(genesis_hash, batch.header) != digest
            or list_root(batch.envelopes) != batch.header.root
        ):
            raise _contradiction(height, f"batch {digest.hex()} does not hold what was agreed")


def check_state(view: View, height: int, entries_max: int | None) -> tuple[int, bool]:
    """How many entries were checked, and whether these are all. Raises: StateCorruption."""
    tree = Tree(view.tree, view.top(view.link(height).state_root))
    entries = 0
    for key, value in islice(view.state.each(), entries_max):
        if tree.value_hash(key) != sha256(value).digest():
            raise StateCorruption(
                f"state {key!r} at height {height} is not what the state root says: {REMEDY}"
            )
        entries += 1
    if entries == entries_max:
        return entries, False
    if sum(1 for _ in tree.leaves()) != entries:
        raise StateCorruption(f"state: {_missing(view, tree)} at height {height}: {REMEDY}")
    return entries, True


def check_executed_ids(view: View) -> None:
    """Whether the rows that keep a transaction from being executed twice are those that the state pins.

    Raises: StateCorruption.
    """
    buckets = {key: BUCKET.decode(value) for key, value in _with_prefix(view.state, REPLAY)}
    found: dict[bytes, list[tuple[bytes, bytes]]] = {key: [] for key in buckets}
    for row, place in _with_prefix(view.aux, REPLAY):
        key, identifier = row[:-DIGEST_BYTES], row[-DIGEST_BYTES:]
        if key not in found:
            raise StateCorruption(f"id {identifier.hex()} is kept as executed for no reason: {REMEDY}")
        found[key].append((place, identifier))
    for key, rows in found.items():
        running = bytes(DIGEST_BYTES)
        for _, identifier in sorted(rows):
            running = sha256(running + identifier).digest()
        if Bucket(len(rows), running) != buckets[key]:
            raise StateCorruption(
                f"the ids of executed transactions under {key!r} are not those that the state pins: {REMEDY}"
            )


def _with_prefix(rows: Rows, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    return takewhile(lambda row: row[0].startswith(prefix), rows.each(prefix))


def _missing(view: View, tree: Tree) -> str:
    stored = {sha256(key).digest() for key, _ in view.state.each()}
    paths: Iterator[Digest] = (path for path, _ in tree.leaves() if path not in stored)
    return f"the entry whose key has SHA-256 {next(paths).hex()} is missing"


def _contradiction(height: int, what: str) -> CorruptionError:
    return CorruptionError(f"block {height}: {what}: {REMEDY}")
