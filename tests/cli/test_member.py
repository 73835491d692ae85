"""`quorate member` on files alone: cards, changes, and keys that take another's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consensus.keys import verify_ed25519
from contracts.system.changes import rotation_message
from node.commands.members import _change
from node.demo.stage import Stage, build
from node.errors import ConfigurationError
from node.genesis import load_genesis
from node.home import CARD_FILE
from node.keystore import Role
from node.known_members import KNOWN_FILE, NOBODY, read_known_members
from tests.cli.support import Shell


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return build(tmp_path_factory.mktemp("member") / "demo")


def test_a_card_is_read_with_its_fingerprint_and_a_changed_one_is_refused(
    shell: Shell, stage: Stage, tmp_path: Path
) -> None:
    home = stage.seats[1].home
    said = shell.ok("member", "card", "--data", home)
    assert "Green Farm Cooperative (greenfarm), reached at /ip4/127.0.0.1/tcp/" in said
    changed = json.loads((home / CARD_FILE).read_text())
    changed["card"]["address"] = "/ip4/127.0.0.1/tcp/1"
    (tmp_path / "card.json").write_text(json.dumps(changed))
    refused = shell("member", "card", tmp_path / "card.json")
    assert refused.code == 2
    assert "not signed by its" in refused.err


def test_what_is_no_change_is_refused_before_anything_is_sent(stage: Stage, tmp_path: Path) -> None:
    assert _change("promote", "greenfarm") == {"kind": "promote", "member": "greenfarm"}
    card = stage.seats[1].home / CARD_FILE
    assert _change("admit", str(card)) == {"kind": "admit", "card": json.loads(card.read_text())}
    (tmp_path / "rotation.json").write_text('{"kind": "rotate"}')
    for kind, subject, problem in (
        ("expel", "greenfarm", "it is admit, promote, remove, suspend, reinstate or rotate"),
        ("admit", str(tmp_path / "nothing.json"), "there is no file"),
        ("rotate", str(tmp_path / "rotation.json"), "lacks key, member, role, signature"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            _change(kind, subject)


@pytest.mark.parametrize("role", ["validator", "network"])
def test_a_key_is_asked_for_and_put_in_place_with_the_old_one_kept(
    shell: Shell, stage: Stage, tmp_path: Path, role: str
) -> None:
    seat = stage.seats[2]
    before, file = seat.keys.public(role), tmp_path / "rotation.json"
    (seat.home / "genesis.json").write_bytes(stage.genesis_path.read_bytes())
    too_early = shell("member", "adopt", role, "--data", seat.home)
    assert (too_early.code, "make one with quorate member rotate" in too_early.err) == (2, True)
    assert "quorate member propose rotate" in shell.ok(
        "member", "rotate", role, "-o", file, "--data", seat.home
    )
    request = json.loads(file.read_text())
    key = bytes.fromhex(request["key"])
    chain = load_genesis(stage.genesis_path).hash
    message = rotation_message(chain, "millworks", role, key)
    assert verify_ed25519(key, message, bytes.fromhex(request["signature"]))
    assert seat.keys.public(role) == before, (
        "the node goes on with the old key until the members have decided"
    )
    twice = shell("member", "rotate", role, "-o", file, "--data", seat.home)
    assert (twice.code, "waits already" in twice.err) == (2, True)
    kept = shell.ok("member", "adopt", role, "--data", seat.home)
    assert f"{role}.{before.hex()[:8]}.pem" in kept
    assert seat.keys.public(role) == key
    assert (seat.home / "keys" / f"{role}.{before.hex()[:8]}.pem").exists()


def test_who_lost_the_keys_asks_for_the_ones_that_are_there(
    shell: Shell, stage: Stage, tmp_path: Path
) -> None:
    seat, file = stage.seats[3], tmp_path / "rotation.json"
    shell.ok("member", "rotate", "network", "--present", "-o", file, "--data", seat.home)
    assert json.loads(file.read_text())["key"] == seat.keys.public(Role.NETWORK).hex()
    other = shell("member", "rotate", "administrator", "--data", seat.home)
    assert (other.code, "accounts change their own keys" in other.err) == (2, True)


def test_a_newcomers_list_of_members_is_read_with_suspicion(tmp_path: Path) -> None:
    path = tmp_path / KNOWN_FILE
    assert read_known_members(path) == NOBODY
    item = {"number": 3, "network_key": "ab" * 32, "address": "/ip4/127.0.0.1/tcp/4001", "title": "more"}
    path.write_text(json.dumps({"height": 7, "items": [item]}))
    known = read_known_members(path)
    assert (known.height, [peer.member for peer in known.peers]) == (7, [3])
    wrongs: list[Any] = [
        [],
        {"items": [item]},
        {"height": 7, "items": {}},
        {"height": 7, "items": [item | {"number": 65_535}]},
        {"height": 7, "items": [item | {"number": "3"}]},
        {"height": 7, "items": [item | {"network_key": "ab"}]},
        {"height": 7, "items": [{"number": 3}]},
    ]
    for wrong in wrongs:
        path.write_text(json.dumps(wrong))
        with pytest.raises(ConfigurationError, match=KNOWN_FILE):
            read_known_members(path)
