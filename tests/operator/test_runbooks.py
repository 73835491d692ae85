"""docs/runbooks: each fault is brought about on real nodes, and the commands print what the pages show."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from node.demo.partner import Partner, wait_until
from node.documents import read_json
from tests.consortium.four import Consortium
from tests.consortium.load import signed_transfers
from tests.docs.pages import ROOT
from tests.operator import faults

RUNBOOKS = ROOT / "docs" / "runbooks"
PAGE_DATA, PAGE_OPS = "/var/lib/quorate", "http://127.0.0.1:7760"
SHOWN_S = 60.0
"""What a page shows comes up within this time."""
_PIECES = re.compile(
    r"(\.\.\.|\b[0-9a-f]{16,}\b|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\s+|\b(?:ms|s|min)\b"
    "|No space left on device)"
)
SECTIONS = ("What you see", "What it means", "What to do", "How you know that it is over")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Typed:
    """A command of a page, where it is typed (run, run other, mend), and what the page shows of it."""

    where: str
    text: str
    shown: tuple[str, ...]


def section(page: Path, title: str) -> list[Typed]:
    """The commands under a heading, in order."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    body = parts[parts.index(title) + 1]
    found = []
    for where, block in re.findall(r"<!-- (run|run other|mend) -->\n```console\n(.*?)```", body, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, *shown = command.rstrip("\n").split("\n")
            found.append(Typed(where, text, tuple(shown)))
    return found


def fits(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the lines were printed in this order; numbers and hashes differ, `...` stands for anything."""
    lines, at = printed.splitlines(), 0
    for wanted in shown:
        if wanted.strip() == "...":
            continue
        pattern = re.compile(_pattern(wanted))
        at = next(
            (
                place + 1
                for place, line in enumerate(lines)
                if place >= at and pattern.fullmatch(line.rstrip())
            ),
            -1,
        )
        if at < 0:
            return False
    return True


def _pattern(line: str) -> str:
    parts = []
    for piece in _PIECES.split(line):
        if piece == "...":
            parts.append(".*")
        elif re.fullmatch(r"[0-9a-f]{16,}", piece):
            parts.append("[0-9a-f]+")
        elif re.fullmatch(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", piece):
            parts.append(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
        elif piece == "No space left on device":  # the tests' disk is full in another way
            parts.append("(?:No space left on device|File too large)")
        elif piece in ("ms", "s", "min"):
            parts.append("(?:ms|s|min)")
        elif piece.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(piece))
    # Others may keep the disk busy.
    return "".join(parts).rstrip().replace(r"ok\s+sync", r"(?:ok|warn)\s+sync")


def type_in(partner: Partner, text: str) -> str:
    """What a command of a page prints on the machine of a partner."""
    ops_url = ""
    if partner.process.is_ready() or (partner.seat.home / "node.json").exists():
        ops_url = read_json(partner.seat.home / "node.json")["ops_url"]
    here = text.replace(PAGE_DATA, str(partner.seat.home)).replace(PAGE_OPS, ops_url)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    environment = kept | {"PATH": path, "QUORATE_DATA": str(partner.seat.home), "COLUMNS": "400"}
    done = subprocess.run(
        ["sh", "-c", here], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in (0, 1), f"$ {here}\n{done.stdout}{done.stderr}"
    return (done.stdout + done.stderr).replace(str(partner.seat.home), PAGE_DATA)


def follow(page: Path, title: str, here: Partner, other: Partner) -> int:
    """Type a section's commands until each shows what the page shows; how many there were."""
    typed = section(page, title)
    for command in typed:
        partner = other if command.where == "run other" else here
        printed: list[str] = []

        def is_shown(
            command: Typed = command, partner: Partner = partner, printed: list[str] = printed
        ) -> bool:
            printed[:] = [type_in(partner, command.text)]
            return fits(command.shown, printed[0])

        assert wait_until(is_shown, SHOWN_S), (
            f"$ {command.text}\ndoes not print\n{command.shown}\nbut\n{printed}"
        )
    return len(typed)


# ---------------------------------------------------------------- the faults


@contextmanager
def killed(consortium: Consortium) -> Iterator[None]:
    with faults.killed(consortium, consortium.partners[3]):
        yield


@contextmanager
def member_lost(consortium: Consortium) -> Iterator[None]:
    with faults.killed(consortium, consortium.partners[3]):
        consortium.transfer(consortium.partners[1], "coopbank", 1)
        yield


@contextmanager
def two_mute(consortium: Consortium) -> Iterator[None]:
    """Two are connected and do not vote, while there is something to agree on."""
    with (
        faults.patched(consortium, consortium.partners[2], faults.MUTE),
        faults.patched(consortium, consortium.partners[3], faults.MUTE),
    ):
        post(consortium)
        yield


@contextmanager
def two_killed(consortium: Consortium) -> Iterator[None]:
    with faults.killed(consortium, *consortium.partners[2:]):
        post(consortium)
        yield


@contextmanager
def diverged(consortium: Consortium) -> Iterator[None]:
    unlucky = consortium.partners[3]
    with faults.patched(consortium, unlucky, faults.OTHERWISE) as process:
        for _ in range(20):
            consortium.transfer(consortium.partners[1], unlucky.name, 1)
            if wait_until(lambda: process.poll() is not None, 1.0):
                break
        assert wait_until(lambda: process.poll() is not None, SHOWN_S)
        assert process.poll() == 1
        yield


@contextmanager
def wrong_clock(consortium: Consortium) -> Iterator[None]:
    with faults.patched(consortium, consortium.partners[3], faults.WRONG_CLOCK):
        yield


@contextmanager
def disk_full(consortium: Consortium) -> Iterator[None]:
    with faults.full_disk(consortium, consortium.partners[3], consortium.partners[1]):
        yield


@contextmanager
def journal_damaged(consortium: Consortium) -> Iterator[None]:
    with faults.damaged_journal(consortium, consortium.partners[3]):
        yield


@contextmanager
def journal_lost(consortium: Consortium) -> Iterator[None]:
    with faults.lost_journal(consortium, consortium.partners[3]):
        yield


def post(consortium: Consortium) -> None:
    """Something to agree on, without waiting for it."""
    source = consortium.partners[1]
    (body,) = signed_transfers(source, consortium.stage.chain, "coopbank", 1, first=time.monotonic_ns())
    assert httpx.post(f"{source.seat.api_url}/v1/transactions", json=body, timeout=60).status_code == 202


FAULTS: dict[str, tuple[Callable[[Consortium], object], int]] = {
    "node-down.md": (killed, 3),
    "member-lost.md": (member_lost, 0),
    "stalled.md": (two_mute, 0),
    "more-than-f-lost.md": (two_killed, 0),
    "clock-wrong.md": (wrong_clock, 3),
    "disk-full.md": (disk_full, 3),
    "diverged.md": (diverged, 3),
    "journal-damaged.md": (journal_damaged, 3),
    "key-without-journal.md": (journal_lost, 3),
}
"""What brings a page's fault about, and whose operator reads the page."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_runbook_shows_what_is_seen_and_leads_out(consortium: Consortium, name: str) -> None:
    page, (fault, reader) = RUNBOOKS / name, FAULTS[name]
    here, other = consortium.partners[reader], consortium.partners[0]
    with ExitStack() as stack:
        stack.enter_context(fault(consortium))  # type: ignore[arg-type]
        assert follow(page, "What you see", here, other) >= 1
        follow(page, "What to do", here, other)
    assert faults.all_level(consortium)
    assert follow(page, "How you know that it is over", here, other) >= 1
    consortium.transfer(here, "greenfarm" if here.name != "greenfarm" else "coopbank", 1)


def test_every_runbook_has_its_fault_its_sections_and_a_place_in_the_list() -> None:
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == set(FAULTS)
    index = (RUNBOOKS / "README.md").read_text()
    for name in sorted(pages):
        text = (RUNBOOKS / name).read_text()
        assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == SECTIONS, name
        assert f"({name}" in index, name


def test_every_quorate_command_that_a_runbook_shows_is_one() -> None:
    from typer.main import get_command

    from node.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    for page in RUNBOOKS.glob("*.md"):
        for text in re.findall(r"^\$ (quorate .*)$", page.read_text(), re.MULTILINE):
            assert shlex.split(text)[1] in known, (page.name, text)


def test_lines_are_compared_in_earnest() -> None:
    """Guards the comparison itself: it must not take anything for anything."""
    assert fits(("height 5 is here", "...", "b c"), "x\nheight 77 is here\nq\nb   c\n")
    assert not fits(("height 5 is here",), "height five is here")
    assert not fits(("b", "a"), "a\nb\n")
    assert not fits(
        ("idle at height 6: nothing to agree on",), "idle at height 6: nothing to agree on; x: away"
    )
    assert fits(("a ... z",), "a b c z")
    assert fits(("ok   sync   7 ms",), "warn sync   77 ms")
    assert not fits(("ok   disk   7 MiB",), "warn disk   7 MiB")
