"""`quorate doctor`: is everything there that your node needs?"""

from __future__ import annotations

import typer

from node.commands.console import DataOption, JsonOption, say, say_json

_COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Look at data folder, keys, genesis, journal, ports, disk, clock and software, and say what to do.

    Changes nothing, and may be run beside the node. Exit code 1 where something fails, else 0.

    Example:

        quorate doctor --data .quorate
    """
    from dataclasses import asdict

    from node.doctor import Verdict, examine

    findings = []
    for finding in examine(data):
        findings.append(finding)
        if not as_json:
            typer.secho(f"{finding.verdict:<5}", nl=False, fg=_COLOURS[finding.verdict])
            say(f"{finding.check:<12} {finding.detail}")
            if finding.advice:
                say(f"{'':<18}{finding.advice}")
    if as_json:
        say_json([asdict(finding) for finding in findings])
    raise typer.Exit(1 if any(finding.verdict is Verdict.FAIL for finding in findings) else 0)
