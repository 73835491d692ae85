"""The genesis ceremony: the same cards give all the same bytes; nothing unsigned or odd gets through."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.parameters import Parameters
from node import genesis
from node.documents import read_json, write_json
from node.errors import ConfigurationError
from node.fingerprint import words
from node.home import CARD_FILE, make_home
from node.keystore import Keystore, Role
from node.members import Card, parse_card

NAMES = ("greenfarm", "millworks", "swiftship")
TIME_MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The data folders of three partners."""
    root = tmp_path_factory.mktemp("partners")
    for number, name in enumerate(NAMES):
        make_home(
            root / name,
            member=name,
            title=name.title(),
            address=f"/dns4/node.{name}.example/tcp/{4001 + number}",
            accounts=[f"{name}.sales", f"{name}.buying"],
        )
    return {name: root / name for name in NAMES}


@pytest.fixture(scope="module")
def cards(homes: dict[str, Path]) -> list[Card]:
    return [parse_card(read_json(home / CARD_FILE), home.name) for home in homes.values()]


def administrator(home: Path) -> Any:
    return Keystore(home / "keys").private(Role.ADMINISTRATOR)


def test_every_partner_assembles_the_same_file(cards: list[Card], tmp_path: Path) -> None:
    """Guards the ceremony: the order in which cards arrive does not matter, down to the bytes."""
    files = []
    for number, order in enumerate((cards, cards[::-1])):
        path = tmp_path / f"{number}.json"
        genesis.write_genesis(path, genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, order), {}))
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_the_hash_is_that_of_the_canonical_body_by_other_means(cards: list[Card]) -> None:
    """Guards what standalone verifiers rely on: SHA-256 of sorted JSON without spaces."""
    made = genesis.assemble("harvest", TIME_MS, cards)
    plain = json.dumps(made.body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert made.hash == hashlib.sha256(plain).digest()
    assert made.chain == f"harvest-{made.hash.hex()[:16]}"
    assert made.body["parameters"] == asdict(Parameters())
    assert [account["id"] for account in made.body["accounts"]][:2] == ["greenfarm.buying", "greenfarm.sales"]
    assert made.members[1].card == cards[1]


def test_a_ceremony_of_three(cards: list[Card], homes: dict[str, Path], tmp_path: Path) -> None:
    """Guards the whole way: each signs an own copy, the copies are merged in any order, a node can start."""
    blank = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards), {})
    copies = []
    for name, home in homes.items():
        copy_path = tmp_path / f"{name}.json"
        genesis.write_genesis(copy_path, genesis.sign(blank, administrator(home)))
        copies.append((name, genesis.read_genesis(copy_path)))
    partial = genesis.merge(copies[:2])
    assert partial.missing() == ["swiftship"]
    path = tmp_path / "genesis.json"
    genesis.write_genesis(path, partial)
    with pytest.raises(ConfigurationError, match="not signed by swiftship"):
        genesis.load_genesis(path)
    genesis.write_genesis(path, genesis.merge(copies[::-1]))
    first = path.read_bytes()
    assert genesis.load_genesis(path) == blank.genesis
    genesis.write_genesis(path, genesis.merge([*copies, ("again", genesis.read_genesis(path))]))
    assert path.read_bytes() == first


def test_copies_that_differ_are_not_merged_and_the_place_is_named(cards: list[Card]) -> None:
    """Guards partners who assembled from different cards or constants: they learn where they differ."""
    one = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards), {})
    other = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards, {"heartbeat_ms": 7}), {})
    with pytest.raises(
        ConfigurationError, match=r"parameters\.heartbeat_ms is 60000 in one and 7 in the other"
    ):
        genesis.merge([("a.json", one), ("b.json", other)])
    fewer = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards[:2]), {})
    with pytest.raises(ConfigurationError, match="accounts has 6 entries in one and 4 in the other"):
        genesis.merge([("a.json", one), ("b.json", fewer)])


def test_a_stranger_cannot_sign(cards: list[Card], homes: dict[str, Path]) -> None:
    """Guards against a signature by a key that is in no card, though it is a member's elsewhere."""
    without = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards[:2]), {})
    with pytest.raises(ConfigurationError, match="no member of this genesis has the administrator key"):
        genesis.sign(without, administrator(homes["swiftship"]))


def test_a_change_after_signing_is_noticed(cards: list[Card], homes: dict[str, Path], tmp_path: Path) -> None:
    """Guards every field at once: signatures cover the whole body."""
    path = tmp_path / "genesis.json"
    blank = genesis.SignedGenesis(genesis.assemble("harvest", TIME_MS, cards), {})
    genesis.write_genesis(path, genesis.sign(blank, administrator(homes["greenfarm"])))
    file = read_json(path)
    file["body"]["members"][2]["address"] = "/dns4/elsewhere.example/tcp/4003"
    write_json(path, file)
    with pytest.raises(ConfigurationError, match="signature of greenfarm does not fit"):
        genesis.read_genesis(path)


def _set(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return change


def _share_key(body: Any) -> None:
    body["members"][2]["network_key"] = body["members"][0]["validator_key"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_set("format", to=2), "has format 2, not 1"),
        (_set("name", to="Harvest"), "name 'Harvest' must be lower-case"),
        (_set("name", to="a" * 41), "at most 40 characters"),
        (_set("time_ms", to=-1), "time_ms must be an integer from 0"),
        (_set("time_ms", to=1.5), "time_ms must be an integer"),
        (_set("time_ms", to=True), "time_ms must be an integer"),
        (_set("extra", to=1), "unknown extra"),
        (_drop("accounts"), "lacks accounts"),
        (_set("members", to=[]), "members must be a list of 1 to"),
        (_set("members", 1, "number", to=2), "member 1 has number 2"),
        (_set("members", 0, "id", to="zebra"), "members must be sorted by id"),
        (_set("members", 1, "id", to="greenfarm"), "greenfarm and greenfarm share the id greenfarm"),
        (_set("members", 0, "id", to="green.farm"), "is no member id"),
        (_set("members", 0, "title", to=""), "a title has 1 to"),
        (_set("members", 0, "title", to="two\nlines"), "a title has 1 to"),
        (_set("members", 0, "address", to="greenfarm.example:4001"), "is no address of a node"),
        (_set("members", 0, "address", to="/ip4/192.0.2.1/tcp/65536"), "is no address of a node"),
        (_set("members", 0, "address", to="/dns4/node.millworks.example/tcp/4002"), "share the address"),
        (_set("members", 0, "admin_key", to="00" * 31), "must be 64 lower-case hex digits"),
        (_set("members", 0, "admin_key", to="AA" * 32), "must be 64 lower-case hex digits"),
        (_share_key, "greenfarm and swiftship share the key"),
        (_set("accounts", 0, "member", to="nobody"), "one of the members"),
        (_set("accounts", 0, "id", to="millworks.buying"), "must start with greenfarm."),
        (_set("accounts", 0, "keys", to=[]), "needs 1 to 16 different keys"),
        (_set("accounts", 1, "id", to="greenfarm.buying"), "sorted, each once"),
        (_set("parameters", "base_timeout_ms", to=0), "base_timeout_ms must be an integer from 1"),
        (_set("parameters", "speed", to=9), "unknown speed"),
        (_drop("parameters", "heartbeat_ms"), "lacks heartbeat_ms"),
    ],
)
def test_an_odd_body_is_refused_by_name(
    cards: list[Card], change: Callable[[Any], None], complaint: str
) -> None:
    """Guards every check of a genesis: what two nodes could read differently, no node reads."""
    body = copy.deepcopy(genesis.assemble("harvest", TIME_MS, cards).body)
    change(body)
    with pytest.raises(ConfigurationError, match=complaint):
        genesis.parse_body(body, "genesis.json")


def test_heartbeat_may_be_off(cards: list[Card]) -> None:
    """Guards the one constant that may be zero."""
    assert genesis.assemble("harvest", TIME_MS, cards, {"heartbeat_ms": 0}).parameters.heartbeat_ms == 0


@pytest.mark.parametrize("field", ["title", "address", "admin_key", "network_key", "validator_key"])
def test_a_card_changed_on_its_way_is_noticed(homes: dict[str, Path], field: str) -> None:
    """Guards cards sent by mail, and against passing off another's key as one's own."""
    mine, other = (read_json(homes[name] / CARD_FILE) for name in ("greenfarm", "millworks"))
    mine["card"][field] = other["card"][field]
    with pytest.raises(ConfigurationError, match=r"not signed by its \w+ key"):
        parse_card(mine, "card")


def test_a_home_is_made_once(homes: dict[str, Path]) -> None:
    """Guards a member's keys against a second `quorate init`."""
    before = (homes["greenfarm"] / "keys" / "validator.pem").read_bytes()
    with pytest.raises(ConfigurationError, match="holds keys already"):
        make_home(homes["greenfarm"], member="other", title="Other", address="/ip4/127.0.0.1/tcp/1")
    assert (homes["greenfarm"] / "keys" / "validator.pem").read_bytes() == before


def test_wrong_arguments_leave_no_folder_behind(tmp_path: Path) -> None:
    """Guards the order: first check, then write."""
    with pytest.raises(ConfigurationError):
        make_home(tmp_path / "home", member="a", title="A", address="nowhere")
    with pytest.raises(ConfigurationError):
        make_home(tmp_path / "home", member="a", title="A", address="/ip4/127.0.0.1/tcp/1", accounts=["b.c"])
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("address", "spoken"),
    [("7f000001", "lusab babad"), ("3f54dcc1", "gutih tugad"), ("3f760723", "gutuk bisog")],
)
def test_words_are_the_proquints_of_the_proposal(address: str, spoken: str) -> None:
    """Guards the encoding with examples of Wilkerson's paper."""
    assert " ".join(words(bytes.fromhex(address))) == spoken


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_different_bytes_have_different_words(one: int, other: int) -> None:
    """Guards that nothing is lost on the telephone."""
    assert (words(one.to_bytes(2, "big")) == words(other.to_bytes(2, "big"))) == (one == other)
