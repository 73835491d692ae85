"""The demo's folder: four organisations, each set up the way a partner sets itself up at home.

contracts/              sources that the story deploys; open and edit them, then run the demo again
n1-coopbank/ ...        one data folder for each member
genesis.json            signed by all four
demo.json               the running demo: {pid, control, nodes}; also marks the folder as ours
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node import genesis
from node.demo.control import MARK, is_running
from node.documents import read_json, write_json
from node.errors import ConfigurationError
from node.home import CARD_FILE, make_home
from node.keystore import Keystore, Role
from node.members import parse_card
from node.ports import free_ports

CHAIN_NAME = "demo"


@dataclass(frozen=True, slots=True)
class Actor:
    """One of the four organisations and what it does in the story."""

    member: str
    title: str
    part: str


COOPBANK = Actor("coopbank", "Coop Bank", "issues the euro token")
GREENFARM = Actor("greenfarm", "Green Farm Cooperative", "buys")
MILLWORKS = Actor("millworks", "Mill Works", "sells")
SWIFTSHIP = Actor("swiftship", "Swift Ship", "carries, and reports deliveries")
CAST = (COOPBANK, GREENFARM, MILLWORKS, SWIFTSHIP)
"""Sorted by member id, so that n1 to n4 are members 0 to 3 of the genesis."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one actor's node lives."""

    label: str
    actor: Actor
    home: Path
    api_port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def keys(self) -> Keystore:
        return Keystore(self.home / "keys")


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder that is ready for four nodes to start in it."""

    folder: Path
    seats: tuple[Seat, ...]
    chain: str
    sources: tuple[Path, ...]
    """The library's contracts, as files to read and edit."""

    @property
    def genesis_path(self) -> Path:
        return self.folder / "genesis.json"

    def seat(self, actor: Actor) -> Seat:
        """The seat of an actor."""
        return next(seat for seat in self.seats if seat.actor == actor)


def build(folder: Path, api_port: int = 0, cast: Sequence[Actor] = CAST) -> Stage:
    """Make keys, cards and a genesis that all have signed; of a former demo only the sources stay.

    The APIs get the ports from `api_port` on if that is given and these are free, else any.

    Raises: ConfigurationError where the folder is not a demo's.
    """
    _clear(folder)
    api_ports = free_ports(len(cast), api_port)
    listen_ports = free_ports(len(cast))
    seats = tuple(
        Seat(f"n{number}", actor, folder / f"n{number}-{actor.member}", api_port)
        for number, (actor, api_port) in enumerate(zip(cast, api_ports, strict=True), 1)
    )
    for seat, port in zip(seats, listen_ports, strict=True):
        make_home(
            seat.home,
            member=seat.actor.member,
            title=seat.actor.title,
            address=f"/ip4/127.0.0.1/tcp/{port}",
            settings={"api_port": seat.api_port, "ops_address": "127.0.0.1:0"},
        )
    chain = _hold_ceremony(folder / "genesis.json", seats)
    return Stage(folder, seats, chain, _copy_sources(folder / "contracts"))


def _hold_ceremony(path: Path, seats: Sequence[Seat]) -> str:
    """What partners do with `quorate genesis`: assemble the same body, sign, merge; the chain's name."""
    cards = [parse_card(read_json(seat.home / CARD_FILE), seat.label) for seat in seats]
    blank = genesis.SignedGenesis(genesis.assemble(CHAIN_NAME, time.time_ns() // 1_000_000, cards), {})
    copies = [(seat.label, genesis.sign(blank, seat.keys.private(Role.ADMINISTRATOR))) for seat in seats]
    agreed = genesis.merge(copies)
    genesis.write_genesis(path, agreed)
    for seat in seats:
        shutil.copy(path, seat.home / path.name)
    return agreed.genesis.chain


def _copy_sources(target: Path) -> tuple[Path, ...]:
    """Copies of the library's contracts; one that is there already stays: the reader may have edited it."""
    from contracts import library

    originals = [Path(library.__file__).with_name(name) for name in ("token.py", "delivery_or_penalty.py")]
    target.mkdir(exist_ok=True)
    for original in originals:
        if not (target / original.name).exists():
            shutil.copy(original, target)
    return tuple(target / original.name for original in originals)


def _clear(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
    elif not (folder / MARK).exists():
        raise ConfigurationError(
            f"{folder} holds something that is no demo; choose another folder with --data"
        )
    elif is_running(folder):
        raise ConfigurationError(f"a demo runs in {folder}; end it with: quorate demo stop --data {folder}")
    for old in folder.glob("n[0-9]*-*"):
        shutil.rmtree(old)
    write_json(folder / MARK, {})
    (folder / ".gitignore").write_text("*\n")
