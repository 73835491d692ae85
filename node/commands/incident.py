"""`quorate incident`: what the node did before something went wrong, in a file, and done again."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, good, group, say

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
def replay(
    file: Annotated[Path, typer.Argument(help="An incident file.")],
    last: Annotated[int, typer.Option(help="Print so many of the last turns; 0 prints all.", min=0)] = 20,
) -> None:
    """Give the ordering core what the node was told, and compare what it does with what was done then.

    Exit code 0 when every effect is equal, else 1.

    Example:

        quorate incident replay incident.bin --last 5
    """
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
