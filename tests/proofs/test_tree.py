"""The state tree: one root for one map, proofs that prove, and stored pages that can not lie."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import merkle, tree_pages
from contracts.errors import StateCorruption
from contracts.merkle import NIBBLES_MAX, StateProof, Tree, check_proof
from contracts.tree_pages import (
    BUCKET_ENTRIES_MAX,
    EMPTY,
    NO_STATE,
    PAGE_KEPT_BYTES,
    TOP_NIBBLES_MAX,
    PageCache,
    Top,
    page_hash,
)
from tests.proofs.minichain import Pages
from tests.proofs.reference import reference_root
from tests.proofs.standalone import standalone
from tests.proofs.vectors import crowded

CROWD = crowded(BUCKET_ENTRIES_MAX + 6, nibbles=2)
KEYS = [b"", *(b"key %d" % number for number in range(40)), *CROWD]
"""Few enough to be overwritten and deleted often, enough to fork; some lie deep."""

writes = st.tuples(st.sampled_from(KEYS), st.one_of(st.none(), st.binary(max_size=3)))
many = st.sampled_from([None, b"", b"x"]).map(lambda value: [(key, value) for key in KEYS])
blocks = st.lists(st.one_of(st.lists(writes, max_size=30), many), max_size=6)


def apply(
    tree_blocks: list[list[tuple[bytes, bytes | None]]], cache: PageCache
) -> tuple[Pages, Top, dict[bytes, bytes]]:
    pages, top, state = Pages(), NO_STATE, dict[bytes, bytes]()
    for block in tree_blocks:
        top, page_writes = Tree(pages, top, cache).update(block)
        pages.write(page_writes)
        for key, value in block:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return pages, top, state


@pytest.fixture(params=[0, 1, TOP_NIBBLES_MAX])
def nibbles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How far the top reaches. Below the real one these keys leave no fork, since they part too early."""
    for module in (merkle, tree_pages):
        monkeypatch.setattr(module, "TOP_NIBBLES_MAX", request.param)
    return int(request.param)


@pytest.mark.usefixtures("nibbles")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks, st.sampled_from([0, 2_000, 1_000_000]))
def test_the_root_is_that_of_the_map_whatever_its_history(
    tree_blocks: list[list[tuple[bytes, bytes | None]]], cached_bytes: int
) -> None:
    """Tops and stored pages equal those of a tree that was made of the final map at once, or of its pages."""
    pages, top, state = apply(tree_blocks, PageCache(cached_bytes))
    assert top.root == reference_root(state)
    assert pages.top() == top
    fresh_top, fresh_pages = Tree(Pages(), NO_STATE).update(state.items())
    assert (fresh_top, dict(fresh_pages)) == (top, pages)
    hashes = {sha256(key).digest(): sha256(value).digest() for key, value in state.items()}
    assert list(Tree(pages, top).leaves()) == sorted(hashes.items())
    assert [Tree(pages, top).value_hash(key) for key in KEYS] == [
        hashes.get(sha256(key).digest()) for key in KEYS
    ]


@given(blocks)
def test_every_key_is_proven_present_or_absent_and_nothing_else(
    tree_blocks: list[list[tuple[bytes, bytes | None]]],
) -> None:
    pages, top, state = apply(tree_blocks, PageCache())
    tree, root = Tree(pages, top), top.root
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
    variants: list[StateProof] = []
    for part, size_bytes in (("bucket", 64), ("forks", 512)):
        items: tuple[bytes, ...] = getattr(proof, part)
        filler = bytes(size_bytes)
        versions = [items[:i] + items[i + 1 :] for i in range(len(items))]
        versions += [(*items, filler), (filler, *items)]
        for place, item in enumerate(items):
            for at in (0, len(item) - 1):
                flipped = item[:at] + bytes([item[at] ^ 1]) + item[at + 1 :]
                versions.append((*items[:place], flipped, *items[place + 1 :]))
        if len(items) > 1:  # the same bytes, cut elsewhere; other orders
            joined = items[0] + items[1]
            versions += [(joined[:31], joined[31:], *items[2:]), (joined, *items[2:]), items[::-1]]
        variants += [replace(proof, **{part: version}) for version in versions]
    return variants


def by_stranger(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """The standalone verifier, which must agree."""
    state = {part: [item.hex() for item in getattr(proof, part)] for part in ("forks", "bucket")}
    try:
        return bool(standalone.state_root(key, value, state) == root)
    except standalone.Invalid:
        return False


CHECKS = [check_proof, by_stranger]


@pytest.mark.parametrize("check", CHECKS)
def test_a_changed_proof_proves_nothing(check: Callable[..., bool]) -> None:
    state = {key: b"value of " + key for key in KEYS[::2]}
    pages = Pages()
    top, page_writes = Tree(pages, NO_STATE).update(state.items())
    pages.write(page_writes)
    root, ends = top.root, set()
    for key in [*KEYS[::7], b"6", b"7", b"8", b"9"]:
        proof = Tree(pages, top).prove(key)
        ends.add((key in state, proof.bucket == ()))
        assert check(root, key, state.get(key), proof)
        for variant in changed(proof):
            assert not check(root, key, state.get(key), variant), (key, variant)
    assert ends == {(True, False), (False, True), (False, False)}, "value, empty and other bucket all occur"


@pytest.mark.parametrize("check", CHECKS)
def test_a_bucket_proves_absence_only_on_the_way_to_the_key(check: Callable[..., bool]) -> None:
    """Neither the key's own bucket nor one from elsewhere, with forks that lead from the root, will do."""
    pages = Pages()
    top, page_writes = Tree(pages, NO_STATE).update((key, b"1") for key in KEYS)
    pages.write(page_writes)
    root, own = top.root, Tree(pages, top).prove(KEYS[1])
    depth = 4 * len(own.forks)
    assert depth == 4
    assert check(root, KEYS[1], b"1", own)
    assert not check(root, KEYS[1], None, own)
    strangers = [b"stranger %d" % number for number in range(200)]
    near = [key for key in strangers if _first_bits(key, depth) == _first_bits(KEYS[1], depth)]
    far = [key for key in strangers if _first_bits(key, depth) != _first_bits(KEYS[1], depth)]
    assert near
    assert all(check(root, key, None, own) for key in near)
    assert not any(check(root, key, None, own) for key in far)


def _first_bits(key: bytes, count: int) -> int:
    return int.from_bytes(sha256(key).digest(), "big") >> 256 - count


@pytest.mark.parametrize("check", CHECKS)
def test_a_value_that_looks_like_an_entry_proves_nothing(check: Callable[..., bool]) -> None:
    """The hash of a value can equal the path of another key: only the first half of an entry counts."""
    pages = Pages()
    top, page_writes = Tree(pages, NO_STATE).update([(b"a", b"b"), (b"c", b"c")])
    pages.write(page_writes)
    tree, root = Tree(pages, top), top.root
    assert tree.value_hash(b"b") is None
    assert tree.value_hash(b"c") == sha256(b"c").digest()
    assert check(root, b"b", None, tree.prove(b"b"))
    changed_top, _ = tree.update([(b"b", b"2"), (b"c", b"3")])
    assert changed_top.root == reference_root({b"a": b"b", b"b": b"2", b"c": b"3"})


@pytest.mark.parametrize("check", CHECKS)
def test_a_proof_is_at_most_as_long_as_a_path_and_a_bucket_as_a_bucket(check: Callable[..., bool]) -> None:
    way = [int(digit, 16) for digit in sha256(b"key").hexdigest()]
    for count, fits in ((NIBBLES_MAX, True), (NIBBLES_MAX + 1, False)):
        forks, below = list[bytes](), EMPTY
        for nibble in reversed([*way, 0][:count]):
            forks.insert(0, bytes(32 * nibble) + below + bytes(32 * (15 - nibble)))
            below = page_hash(b"\x01" + forks[0])
        assert check(below, b"key", None, StateProof(tuple(forks), ())) is fits
    entries = sorted(sha256(key).digest() + sha256(b"").digest() for key in KEYS)
    for count, fits in ((BUCKET_ENTRIES_MAX, True), (BUCKET_ENTRIES_MAX + 1, False)):
        bucket = tuple(entries[:count])
        root = page_hash(b"\x00" + b"".join(bucket))
        assert check(root, b"a", None, StateProof((), bucket)) is fits


def test_the_empty_state() -> None:
    assert Pages().top() == NO_STATE
    tree = Tree(Pages(), NO_STATE)
    assert (tree.top.root, tree.update([])) == (EMPTY, (NO_STATE, ()))
    assert tree.prove(b"key") == StateProof((), ())
    assert check_proof(EMPTY, b"key", None, tree.prove(b"key"))
    assert tree.update([(b"key", None)])[0] == NO_STATE


def test_an_update_changes_neither_tree_nor_store() -> None:
    pages = Pages()
    top, page_writes = Tree(pages, NO_STATE).update([(b"a", b"1"), (b"b", b"2")])
    assert not pages
    pages.write(page_writes)
    tree, before = Tree(pages, top), dict(pages)
    once, again = tree.update([(b"a", b"3")]), tree.update([(b"a", b"3")])
    assert once == again
    assert (tree.top, dict(pages)) == (top, before)


def test_the_cache_stays_within_its_bound() -> None:
    pages, _, _ = apply([[(key, b"x") for key in KEYS]], PageCache())
    sizes = [PAGE_KEPT_BYTES + len(page) for page in pages.values()]
    for bytes_max in (2 * sum(sizes), sum(sizes), max(sizes), 0):
        cache = PageCache(bytes_max)
        apply([[(key, b"x") for key in KEYS]], cache)
        kept = [
            PAGE_KEPT_BYTES + len(page) for place, page in pages.items() if cache.get(place, page_hash(page))
        ]
        assert len(cache) == len(kept)
        assert (sum(kept) == sum(sizes)) is (bytes_max == 2 * sum(sizes))
        assert sum(kept) <= bytes_max


def test_a_changed_or_missing_page_is_never_believed(nibbles: int) -> None:
    """Whatever byte of the store is changed, reading what depends on it stops with an error.

    A node that starts makes the top of the pages: then the root is another, or there is none.
    """
    top, page_writes = Tree(Pages(), NO_STATE).update((key, b"x") for key in KEYS)
    good = dict(page_writes)
    assert {page[0] for page in good.values() if page is not None} == ({0, 1} if nibbles < 2 else {0})
    for page_key, page in good.items():
        assert page is not None
        damaged = [None, b"", page[:-1], page + b"\x00"]
        damaged += [page[:i] + bytes([page[i] ^ 1 << i % 8]) + page[i + 1 :] for i in range(0, len(page), 5)]
        for version in damaged:
            pages = Pages()
            pages.write(page_writes)
            pages.write(((page_key, version),))
            with pytest.raises(StateCorruption, match="state tree: the page at path"):
                list(Tree(pages, top).leaves())
            with suppress(StateCorruption):
                assert pages.top().root != top.root or len(page_key) > nibbles + 1


@pytest.mark.parametrize("place", [b"\x10", b"\x00\x10", b"\x10\x00"])
def test_a_page_at_no_place_is_told(place: bytes) -> None:
    with pytest.raises(StateCorruption, match="no place"):
        Pages({place: b"\x00" + bytes(64)}).top()
