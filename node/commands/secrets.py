"""Where commands get the passphrase of sealed keys from: environment, passphrase file, or the person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from node.commands.console import warn

if TYPE_CHECKING:
    from node.keystore import Keystore


def open_keystore(data_dir: Path | None) -> Keystore:
    """The keys of a data folder. On a terminal the person is asked for a passphrase, once, if need be."""
    from node.config import load_config, read_passphrase
    from node.keystore import Keystore

    config = load_config(data_dir).config
    remembered: list[str | None] = []

    def passphrase() -> str | None:
        if not remembered:
            found = read_passphrase(config.passphrase_file)
            if found is None and sys.stdin.isatty():
                found = typer.prompt("Passphrase of the keys", hide_input=True, err=True)
            remembered.append(found)
        return remembered[0]

    return Keystore(config.keys_dir, passphrase)


def new_passphrase(passphrase_file: Path | None) -> str | None:
    """The passphrase to seal new keys with, asked for twice on a terminal; None, with a warning, for none."""
    from node.config import read_passphrase

    chosen = read_passphrase(passphrase_file)
    if chosen is None and sys.stdin.isatty():
        chosen = typer.prompt(
            "Passphrase for the keys (empty: none)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=True,
            err=True,
        )
    if not chosen:
        warn(
            "The keys are not sealed by a passphrase: whoever can read the files can act for you. "
            "Set QUORATE_PASSPHRASE or --passphrase-file to seal them."
        )
        return None
    return chosen
