"""The life of code by commands alone, against a real development node: rehearse, upgrade, approve, pause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.demo.partner import wait_until
from node.ports import free_ports
from tests.cli.support import Shell, running

pytestmark = pytest.mark.timeout(300)

CLUB = '''
from contracts import Contract, Party, action, query, term


class Club(Contract):
    """Counts what its members pay."""

    chair: Party = term(signs=True)
    cashier: Party = term(signs=True)
    warden: Party = term(guards=True)
    total: int = 0

    @action
    def pay_in(self, amount: int) -> None:
        self.total += amount

    @action(by="chair", exit=True)
    def leave(self) -> None:
        self.total = 0

    @query
    def sum_of(self) -> int:
        return self.total
'''


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a running development node."""
    folder = tmp_path_factory.mktemp("lifecycle")
    port = free_ports(1)[0]
    data = folder / "data"
    with running(
        "dev", "--data", data, "--api-port", str(port), url=f"http://127.0.0.1:{port}", log=folder / "log"
    ):
        yield data


@pytest.fixture
def node(shell: Shell, dev: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in which QUORATE_DATA names the development node's folder."""
    monkeypatch.setenv("QUORATE_DATA", str(dev))
    return shell


def made(node: Shell, folder: Path, name: str) -> tuple[Path, Path]:
    """An instance that both have signed and that has a past; the file of its code, and of better code."""
    old, new = folder / "club.py", folder / "club_2.py"
    old.write_text(CLUB)
    new.write_text(CLUB.replace("self.total += amount", "self.total += 2 * amount"))
    node.ok("contract", "deploy", old)
    node.ok(
        "contract", "create", old, name, "chair=dev.alice", "cashier=dev.bob", "warden=dev.carol",
        "--sign", "--as", "dev.alice", "--cosign", "dev.bob",
    )  # fmt: skip
    node.ok("contract", "call", name, "pay_in", "amount=7")
    return old, new


def test_an_upgrade_from_rehearsal_to_the_last_approval(node: Shell, tmp_path: Path) -> None:
    _, new = made(node, tmp_path, "club")
    told = node.ok("contract", "rehearse", "club", new)
    assert "club takes the code" in told
    assert "would have ended otherwise" in told
    assert json.loads(node.ok("contract", "rehearse", "club", new, "--json"))["rehearsal"]["state"] == [
        {"key": "field/club/total", "before": 7, "after": 14}
    ]
    node.ok("contract", "deploy", new)
    proposed = node.ok("contract", "upgrade", "club", new, "--as", "dev.alice", "--reason", "twice is better")
    assert "dev.alice approved; dev.bob must approve by" in proposed
    assert "twice is better" in node.ok("contract", "proposals")
    number = proposed.partition("This is proposal ")[2].partition(".")[0]
    approved = node.ok("contract", "approve", number, "--as", "dev.bob")
    assert "Rehearsed on this node" in approved
    assert "It was" in approved
    assert wait_until(
        lambda: len(json.loads(node.ok("contract", "versions", "club", "--json"))["items"]) == 2, 60
    )
    node.ok("contract", "call", "club", "pay_in", "amount=1")
    assert node.ok("contract", "query", "club", "sum_of").strip() == "9"


def test_code_that_does_not_fit_is_not_proposed(node: Shell, tmp_path: Path) -> None:
    old, _ = made(node, tmp_path, "club-2")
    other = tmp_path / "other.py"
    source = old.read_text().replace("total: int = 0", 'total: str = "0"').replace("+= amount", '= "1"')
    other.write_text(source.replace("self.total = 0", 'self.total = "0"').replace("-> int", "-> str"))
    node.ok("contract", "deploy", other)
    refused = node("contract", "upgrade", "club-2", other, "--as", "dev.alice")
    assert refused.code == 1
    assert "total of club-2 is int in the code that it runs and str in the new" in refused.out


def test_a_guardian_pauses_and_exits_stay_open(node: Shell, tmp_path: Path) -> None:
    made(node, tmp_path, "club-3")
    refused = node("contract", "pause", "club-3", "--reason", "it counts twice", "--as", "dev.alice")
    assert "for its guardians (dev.carol)" in refused.err
    node.ok("contract", "pause", "club-3", "--reason", "it counts twice", "--for", "2d", "--as", "dev.carol")
    stopped = node("contract", "call", "club-3", "pay_in", "amount=1")
    assert "club-3 is paused by dev.carol until" in stopped.err
    assert "it counts twice" in node.ok("contract", "versions", "club-3")
    node.ok("contract", "call", "club-3", "leave", "--as", "dev.alice")
    node.ok("contract", "resume", "club-3", "--as", "dev.carol")
    node.ok("contract", "call", "club-3", "pay_in", "amount=1")


def test_proposing_code(node: Shell, tmp_path: Path) -> None:
    """On a chain of one member whose policy asks for nobody, a proposal is a formality."""
    file = tmp_path / "third.py"
    file.write_text(CLUB.replace("Counts what", "Counts all that"))
    told = node.ok("contract", "propose", file, "--purpose", "to count")
    assert "It was carried out at height" in told
    assert "Nothing waits to be decided" in node.ok("contract", "proposals")
    assert node("contract", "approve", "99").code == 1
