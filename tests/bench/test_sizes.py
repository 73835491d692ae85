"""The benchmarks of size run, with small numbers; what they find is not judged here."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from contracts.layout import account_key
from node.audit import audit
from node.integrity import START_BLOCKS_MAX, START_ENTRIES_MAX, verify_integrity
from node.store import Store
from tests.bench import (
    bench_accounts,
    bench_blocks,
    bench_catch_up,
    bench_etcd,
    bench_footprint,
    bench_members,
)
from tests.bench.big_ledger import NEWEST_BLOCKS, BigLedger, holder, hollow_heights, obtain
from tests.bench.hollow_blocks import Drawn

BLOCKS = NEWEST_BLOCKS + 30
ACCOUNTS = 40


def test_a_ledger_without_hollow_blocks_is_sound_as_a_whole(tmp_path: Path) -> None:
    consortium = obtain(tmp_path / "four", accounts=ACCOUNTS, blocks=20, members=4)
    consortium.stop()
    ledger = BigLedger(consortium)
    with closing(Store.open(ledger.ledger_dir)) as store, store.snapshot() as view:
        checked = audit(view, ledger._genesis, lambda *_: None)
    assert (checked.height, checked.complete) == (22, True)


def test_a_big_ledger_is_sound_where_a_start_looks_and_has_what_it_should(tmp_path: Path) -> None:
    consortium = obtain(tmp_path / "one", accounts=ACCOUNTS, blocks=BLOCKS)
    consortium.stop()
    ledger = BigLedger(consortium)
    with closing(Store.open(ledger.ledger_dir)) as store:
        checked = verify_integrity(store, ledger._genesis.hash, START_BLOCKS_MAX, START_ENTRIES_MAX)
        assert checked.height == 2 + BLOCKS
        assert checked.entries > 2 * ACCOUNTS
        assert store.state.get(account_key(holder(ACCOUNTS - 1))) is not None
        for height in (hollow_heights(BLOCKS)[0] + 1, hollow_heights(BLOCKS)[-1] + 1):
            place = store.place(Drawn.transaction(height))
            assert place is not None
            assert (place.height, place.batch) == (height, Drawn.batch(height))
            assert store.places_of(height) == [place]
            assert store.batch(place.batch) is not None


def test_accounts_and_blocks_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_accounts.report(tmp_path, few=10, many=ACCOUNTS, pairs=1, transactions=5) > 0
    found = bench_blocks.report(tmp_path, few=BLOCKS, many=BLOCKS + 30, turns=1, starts=0)
    assert len(found) == 4
    assert all(ratio > 0 for ratio in found.values())
    said = capsys.readouterr().out
    assert "ratio" in said


@pytest.mark.slow
def test_a_node_on_a_big_ledger_takes_a_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (most,) = bench_footprint.report(tmp_path, ACCOUNTS, rate=40, seconds=1, members=1)
    assert most > 10
    assert "40 of 40 accepted" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_node_is_measured_catching_up(tmp_path: Path) -> None:
    assert bench_catch_up.report(tmp_path, rate=20, away_s=1) > 0


def test_simulated_members_order_what_is_posted() -> None:
    few, more = bench_members.report_simulated([4, 7], simulated_ms=300)
    for found in (few, more):
        assert found.blocks > 0
        assert found.transactions > 0
        assert found.cpu_s > 0


def test_without_etcd_there_is_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install etcd-server"):
        bench_etcd.report(tmp_path, clients=1, seconds=1, turns=1)
