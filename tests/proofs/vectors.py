"""The vectors of docs/vectors, as they are made: `python -m tests.proofs.vectors` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from contracts.merkle import Tree
from contracts.tree_pages import BUCKET_ENTRIES_MAX, NO_STATE
from node.proof import Entry, build_proof
from node.store import BlockCommit
from tests.proofs.minichain import MiniChain, Pages
from tests.proofs.standalone import DOCS

FOLDER = DOCS / "vectors"


def crowded(count: int, nibbles: int) -> list[bytes]:
    """Keys whose paths all begin with as many zeros, so that the tree grows deep."""
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        if sha256(b"%d" % number).hexdigest().startswith("0" * nibbles):
            found.append(b"%d" % number)
        number += 1
    return found


def tree_cases() -> Iterable[tuple[str, Mapping[bytes, bytes], list[bytes]]]:
    """(what it shows, the map, keys to prove)."""
    yield "the empty state", {}, [b"", b"key"]
    yield "one entry in the only bucket", {b"key": b"value"}, [b"key", b"other"]
    yield "an empty key and an empty value are entries", {b"": b"", b"key": b""}, [b"", b"key", b"other"]
    few = {b"key %d" % number: b"value %d" % number for number in range(5)}
    yield "five entries", few, [*few, b"key 5", b"key 6", b"key 7", b"key 8"]
    many = {b"account/%d" % number: b"%d" % (number * number) for number in range(200)}
    yield (
        "two hundred entries",
        many,
        [b"account/0", b"account/99", b"account/200", b"account/201", b"x", b"y"],
    )
    full = {b"key %d" % number: b"" for number in range(BUCKET_ENTRIES_MAX)}
    yield "a bucket as full as may be", full, [b"key 0", b"key 15", b"key 16"]
    yield "one more, and it is a fork", {**full, b"key 16": b""}, [b"key 0", b"key 16", b"key 17"]
    crowd = dict.fromkeys(crowded(BUCKET_ENTRIES_MAX + 1, nibbles=3), b"deep")
    yield "many paths that part late", crowd, [*list(crowd)[:2], b"key", b"y"]


def tree_vectors() -> dict[str, Any]:
    """Roots and proofs of each case."""
    cases = []
    for name, entries, keys in tree_cases():
        pages = Pages()
        top, page_writes = Tree(pages, NO_STATE).update(entries.items())
        pages.write(page_writes)
        cases.append(
            {
                "name": name,
                "entries": [{"key_hex": k.hex(), "value_hex": v.hex()} for k, v in sorted(entries.items())],
                "root": top.root.hex(),
                "proofs": [_proof(Tree(pages, top), key, entries.get(key)) for key in keys],
            }
        )
    return {
        "about": "docs/proofs.md, The state tree; forks from the root down to the bucket",
        "cases": cases,
    }


def _proof(tree: Tree, key: bytes, value: bytes | None) -> dict[str, Any]:
    proof = tree.prove(key)
    return {
        "key_hex": key.hex(),
        "value_hex": None if value is None else value.hex(),
        "forks": [fork.hex() for fork in proof.forks],
        "bucket": [entry.hex() for entry in proof.bucket],
    }


def proof_vectors() -> dict[str, Any]:
    """A genesis and proofs: of block 3, vouched for together with block 4, final through a grandchild."""
    chain = MiniChain()
    chain.grow([(b"account/%d" % number, b"%d" % number) for number in range(50)])
    for number in range(3):
        chain.grow([(b"account/7", b"now %d" % number)], envelopes=[b"transaction %d" % number])
    root = chain.link(3).state_root
    tree = Tree(chain.pages, chain.top)
    keys = {"proof_of_value.json": b"account/7", "proof_of_absence.json": b"account/none"}
    entries = {name: Entry(3, root, key, chain.state.get(key), tree.prove(key)) for name, key in keys.items()}
    chain.grow([(b"account/7", b"later")], envelopes=[b"transaction 3"])
    header = chain.child_header(chain.headers[-1], chain.link(4))
    child = chain.child_header(header, chain.link(4))
    block = chain.finalise(header, [child, chain.child_header(child, chain.link(4))])
    links = [chain.link(height) for height in (2, 3, 4)]
    proofs = {
        name: build_proof(chain.genesis.chain, chain.chain_id, entry, links, block)
        for name, entry in entries.items()
    }
    return {"genesis.json": chain.genesis_json, **proofs}


def lineage_chain() -> tuple[MiniChain, list[BlockCommit]]:
    """Seven blocks: epoch 2, of members 0 to 4, begins after block 3, epoch 3, of 1 to 4, after block 5."""
    chain = MiniChain()
    commits = [chain.grow([(b"account/%d" % number, b"%d" % number) for number in range(50)])]
    for height in range(1, 8):
        members = {3: range(5), 5: range(1, 5)}.get(height)
        commits.append(
            chain.grow([(b"account/7", b"at %d" % height)], next_members=members, fillers=height == 5)
        )
    return chain, commits


def lineage_vectors() -> dict[str, Any]:
    """A proof of block 6, vouched for by block 7, which the committee of epoch 3 made final."""
    chain, commits = lineage_chain()
    link, block = chain.link(6), commits[7].block
    assert block is not None
    pages, state = Pages(), dict[bytes, bytes | None]()
    for commit in commits[:7]:
        pages.write(commit.tree_writes)
        state |= dict(commit.state_writes)
    entry = Entry(
        6,
        link.state_root,
        b"account/7",
        state[b"account/7"],
        Tree(pages, pages.top()).prove(b"account/7"),
    )
    links = [chain.link(5), link]
    proof = build_proof(chain.genesis.chain, chain.chain_id, entry, links, block, chain.boundaries)
    return {"proof_with_lineage.json": proof}


def all_vectors() -> dict[str, str]:
    """File names and what is in them."""
    vectors = {"state_tree.json": tree_vectors(), **proof_vectors(), **lineage_vectors()}
    return {name: json.dumps(value, indent=1, ensure_ascii=False) + "\n" for name, value in vectors.items()}


if __name__ == "__main__":
    for file_name, contents in all_vectors().items():
        (FOLDER / file_name).write_text(contents)
