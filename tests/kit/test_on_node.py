"""A rule sheet on a running node: deployed like a contract, simulated there, its schema in the API."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import shell
from tests.cli.support import Shell
from tests.cli.test_commands import DELIVERY, TERMS, dev, euro, node

__all__ = ["dev", "euro", "node", "shell"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SHEET = ROOT / "docs" / "examples" / "sheets" / "delivery_or_penalty.yaml"


def url(dev: Path) -> str:
    return str(json.loads((dev / "node.json").read_text())["api_url"])


def test_a_sheet_is_deployed_agreed_on_and_settles(node: Shell, euro: str, dev: Path) -> None:
    node.ok("contract", "deploy", SHEET)
    node.ok("contract", "create", SHEET, "sheet-1", *TERMS, "--as", "dev.alice", "--sign")
    node.ok("contract", "sign", "sheet-1", "--as", "dev.bob")
    node.ok("contract", "call", "sheet-1", "fund", "--as", "dev.alice")
    node.ok("contract", "report", "sheet-1", "delivered", "now", "--as", "dev.carol")
    assert "phase closed" in node.ok("contract", "show", "sheet-1")
    source = node.ok("contract", "source", SHEET)
    assert node.ok("contract", "show", SHEET) == source
    code = json.loads(node.ok("contract", "show", "sheet-1", "--json"))["code"]
    served = httpx.get(f"{url(dev)}/v1/contracts/{code}/schema", timeout=60).json()
    assert served == json.loads(node.ok("contract", "schema", SHEET))


def test_what_would_happen_on_a_node(node: Shell, euro: str, monkeypatch: pytest.MonkeyPatch) -> None:
    node.ok("contract", "deploy", DELIVERY)
    node.ok("contract", "create", DELIVERY, "would", *TERMS, "--as", "dev.alice", "--sign")
    node.ok("contract", "sign", "would", "--as", "dev.bob")
    typed = "why\ndev.alice calls fund\ndev.bob calls fund\ndev.carol reports delivered now\nwait 2d\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed + "dev.bob calls flee\n"))
    out = node.ok("contract", "simulate", "would").splitlines()
    assert "  would is active, in phase unfunded." in out
    assert any("would be done (" in line for line in out)
    assert any("would tell Funded (buyer: dev.alice, price: 5000 euro)" in line for line in out)
    assert any("would be refused: unauthorised: " in line for line in out)
    assert any("'wait 2d' is no step on a node" in line for line in out)
    assert any("would has no flee among its actions; there is fund" in line for line in out)
    assert "phase unfunded" in node.ok("contract", "show", "would")


def test_an_amount_reaches_a_node_as_it_was_typed(
    node: Shell, euro: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = tmp_path / "mint.steps"
    steps.write_text("# one step\ndev calls mint to=dev.bob amount=7\n")
    out = node.ok("contract", "simulate", euro, steps)
    assert "would tell Minted (to: dev.bob, amount: 7)" in out
    steps.write_text("dev.bob calls mint to=dev.bob amount=7\n")
    done = node("contract", "simulate", euro, steps)
    assert (done.code, "line 1: would be refused: unauthorised" in done.err) == (1, True)
