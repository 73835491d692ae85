"""docs/operators.md: the commands work, and a node stops for the reasons there, with those words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.client import Account, Call, Client
from node import genesis
from node.config import SETTINGS, NodeConfig
from node.home import make_home
from node.keystore import Keystore, Role
from node.ports import free_ports
from tests.cli.support import running
from tests.docs.conftest import Workshop
from tests.docs.pages import ROOT, Shell
from tests.docs.stops import STOPS as STOPS_BROUGHT_ABOUT

PAGE = ROOT / "docs" / "operators.md"
STOPS = re.compile(r"^\| `([^`]+)` \| (\d) \|", re.MULTILINE)


# ---------------------------------------------------------------- the commands and what they name


@pytest.mark.slow
def test_the_commands_work(workshop: Workshop) -> None:
    """Guards what an operator asks first."""
    with Shell(workshop.folder, workshop.replace) as shell:
        assert len(shell.follow(PAGE)) >= 4


@pytest.mark.slow
def test_every_metric_on_the_page_is_served(workshop: Workshop) -> None:
    """Guards alerts that are written after the page."""
    served = httpx.get(f"{workshop.ops_url}/metrics", timeout=60).text
    named = re.findall(r"`((?:quorate|process)_\w+)`", PAGE.read_text())
    assert len(named) >= 40
    assert [name for name in named if f"# TYPE {name} " not in served] == []


def test_every_setting_is_on_the_page_with_its_default() -> None:
    """Guards the table of settings."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", PAGE.read_text(), re.MULTILINE))
    fields = NodeConfig.model_fields
    assert {name: rows.get(name) for name in SETTINGS} == {
        name: str(fields[name].default or "") for name in SETTINGS
    }


# ---------------------------------------------------------------- why a node stops


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and last words of a node for each reason that can be brought about on one machine."""
    folder = tmp_path_factory.mktemp("stops")
    listen, api_port = free_ports(2)
    address = f"/ip4/127.0.0.1/tcp/{listen}"
    data = folder / "data"
    card = make_home(data, member="solo", title="Solo", address=address, settings={"api_port": api_port})
    body = genesis.assemble("solo", 1_772_355_600_000, [card])
    administrator = Keystore(data / "keys").private(Role.ADMINISTRATOR)
    signed = genesis.sign(genesis.SignedGenesis(body, {}), administrator)
    genesis.write_genesis(data / "genesis.json", signed)
    url = f"http://127.0.0.1:{api_port}"
    with running("start", "--data", data, url=url, log=folder / "log") as node:
        run_a_block(url, data)
        node.terminate()
        assert node.wait(60) == 0, "SIGTERM ends a node with exit code 0"
    (folder / "each").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.stops", str(data), str(folder / "each")],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


def run_a_block(url: str, data: Path) -> None:
    """Put something on the chain, so that there are votes and blocks to lose."""
    with Client(url) as client:
        solo = Account("solo", Keystore(data / "keys").private(Role.ADMINISTRATOR))
        register = Call("accounts", "register", {"account": "solo.shop", "keys": ["0" * 64]})
        assert client.send(solo, [register]).outcome == "ok"


def rows() -> dict[str, int]:
    """What the page says that a node says, and the exit code."""
    return {words: int(code) for words, code in STOPS.findall(PAGE.read_text())}


ELSEWHERE = {
    "this node executed height ... otherwise than the others": ROOT / "consensus" / "contradiction.py",
    "block ... can not be executed behind the second wall": ROOT / "node" / "wall" / "engine.py",
    "the process that executes contracts does not start": ROOT / "node" / "wall" / "engine.py",
}
"""Brought about by tests/simulator and tests/node/test_wall.py. The words are looked up in the source."""


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words in rows() if words not in ELSEWHERE])
def test_a_node_stops_with_what_the_page_says(stopped: dict[str, tuple[int, str]], words: str) -> None:
    """Guards every row of the table: exit code and words."""
    code, said = stopped[words]
    assert code == rows()[words], said
    assert said.startswith("quorate: the node stopped: "), said
    assert re.search(".*".join(map(re.escape, words.split("..."))), said), said


def test_every_reason_is_on_the_page() -> None:
    """Guards against a reason that operators are not told of, and against one that nobody brings about."""
    assert set(rows()) == {*STOPS_BROUGHT_ABOUT, *ELSEWHERE}
    for words, source in ELSEWHERE.items():
        assert all(part in source.read_text() for part in words.split("...")), words
