"""A member's data folder whose node ran, made some blocks and stopped; and four nodes that run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.client import Account, Call, Client
from node import genesis
from node.commands.contracts import deploy_gas
from node.config import NodeConfig, load_config
from node.home import make_home
from node.keystore import Keystore, Role
from node.ports import free_ports
from tests.cli.support import Shell, running
from tests.consortium.four import Consortium
from tests.consortium.four import running as four_running
from tests.docs.pages import ROOT


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs commands of this process's own."""
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of a chain of one member, with a token, transfers, a failure and a timer."""
    folder = tmp_path_factory.mktemp("finished")
    listen, api_port = free_ports(2)
    data = folder / "data"
    settings: dict[str, str | int] = {"api_port": api_port, "ops_address": "off"}
    address = f"/ip4/127.0.0.1/tcp/{listen}"
    card = make_home(data, member="solo", title="Solo", address=address, settings=settings)
    body = genesis.assemble("solo", 1_772_355_600_000, [card], {"batch_interval_ms": 1})
    administrator = Keystore(data / "keys").private(Role.ADMINISTRATOR)
    genesis.write_genesis(data / "genesis.json", genesis.sign(genesis.SignedGenesis(body, {}), administrator))
    url = f"http://127.0.0.1:{api_port}"
    with running("start", "--data", data, url=url, log=folder / "log"), Client(url) as client:
        _make_blocks(client, Account("solo", administrator))
    return data


def _make_blocks(client: Client, solo: Account) -> None:
    source = (ROOT / "contracts" / "library" / "token.py").read_text()
    gas = deploy_gas(source)
    deployed = client.send(solo, [Call("contracts", "deploy", {"source": source})], gas_limit=gas)
    assert deployed.receipt is not None
    code = deployed.receipt["results"][0]
    create = {"code": code, "name": "euro", "terms": {"issuer": "solo"}, "sign": True}
    client.send(solo, [Call("contracts", "create", create)])
    client.send(solo, [Call("accounts", "register", {"account": "solo.shop", "keys": ["0" * 64]})])
    client.send(solo, [Call("euro", "mint", {"to": "solo", "amount": "1000"})])
    for amount in ("1", "2", "3"):
        sent = client.send(solo, [Call("euro", "transfer", {"to": "solo.shop", "amount": amount})])
        assert sent.outcome == "ok"
    failed = client.send(solo, [Call("euro", "transfer", {"to": "solo.shop", "amount": "1000000"})])
    assert failed.outcome == "failed"


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> NodeConfig:
    """A copy of that folder to spoil."""
    return load_config(shutil.copytree(finished, tmp_path / "data"), environ={}).config


@pytest.fixture(autouse=True)
def all_are_level(request: pytest.FixtureRequest) -> None:
    """Each test finds four nodes that run and are level, also after one that failed."""
    if "consortium" in request.fixturenames:
        four: Consortium = request.getfixturevalue("consortium")
        four.mend()


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four running nodes with a currency; every partner holds 1,000,000."""
    with four_running(tmp_path_factory.mktemp("operator") / "four") as four:
        four.open_currency(1_000_000)
        yield four
