"""The demo's folder and the way other terminals find the demo, without any node."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from node.demo import run
from node.demo.control import ControlServer, Say, ask, find_running, is_running
from node.demo.partner import wait_until
from node.demo.processes import NodeProcess, stop_all
from node.demo.stage import CAST, build
from node.errors import ConfigurationError
from node.genesis import load_genesis
from node.ports import free_ports


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_four_partners_sign_one_genesis(tmp_path: Path) -> None:
    """Guards that the demo's chain is founded as real ones are: own keys each, one genesis, signed by all."""
    stage = build(tmp_path / "demo")
    genesis = load_genesis(stage.genesis_path)
    assert [member.id for member in genesis.members] == [actor.member for actor in CAST]
    assert [seat.label for seat in stage.seats] == ["n1", "n2", "n3", "n4"]
    assert all(
        (seat.home / "genesis.json").read_bytes() == stage.genesis_path.read_bytes() for seat in stage.seats
    )
    assert len({seat.keys.public("validator") for seat in stage.seats}) == 4
    assert genesis.chain == stage.chain


def test_a_second_demo_starts_anew_but_keeps_edited_sources(tmp_path: Path) -> None:
    """Guards the reader's edits, and that nothing else of the first demo is left."""
    first = build(tmp_path / "demo")
    first.sources[0].write_text("edited")
    stray = first.seats[0].home / "stray"
    stray.touch()
    second = build(tmp_path / "demo")
    assert second.sources[0].read_text() == "edited"
    assert second.sources[1].read_text() != "edited"
    assert not stray.exists()
    assert second.chain != first.chain


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    """Guards whatever else somebody has in the folder that was named."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="no demo"):
        build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_terminal_finds_the_demo_and_hears_its_answers(tmp_path: Path) -> None:
    """Guards the control socket: pointer, request, lines of answer, exit code, and the end."""
    folder = tmp_path / "demo"
    folder.mkdir()

    def handle(request: dict[str, Any], say: Say) -> int:
        say(f"one {request['node']}")
        say("two")
        return 7

    server = ControlServer(folder, handle)
    try:
        assert is_running(folder)
        assert find_running(None) == folder
        heard: list[str] = []
        assert ask(folder, {"node": "n3"}, heard.append) == 7
        assert heard == ["one n3", "two"]
        with pytest.raises(ConfigurationError, match="a demo runs in"):
            build(folder)
    finally:
        server.close()
    assert not is_running(folder)
    with pytest.raises(ConfigurationError, match="no demo runs in"):
        ask(folder, {}, heard.append)


def test_nonsense_on_the_control_socket_harms_nobody(tmp_path: Path) -> None:
    """Guards the running demo against a terminal that sends garbage or goes away."""
    server = ControlServer(tmp_path, lambda request, say: 0)
    try:
        path = server.path
        for garbage in (b"", b"\n", b"[]\n", b"{nonsense\n", b"\xff\xfe\n", b"x" * 10_000):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(garbage)
        assert ask(tmp_path, {}, lambda text: None) == 0
    finally:
        server.close()


def test_ports_in_use_are_avoided() -> None:
    """Guards a demo beside another program on the preferred ports."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = free_ports(2, taken - 1)
        assert len(set(ports)) == 2
        assert taken not in ports


def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Guards the last words of a node, which the demo repeats."""
    process = NodeProcess(tmp_path)
    process.start()
    try:
        assert process.wait(60) == 2
        assert "genesis.json" in process.last_words()
        assert process.ended_by_itself()
        assert not process.ended_by_itself()
    finally:
        stop_all([process])


def test_a_node_that_ended_by_itself_is_started_again_and_leaves_no_pipe_open(tmp_path: Path) -> None:
    """Python warns of such a pipe when it is collected, and in the tests that is an error of the next one."""
    process = NodeProcess(tmp_path)
    try:
        for _ in range(2):
            process.start()
            assert wait_until(lambda: not process.is_running(), 60)
        gc.collect()
    finally:
        stop_all([process])


class Deaf(NodeProcess):
    """Does not listen to SIGTERM."""

    def command(self) -> list[str]:
        deaf = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
        return [sys.executable, "-c", f"{deaf}; time.sleep(600)"]


def test_nodes_that_do_not_listen_are_killed_after_one_wait_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    reap = NodeProcess._reap

    def told(process: NodeProcess, timeout_s: float) -> bool:
        waits.append(timeout_s)
        return reap(process, timeout_s)

    processes = [Deaf(tmp_path / str(number)) for number in range(3)]
    for process in processes:
        process.home.mkdir()
        process.start()
    assert wait_until(lambda: all(process.last_words() == "1" for process in processes), 60)
    monkeypatch.setattr("node.demo.processes.STOP_S", 0.5)
    monkeypatch.setattr(NodeProcess, "_reap", told)
    stop_all(processes)
    assert [process.exit_code for process in processes] == [-9, -9, -9]
    assert 0 < waits[0] <= 0.5
    assert waits[2::2] == [0.0, 0.0]  # after the wait for its end by SIGKILL


def test_an_interruption_that_is_lost_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops what a signal's handler raises while an object is finalized."""
    monkeypatch.setattr(run, "AGAIN_S", 0.05)
    before = signal.signal(signal.SIGALRM, run._interrupt)
    try:
        with suppress(run.Interrupted):
            run._interrupt()
        with pytest.raises(run.Interrupted):
            time.sleep(60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
