"""`quorate contract check | explain | sheet | source | test | simulate`, as an author types them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from contracts.compiler import compile_contract
from contracts.schema import schema_of
from contracts.sheets import source_of
from contracts.system.code_approval import code_id
from node.commands.scenario import Scenario, StepFailed
from node.errors import ConfigurationError
from tests.cli.conftest import shell
from tests.cli.support import Shell

__all__ = ["shell"]

ROOT = Path(__file__).parents[2]
DELIVERY = ROOT / "contracts" / "library" / "delivery_or_penalty.py"
SHEET = ROOT / "docs" / "examples" / "sheets" / "delivery_or_penalty.yaml"

BEGIN = """# a delivery that comes late
parties buyer, seller, carrier
currency euro buyer=1000
agreement order buyer=buyer seller=seller carrier=carrier price="250 euro" deadline=+2d
buyer calls fund
"""
LATE = (
    BEGIN
    + """refused phase: buyer calls fund  # twice
wait 60h
carrier reports delivered now
expect phase closed
expect seller has 248 euro
expect order has 0 euro
expect told Closed reason=late penalty="2 euro"
"""
)


def test_check_shows_every_mistake_with_its_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "deal.yaml"
    file.write_text("agreement: Deal\nmeaning: x\nterms:\n  a: parti\n  b: amount, default 6\n")
    done = shell("contract", "check", file)
    assert done.code == 1
    kinds = "party, parties, oracle, oracles, amount, moment, duration, percentage, number, text, yes or no, "
    kinds += "currency, hash. Tables and records take a contract, not a sheet"
    assert done.out.splitlines() == [
        f"{file}:4:6: this is no kind of value; there is {kinds}",
        "  4 |   a: parti",
        "    |      ^",
        f"{file}:5:22: amount can have no value here: give it when the agreement is made",
        "  5 |   b: amount, default 6",
        "    |                      ^",
    ]
    assert "2 mistakes" in done.err


def test_check_takes_contracts_and_sheets(shell: Shell) -> None:
    out = shell.ok("contract", "check", DELIVERY, SHEET)
    assert out.count("DeliveryOrPenalty is a valid contract") == 2


def test_a_long_line_is_cut_around_its_mistake(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "deal.yaml"
    file.write_text(f"agreement: Deal\nmeaning: {'m' * 300}: x\n")
    shown = shell("contract", "check", file).out.splitlines()
    file.write_text(f"agreement: Deal\nmeaning: m\nterms:\n  a: number, default 1{' ' * 200}x\n")
    shown += shell("contract", "check", file).out.splitlines()
    marks = [line.index("^") for line in shown if line.endswith("^")]
    assert len(marks) == 2
    assert max(map(len, shown[1::3])) <= 110


def test_explain_writes_the_picture(shell: Shell, tmp_path: Path) -> None:
    picture = tmp_path / "delivery.svg"
    out = shell.ok("contract", "explain", SHEET, "--language", "nl", "--svg", picture)
    assert "  funded    closed  settle: nu is na deadline plus give_up" in out.splitlines()
    assert picture.read_text().startswith("<svg ")
    token = ROOT / "contracts" / "library" / "token.py"
    assert "one phase only" in shell("contract", "explain", token, "--svg", picture).err
    assert shell("contract", "explain", SHEET, "--language", "fr").code == 2


def test_sheet_and_source_go_both_ways(shell: Shell, tmp_path: Path) -> None:
    dutch = tmp_path / "levering.yaml"
    dutch.write_text(shell.ok("contract", "sheet", DELIVERY, "--language", "nl"))
    assert dutch.read_text().startswith("overeenkomst: DeliveryOrPenalty\n")
    source = shell.ok("contract", "source", dutch)
    assert source == source_of(SHEET.read_text())
    assert shell.ok("contract", "sheet", dutch) == SHEET.read_text().partition("\n")[2]
    done = shell("contract", "sheet", ROOT / "docs" / "examples" / "consent_decision.py")
    assert (done.code, "no rule sheet: sheets have no word for Table[Party, str]" in done.err) == (1, True)


def test_schema_is_that_of_the_code(shell: Shell) -> None:
    document = json.loads(shell.ok("contract", "schema", SHEET))
    assert document["title"] == "DeliveryOrPenalty"
    assert document["$defs"]["action.fund"]["x-by"] == ["buyer"]
    source = source_of(SHEET.read_text())
    assert document == json.loads(json.dumps(schema_of(code_id(source), compile_contract(source))))


def test_simulate_tells_what_each_step_does(shell: Shell, tmp_path: Path) -> None:
    steps = tmp_path / "late.steps"
    steps.write_text(LATE + "why\n")
    out = shell.ok("contract", "simulate", SHEET, steps)
    for line in (
        "  order: phase funded; buyer has 750 euro, order has 250 euro",
        "  next wake-up: 2026-02-02T00:00:00.001Z; it is 2026-01-01T00:00:00Z",
        "    settle fired at 2026-01-03T12:00:00Z, because",
        "      delivered is reported and delivered is at or before deadline: no",
        "        delivered is reported: yes",
        "        delivered is at or before deadline: no",
        "      so it did: pay seller, 248 euro",
        "    told Closed (reason: late, penalty: 2 euro)",
    ):
        assert line in out.splitlines(), line
    steps.write_text(LATE.replace("248", "249"))
    done = shell("contract", "simulate", SHEET, steps)
    assert (done.code, done.err) == (1, "quorate: line 10: what seller has is 248, not 249\n")


def test_simulate_takes_steps_as_they_are_typed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = BEGIN + "buyer calls nothing_at_all\nhello\nwait 40d\nquit\nbuyer calls fund\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    out = shell.ok("contract", "simulate", SHEET)
    assert "  refused: unknown: " in out
    assert "'hello' is no step; there is parties, " in out
    assert "time came" in out
    assert "order: phase closed; buyer has 1000 euro" in out


@pytest.mark.timeout(300)
def test_test_runs_what_stands_beside_the_contract(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "delivery.yaml"
    file.write_text(SHEET.read_text())
    assert shell("contract", "test", file).code == 2
    file.with_suffix(".steps").write_text(LATE)
    out = shell.ok("contract", "test", file)
    assert "delivery.steps: as it says" in out
    beside = tmp_path / "test_delivery.py"
    beside.write_text(
        "def test_party(chain, contract):\n"
        "    assert chain.party('dan') == 'dan'\n"
        "    assert 'DeliveryOrPenalty' in contract('delivery.yaml')\n"
    )
    shell.ok("contract", "test", file)
    beside.write_text("def test_wrong(chain):\n    assert chain.currency('euro') == 'dollar'\n")
    done = shell("contract", "test", file)
    assert (done.code, "test_delivery.py failed" in done.err) == (1, True)
    file.with_suffix(".steps").write_text(LATE.replace("expect phase closed", "expect phase funded"))
    done = shell("contract", "test", file, file.with_suffix(".steps"))
    assert "delivery.steps:9: expect phase funded" in done.out
    assert "the phase is closed, not funded" in done.out


@pytest.mark.parametrize(
    ("step", "error", "text"),
    [
        ("refused phase: seller calls fund", None, ""),
        ("refused unauthorised: buyer calls fund", StepFailed, "refused with phase, not unauthorised"),
        ("refused phase: carrier reports delivered now", StepFailed, "this was not refused"),
        ("buyer calls fund", StepFailed, "refused: phase: order is in phase funded"),
        ("expect told Closed", StepFailed, "no event Closed was told"),
        ("expect told Funded price=\"251 euro\"", StepFailed, "Funded.price is 250 euro, not 251 euro"),
        ("expect told Funded price=\"250 euro\"", None, ""),
        ("expect order has 250 euro", None, ""),
        ("expect nothing", ConfigurationError, "write what must be so as"),
        ("wait long", ConfigurationError, "no span of time"),
        ("currency gold buyer=much", ConfigurationError, "write a currency as"),
        ("parties dan", ConfigurationError, "before the first transaction"),
        ("dan calls fund", ConfigurationError, "before the first transaction"),
        ("carrier reports delivered", ConfigurationError, "write a fact as"),
        ("ask nothing", StepFailed, "refused: unknown"),
        ("ask 'nothing", ConfigurationError, "No closing quotation"),
        ("agreement order buyer=buyer", StepFailed, "refused: "),
        ("", None, ""),
    ],
)  # fmt: skip
def test_a_step_does_what_it_says_or_says_why_not(
    step: str, error: type[Exception] | None, text: str
) -> None:
    player = Scenario(compile_contract(DELIVERY.read_text()), lambda line: None)
    for line in BEGIN.splitlines():
        player.step(line)
    if error is None:
        player.step(step)
        return
    with pytest.raises(error) as failed:
        player.step(step)
    assert text in str(failed.value)


def test_steps_choose_among_agreements() -> None:
    told: list[str] = []
    player = Scenario(compile_contract(DELIVERY.read_text()), told.append)
    for line in BEGIN.splitlines():
        player.step(line)
    player.step("agreement other buyer=buyer seller=seller carrier=carrier price='100 euro' deadline=+1d")
    for line in (
        "expect phase unfunded",
        "buyer calls fund on other",
        "carrier reports delivered now to order",
        "expect phase closed of order",
        "expect phase funded of other",
        "why order",
    ):
        player.step(line)
    assert "  order is active, in phase closed." in told
