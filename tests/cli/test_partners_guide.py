"""Does what docs/partners.md tells partners to type, on a data folder for each."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from node.demo.partner import wait_until
from node.ports import free_ports
from tests.cli.support import Shell, running
from tests.docs.pages import ROOT, commands

GUIDE = ROOT / "docs" / "partners.md"
PORT = re.compile(r"(?<=/tcp/)41\d\d\b|(?<=--api-port )78\d\d\b")


def steps() -> list[tuple[str, list[str]]]:
    """The guide's commands in order, each with what to do with it; ports are replaced by free ones."""
    written = sorted(set(PORT.findall(GUIDE.read_text())))
    chosen = dict(zip(written, map(str, free_ports(len(written))), strict=True))
    return [
        (command.mark, shlex.split(PORT.sub(lambda match: chosen[match[0]], command.text)))
        for command in commands(GUIDE)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_partners_start_by_hand_and_a_fifth_joins(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the guide, word for word: every command succeeds, and in the end all nodes agree."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "contracts" / "library" / "token.py", tmp_path)
    urls: dict[str, str] = {}
    with ExitStack() as nodes:
        for kind, words in steps():
            if kind == "start":
                data = Path(words[words.index("--data") + 1])
                port = re.search(r"^api_port = (\d+)", (data / "config.toml").read_text(), re.MULTILINE)
                assert port is not None
                urls[data.name] = f"http://127.0.0.1:{port[1]}"
                nodes.enter_context(running(*words[1:], url=urls[data.name], log=tmp_path / f"{data}.log"))
            elif words[0] == "quorate":
                shell.ok(*words[1:])
            else:
                subprocess.run(words, check=True)
        assert len(urls) == 5
        assert re.search(r"euro +2500", shell.ok("account", "millworks", "--data", "mill"))
        votes = re.compile(r"solarcoop +Solar Coop +validator")
        assert wait_until(lambda: votes.search(shell.ok("member", "list", "--data", "mill")) is not None, 60)

        def executed() -> set[tuple[int, str]]:
            nodes = [httpx.get(f"{url}/v1/status", timeout=60).json() for url in urls.values()]
            return {(node["height"], node["exec_hash"]) for node in nodes}

        assert wait_until(lambda: len(executed()) == 1, 60), executed()
        assert wait_until(lambda: all(epochs(url) == [1, 2] for url in urls.values()), 60)


def epochs(url: str) -> list[int]:
    return [item["epoch"] for item in httpx.get(f"{url}/v1/epochs", timeout=60).json()["items"]]


def test_the_guide_has_all_its_steps() -> None:
    """Guards the test above against a guide whose commands it no longer finds."""
    kinds = [kind for kind, _ in steps()]
    assert kinds.count("start") == 5
    assert kinds.count("run") >= 30
