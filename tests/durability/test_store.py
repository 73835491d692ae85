"""The store: a block is there as a whole or not at all, reads are of one version, and damage is noticed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import starmap
from pathlib import Path

import plyvel
import pytest

from consensus.codec import encode
from consensus.errors import CorruptionError, InvariantError
from consensus.keys import verify_ed25519
from consensus.messages import BATCH, FINAL_BLOCK
from consensus.types import FinalBlock
from contracts.errors import StateCorruption
from contracts.merkle import check_proof
from contracts.recent import row_kept_bytes
from node.demo.partner import wait_until
from node.errors import ConfigurationError
from node.integrity import Checked, verify_integrity
from node.proof import read_entry
from node.proof_json import check_final
from node.store import BlockCommit, HotRows, Place, Rows, Store, sealed
from node.store import database as store_module
from node.store import rows as rows_module
from node.store.database import TOPS_MAX
from node.store.rows import PageRows
from tests.proofs.minichain import MiniChain

BLOCKS = 6


def filled(folder: Path, blocks: int = BLOCKS) -> tuple[MiniChain, list[BlockCommit]]:
    """A closed store with genesis and some blocks."""
    chain, commits = MiniChain(), []
    store = Store.open(folder)
    for number in range(blocks + 1):
        commits.append(commit_number(chain, number))
        store.commit(commits[-1])
    store.close()
    return chain, commits


def commit_number(chain: MiniChain, number: int) -> BlockCommit:
    writes: list[tuple[bytes, bytes | None]] = [
        (b"account/%d" % n, b"%d" % (n * number)) for n in range(number, 20)
    ]
    if number == 0:
        return chain.grow(writes)
    writes.append((b"account/%d" % (number - 1), None))
    envelopes = [b"tx %d.%d" % (number, n) for n in range(3)]
    events = [b"event %d.%d" % (number, n) for n in range(number % 3)]
    return replace(chain.grow(writes, envelopes=envelopes, events=events), mentions=(("account/acme", 1),))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[MiniChain, list[BlockCommit], Store]]:
    chain, commits = filled(tmp_path)
    store = Store.open(tmp_path)
    yield chain, commits, store
    store.close()


Opened = tuple[MiniChain, list[BlockCommit], Store]


def assert_holds(store: Store, chain: MiniChain, commits: list[BlockCommit]) -> None:
    """Everything that was committed, and nothing more."""
    assert store.height() == len(commits) - 1
    for height, commit in enumerate(commits):
        assert store.link(height) == commit.link
        assert store.receipts(height) == commit.receipts
        assert store.events(height) == commit.events
        assert store.batch_digests(height) == tuple(digest for digest, _ in commit.batches)
        assert store.batches_of(height) == tuple(batch for _, batch in commit.batches)
        for identifier, place in commit.transactions:
            assert store.place(identifier) == place
            assert store.receipt(height, place.index) == commit.receipts[place.index]
        if height > 0:
            assert store.final_block(height) == commit.block
    assert dict(store.state.each()) == chain.state
    assert dict(store.aux.each()) == {b"height": b"%d" % (len(commits) - 1)}
    assert {key: store.tree.get_page(key) for key in chain.pages} == chain.pages


def test_what_is_committed_is_read_back(opened: Opened) -> None:
    chain, commits, store = opened
    assert_holds(store, chain, commits)
    assert store.place(b"unknown".ljust(32)) is None
    assert store.batch(bytes(32)) is None


def test_a_block_is_read_with_all_headers_to_the_certified_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are more than one block carries; until the block with the last is stored, it is not."""
    carried = 3
    monkeypatch.setattr("node.store.view.DESCENDANTS_MAX", carried)
    chain = MiniChain()
    commits = [chain.grow() for _ in range(3 * carried + 2)]
    headers = [commit.block.header for commit in commits if commit.block is not None]
    certificate = chain.finalise(headers[-1]).certificate
    store = Store.open(tmp_path)
    try:
        store.commit(commits[0])
        for height, commit in enumerate(commits[1:], start=1):
            after = tuple(headers[height : height + carried])
            store.commit(replace(commit, block=FinalBlock(headers[height - 1], after, certificate)))
            assert (store.certified_block(1) is None) == (height < 1 + 2 * carried)
        for height in range(1, len(commits)):
            whole = FinalBlock(headers[height - 1], tuple(headers[height:]), certificate)
            assert store.certified_block(height) == whole
            check_final(whole, chain.committee, chain.chain_id, verify_ed25519)
    finally:
        store.close()


def test_an_empty_store_has_no_height(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    assert store.height() == -1
    assert verify_integrity(store, bytes(32)) == Checked(-1, 0, 0, complete=True)
    store.close()


def test_events_are_read_in_pages_after_a_position(opened: Opened) -> None:
    _, commits, store = opened
    all_events = [((h, i), e) for h, commit in enumerate(commits) for i, e in enumerate(commit.events)]
    assert len(all_events) > 3
    assert store.events_after((0, -1), 100) == all_events
    read = []
    after = (0, -1)
    while page := store.events_after(after, 2):
        read += page
        after = page[-1][0]
    assert read == all_events


def test_transactions_are_listed_newest_first_all_or_by_subject(opened: Opened) -> None:
    _, commits, store = opened
    everything = [place for commit in commits for _, place in commit.transactions]
    assert store.places_of(3) == [place for _, place in commits[3].transactions]
    assert store.places_before(None, 100) == everything[::-1]
    assert store.places_before((4, 1), 5) == [p for p in everything[::-1] if (p.height, p.index) < (4, 1)][:5]
    mine = [place for place in everything[::-1] if place.index == 1]
    assert store.mentions_before("account/acme", None, 100) == mine
    assert store.mentions_before("account/acme", (mine[1].height, 1), 2) == mine[2:4]
    assert store.mentions_before("account/acm", None, 100) == []


def test_scan_keeps_to_prefix_order_and_limit(opened: Opened) -> None:
    chain, _, store = opened
    rows = sorted(chain.state.items())
    assert store.state.scan(b"account/", None, 100) == rows
    assert store.state.scan(b"account/", rows[3][0], 2) == rows[4:6]
    assert store.state.last_before(rows[4][0]) == rows[3][0]
    assert store.state.last_before(rows[3][0] + b"\x00") == rows[3][0]
    assert store.state.last_before(b"a") is None
    assert store.state.scan(b"account/1", None, 100) == [
        row for row in rows if row[0].startswith(b"account/1")
    ]
    assert store.state.scan(b"account/1", b"a", 1) == [
        next(row for row in rows if row[0].startswith(b"account/1"))
    ]
    assert store.state.scan(b"b", None, 10) == []
    assert store.state.scan(b"", b"account/9", 10) == []


def test_a_block_out_of_order_is_refused(opened: Opened) -> None:
    _, commits, store = opened
    for wrong in (
        commits[-1],
        commits[2],
        replace(commits[2], link=replace(commits[2].link, height=BLOCKS + 1)),
    ):
        with pytest.raises(InvariantError):
            store.commit(wrong)
    assert store.height() == BLOCKS


def test_a_fault_of_ours_in_the_middle_writes_nothing(opened: Opened) -> None:
    chain, commits, store = opened
    commit = replace(chain.grow(envelopes=[b"x"]), tree_writes=((b"page", "text"),))  # type: ignore[arg-type]
    before = dict(store._source.iterator())
    with pytest.raises(TypeError):
        store.commit(commit)
    assert dict(store._source.iterator()) == before
    assert store.height() == len(commits) - 1


def test_a_place_is_where_a_transaction_was_executed_else_where_it_was_first(opened: Opened) -> None:
    chain, _, store = opened

    def add(*places: Place) -> None:
        commit = chain.grow(envelopes=[b"x"])
        numbered = tuple((b"i" * 32, replace(place, height=commit.link.height)) for place in places)
        store.commit(replace(commit, transactions=numbered))

    late = Place(0, 0, bytes(32), 0, executed=False)
    good = Place(0, 1, bytes(32), 1, executed=True)
    add(late, late)
    first = store.place(b"i" * 32)
    add(late)
    assert store.place(b"i" * 32) == first == replace(late, height=BLOCKS + 1)
    add(late, good, late)
    assert store.place(b"i" * 32) == replace(good, height=BLOCKS + 3)
    add(late)
    assert store.place(b"i" * 32) == replace(good, height=BLOCKS + 3)


# ---------------------------------------------------------------- one version


def test_a_snapshot_stays_as_it_was(opened: Opened) -> None:
    chain, _, store = opened
    before = dict(chain.state)
    with store.snapshot() as view:
        store.commit(commit_number(chain, BLOCKS + 1))
        assert (view.height(), store.height()) == (BLOCKS, BLOCKS + 1)
        assert dict(view.state.each()) == before
        assert view.state.get(b"account/19") == before[b"account/19"] != store.state.get(b"account/19")


def test_snapshots_in_other_threads_never_see_half_a_block(opened: Opened) -> None:
    """Readers run while blocks are committed; each sees a state that fits its height."""
    chain, _, store = opened
    genesis_hash = chain.chain_id
    failures: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                with store.snapshot() as view:
                    verify_integrity(view, genesis_hash, blocks_max=1)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(30):
        store.commit(chain.grow([(b"account/%d" % n, b"%d" % (number * n)) for n in range(20)]))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("bytes_max", [0, 250, 2_000, 10_000])
def test_hot_state_is_what_is_stored_and_stays_within_its_bound(opened: Opened, bytes_max: int) -> None:
    chain, _, store = opened
    store.state = hot = HotRows(store._source, b"S", bytes_max)
    recent, hits = hot._recent, 0
    for number in range(10):
        for key in [b"account/%d" % (n % 7) for n in range(12)] + [b"account/%d" % n for n in range(20)]:
            hits += key in recent
            assert store.state.get(key) == chain.state.get(key)
            sizes = [sum(starmap(row_kept_bytes, rows.items())) for rows in (recent._young, recent._old)]
            assert sizes[0] == recent._young_bytes
            assert sum(sizes) <= bytes_max
        store.commit(chain.grow([(b"account/%d" % n, b"%d" % number if n % 3 else None) for n in range(19)]))
    assert hits >= {0: 0, 250: 0, 2_000: 40, 10_000: 250}[bytes_max]


def test_rows_beside_the_state_are_seen_as_they_change(opened: Opened) -> None:
    chain, _, store = opened
    keys = [b"replay/%d" % number for number in range(6)]
    store.aux.prefetch(keys[:4])
    assert [store.aux.get(key) for key in keys] == [None] * 6
    store.commit(replace(chain.grow(), aux_writes=tuple((key, key[-1:]) for key in keys[1:])))
    assert [store.aux.get(key) for key in keys] == [None, b"1", b"2", b"3", b"4", b"5"]
    assert store.aux.scan(b"replay/", None, 9) == [(key, key[-1:]) for key in keys[1:]]
    store.commit(replace(chain.grow(), aux_writes=tuple((key, None) for key in keys[:3])))
    assert [store.aux.get(key) for key in keys] == [None, None, None, b"3", b"4", b"5"]
    with store.snapshot() as view:
        assert [view.aux.get(key) for key in keys] == [None, None, None, b"3", b"4", b"5"]


def test_a_place_is_known_to_be_there_or_not(opened: Opened) -> None:
    _, commits, store = opened
    (identifier, place), *_ = commits[2].transactions
    assert store.has_place(identifier)
    assert store.place(identifier) == place
    assert not store.has_place(identifier[:-1] + b"\xff")


# ---------------------------------------------------------------- looking up without a trace


def looked_up(rows: Rows, accounts: range) -> list[bytes | None]:
    return [rows.get(b"account/%04d" % number) for number in accounts]


def test_looking_rows_up_has_no_table_written_again(tmp_path: Path) -> None:
    """LevelDB merges a table away after some hundred reads that its own `get` had to take past it."""
    chain = MiniChain()
    commits = [
        chain.grow([(b"account/%04d" % number, b"%d" % number) for number in range(1_000)]),
        chain.grow([(b"account/0000", b"poor"), (b"account/0999", b"rich")]),
    ]
    for commit in commits:
        store = Store.open(tmp_path)
        store.commit(commit)
        store.close()
        store = Store.open(tmp_path)  # what is in LevelDB's log becomes a table
        if commit is commits[0]:
            store._source.compact_range()
        store.close()
    store = Store.open(tmp_path)

    def tables() -> set[str]:
        return {path.name for path in tmp_path.glob("*.ldb")}

    try:
        before, middle = tables(), range(1, 999)
        assert len(before) == 2
        with store.snapshot() as view:
            assert looked_up(view.state, middle) == [b"%d" % number for number in middle]
            assert looked_up(view.aux, middle) == [None] * 998
            assert all(view.tree.get_page(key) == page for key, page in chain.pages.items())
        store.state.prefetch(b"account/%04d" % number for number in middle)
        assert not any(store.has_place(b"%032d" % number) for number in middle)
        assert not wait_until(lambda: tables() != before, 1)
        looked_up(Rows(store._source, b"S"), middle)
        assert wait_until(lambda: tables() != before, 30)
    finally:
        store.close()


def test_where_much_was_deleted_it_is_stepped_over_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, _, store = opened
    monkeypatch.setattr(rows_module, "STUMBLE_S", 0.0)  # any look takes longer
    for number in range(3):
        store.commit(chain.grow([(b"account/new", b"%d" % number), (b"account/19", None)]))
        stumbled = []
        for key in (b"account/never/%d" % number, b"account/nor/%d" % number):
            assert store.state.get(key) is None
            stumbled.append(store.state.finder._stumbled)
        assert stumbled == [False, True]
        for key in (b"account/18", b"account/19", b"account/new"):
            assert store.state.get(key) == chain.state.get(key)
        with store.snapshot() as view:
            assert looked_up(view.state, range(2)) == [None, None]
            assert dict(view.state.each()) == chain.state
            assert {key: view.tree.get_page(key) for key in chain.pages} == chain.pages


# ---------------------------------------------------------------- the top of the state's tree


def test_the_top_is_at_hand_for_who_reads_the_newest_blocks(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever took a snapshot proves from it, also when more blocks came; what is too old is made anew."""
    chain, _, store = opened
    key = b"account/19"
    made: list[int] = []
    each_near = PageRows.each_near

    def counted(rows: PageRows, nibbles_max: int) -> Iterator[tuple[bytes, bytes]]:
        made.append(nibbles_max)
        return each_near(rows, nibbles_max)

    monkeypatch.setattr(PageRows, "each_near", counted)
    with ExitStack() as snapshots:
        views = []
        for number in range(TOPS_MAX + 2):
            store.commit(chain.grow([(key, b"%d" % number)]))
            views.append((snapshots.enter_context(store.snapshot()), chain.link(chain.height)))
        assert len(store._tops) == TOPS_MAX
        with store.snapshot() as newest:
            assert newest._tops == store._tops
        for number, (view, link) in enumerate(views):
            entry = read_entry(view, key)
            assert entry.root == link.state_root
            assert check_proof(link.state_root, key, b"%d" % number, entry.proof)
        assert not made
        for view, link in views:
            view._tops = store._tops
            assert view.top(link.state_root).root == link.state_root
    assert len(made) == 2
    store.commit(chain.grow())
    assert len(store._tops) == TOPS_MAX, "a block that changes nothing adds none"


def test_a_store_that_is_opened_makes_the_top_of_its_pages(tmp_path: Path) -> None:
    chain, _ = filled(tmp_path)
    root = chain.link(BLOCKS).state_root
    store = Store.open(tmp_path)
    try:
        assert store.top(root) == chain.top
        assert store.top(root) is store.top(root)
        with pytest.raises(StateCorruption, match=r"do not lead to the root (00){32}: .*start again"):
            store.top(bytes(32))
    finally:
        store.close()


def test_the_pages_near_the_top_are_read_past_what_is_deeper(tmp_path: Path) -> None:
    database = plyvel.DB(str(tmp_path), create_if_missing=True)
    shown = ["00", "000f", "000f00", "000f0f", "0101", "01010101", "0f0f"]
    places = [bytes.fromhex(place) for place in shown]
    for place in (*places, b""):
        database.put(b"P" + place, b"page")
    database.put(b"O", b"before")
    database.put(b"Q", b"behind")
    for nibbles_max in range(5):
        near = list(PageRows(database, b"P").each_near(nibbles_max))
        assert near == [(place, b"page") for place in sorted([*places, b""]) if len(place) <= nibbles_max]
    database.put(b"P\x00\x0f\x0f\x10", b"page")
    with pytest.raises(StateCorruption, match="path 0ff0 is at no place"):
        list(PageRows(database, b"P").each_near(3))
    database.close()


# ---------------------------------------------------------------- opening


def test_one_process_at_a_time(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can not be opened: .*lock"):
        Store.open(tmp_path)


def test_a_folder_that_can_not_be_written_is_the_operators_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can not be opened"):
        Store.open(tmp_path / "file")


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, blocks=0)
    monkeypatch.setattr(store_module, "STORE_FORMAT", b"\x04")
    with pytest.raises(ConfigurationError, match=r"format that .*start again"):
        Store.open(tmp_path)


# ---------------------------------------------------------------- crashes and failing disks

WRITER = """
import sys
from pathlib import Path
from node.store import Store
from tests.durability.test_store import commit_number
from tests.proofs.minichain import MiniChain

store, chain = Store.open(Path(sys.argv[1])), MiniChain()
height = store.height()
for number in range(int(sys.argv[2])):
    commit = commit_number(chain, number)
    if number > height:
        store.commit(commit)
        print(number, flush=True)
"""


def writer(folder: Path, blocks: int, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(blocks)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def test_kill_9_while_writing_loses_no_block_and_keeps_none_in_part(tmp_path: Path) -> None:
    """Killed again and again: what was reported as stored is there, and all that is there fits together."""
    chain, commits = MiniChain(), list[BlockCommit]()
    acknowledged = -1
    for round_number in range(5):
        process = writer(tmp_path, 1000)
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged >= (round_number + 1) * 7:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = Store.open(tmp_path)
        assert store.height() >= acknowledged
        while len(commits) <= store.height():
            commits.append(commit_number(chain, len(commits)))
        assert_holds(store, chain, commits)
        assert verify_integrity(store, chain.chain_id).complete
        store.close()
    assert acknowledged >= 35


def test_a_disk_that_refuses_stops_the_store_for_good(tmp_path: Path) -> None:
    """The file size limit stands for a full disk: LevelDB's write fails in the middle."""
    program = """
import resource, signal, sys
from pathlib import Path
from node.store import Store, StoreFailed
from tests.durability.test_store import commit_number
from tests.proofs.minichain import MiniChain

store, chain = Store.open(Path(sys.argv[1])), MiniChain()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
for number in range(1000):
    commit = commit_number(chain, number)
    try:
        store.commit(commit)
    except StoreFailed as error:
        first = error
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    store.commit(commit)
except StoreFailed as again:
    print(number, first, again, sep="\\n")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    number, error, again = done.stdout.splitlines()
    assert int(number) > 1
    assert error.startswith(f"store: block {number} could not be written: ")
    assert "not used any more" in again
    chain, commits = MiniChain(), list[BlockCommit]()
    store = Store.open(tmp_path)
    while len(commits) <= store.height():
        commits.append(commit_number(chain, len(commits)))
    assert len(commits) == int(number)
    assert_holds(store, chain, commits)
    store.close()


def read_all(folder: Path) -> tuple[int, dict[bytes, bytes]]:
    """The height, and every row of the database."""
    store = Store.open(folder)
    try:
        height = store.height()
        store.receipts(height)
        for at in range(1, height + 1):
            store.final_block(at)
        return height, dict(store.everything())
    finally:
        store.close()


def test_a_damaged_file_is_noticed_or_leaves_an_earlier_block(tmp_path: Path) -> None:
    """One byte changed anywhere: an error, or all as it was, or, at the end of the log, an earlier block."""
    states = []
    for blocks in range(4):
        filled(tmp_path / f"{blocks}", blocks)
        states.append(read_all(tmp_path / f"{blocks}"))
    whole = tmp_path / "3"
    noticed = 0
    for path in sorted(whole.iterdir()):
        size = path.stat().st_size
        for place in range(0, size, max(1, size // 40)):
            copy = tmp_path / "copy"
            shutil.copytree(whole, copy)
            data = bytearray((copy / path.name).read_bytes())
            data[place] ^= 0x10
            (copy / path.name).write_bytes(data)
            try:
                assert read_all(copy) in states, (path.name, place)
            except (CorruptionError, ConfigurationError):
                noticed += 1
            shutil.rmtree(copy)
    assert noticed > 10


# ---------------------------------------------------------------- falsified contents


def falsify(folder: Path, key: bytes, value: bytes | None) -> None:
    """As somebody would who can write the files, with LevelDB itself."""
    database = plyvel.DB(str(folder))
    if value is None:
        database.delete(key)
    else:
        assert database.get(key) != value
        database.put(key, value)
    database.close()


def check(folder: Path, chain: MiniChain, **bounds: int) -> Checked:
    store = Store.open(folder)
    try:
        return verify_integrity(store, chain.chain_id, **bounds)
    finally:
        store.close()


def test_a_sound_store_is_found_sound(tmp_path: Path) -> None:
    chain, _ = filled(tmp_path)
    entries = len(chain.state)
    assert check(tmp_path, chain) == Checked(BLOCKS, BLOCKS + 1, entries, complete=True)
    assert check(tmp_path, chain, blocks_max=2, entries_max=5) == Checked(BLOCKS, 2, 5, complete=False)
    assert check(tmp_path, chain, entries_max=entries + 1).complete


@pytest.mark.parametrize(
    ("key", "value", "error", "text"),
    [
        (b"Saccount/19", b"1000000", CorruptionError, r"account/19' does not have its checksum"),
        (b"Saccount/19", sealed(b"account/19", b"1000000"), StateCorruption, "account/19' at height 6"),
        (b"Saccount/19", None, StateCorruption, "the entry whose key has SHA-256 [0-9a-f]{64} is missing"),
        (b"Saccount/99", sealed(b"account/99", b"1"), StateCorruption, r"state b'account/99'"),
        (b"P", b"\x00" + bytes(64), StateCorruption, "its pages do not lead to the root"),
        (b"P", None, StateCorruption, "its pages do not lead to the root"),
        (b"R" + bytes(7) + b"\x02" + bytes(4), b"receipt", CorruptionError, "block 2: its receipts"),
        (b"R" + bytes(7) + b"\x02" + bytes(4), None, CorruptionError, "block 2: its receipts"),
        (b"E" + bytes(7) + b"\x02" + bytes(4), b"event", CorruptionError, "block 2: its events"),
        (b"X" + bytes(7) + b"\x03", bytes(128), CorruptionError, "block 3: its execution hash"),
        (b"B" + bytes(7) + b"\x03", None, CorruptionError, "block 3 .*is missing"),
        (b"B" + bytes(7) + b"\x03", b"\x00", CorruptionError, "store: block: "),
        (b"O" + bytes(7) + b"\x03", bytes(32), CorruptionError, "a batch of block 3 is missing"),
    ],
)
def test_what_somebody_wrote_into_the_store_is_found(
    tmp_path: Path, key: bytes, value: bytes | None, error: type[Exception], text: str
) -> None:
    """A balance, a receipt, a block: the message names it and says what to do."""
    chain, _ = filled(tmp_path)
    falsify(tmp_path, key, value)
    with pytest.raises(error, match=text) as caught:
        check(tmp_path, chain)
    assert "start again" in str(caught.value)


def test_a_block_or_a_batch_of_another_history_is_found(tmp_path: Path) -> None:
    chain, _ = filled(tmp_path / "one")
    elsewhere = chain.finalise(replace(chain.headers[2], parent=bytes(32)))
    block = encode(FINAL_BLOCK, elsewhere)
    falsify(tmp_path / "one", b"B" + bytes(7) + b"\x03", block)
    with pytest.raises(CorruptionError, match="block 3: its header does not follow"):
        check(tmp_path / "one", chain)
    chain, commits = filled(tmp_path / "two")
    (_, batch), (other, _) = commits[2].batches[0], commits[3].batches[0]
    falsify(tmp_path / "two", b"b" + other, encode(BATCH, batch))
    with pytest.raises(CorruptionError, match=f"block 3: batch {other.hex()}"):
        check(tmp_path / "two", chain)


def test_a_whole_falsified_state_with_its_tree_is_found(tmp_path: Path) -> None:
    """Somebody who also mends the tree and the link is found out by the chain of execution hashes."""
    chain, _ = filled(tmp_path)
    honest = chain.link(BLOCKS)
    forged = chain.grow([(b"account/19", b"1000000")])
    database = plyvel.DB(str(tmp_path))
    for space, writes in ((b"S", forged.state_writes), (b"P", forged.tree_writes)):
        for key, value in writes:
            assert value is not None
            database.put(space + key, sealed(key, value) if space == b"S" else value)
    link = honest.exec_hash + forged.link.state_root + honest.receipts_root + honest.events_root
    database.put(b"X" + BLOCKS.to_bytes(8, "big"), link)
    database.close()
    with pytest.raises(CorruptionError, match=f"block {BLOCKS}: its execution hash"):
        check(tmp_path, chain)


def test_another_chains_store_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(CorruptionError, match="block 0: its execution hash"):
        check(tmp_path, MiniChain(["acme", "bolt", "coop", "else"]))
