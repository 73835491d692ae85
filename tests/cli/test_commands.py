"""The commands against a real node: `quorate dev` in a process of its own, everything else typed at it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from node.cli import app
from node.commands import session
from node.demo.partner import wait_until
from node.errors import CommandFailed
from node.ports import free_ports
from tests.cli.support import Shell, running

pytestmark = pytest.mark.timeout(300)

LIBRARY = Path(__file__).parents[2] / "contracts" / "library"
TERMS = ("buyer=dev.alice", "seller=dev.bob", "carrier=dev.carol", "price=5000 euro", "deadline=+2d")
TOKEN, DELIVERY = LIBRARY / "token.py", LIBRARY / "delivery_or_penalty.py"


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a running development node."""
    folder = tmp_path_factory.mktemp("dev")
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


@pytest.fixture
def euro(node: Shell) -> str:
    """A token with money for dev.alice; made once."""
    if "euro" not in node.ok("contract", "list"):
        node.ok("contract", "deploy", TOKEN)
        node.ok("contract", "create", TOKEN, "euro", "issuer=dev", "--sign")
        node.ok("contract", "call", "euro", "mint", "to=dev.alice", "amount=1000000")
    return "euro"


def test_status_and_accounts(node: Shell, euro: str) -> None:
    """Guards what an operator asks first, for people and as JSON."""
    assert node.ok("status").startswith("dev on dev-")
    status = json.loads(node.ok("status", "--json"))
    assert status["dev"] is True
    assert "why" in status
    account = json.loads(node.ok("account", "dev.alice", "--json"))
    assert account["balances"][0]["currency"] == euro
    assert "euro" in node.ok("account", "dev.alice")
    missing = node("account", "dev.nobody")
    assert missing.code == 1
    assert "[unknown_account]" in missing.err


def test_a_transfer_is_explained_signed_and_final(node: Shell, euro: str) -> None:
    """Guards the way of a transaction: sentence, id, height; then status and show by its id."""
    out = node.ok("tx", "transfer", "dev.bob", "2500", euro, "--as", "dev.alice")
    sentence, identifier, final = out.splitlines()
    assert sentence.startswith("dev.alice ")
    assert "2500" in sentence
    assert final.startswith("Final at height ")
    transaction = identifier.removeprefix("id ")
    assert node.ok("tx", "status", transaction, "--wait") == f"{final}\n"
    shown = json.loads(node.ok("tx", "show", transaction))
    assert shown["transaction"]["sender"] == "dev.alice"
    as_json = json.loads(node.ok("tx", "transfer", "dev.bob", "1", euro, "--as", "dev.alice", "--json"))
    assert (as_json["state"], as_json["outcome"]) == ("committed", "ok")


def test_a_contracts_refusal_is_exit_code_1_with_its_reason(node: Shell, euro: str) -> None:
    """Guards failure: final but without effect, and the reason in words."""
    done = node("tx", "transfer", "dev.alice", "99999999", euro, "--as", "dev.carol")
    assert done.code == 1
    assert "without effect" in done.err
    assert "[funds]" in done.err
    identifier = done.out.splitlines()[1].removeprefix("id ")
    assert node("tx", "status", identifier).code == 1


def test_a_wrong_key_is_refused_before_anything_is_ordered(node: Shell, euro: str, dev: Path) -> None:
    """Guards --as with --key: the key of another account does not act for this one."""
    other = dev / "keys" / "accounts" / "dev.bob.pem"
    done = node("tx", "transfer", "dev.bob", "1", euro, "--as", "dev.alice", "--key", other)
    assert done.code == 1
    assert "unauthorised" in done.err
    right = dev / "keys" / "accounts" / "dev.alice.pem"
    node.ok("tx", "transfer", "dev.bob", "1", euro, "--as", "dev.alice", "--key", right)


def test_a_dry_run_sends_nothing(node: Shell, euro: str) -> None:
    """Guards --dry-run: the receipt it would get, and an unchanged balance."""
    before = node.ok("contract", "query", euro, "balance", "account=dev.bob")
    out = node.ok("tx", "transfer", "dev.bob", "5", euro, "--as", "dev.alice", "--dry-run")
    receipt = json.loads(out.partition("\n")[2])
    assert receipt["status"] == "ok"
    assert node.ok("contract", "query", euro, "balance", "account=dev.bob") == before


def test_several_signers_pass_a_file_around(node: Shell, euro: str, tmp_path: Path) -> None:
    """Guards `--write`, `tx sign` and `tx send`: signed by one it is refused, by both it is final."""
    file = tmp_path / "deal.json"
    transfer = ("tx", "call", euro, "transfer", "to=dev.bob", "amount=7")
    node.ok(*transfer, "--as", "dev.alice", "--with", "dev.carol", "--write", file)
    assert node("tx", "send", file).code == 1
    before = file.read_bytes()
    node.ok("tx", "sign", file, "--as", "dev.carol", "--dry-run")
    assert file.read_bytes() == before
    assert "2 signatures" in node.ok("tx", "sign", file, "--as", "dev.carol")
    assert "2 signatures" in node.ok("tx", "sign", file, "--as", "dev.carol")
    assert "dev.carol" in node.ok("tx", "send", file)
    assert "Final at height" in node.ok("tx", "send", file)


def test_an_account_is_made_registered_and_used(node: Shell, dev: Path) -> None:
    """Guards new accounts: key at home, registered by the member, then it acts."""
    node.ok("keys", "new-account", "dev.erin")
    node.ok("tx", "register", "dev.erin")
    listed = json.loads(node.ok("keys", "show", "--json"))
    key = next(item["public_key"] for item in listed if item["name"] == "dev.erin")
    assert json.loads(node.ok("account", "dev.erin", "--json"))["keys"] == [key]
    node.ok("tx", "call", "accounts", "set_keys", "account=dev.erin", f'keys:=["{key}"]', "--as", "dev.erin")
    assert node("keys", "new-account", "dev.erin").code == 2


def test_an_agreement_from_file_to_settlement(node: Shell, euro: str) -> None:
    """Guards the contract's way by commands alone: deploy, create, sign, fund, report; the rule fires."""
    node.ok("contract", "deploy", DELIVERY)
    created = node.ok("contract", "create", DELIVERY, "order-1", *TERMS)
    assert "order-1 is proposed" in created
    wrong = node("contract", "sign", "order-1", "--as", "dev.alice", "--terms-hash", "00" * 32)
    assert wrong.code == 1
    assert "look at its terms" in wrong.err
    signed = node.ok("contract", "sign", "order-1", "--as", "dev.alice", "--cosign", "dev.bob")
    assert "price: 5000 euro" in signed
    node.ok("contract", "call", "order-1", "fund", "--as", "dev.alice")
    shown = node.ok("contract", "show", "order-1")
    assert "phase funded" in shown
    assert "euro: 5000" in shown
    assert "if self.delivered and self.delivered <= self.deadline" in shown
    refused = node("contract", "report", "order-1", "delivered", "now", "--as", "dev.bob")
    assert refused.code == 1
    node.ok("contract", "report", "order-1", "delivered", "now", "--as", "dev.carol")
    assert json.loads(node.ok("contract", "show", "order-1", "--json"))["phase"] == "closed"
    assert "DeliveryOrPenalty" in node.ok("contract", "list", "--codes")
    assert node.ok("contract", "show", DELIVERY) == DELIVERY.read_text()


def test_the_clock_moves_and_the_node_wakes_a_contract(node: Shell, euro: str) -> None:
    """Guards `dev clock`: past deadline and patience the buyer has its money back, without anybody's call."""
    node.ok("contract", "deploy", DELIVERY)
    node.ok("contract", "create", DELIVERY, "order-2", *TERMS)
    node.ok("contract", "sign", "order-2", "--as", "dev.alice", "--cosign", "dev.bob")
    before = node.ok("contract", "query", euro, "balance", "account=dev.alice")
    node.ok("contract", "call", "order-2", "fund", "--as", "dev.alice")
    assert node.ok("dev", "clock", "+33d").startswith("The clock is at ")
    assert wait_until(
        lambda: json.loads(node.ok("contract", "show", "order-2", "--json"))["phase"] == "closed", 60
    )
    assert node.ok("contract", "query", euro, "balance", "account=dev.alice") == before
    backwards = node("dev", "clock", "-2d")
    assert backwards.code == 2


def test_a_proof_is_fetched_and_checked_without_the_node(
    node: Shell, euro: str, dev: Path, tmp_path: Path
) -> None:
    """Guards `proof` and `verify`: a value, an absence, another key than asked for, and a forgery."""
    amount = node.ok("contract", "query", euro, "balance", "account=dev.alice").strip()
    proof = tmp_path / "proof.json"
    node.ok("proof", "balance/dev.alice/euro", "-o", proof)
    verify = ("verify", proof, "--genesis", dev / "genesis.json")
    assert f"balance/dev.alice/euro has the value {amount}." in node.ok(
        *verify, "--key", "balance/dev.alice/euro"
    )
    other = node(*verify, "--key", "balance/dev.bob/euro")
    assert (other.code, "valid, but about balance/dev.alice/euro" in other.err) == (1, True)
    forged = json.loads(proof.read_text()) | {"value_hex": "01"}
    proof.write_text(json.dumps(forged))
    assert (node(*verify).code, "not valid" in node(*verify).err) == (1, True)
    node.ok("proof", "0x" + b"balance/dev.alice/gold".hex(), "-o", proof)
    assert "balance/dev.alice/gold has no value." in node.ok(*verify)


def test_mistakes_of_a_contract_have_their_place(shell: Shell, tmp_path: Path) -> None:
    """Guards `contract check`: file, line and column for every mistake, exit code 1; no node is needed."""
    file = tmp_path / "bad.py"
    file.write_text(TOKEN.read_text().replace("amount > 0", "amount > 0.5", 1))
    done = shell("contract", "check", TOKEN, file)
    assert done.code == 1
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "0.5" in text)
    assert f"{file}:{line}:" in done.out
    assert "Token is a valid contract" in done.out
    assert done.err == "quorate: 1 mistake\n"
    assert shell("contract", "check", tmp_path / "absent.py").code == 2


def test_a_slip_at_the_keyboard_names_what_there_is(node: Shell, euro: str) -> None:
    """Guards unknown actions, queries and instances, and a missing term."""
    done = node("contract", "call", euro, "mnt", "to=dev.bob", "amount=1")
    assert (done.code, "there is mint, transfer, burn" in done.err) == (1, True)
    assert "there is balance, supply" in node("contract", "query", euro, "supplies").err
    assert node("contract", "show", "order-99").code == 1
    assert "needs the terms" in node("contract", "create", TOKEN, "pound").err
    assert node("contract", "call", euro, "mint", "to").code == 2
    assert node("tx", "transfer", "dev.bob", "0", euro).code == 2


def test_no_node_is_one_clear_line(shell: Shell, tmp_path: Path) -> None:
    """Guards the commonest mistake of all, and that it is told at once."""
    port = free_ports(1)[0]
    done = shell("status", "--node", f"http://127.0.0.1:{port}")
    assert done.code == 1
    assert done.err.startswith(f"quorate: no node answers at http://127.0.0.1:{port}")
    assert done.err.count("\n") == 1
    assert shell("status", "--node", "localhost").code == 2
    nobody = shell("tx", "transfer", "a", "1", "b", "--data", tmp_path, "--node", f"http://127.0.0.1:{port}")
    assert nobody.code == 1


def test_whoever_has_the_port_of_a_dead_node_is_not_taken_for_it(
    node: Shell, dev: Path, tmp_path: Path
) -> None:
    """Guards an operator from being told of another node's health, or posting to it, after kill -9."""
    dead = tmp_path / "dead"
    (dead / "ledger").mkdir(parents=True)
    (dead / "ended.json").write_bytes(b"{}")
    alive = json.loads((dev / "node.json").read_bytes())
    (dead / "node.json").write_text(json.dumps(alive))  # its process id and its port are another's by now
    for left in (True, False):
        done = node("why", "--data", dead)
        assert (done.code, "the node does not run" in done.out) == (1, True), done
        for words in (("status",), ("tx", "transfer", "dev.bob", "1", "euro", "--as", "dev")):
            done = node(*words, "--data", dead)
            assert (done.code, done.err.count("\n")) == (1, 1), done
            assert f"the node of {dead} does not run: start it (quorate start), or" in done.err
        assert node("status", "--data", dead, "--node", alive["api_url"]).code == 0
        if left:
            (dead / "node.json").unlink()  # as where it was stopped: the default port is no better
    assert node("why").code == 0, "and of a node that runs all is as ever"


def test_a_node_that_starts_over_is_called_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards `member ready`, typed while a newcomer's node takes the number that it has just been given."""
    (port,) = free_ports(1)
    url, opened = f"http://127.0.0.1:{port}", []
    with pytest.raises(CommandFailed, match="no node answers"), session.connect(url, None):
        pass
    monkeypatch.setattr(time, "sleep", lambda _: opened.append(socket.create_server(("127.0.0.1", port))))
    with session.connect(url, None, patience_s=60):
        assert len(opened) == 1
    opened[0].close()


def commands() -> list[tuple[str, ...]]:
    """Every command that is offered, by its words; hidden ones are what others start."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from walk(inner, (*words, name))

    return sorted(walk(typer.main.get_command(app), ()))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(shell: Shell, words: tuple[str, ...]) -> None:
    """Guards the help: every command shows how it is used, every group what is in it."""
    out = shell.ok(*words, "--help")
    is_group = "Commands" in out
    assert is_group or "Example" in out or words[0] == "demo"
    assert "Usage: quorate" in out


def test_help_is_quick() -> None:
    """Guards lazy imports: nothing heavy is loaded before a command needs it."""
    script = "import sys, node.cli; print(sorted({'httpx', 'libp2p', 'nacl', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
