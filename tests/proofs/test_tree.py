"""The state tree: one root for one map, proofs that prove, and stored pages that can not lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import StateCorruption
from contracts.merkle import DEPTH_MAX, EMPTY, PageCache, StateProof, Tree, check_proof
from tests.proofs.minichain import Pages
from tests.proofs.reference import reference_root
from tests.proofs.standalone import standalone


def twins(count: int, same_bits: int) -> list[bytes]:
    """Keys in pairs whose paths share at least `same_bits` bits, so that the tree grows deep."""
    seen: dict[bytes, bytes] = {}
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        key = b"%d" % number
        prefix = sha256(key).digest()[: same_bits // 8]
        if prefix in seen:
            found += [seen[prefix], key]
        seen[prefix] = key
        number += 1
    return found


KEYS = [b"", *(b"key %d" % number for number in range(40)), *twins(8, 24)]
"""Few enough to be overwritten and deleted often; some lie deep."""

writes = st.tuples(st.sampled_from(KEYS), st.one_of(st.none(), st.binary(max_size=3)))
blocks = st.lists(st.lists(writes, max_size=30), max_size=6)


def apply(
    tree_blocks: list[list[tuple[bytes, bytes | None]]], cache: PageCache
) -> tuple[Pages, bytes, dict[bytes, bytes]]:
    pages, root, state = Pages(), EMPTY, dict[bytes, bytes]()
    for block in tree_blocks:
        root, page_writes = Tree(pages, root, cache).update(block)
        pages.write(page_writes)
        for key, value in block:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return pages, root, state


@given(blocks, st.sampled_from([0, 2, 1000]))
def test_the_root_is_that_of_the_map_whatever_its_history(
    tree_blocks: list[list[tuple[bytes, bytes | None]]], cached_pages: int
) -> None:
    """Roots and even the stored pages equal those of a tree that was made of the final map at once."""
    pages, root, state = apply(tree_blocks, PageCache(cached_pages))
    assert root == reference_root(state)
    assert Tree(pages).root == root, "the stored page knows it too"
    fresh_root, fresh_pages = Tree(Pages()).update(state.items())
    assert (fresh_root, dict(fresh_pages)) == (root, pages)
    hashes = {sha256(key).digest(): sha256(value).digest() for key, value in state.items()}
    assert list(Tree(pages, root).leaves()) == sorted(hashes.items())
    assert [Tree(pages, root).value_hash(key) for key in KEYS] == [
        hashes.get(sha256(key).digest()) for key in KEYS
    ]


@given(blocks)
def test_every_key_is_proven_present_or_absent_and_nothing_else(
    tree_blocks: list[list[tuple[bytes, bytes | None]]],
) -> None:
    pages, root, state = apply(tree_blocks, PageCache())
    tree = Tree(pages, root)
    for key in KEYS:
        proof, value = tree.prove(key), state.get(key)
        assert check_proof(root, key, value, proof)
        assert not check_proof(root, key, b"another value", proof)
        assert not check_proof(root, key, b"" if value is None else None, proof)
        assert not check_proof(sha256(root).digest(), key, value, proof)
        for other in KEYS:
            if other != key and state.get(other) != value:
                assert not check_proof(root, other, value, proof)


def changed(proof: StateProof) -> list[StateProof]:
    """Every way to change one part of a proof."""
    siblings = proof.siblings
    variants = [replace(proof, siblings=siblings[:i] + siblings[i + 1 :]) for i in range(len(siblings))]
    variants += [replace(proof, siblings=(*siblings, EMPTY)), replace(proof, siblings=(EMPTY, *siblings))]
    for place, sibling in enumerate(siblings):
        flipped = bytes([sibling[0] ^ 1]) + sibling[1:]
        variants.append(replace(proof, siblings=(*siblings[:place], flipped, *siblings[place + 1 :])))
    if len(siblings) > 1:  # the same bytes, cut elsewhere
        joined = siblings[0] + siblings[1]
        variants.append(replace(proof, siblings=(joined[:31], joined[31:], *siblings[2:])))
    if proof.other is None:
        variants.append(replace(proof, other=(bytes(32), bytes(32))))
    else:
        path, value_hash = proof.other
        variants += [
            replace(proof, other=None),
            replace(proof, other=(value_hash, path)),
            replace(proof, other=(path[:31], path[31:] + value_hash)),
            replace(proof, other=(path, sha256(value_hash).digest())),
        ]
    return variants


def test_a_changed_proof_proves_nothing() -> None:
    state = {key: b"value of " + key for key in KEYS[::2]}
    root, page_writes = Tree(Pages()).update(state.items())
    pages = Pages()
    pages.write(page_writes)
    ends = set()
    for key in KEYS:
        proof = Tree(pages, root).prove(key)
        ends.add((key in state, proof.other is None))
        assert check_proof(root, key, state.get(key), proof)
        for variant in changed(proof):
            assert not check_proof(root, key, state.get(key), variant), (key, variant)
    assert ends == {(True, True), (False, True), (False, False)}, (
        "value, empty end and foreign leaf all occur"
    )


def by_stranger(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """The standalone verifier, which must agree."""
    other = (
        None
        if proof.other is None
        else dict(zip(("path", "value_hash"), map(bytes.hex, proof.other), strict=True))
    )
    state = {"siblings": [sibling.hex() for sibling in proof.siblings], "other": other}
    try:
        return bool(standalone.state_root(key, value, state) == root)
    except standalone.Invalid:
        return False


@pytest.mark.parametrize("check", [check_proof, by_stranger])
def test_a_leaf_proves_absence_only_on_the_way_to_another_key(check: Callable[..., bool]) -> None:
    """Neither the key's own leaf nor one from elsewhere, with siblings that lead to the root, will do."""
    pages = Pages()
    root, page_writes = Tree(pages).update([(b"a", b"1"), (b"b", b"2")])
    pages.write(page_writes)
    siblings = Tree(pages, root).prove(b"a").siblings
    own = StateProof(siblings, (sha256(b"a").digest(), sha256(b"1").digest()))
    assert check(root, b"a", b"1", StateProof(siblings, None))
    assert not check(root, b"a", b"1", own)
    assert not check(root, b"a", None, own)
    depth = len(siblings)
    near = [key for key in KEYS if _first_bits(key, depth) == _first_bits(b"a", depth)]
    far = [key for key in KEYS if _first_bits(key, depth) != _first_bits(b"a", depth)]
    assert near
    assert all(check(root, key, None, own) for key in near)
    assert not any(check(root, key, None, own) for key in far)


def _first_bits(key: bytes, count: int) -> int:
    return int.from_bytes(sha256(key).digest(), "big") >> 256 - count


def test_a_proof_is_at_most_as_long_as_a_path() -> None:
    proof = StateProof((EMPTY,) * (DEPTH_MAX + 1), None)
    assert not check_proof(EMPTY, b"key", None, proof)


def test_the_empty_state() -> None:
    tree = Tree(Pages())
    assert (tree.root, tree.update([])) == (EMPTY, (EMPTY, ()))
    assert tree.prove(b"key") == StateProof((), None)
    assert check_proof(EMPTY, b"key", None, tree.prove(b"key"))
    assert tree.update([(b"key", None)])[0] == EMPTY


def test_an_update_changes_neither_tree_nor_store() -> None:
    pages = Pages()
    root, page_writes = Tree(pages).update([(b"a", b"1"), (b"b", b"2")])
    assert not pages
    pages.write(page_writes)
    tree, before = Tree(pages, root), dict(pages)
    once, again = tree.update([(b"a", b"3")]), tree.update([(b"a", b"3")])
    assert once == again
    assert (tree.root, dict(pages)) == (root, before)


def test_the_cache_stays_within_its_bound() -> None:
    cache = PageCache(pages_max=3)
    apply([[(key, b"x") for key in KEYS]], cache)
    assert len(cache) == 3


def test_a_changed_or_missing_page_is_never_believed() -> None:
    """Whatever byte of the store is changed, reading what depends on it stops with an error."""
    root, page_writes = Tree(Pages()).update((key, b"x") for key in KEYS)
    good = dict(page_writes)
    assert len(good) > 5
    for page_key, page in good.items():
        assert page is not None
        damaged = [None, b"", page[:-1], page + b"\x00"]
        damaged += [page[:i] + bytes([page[i] ^ 1 << i % 8]) + page[i + 1 :] for i in range(len(page))]
        for version in damaged:
            pages = Pages()
            pages.write(page_writes)
            pages.write(((page_key, version),))
            with pytest.raises(StateCorruption, match="state tree: the page at path"):
                list(Tree(pages, root).leaves())


def test_a_leaf_may_not_stand_below_its_place() -> None:
    """A page other than the top one that holds a single leaf would be another encoding of the same tree."""
    pages = Pages()
    root, page_writes = Tree(pages).update([(b"a", b"1")])
    (top,) = (page for _, page in page_writes)
    assert top is not None
    nibble = sha256(b"a").digest()[0] >> 4
    leaf_page = top
    pages[b""] = b"\x00" + (1 << nibble).to_bytes(2, "big") + root
    pages[bytes([nibble])] = leaf_page
    lone = Tree(pages)
    with pytest.raises(StateCorruption):
        list(lone.leaves())
