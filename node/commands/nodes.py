"""`quorate start`, `quorate status` and `quorate config`: running a node."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from node.commands.console import DataOption, JsonOption, NodeOption, group, say, say_json, table

FORCED_EXIT_AFTER_S = 10.0
"""A node that was told to end by its closing input, and has not ended by then, is killed."""

config = group("The settings of your node and where they come from.")


def start(
    data: DataOption = None,
    listen: Annotated[
        str | None, typer.Option(help="Where partners connect, as /ip4/0.0.0.0/tcp/4001.")
    ] = None,
    api_host: Annotated[str | None, typer.Option(help="Interface of the REST API and the page.")] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the REST API and the page.")] = None,
    api_names: Annotated[
        str | None, typer.Option(help="Host names the API answers to, beside localhost; comma-separated.")
    ] = None,
    ops_address: Annotated[
        str | None, typer.Option(help="Where probes and metrics are, as 127.0.0.1:7760, or off.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    execution_wall: Annotated[
        str | None,
        typer.Option(help="off, or process: execute contracts in confined processes of their own."),
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase of sealed keys.")
    ] = None,
    until_input_closes: Annotated[
        bool,
        typer.Option(
            "--until-input-closes",
            help="End also when standard input closes: for programs that start a node.",
        ),
    ] = False,
) -> None:
    """Run your node until Ctrl-C or SIGTERM. It needs your keys and a genesis that every member signed.

    Example:

        quorate start --data .quorate --api-port 7750
    """
    from node.config import load_config

    flags: dict[str, Any] = {
        "listen": listen,
        "api_host": api_host,
        "api_port": api_port,
        "api_names": api_names,
        "ops_address": ops_address,
        "log_format": log_format,
        "log_level": log_level,
        "execution_wall": execution_wall,
        "passphrase_file": passphrase_file,
    }
    loaded = load_config(data, flags)
    if until_input_closes:
        threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    from node.runtime import run_node

    raise typer.Exit(run_node(loaded.config))


def status(node: NodeOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say how a running node is: its height, its peers, and what it waits for.

    Example:

        quorate status --data .quorate
    """
    from node.commands.session import connect

    with connect(node, data) as client:
        found = client.get("/v1/status")
    if as_json:
        say_json(found)
        return
    say(f"{found['member']} on {found['chain']}, height {found['height']}", strong=True)
    say(found["why"])
    say(f"blocks are executed {found['execution_wall']}")
    rows = [
        (peer["member"], "connected" if peer["connected"] else "unreachable", peer["height"])
        for peer in found["peers"]
    ]
    if rows:
        table(("PARTNER", "", "HEIGHT"), rows)


@config.command("show")
def show(
    data: DataOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the settings: a flag wins over QUORATE_*, that over config.toml, that over the default.

    Example:

        quorate config show --origin
    """
    from node.config import SETTINGS, load_config

    loaded = load_config(data)
    values = {name: getattr(loaded.config, name) for name in SETTINGS}
    shown = {name: None if value is None else str(value) for name, value in values.items()}
    if as_json:
        say_json({name: {"value": value, "origin": loaded.origins[name]} for name, value in shown.items()})
        return
    say(f"Data folder: {loaded.config.data_dir.absolute()}")
    if origin:
        table(
            ("SETTING", "VALUE", "FROM"),
            [(name, value or "", loaded.origins[name]) for name, value in shown.items()],
        )
        if loaded.ignored:
            say(f"Not settings, so ignored: {', '.join(loaded.ignored)}")
    else:
        table(("SETTING", "VALUE"), [(name, value or "") for name, value in shown.items()])


def _end_with_input() -> None:
    """Wait for the end of standard input, which comes at the latest when whoever started us has died."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(FORCED_EXIT_AFTER_S)
    os.kill(os.getpid(), signal.SIGKILL)
