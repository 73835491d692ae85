"""`quorate demo` and what a second terminal can do to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import say

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="The demo's folder (./quorate-demo by default).", show_default=False),
]
NodeArgument = Annotated[str, typer.Argument(help="n1 to n4, or a member as greenfarm.")]

demo = typer.Typer(
    help="""See it at work: four organisations' nodes, on this machine, agree without a middleman.

    It makes keys and a genesis, starts four nodes, deploys a token and a contract from files that you can
    open and edit, and tells what happens step by step. Then it stays up until Ctrl-C.

    Example:

        quorate demo

        quorate demo kill n3            (in a second terminal, while it is up)

        quorate demo restart n3

        quorate demo tamper n2
    """,
    invoke_without_command=True,
    rich_markup_mode="markdown",
)


@demo.callback()
def run(
    context: typer.Context,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End after the story: code 0 if all was as it should be, else 1.")
    ] = False,
    data: DataOption = None,
    api_port: Annotated[
        int, typer.Option(help="Port of the first API; the others follow. 0, or where one is in use: any.")
    ] = 7750,
    contract: Annotated[
        list[Path] | None,
        typer.Option(help="A contract of yours to deploy too. May be given again.", show_default=False),
    ] = None,
) -> None:
    """Tell the story, unless a command was given."""
    if context.invoked_subcommand is None:
        from node.demo.run import run_demo

        raise typer.Exit(run_demo(data, contract or [], api_port, stay=not exit_))


@demo.command("kill")
def kill(node: NodeArgument, data: DataOption = None) -> None:
    """Kill a node of the running demo (kill -9), and show that the others go on."""
    _ask(data, "kill", node)


@demo.command("restart")
def restart(
    node: NodeArgument,
    data: DataOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw its ledger away first; the others have it all.")
    ] = False,
) -> None:
    """Start a node again that was killed or has stopped, and show that it catches up."""
    _ask(data, "restart", node, fresh=fresh)


@demo.command("tamper")
def tamper(node: NodeArgument, data: DataOption = None) -> None:
    """Falsify a balance in a node's files, start it again, and show that this is noticed."""
    _ask(data, "tamper", node)


@demo.command("status")
def status(data: DataOption = None) -> None:
    """Say how each node of the running demo is."""
    _ask(data, "status", None)


@demo.command("stop")
def stop(data: DataOption = None) -> None:
    """End the running demo and its nodes."""
    _ask(data, "stop", None)


def _ask(data: Path | None, command: str, node: str | None, *, fresh: bool = False) -> None:
    from node.demo.control import ask, find_running

    request = {"command": command, "node": node, "fresh": fresh}
    raise typer.Exit(ask(find_running(data), request, say))
