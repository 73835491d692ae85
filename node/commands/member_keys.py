"""`quorate member rotate` and `adopt`: another validator or network key, asked for and put in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, good, say
from node.commands.secrets import new_passphrase, open_keystore
from node.errors import ConfigurationError

RoleArgument = Annotated[str, typer.Argument(help="validator or network.")]
ROLES = ("validator", "network")


def rotate(
    role: RoleArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the request.")] = Path(
        "rotation.json"
    ),
    present: Annotated[
        bool, typer.Option("--present", help="Ask for the key that is in the data folder already.")
    ] = False,
    data: DataOption = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="File whose first line seals the key.")
    ] = None,
) -> None:
    """Ask the members for another validator or network key: makes the key, and a request signed by it.

    Then: `quorate member propose rotate rotation.json`, by you or any member; when it is decided,
    `quorate member adopt validator`, and start your node again.

    Who lost the keys makes new ones with `quorate init`, under the same id, and says --present.

    Example:

        quorate member rotate validator -o rotation.json
    """
    from contracts.system.changes import rotation_message
    from node.config import load_config
    from node.documents import read_json, write_json
    from node.genesis import load_genesis
    from node.home import CARD_FILE
    from node.members import parse_card
    from node.next_key import make_next_key

    _check_role(role)
    config, store = load_config(data).config, open_keystore(data)
    path = config.data_dir / CARD_FILE
    name = parse_card(read_json(path), str(path)).id
    chain_hash = load_genesis(config.genesis_path).hash
    key = store.private(role) if present else make_next_key(store, role, new_passphrase(passphrase_file))
    message = rotation_message(chain_hash, name, role, key.public_key)
    request = {
        "kind": "rotate",
        "member": name,
        "role": role,
        "key": key.public_key.hex(),
        "signature": key.sign(message).hex(),
    }
    write_json(output, request)
    good(f"{output} asks that {key.public_key.hex()} be the {role} key of {name}.")
    say(f"Any member can propose it: quorate member propose rotate {output}")
    if not present:
        say(f"Once it is decided: quorate member adopt {role}, and start your node again.")


def adopt(role: RoleArgument, data: DataOption = None) -> None:
    """Put the key that the members have accepted in place of the old one, which is kept beside it.

    Example:

        quorate member adopt validator
    """
    from node.next_key import adopt_next_key

    _check_role(role)
    store = open_keystore(data)
    kept = adopt_next_key(store, role)
    good(f"{store.path(role)} is now {store.public(role).hex()}; the old key is kept in {kept}.")
    say("Start your node again to use it.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigurationError(f"{role!r}: it is {' or '.join(ROLES)}; accounts change their own keys")
