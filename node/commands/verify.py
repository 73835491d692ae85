"""`quorate verify`: check a proof that somebody shows, or the whole ledger of your node."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, JsonOption, good, say, say_json
from node.errors import CommandFailed, ConfigurationError

PROGRESS_S = 2.0


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="A proof; without one, your node's ledger is checked.")
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(help="The genesis that you trust; by default your data folder's.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="What a proof must be about: text, or hex after 0x.", show_default=False),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Of a ledger: also execute every block again.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Check a proof, or a whole ledger, with nothing but the genesis: no node is asked.

    Of a ledger: the chain of blocks, their certificates, receipts, events and index rows, and the state
    against its root. The node must not run. Exit code 0 when all is well, else 1, and the first wrong block
    is named.

    Example:

        quorate verify proof.json --genesis genesis.json --key balance/millworks/euro

        quorate verify --data .quorate --replay
    """
    from node.config import data_dir_of

    agreed = genesis or data_dir_of(data) / "genesis.json"
    if file is not None:
        from node.commands.proofs import check_proof

        check_proof(file, agreed, key)
    else:
        _check_ledger(data_dir_of(data), agreed, replay=replay, as_json=as_json)


def _check_ledger(folder: Path, genesis_path: Path, *, replay: bool, as_json: bool) -> None:
    from consensus.errors import CorruptionError
    from contracts.engine import Engine
    from contracts.errors import StateCorruption, UnsupportedVersion
    from node import audit
    from node.announcement import running_pid
    from node.config import load_config
    from node.genesis import load_genesis
    from node.store import Store

    config = load_config(folder, environ={}).config
    if (pid := running_pid(folder)) is not None:
        raise ConfigurationError(
            f"the node runs (process {pid}): stop it, or check a copy of its data folder"
        )
    if not config.ledger_dir.is_dir():
        raise ConfigurationError(f"there is no ledger in {folder}")
    agreed = load_genesis(genesis_path)
    progress, store = _Progress(), None
    try:
        store = Store.open(config.ledger_dir)
        with store.snapshot() as view:
            checked = audit.audit(view, agreed, progress)
            if replay:
                engine = Engine(chain=agreed.chain, parameters=agreed.parameters)
                with tempfile.TemporaryDirectory(prefix="replay-", dir=folder) as scratch:
                    audit.replay(view, agreed, engine, Path(scratch), progress)
    except audit.Unsound as error:
        if as_json:
            say_json({"sound": False, "height": error.height, "problem": str(error)})
            raise typer.Exit(1) from None
        raise CommandFailed(f"height {error.height} is the first that is wrong: {error}") from None
    except (CorruptionError, StateCorruption) as error:
        raise CommandFailed(f"the ledger is damaged: {error}") from None
    except UnsupportedVersion as error:
        raise ConfigurationError(str(error)) from None
    finally:
        if store is not None:
            store.close()
    found = {"sound": True, "height": checked.height, "entries": checked.entries, "replayed": replay}
    if as_json:
        say_json(found)
        return
    good(f"Sound: blocks 0 to {checked.height} of {agreed.chain}, {checked.entries} entries of the state.")
    if replay:
        say("Every block was executed again and came to the same.")


class _Progress:
    """A line on standard error now and then."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, what: str, at: int, of: int) -> None:
        if time.monotonic() - self._said_s >= PROGRESS_S:
            self._said_s = time.monotonic()
            typer.echo(f"{what}: {at} of {of}", file=sys.stderr)
