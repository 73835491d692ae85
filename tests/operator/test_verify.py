"""`quorate verify` of a ledger: whatever is changed in it is found, with the first height that is wrong."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from consensus.codec import encode
from consensus.messages import FINAL_BLOCK
from consensus.transactions import parse_transaction
from contracts.engine import Engine
from contracts.merkle import Tree
from contracts.receipts import Receipt
from node import audit
from node.announcement import announced
from node.config import NodeConfig
from node.genesis import load_genesis
from node.store import Store, View, sealed
from tests.cli.support import Shell
from tests.docs import stops

pytestmark = pytest.mark.slow


@contextmanager
def opened(home: NodeConfig) -> Iterator[Store]:
    store = Store.open(home.ledger_dir)
    try:
        yield store
    finally:
        store.close()


def first_with(view: View, fits: Callable[[Receipt], bool]) -> tuple[int, int]:
    """(height, index) of the first receipt that fits."""
    for height in range(1, view.height() + 1):
        for index, data in enumerate(view.receipts(height)):
            if fits(Receipt.decode(data)):
                return height, index
    raise AssertionError("no such receipt")


def row(space: bytes, height: int, index: int | None = None) -> bytes:
    return space + struct.pack(">Q", height) + (b"" if index is None else struct.pack(">I", index))


def put(store: Store, key: bytes, value: bytes | None) -> None:
    """As somebody would who knows how rows are sealed."""
    if value is not None and key[:1] in b"SA":
        value = sealed(key[1:], value)
    database = store._source
    assert (database.get(key) != value) or value is None
    if value is None:
        assert database.get(key) is not None, key
        database.delete(key, sync=True)
    else:
        database.put(key, value, sync=True)


def flip(store: Store, key: bytes) -> None:
    value: bytes | None = store.state.get(key[1:]) if key[:1] == b"S" else store._source.get(key)
    assert value is not None
    put(store, key, value[:-1] + bytes([value[-1] ^ 1]))


def flip_receipt(store: Store) -> int:
    height, index = first_with(store, lambda receipt: receipt.code != "")
    flip(store, row(b"R", height, index))
    return height


def flip_event(store: Store) -> int:
    height, _ = first_with(store, lambda receipt: receipt.event_count > 0)
    flip(store, row(b"E", height, 0))
    return height


def flip_link(store: Store) -> int:
    flip(store, row(b"X", 3))
    return 3


def change_time(store: Store) -> int:
    """A block that says something else than what the members signed."""
    block = store.final_block(2)
    header = replace(block.header, time_ms=block.header.time_ms + 1)
    put(store, row(b"B", 2), encode(FINAL_BLOCK, replace(block, header=header)))
    return 2


def forge_vote(store: Store) -> int:
    block = store.final_block(2)
    (voter, vote), *others = block.certificate.votes
    forged = replace(block.certificate, votes=((voter, bytes([vote[0] ^ 1]) + vote[1:]), *others))
    put(store, row(b"B", 2), encode(FINAL_BLOCK, replace(block, certificate=forged)))
    return 2


def borrow_certificate(store: Store) -> int:
    block = store.final_block(2)
    put(
        store, row(b"B", 2), encode(FINAL_BLOCK, replace(block, certificate=store.final_block(1).certificate))
    )
    return 2


def change_batch(store: Store) -> int:
    height, _ = first_with(store, lambda _: True)
    flip(store, b"b" + store.batch_digests(height)[0])
    return height


def lose_block(store: Store) -> int:
    put(store, row(b"B", 2), None)
    return 2


def lose_place(store: Store) -> int:
    height, index = first_with(store, lambda _: True)
    put(store, row(b"L", height, index), None)
    return height


def lose_id(store: Store) -> int:
    height, index = first_with(store, lambda _: True)
    put(store, b"t" + Receipt.decode(store.receipt(height, index)).id, None)
    return height


def misplace_id(store: Store) -> int:
    """An id that leads to another transaction's receipt."""
    first = first_with(store, lambda _: True)
    height, _ = first_with(store, lambda receipt: receipt.code != "")
    wrong = store._source.get(row(b"L", height, 0))
    put(store, b"t" + Receipt.decode(store.receipt(*first)).id, wrong)
    return first[0]


def lose_mention(store: Store) -> int:
    keys = [key for key, _ in store._source.iterator(prefix=b"Mcontract/euro\0")]
    put(store, keys[-1], None)  # the oldest
    (height,) = struct.unpack(">Q", keys[-1][-12:-4])
    return int(2**64 - 1 - height)


def add_mention(store: Store) -> int:
    put(store, b"Maccount/nobody\0" + bytes(12), b"")
    assert store._source.get(b"Maccount/nobody\0" + bytes(12)) == b""
    return store.height()


def change_state(store: Store) -> int:
    flip(store, b"Sbalance/solo/euro")
    return store.height()


def add_state(store: Store) -> int:
    put(store, b"Sbalance/thief/euro", store.state.get(b"balance/solo/euro"))
    return store.height()


def lose_state(store: Store) -> int:
    put(store, b"Sbalance/solo/euro", None)
    return store.height()


def executed_ids(store: Store) -> list[tuple[bytes, bytes]]:
    """The rows that keep transactions from being executed twice."""
    return [(b"A" + key, value) for key, value in store.aux.scan(b"replay/", None, 1_000)]


def lose_executed_id(store: Store) -> int:
    """So that the transaction could be executed again."""
    put(store, executed_ids(store)[0][0], None)
    return store.height()


def add_executed_id(store: Store) -> int:
    """So that a transaction is refused that was never executed."""
    key, _ = executed_ids(store)[0]
    put(store, key[:-32] + bytes(32), bytes(4))
    return store.height()


def forget_why(store: Store) -> int:
    key, place = executed_ids(store)[0]
    put(store, key[: len(b"Areplay/")] + bytes(8) + key[-32:], place)
    return store.height()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lose_executed_id, "the ids of executed transactions under"),
        (add_executed_id, "the ids of executed transactions under"),
        (forget_why, "is kept as executed for no reason"),
        (flip_receipt, "its receipts are not those that it was executed with"),
        (flip_event, "its events are not those"),
        (flip_link, "its execution hash does not follow"),
        (change_time, ""),
        (forge_vote, "the vote of 0 is not valid"),
        (borrow_certificate, "its certificate is for another block"),
        (change_batch, ""),
        (lose_block, "is missing"),
        (lose_place, "the list of its transactions is wrong"),
        (lose_id, "is not found under its id"),
        (misplace_id, "is not found under its id"),
        (lose_mention, "is not listed under contract/euro"),
        (add_mention, "space M of the store has"),
        (change_state, "state b'balance/solo/euro'"),
        (add_state, "state b'balance/thief/euro'"),
        (lose_state, "state: the entry whose key has SHA-256"),
    ],
)
def test_what_was_changed_is_found(home: NodeConfig, spoil: Callable[[Store], int], words: str) -> None:
    """Guards every kind of row: the first wrong height is named, and what is wrong."""
    with opened(home) as store:
        height = spoil(store)
        with store.snapshot() as view, pytest.raises(audit.Unsound) as found:
            audit.audit(view, load_genesis(home.genesis_path), lambda *_: None)
    assert found.value.height == height, found.value
    assert words in str(found.value)
    assert str(height) in str(found.value) or "executed" in words or words.startswith(("state", "space"))


def test_a_state_that_fits_its_root_and_no_block_is_found_by_executing_again(
    home: NodeConfig, tmp_path: Path
) -> None:
    """Whoever can also write the tree and the hashes makes a ledger that fits together; execution tells."""
    genesis = load_genesis(home.genesis_path)
    with opened(home) as store:
        height = store.height()
        link, previous = store.link(height), store.link(height - 1)
        richer = store.state.get(b"balance/solo.shop/euro")
        put(store, b"Sbalance/solo/euro", richer)
        top, pages = Tree(store.tree, store.top(link.state_root)).update([(b"balance/solo/euro", richer)])
        for key, page in pages:
            store._source.put(b"P" + key, page or b"")
        forged = previous.next(top.root, link.receipts_root, link.events_root)
        roots = forged.exec_hash + forged.state_root + forged.receipts_root + forged.events_root
        put(store, row(b"X", height), roots)
        engine = Engine(chain=genesis.chain, parameters=genesis.parameters)
        with store.snapshot() as view:
            audit.audit(view, genesis, lambda *_: None)
            with pytest.raises(audit.Unsound, match="executed again, its state root") as found:
                audit.replay(view, genesis, engine, tmp_path / "scratch", lambda *_: None)
        assert found.value.height == height


# ---------------------------------------------------------------- the command


def test_a_sound_ledger_is_said_to_be_sound(home: NodeConfig, shell: Shell) -> None:
    out = shell.ok("verify", "--data", home.data_dir, "--replay")
    assert "Sound: blocks 0 to" in out
    assert "Every block was executed again and came to the same." in out
    assert not list(home.data_dir.glob("replay-*"))
    told = orjson.loads(shell.ok("verify", "--data", home.data_dir, "--json"))
    with opened(home) as store:
        assert (told["sound"], told["height"]) == (True, store.height())
        assert told["entries"] == sum(1 for _ in store.state.each())


def test_an_unsound_ledger_ends_with_the_height(home: NodeConfig, shell: Shell) -> None:
    with opened(home) as store:
        height = flip_receipt(store)
    done = shell("verify", "--data", home.data_dir)
    assert (done.code, f"height {height} is the first that is wrong: block {height}: its" in done.err) == (
        1,
        True,
    )
    told = orjson.loads(shell("verify", "--data", home.data_dir, "--json").out)
    assert (told["sound"], told["height"]) == (False, height)


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (stops.damage_ledger, 1, "is damaged"),
        (lambda home: home.genesis_path.unlink(), 2, "genesis"),
        (lambda home: home.ledger_dir.rename(home.data_dir / "away"), 2, "there is no ledger"),
    ],
)
def test_what_cannot_be_checked_is_said(
    home: NodeConfig, shell: Shell, spoil: Callable[[NodeConfig], object], code: int, words: str
) -> None:
    spoil(home)
    done = shell("verify", "--data", home.data_dir)
    assert (done.code, words in done.err) == (code, True), done


def test_a_chain_of_another_version_is_not_checked(
    home: NodeConfig, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.versions.SUPPORTED", (99,))
    done = shell("verify", "--data", home.data_dir)
    assert (done.code, "this node has 99: install a release of quorate that has it" in done.err) == (2, True)


def test_only_a_node_that_runs_is_in_the_way(home: NodeConfig, shell: Shell) -> None:
    with announced(home, "http://127.0.0.1:1", None, ""):
        left = (home.data_dir / "node.json").read_bytes()
        done = shell("verify", "--data", home.data_dir)
        assert (done.code, f"the node runs (process {os.getpid()})" in done.err) == (2, True), done
    (home.data_dir / "node.json").write_bytes(left)  # as after kill -9; the process id is another program's
    shell.ok("verify", "--data", home.data_dir)


def test_another_genesis_is_noticed(home: NodeConfig, shell: Shell) -> None:
    stops.bring_another_chains_ledger(home)
    done = shell("verify", "--data", home.data_dir)
    assert (done.code, "was not made with this genesis" in done.err) == (1, True), done


def test_progress_is_told(home: NodeConfig, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.commands.verify.PROGRESS_S", 0.0)
    done = shell("verify", "--data", home.data_dir)
    assert done.code == 0
    with opened(home) as store:
        assert f"blocks: {store.height()} of {store.height()}" in done.err


def test_an_id_may_lead_to_the_copy_that_was_executed(home: NodeConfig) -> None:
    """Guards the index check against a transaction that was ordered twice."""
    genesis = load_genesis(home.genesis_path)
    with opened(home) as store, store.snapshot() as view:
        height, index = first_with(view, lambda _: True)
        place = view.places_of(height)[index]
        batch = view.batch(place.batch)
        assert batch is not None
        transaction = parse_transaction(batch.envelopes[place.position], genesis.chain)
        assert audit._is_home(view, transaction, place)
        late = replace(place, height=height + 1, executed=False)
        assert not audit._is_home(view, transaction, late), "a copy that came too late leads elsewhere"
