"""`quorate incident`: what the node did before something went wrong, in a file, and done again."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, good, group, say
from node.errors import CommandFailed

READING_S_MAX = 300
"""Of processor time; the largest ring takes about a minute."""
READING_MIB_MAX = 2_048

FileArgument = Annotated[Path, typer.Argument(help="An incident file.")]
LastOption = Annotated[int, typer.Option(help="Print so many of the last turns; 0 prints all.", min=0)]
SecondsOption = Annotated[
    int, typer.Option("--seconds", help="Give up after so much processor time.", min=1, max=86_400)
]

incident = group("What a node was told and did lately: take it to a file, and do it again anywhere.")


@incident.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    data: DataOption = None,
) -> None:
    """Take the flight recorder's files of a running, stopped or crashed node into one file.

    It holds messages, votes and transactions of the chain, and no private key.

    Example:

        quorate incident export --data .quorate --out incident.bin
    """
    from node.config import load_config
    from node.recorder import export

    config = load_config(data).config
    written = export(config.recorder_dir, out)
    good(f"{out}: {out.stat().st_size} bytes, recorded by {_whose(written.about)}")
    say(f"Do it again: quorate incident replay {out}")


@incident.command("replay")
def replay(file: FileArgument, last: LastOption = 20, seconds: SecondsOption = READING_S_MAX) -> None:
    """Give the ordering core what the node was told, and compare what it does with what was done then.

    Exit code 0 when every effect is equal, else 1. The file is read in a process of its own, with bounds of
    processor time and memory: it may be damaged, or made to hang who reads it.

    Example:

        quorate incident replay incident.bin --last 5
    """
    options = ["--last", str(last), "--seconds", str(seconds)]
    command = [sys.executable, "-P", "-m", "node", "incident", "replay-here", *options, "--", str(file)]
    code = subprocess.run(command, check=False).returncode
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise CommandFailed(
            f"{file} was not read to its end in {seconds} s of processor time: it is damaged, made to do "
            "that, or long (--seconds gives it more)"
        )
    if code < 0:
        raise CommandFailed(f"{file} ended the process that read it with {signal.Signals(-code).name}")
    raise typer.Exit(code)


@incident.command("replay-here", hidden=True)
def replay_here(
    file: FileArgument,
    last: LastOption = 20,
    seconds: SecondsOption = READING_S_MAX,
    mib: Annotated[int, typer.Option(help="Memory of this process, in MiB.", min=1)] = READING_MIB_MAX,
) -> None:
    """Do it in this process, which may take no more than it is given."""
    _bound(resource.RLIMIT_CPU, seconds)
    _bound(resource.RLIMIT_AS, mib << 20)
    _bound(resource.RLIMIT_CORE, 0)
    try:
        _replay(file, last)
    except MemoryError:
        raise CommandFailed(
            f"{file} takes more than {mib} MiB to read: it is damaged or made to do that"
        ) from None


def _bound(limit: int, most: int) -> None:
    _, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _replay(file: Path, last: int) -> None:
    from node.reader import node_version
    from node.recorder import read_incident, replay

    incident = read_incident(file)
    if incident.about.get("quorate") != node_version():
        say(f"Recorded by quorate {incident.about.get('quorate')}, done again by {node_version()}.")
    lines: deque[str] = deque(maxlen=last or None)
    done = replay(incident, lines.append)
    for line in lines:
        say(line)
    seconds = ((done.last_ms or 0) - (done.first_ms or 0)) // 1000
    say(f"{_whose(incident.about)}: {done.turns} turns, {done.calls} calls, {seconds} s", strong=True)
    say(f"Trace {done.trace_hash}")
    if done.difference is not None:
        say(f"Not the same: {done.difference}")
        raise typer.Exit(1)
    good("Every effect is the same as recorded.")


def _whose(about: dict[str, str]) -> str:
    return f"{about.get('member')} on {about.get('chain')}"
