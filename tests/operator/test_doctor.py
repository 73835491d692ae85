"""`quorate doctor`: each thing that can be wrong is found, named, and answered with what to do."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from api.probes import DISK_FREE_BYTES_MIN
from node.config import NodeConfig
from node.doctor import Finding, Verdict, clock, examine, machine
from node.keystore import Keystore, Role
from node.why import DISK_LOW_BYTES
from tests.cli.support import Shell
from tests.docs import stops

pytestmark = pytest.mark.slow

OK, WARN, FAIL = Verdict


def look(home: NodeConfig) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(home.data_dir)}


def test_a_healthy_folder_has_nothing_but_ok(
    home: NodeConfig, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SYNC_MS_WARN", 60_000)  # however busy this machine's disk is
    found = look(home)
    assert {check: one.detail for check, one in found.items() if one.verdict is not OK} == {}
    assert set(found) == {
        "python", "packages", "open files", "settings", "wall", "folder", "disk", "sync", "port listen",
        "port api", "keys", "genesis", "journal", "ledger", "clock",
    }  # fmt: skip
    done = shell("doctor", "--data", home.data_dir)
    assert done.code == 0
    assert re.search(r"^ok   ledger +height \d+, the newest \d+ blocks fit together$", done.out, re.MULTILINE)


def test_it_changes_nothing(home: NodeConfig) -> None:
    def contents() -> dict[str, bytes]:
        kept = (path for path in home.data_dir.rglob("*") if path.is_file() and "ledger" not in path.parts)
        return {str(path): path.read_bytes() for path in kept}

    before = contents()
    look(home)
    assert contents() == before


def lose_keys(home: NodeConfig) -> None:
    shutil.rmtree(home.keys_dir)


def lower_room(free_bytes: int) -> Callable[[NodeConfig, pytest.MonkeyPatch], object]:
    def lower(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))

    return lower


def slow_disk(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: time.sleep((machine.SYNC_MS_WARN + 5) / 1000))


def broken_disk(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)


def few_files(count: int) -> Callable[[NodeConfig, pytest.MonkeyPatch], object]:
    def limit(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (count, count))

    return limit


def old_python(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PYTHONS", ((3, 9),))


def old_package(_home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["trio>=99.1", "no-such-package>=1", "libp2p==0.0.1"])


def other_network_key(home: NodeConfig) -> None:
    stops.change_key(home, Role.NETWORK)


def other_port(home: NodeConfig) -> None:
    text = home.config_path.read_text()
    home.config_path.write_text(text.replace(home.listen, "/ip4/127.0.0.1/tcp/1024"))


def unbind(home: NodeConfig) -> None:
    (home.keys_dir / "validator.journal").unlink()


@pytest.mark.parametrize(
    ("spoil", "check", "verdict", "words"),
    [
        (lambda home: home.config_path.write_text("api_port = 70000"), "settings", FAIL, "api_port = 70000"),
        (lambda home: home.data_dir.chmod(0o770), "folder", WARN, "others may write"),
        (lambda home: shutil.rmtree(home.data_dir), "folder", FAIL, "there is no folder"),
        (lower_room(DISK_FREE_BYTES_MIN - 1), "disk", FAIL, "255 MiB free"),
        (lower_room(DISK_FREE_BYTES_MIN), "disk", WARN, "256 MiB free"),
        (lower_room(DISK_LOW_BYTES - 1), "disk", WARN, "1023 MiB free"),
        (lower_room(DISK_LOW_BYTES), "disk", OK, "1024 MiB free"),
        (slow_disk, "sync", WARN, "ms to make 4096 bytes durable"),
        (broken_disk, "sync", FAIL, "Input/output error"),
        (few_files(machine.FILES_FAIL - 1), "open files", FAIL, "at most 1023"),
        (few_files(machine.FILES_WARN - 1), "open files", WARN, "at most 4095"),
        (few_files(machine.FILES_WARN), "open files", OK, "at most 4096"),
        (old_python, "python", FAIL, "is not tested"),
        (old_package, "packages", FAIL, "no-such-package is not installed"),
        (lose_keys, "keys", FAIL, "validator"),
        (lambda home: (home.keys_dir / "network.pem").chmod(0o644), "keys", FAIL, "chmod 600"),
        (stops.seal_key, "keys", FAIL, "is sealed"),
        (lambda home: home.genesis_path.unlink(), "genesis", FAIL, "there is no genesis"),
        (stops.drop_signatures, "genesis", FAIL, "is not signed by"),
        (other_network_key, "genesis", FAIL, "the network key is not the one"),
        (lambda home: stops.change_key(home, Role.VALIDATOR), "genesis", WARN, "belongs to no member"),
        (other_port, "genesis", WARN, "the node listens on /ip4/127.0.0.1/tcp/1024"),
        (lambda home: shutil.rmtree(home.journal_dir), "journal", FAIL, "is bound to journal"),
        (stops.damage_journal, "journal", FAIL, "fails its checksum"),
        (unbind, "journal", WARN, "not bound to it yet"),
        (stops.damage_ledger, "ledger", FAIL, "is damaged"),
        (stops.change_ledger, "ledger", FAIL, "is not what the state root says"),
        (stops.bring_another_chains_ledger, "ledger", FAIL, "was not made with this genesis"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(
    home: NodeConfig, monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[..., object], check: str, verdict: Verdict, words: str,
) -> None:  # fmt: skip
    wanted = spoil.__code__.co_argcount
    kept = spoil(*(home, monkeypatch)[:wanted])
    found = look(home)[check]
    assert (found.verdict, words in found.detail) == (verdict, True), found
    assert (found.advice == "") == (verdict is OK)
    del kept


def test_an_ignored_variable_is_named(home: NodeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_API_PROT", "1")
    assert look(home)["settings"].verdict is WARN


@pytest.mark.parametrize("name", ["listen", "api"])
def test_a_taken_port_is_found(home: NodeConfig, name: str) -> None:
    port = home.api_port if name == "api" else int(home.listen.rpartition("/")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        found = look(home)[f"port {name}"]
    assert (found.verdict, f"{port}: Address already in use" in found.detail) == (FAIL, True)


def test_the_exit_code_and_the_json_say_the_same(home: NodeConfig, shell: Shell) -> None:
    shutil.rmtree(home.journal_dir)
    done = shell("doctor", "--data", home.data_dir, "--json")
    assert done.code == 1
    (failed,) = [one for one in orjson.loads(done.out) if one["verdict"] == "fail"]
    assert failed["check"] == "journal"
    assert "docs/runbooks/key-without-journal.md" in failed["advice"]


@pytest.mark.parametrize(
    ("offsets", "verdict", "words"),
    [
        ({"bolt": 3, "coop": -20, "dock": 499}, OK, "bolt +3 ms"),
        ({"bolt": 3, "coop": -20, "dock": 501}, WARN, "that of dock is wrong"),
        ({"bolt": 3_600_000, "coop": 3_600_020, "dock": 3}, FAIL, "yours differs from most others'"),
        ({}, WARN, "no member can be asked"),
    ],
)
def test_the_clock_is_judged_by_most_of_the_others(
    home: NodeConfig, monkeypatch: pytest.MonkeyPatch, offsets: dict[str, int], verdict: Verdict, words: str
) -> None:
    """Asking itself is tested with real nodes, in test_why.py."""
    monkeypatch.setattr(clock, "_offsets_of_peers", lambda *_: offsets)
    four = SimpleNamespace(members=range(4), parameters=SimpleNamespace(precision_ms=500))
    (found,) = clock.clock(home, four, None)  # type: ignore[arg-type]
    assert (found.verdict, words in found.detail) == (verdict, True), found


def test_nobody_else_is_asked_on_a_chain_of_one(home: NodeConfig) -> None:
    assert "no other member" in look(home)["clock"].detail


def test_a_key_that_only_a_passphrase_opens_is_opened(
    home: NodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops.seal_key(home)
    monkeypatch.setenv("QUORATE_PASSPHRASE", "secret")
    assert look(home)["keys"].verdict is OK
    assert Keystore(home.keys_dir).public(Role.VALIDATOR).hex()[:16] in look(home)["keys"].detail


def test_every_runbook_that_is_named_exists() -> None:
    root = Path(__file__).parents[2]
    source = "".join(path.read_text() for path in (root / "node" / "doctor").glob("*.py"))
    named = {word.strip('",.;)') for word in source.split() if "docs/runbooks/" in word}
    assert named
    assert [name for name in named if not (root / name).exists()] == []
