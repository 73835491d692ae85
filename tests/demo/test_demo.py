"""The main job, end to end: one command, four processes, a contract that works, faults that are survived."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STORY_S = 240.0
COMMAND = [sys.executable, "-P", "-m", "node", "demo", "--api-port", "0"]
LABELS = ("n1-coopbank", "n2-greenfarm", "n3-millworks", "n4-swiftship")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for the demo and for the note of where it runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def quorate_demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=STORY_S
    )


@contextmanager
def demo_up_to(text: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A demo that has printed `text`, and the file that it prints to."""
    output = cwd / "output"
    with output.open("w") as file:
        demo = subprocess.Popen(COMMAND, cwd=cwd, stdout=file, stderr=subprocess.STDOUT, text=True)
    try:
        await_text(output, text, demo)
        yield demo, output
    finally:
        demo.kill()
        demo.wait()


def await_text(file: Path, text: str, demo: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + STORY_S
    while text not in file.read_text():
        assert demo.poll() is None, file.read_text()
        assert time.monotonic() < end_s, file.read_text()
        time.sleep(0.1)


def node_pids(folder: Path) -> list[int]:
    """Processes of nodes whose data folder is in `folder`, by what the kernel says of them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        # The demo passes relative paths; whose they are, the working folder says.
        if b"start" in words and any(word.decode().endswith(LABELS) for word in words):
            try:
                if Path(entry.parent / "cwd").resolve() == folder.resolve():
                    found.append(int(entry.parent.name))
            except OSError:
                continue
    return found


def await_no_nodes(folder: Path, timeout_s: float = 60.0) -> None:
    end_s = time.monotonic() + timeout_s
    while pids := node_pids(folder):
        assert time.monotonic() < end_s, f"nodes outlive the demo: {pids}"
        time.sleep(0.1)


def test_the_story_ends_well_and_leaves_nothing_running(home: Path) -> None:
    """Guards `quorate demo --exit`: every scene, its evidence on disk, exit code 0, and no process left."""
    further = home / "second_token.py"
    source = (Path(__file__).parents[2] / "contracts" / "library" / "token.py").read_text()
    further.write_text(source.replace("class Token(", "class SecondToken("))
    done = quorate_demo("--exit", "--contract", str(further), cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    for scene in (
        "coopbank opens the token euro",
        "second_token.py",
        "order-1 is active",
        "reports the delivery, in time: the rule pays millworks 2,500.00 euro",
        "because self.delivered and self.delivered <= self.deadline",
        "reports order-2, late: greenfarm gets 25.00 euro as a penalty",
        "The nodes wake order-3 by themselves",
        "All four nodes have executed the same",
        "VALID: on chain demo-",
        "NOT VALID",
        "Everything is as it should be.",
    ):
        assert scene in done.stdout, f"{scene!r} is missing in:\n{done.stdout}"
    assert "WRONG" not in done.stdout
    assert done.stderr == ""
    assert node_pids(home) == []
    folder = home / "quorate-demo"
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {*LABELS, "contracts"}
    proof, genesis = (json.loads((folder / name).read_text()) for name in ("proof.json", "genesis.json"))
    assert proof["chain"].startswith("demo-")
    assert len(genesis["signatures"]) == 4


def test_a_contract_edited_for_the_worse_is_told_as_wrong(home: Path) -> None:
    """Guards exit code 1, and that the demo deploys what the reader has edited, and keeps it."""
    contracts = home / "quorate-demo" / "contracts"
    contracts.mkdir(parents=True)
    (home / "quorate-demo" / "demo.json").write_text("{}")
    library = Path(__file__).parents[2] / "contracts" / "library" / "delivery_or_penalty.py"
    edited = library.read_text().replace(
        'rate: Percent = term(default="1")', 'rate: Percent = term(default="2")'
    )
    assert edited != library.read_text()
    (contracts / "delivery_or_penalty.py").write_text(edited)
    done = quorate_demo("--exit", cwd=home)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "WRONG       the late report brought millworks 2,450.00 euro, not 2,475.00 euro" in done.stdout
    assert (contracts / "delivery_or_penalty.py").read_text() == edited


def test_nodes_are_killed_restarted_and_falsified_and_the_others_go_on(home: Path) -> None:
    """Guards the second terminal: kill, restart, tamper, status, stop, what each says, and its exit code."""
    with demo_up_to("It stays up until Ctrl-C", home) as (demo, output):
        urls = re.findall(r"API and page (http://\S+)", output.read_text())
        assert [httpx.get(url, timeout=60).status_code for url in urls] == [200] * 4

        killed = quorate_demo("kill", "n3", cwd=home)
        assert killed.returncode == 0, killed.stdout + killed.stderr
        assert "n3 (millworks) is killed (kill -9)" in killed.stdout
        assert re.search(
            r"The other 3 go on: a transfer was final after \d+\.\d s, at height \d+", killed.stdout
        )
        again = quorate_demo("kill", "millworks", cwd=home)
        assert (again.returncode, "does not run" in again.stdout) == (1, True)
        assert "does not run (exit code -9)" in quorate_demo("status", cwd=home).stdout

        below = quorate_demo("kill", "n4", cwd=home)
        assert below.returncode == 0
        assert "2 nodes run, 3 are needed: the chain waits, and nothing is lost" in below.stdout
        for label in ("n4", "n3"):
            back = quorate_demo("restart", label, cwd=home)
            assert back.returncode == 0, back.stdout + back.stderr
            assert re.search(r"It caught up in [\d.]+ s, to height \d+, and executed what", back.stdout)

        tampered = quorate_demo("tamper", "n2", cwd=home)
        assert tampered.returncode == 0, tampered.stdout + tampered.stderr
        assert "instead of 5,0" in tampered.stdout
        assert "It stopped with exit code 1" in tampered.stdout
        assert "The other 3 go on" in tampered.stdout
        assert quorate_demo("restart", "n2", cwd=home).returncode == 1
        mended = quorate_demo("restart", "n2", "--fresh", cwd=home)
        assert mended.returncode == 0, mended.stdout + mended.stderr
        assert "executed what the others did" in mended.stdout

        assert quorate_demo("kill", "n9", cwd=home).returncode == 1
        stopped = quorate_demo("stop", cwd=home)
        assert (stopped.returncode, stopped.stdout) == (0, "The demo ends.\n")
        assert demo.wait(60) == 0
    await_no_nodes(home)
    assert quorate_demo("status", cwd=home).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_ends_its_nodes(home: Path, number: signal.Signals) -> None:
    """Guards Ctrl-C, a service manager's stop and a closed terminal, in the middle of the story: code 1."""
    with demo_up_to("n1 runs for", home) as (demo, output):
        assert len(node_pids(home)) == 4
        demo.send_signal(number)
        assert demo.wait(60) == 1
        assert output.read_text().endswith("The demo ends.\n")
        assert node_pids(home) == []


def test_no_node_outlives_a_demo_that_was_killed(home: Path) -> None:
    """Guards kill -9 of the demo, which nothing in it can notice."""
    with demo_up_to("n1 runs for", home) as (demo, _):
        assert len(node_pids(home)) == 4
        demo.kill()
        demo.wait()
        await_no_nodes(home)
    assert quorate_demo("status", cwd=home).returncode == 2
