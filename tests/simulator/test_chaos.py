"""`quorate chaos` finds what is broken, and says the least that breaks it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from node.simulator.chaos import Plan, faults, keep, run
from node.simulator.swarm import draw
from tests.cli.support import Shell
from tests.simulator.mutants import MUTANTS

CONTRACT = '''"""Two accounts take turns."""

from contracts import Contract, Money, Party, Time, action, now, phases, rule, term


class Turns(Contract):
    """Whoever's turn it is may pay the other; time passes the turn on."""

    one: Party = term(signs=True)
    other: Party = term(signs=True)
    stake: Money = term()
    end: Time = term()

    phase = phases("first", "second", "over")

    @action(by="one", phase="first")
    def play(self) -> None:
        """Put the stake in."""
        self.take(self.one, self.stake)
        self.phase = "second"

    @action(by="other", phase="second")
    def answer(self) -> None:
        """Take the stake."""
        self.pay(self.other, self.stake)
        self.phase = "over"

    @rule(phase="second")
    def lapse(self) -> None:
        """Give the stake back to who waits in vain."""
        if now() > self.end:
            self.pay(self.one, self.stake)
            self.phase = "over"
'''


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.mark.timeout(240)
def test_contracts_of_one_s_own_survive_the_swarm(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "turns.py"
    file.write_text(CONTRACT)
    out = shell.ok("chaos", "--nodes", "4", "--byzantine", "1", "--seed", "3", "--seeds", "2", file)
    assert "All held in 2 of 2 runs." in out
    assert re.search(r"^seed 3: well [0-9.]+ s after the faults ended, at height [0-9]+", out, re.MULTILINE)
    again = shell.ok("chaos", "--nodes", "4", "--byzantine", "1", "--seed", "4", file)
    assert again.splitlines()[0] in out, "the same seed, the same trace"


@pytest.mark.timeout(240)
def test_a_planted_bug_is_found_and_shrunk_to_what_it_takes(shell: Shell) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "skip-and-finalise")
    with mutant.planted():
        seeds = ("--seed", "1", "--seeds", "2")
        found = shell(
            "chaos", "--nodes", "4", "--byzantine", "1", *seeds, "--jobs", "1"
        )  # where it is planted
        assert found.code == 1, found
        command = shlex.split(found.out.splitlines()[-1])
        assert command[:2] == ["quorate", "chaos"]
        seed, only = command[command.index("--seed") + 1], command[command.index("--only") + 1]
        least = set(only.split(",")) - {"none"}
        assert least < set(faults(draw(int(seed), size=4, liars=1)))
        assert shell(*command[1:]).code == 1
    assert shell(*command[1:]).code == 0, "without the bug the same faults do no harm"


def test_wrong_use_is_one_line(shell: Shell, tmp_path: Path) -> None:
    for words, text in (
        (["--nodes", "4", "--byzantine", "2"], "bear at most 1"),
        (["--only", "earthquake"], "has no fault earthquake; it has"),
        ([tmp_path / "none.py"], "can not be read"),
    ):
        done = shell("chaos", *words)
        assert done.code == 2
        assert text in done.err
    broken = tmp_path / "broken.py"
    broken.write_text("class X: pass\n")
    assert "is no contract" in shell("chaos", broken).err


def test_faults_have_names_and_each_can_be_kept_or_left_out() -> None:
    for seed in range(30):
        swarm = draw(seed, size=7, liars=2)
        names = faults(swarm)
        assert keep(swarm, names) == swarm
        assert faults(keep(swarm, ())) == ()
        for name in names:
            assert faults(keep(swarm, [name])) == (name,)


def test_a_plan_says_how_to_run_it_again() -> None:
    plan = Plan(5, 4, 1, ("loss", "twin:3"), 700)
    assert plan.options == "--nodes 4 --byzantine 1 --seed 5 --only loss,twin:3 --end-ms 700"
    assert run(Plan(5, 4, 1, (), 500), []).trace == run(Plan(5, 4, 1, (), 500), []).trace
