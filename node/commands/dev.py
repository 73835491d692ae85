"""`quorate dev`: one node for whoever writes a contract or integrates with the API."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import NodeOption, good, say, table

MEMBER = "dev"
ACCOUNTS = ("dev.alice", "dev.bob", "dev.carol")

dev = typer.Typer(
    help="""Run one node with instant blocks and a clock that tests can move.

    Keys, accounts and genesis are made for you. Without `--data` everything is gone when it ends.

    Example:

        quorate dev

        quorate contract check my_contract.py

        quorate dev clock +2d
    """,
    invoke_without_command=True,
    rich_markup_mode="markdown",
)


@dev.callback()
def run(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", help="Keep the chain in this folder.")] = None,
    api_port: Annotated[int, typer.Option(help="Port of the REST API and the page.")] = 7750,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
) -> None:
    """Run until Ctrl-C, unless a command was given."""
    if context.invoked_subcommand is not None:
        return
    if data is not None:
        raise typer.Exit(_run(data, api_port, log_level))
    with tempfile.TemporaryDirectory(prefix="quorate-dev-") as folder:
        raise typer.Exit(_run(Path(folder), api_port, log_level))


@dev.command("clock")
def clock(
    by: Annotated[str, typer.Argument(help="How far to move it on, as +2d, +12h or +30s.")],
    node: NodeOption = None,
) -> None:
    """Move the clock of a running `quorate dev` forward; due timers fire.

    Example:

        quorate dev clock +2d
    """
    from node.commands.arguments import span_ms
    from node.commands.session import connect

    with connect(node, None) as client:
        moved = client.advance_clock(span_ms(by.removeprefix("+")))
    time = datetime.fromtimestamp(moved["time_ms"] / 1000, UTC)
    good(f"The clock is at {time.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}.")


def _run(folder: Path, api_port: int, log_level: str) -> int:
    from node.config import load_config
    from node.keystore import Keystore
    from node.ports import free_ports

    if not (folder / "genesis.json").exists():
        _found_chain(folder)
    listen = f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}"  # it has no partners, so any will do
    flags = {"api_port": api_port, "ops_address": "127.0.0.1:0", "log_level": log_level, "listen": listen}
    config = load_config(folder, flags).config
    keys = Keystore(config.keys_dir)
    say(f"API and page: http://{config.api_host}:{config.api_port}/   data: {config.data_dir}", strong=True)
    rows = [(MEMBER, keys.path("administrator")), *((name, keys.path(name)) for name in ACCOUNTS)]
    table(("ACCOUNT", "KEY"), rows)
    say("Ctrl-C ends it.")
    from node.runtime import run_node

    return run_node(config, dev=True)


def _found_chain(folder: Path) -> None:
    """A chain of one member, made by the same steps as that of many."""
    import time

    from node import genesis
    from node.home import make_home
    from node.keystore import Keystore, Role

    card = make_home(
        folder, member=MEMBER, title="Development", address="/ip4/127.0.0.1/tcp/4001", accounts=ACCOUNTS
    )
    body = genesis.assemble(
        "dev", time.time_ns() // 1_000_000, [card], {"heartbeat_ms": 0, "batch_interval_ms": 1}
    )
    administrator = Keystore(folder / "keys").private(Role.ADMINISTRATOR)
    genesis.write_genesis(
        folder / "genesis.json", genesis.sign(genesis.SignedGenesis(body, {}), administrator)
    )
