"""README.md: its commands work as they stand, and what it says they print is what they print."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.docs.conftest import DEV, Workshop
from tests.docs.pages import ROOT, Command, Shell, check_shown, commands

README = ROOT / "README.md"
STORY_S = 240.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shell(workshop: Workshop) -> Iterator[Shell]:
    """One shell for the whole page."""
    with Shell(workshop.folder, workshop.replace) as shell:
        yield shell


@pytest.fixture(scope="module")
def demo(shell: Shell) -> Iterator[str]:
    """What a demo printed that runs in the shell's folder."""
    output = shell.folder / "demo.out"
    output.touch()
    shell.type("quorate demo >demo.out 2>&1 & demo=$!")
    end_s = time.monotonic() + STORY_S
    try:
        while "It stays up" not in output.read_text():
            assert time.monotonic() < end_s, output.read_text()
            time.sleep(0.2)
        yield output.read_text()
    finally:
        shell.type("kill $demo 2>/dev/null || true; wait $demo || true")


def told() -> tuple[Command, list[Command]]:
    """`make demo`, and what is typed in the second terminal."""
    first, *others = [command for command in commands(README) if command.mark == "demo"]
    return first, others


def test_make_demo_prints_what_the_readme_shows(demo: str) -> None:
    """Guards the first thing that a newcomer types and compares."""
    first, _ = told()
    assert first.text == "make demo"
    recipe = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"^\S*quorate demo *$", recipe, re.MULTILINE), recipe
    check_shown(first, demo)


def test_the_second_terminal_does_what_the_readme_shows(shell: Shell, demo: str) -> None:
    """Guards kill, restart and tamper as shown."""
    _, others = told()
    assert len(others) >= 5
    for command in others:
        check_shown(command, shell.type(command.text))


def test_a_contract_is_tried_on_a_development_node(shell: Shell, demo: str) -> None:
    """Guards the rest of the first ten minutes; the sources to edit are those that the demo left."""
    typed = shell.follow(README)
    assert len(typed) >= 6
    assert [command.text for command in commands(README) if command.mark == "start"] == [DEV]


def test_the_readme_knows_how_many_tests_there_are() -> None:
    """Guards "some N": within a tenth of what pytest collects."""
    said = re.search(r"every test, some ([0-9,]+)\.", README.read_text())
    assert said is not None
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^([0-9]+) tests collected", collected, re.MULTILINE)
    assert found is not None
    assert abs(int(said[1].replace(",", "")) - int(found[1])) < int(found[1]) / 10
