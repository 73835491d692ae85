"""`quorate why`: one sentence that says what your node waits for, or why it does not run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.console import DataOption, JsonOption, NodeOption, say, say_json, table

WATCH_S = 1.0
ANSWER_S = 5.0
"""A node that is well answers at once; nobody at night waits for retries."""


def why(
    node: NodeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C, and print what changes.")
    ] = False,
) -> None:
    """Say what a node waits for, who is missing and since when, and what happens next.

    Exit code 1 when it does not run or gives no answer, else 0.

    Example:

        quorate why

        quorate why --watch
    """
    found = _ask(node, data)
    _show(found, as_json)
    try:
        while watch:
            time.sleep(WATCH_S)
            previous, found = found, _ask(node, data)
            if _without_numbers(found) != _without_numbers(previous):
                _show(found, as_json)
    except KeyboardInterrupt:
        pass
    raise typer.Exit(1 if found["phase"] in ("not_running", "silent") else 0)


def _ask(node: str | None, data: Path | None) -> dict[str, Any]:
    import httpx

    from node.commands.session import node_url
    from node.config import data_dir_of
    from node.errors import CommandFailed, NotRunning

    folder = data_dir_of(data)
    try:
        url = node_url(node, data)
    except NotRunning as error:
        return _of_a_silent_node(folder, str(error))
    try:
        answer = httpx.get(f"{url}/v1/consensus/why", timeout=ANSWER_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        trouble = f"no node answers at {url} ({error})"
        if node is not None or not folder.is_dir():
            raise CommandFailed(f"{trouble}: is it running? (quorate start)") from None
        return _of_a_silent_node(folder, trouble)


def _of_a_silent_node(folder: Path, trouble: str) -> dict[str, Any]:
    """What its data folder says of a node that gives no answer."""
    import shutil

    from node.announcement import last_end, running_pid

    pid, end = running_pid(folder), last_end(folder)
    free_bytes = shutil.disk_usage(folder).free
    if pid is not None:
        phase, sentence = "silent", f"the node's process {pid} is there and does not answer: {trouble}"
    elif end is None:
        phase = "not_running"
        sentence = "the node does not run: it was killed, or has not run yet; nothing is known of a reason"
    else:
        phase = "not_running"
        ago_s = max(0, time.time_ns() // 1_000_000 - end.ended_ms) // 1000
        reason = end.reason or "it was told to"
        sentence = f"the node does not run: it ended {ago_s} s ago with exit code {end.exit_code}: {reason}"
    return {
        "phase": phase,
        "sentence": f"{sentence}; {free_bytes >> 20} MiB are free for the data folder",
        "exit_code": None if end is None or pid is not None else end.exit_code,
        "reason": None if end is None or pid is not None else end.reason,
        "disk_free_bytes": free_bytes,
        "missing": [],
    }


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    say(found["sentence"], strong=True)
    if found["missing"]:
        table(
            ("MISSING", "", "LAST HEARD", "BLOCKS BEHIND", "CLOCK"), [_row(one) for one in found["missing"]]
        )


def _row(absentee: dict[str, Any]) -> tuple[str, ...]:
    def told(value: int | None, unit: str, divisor: int = 1) -> str:
        return "" if value is None else f"{value // divisor}{unit}"

    silent_ms = absentee["silent_ms"] if absentee["connected"] else absentee["unreachable_ms"]
    return (
        absentee["member"],
        "connected" if absentee["connected"] else "unreachable",
        told(silent_ms, " s ago", 1000),
        told(absentee["behind_blocks"], ""),
        told(absentee["clock_offset_ms"], " ms"),
    )


def _without_numbers(found: dict[str, Any]) -> str:
    import re

    return str(found["phase"]) + re.sub(r"\d+( ms| s| min)?", "#", found["sentence"])
