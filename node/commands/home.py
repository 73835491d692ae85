"""`quorate init` and `quorate keys`: a member's data folder and the keys in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, JsonOption, good, group, say, say_fingerprint, say_json, table
from node.commands.secrets import new_passphrase, open_keystore
from node.errors import ConfigurationError

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File whose first line seals the keys.", show_default=False),
]

keys = group("Show, make, import and export keys.")


def init(
    member: Annotated[str, typer.Option(help="Your organisation's id, as greenfarm. It never changes.")],
    title: Annotated[str, typer.Option(help='Its name for people, as "Green Farm Coop".')],
    address: Annotated[
        str, typer.Option(help="Where partners reach your node, as /dns4/node.greenfarm.example/tcp/4001.")
    ],
    data: DataOption = None,
    account: Annotated[
        list[str] | None,
        typer.Option(help="A further account with a key of its own, as buying (becomes greenfarm.buying)."),
    ] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the REST API and the page.")] = None,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Make your organisation's keys, here and for you alone, and the card to send to your partners.

    Example:

        quorate init --member greenfarm --title "Green Farm" --address /dns4/node.greenfarm.example/tcp/4001

    The private keys stay in the data folder. `member.json` holds their public parts: send it to your
    partners, and compare its fingerprint with them by telephone. Then: quorate genesis --help
    """
    from node.config import data_dir_of
    from node.home import CARD_FILE, make_home

    folder = data_dir_of(data)
    settings: dict[str, str | int] = {}
    if api_port is not None:
        settings["api_port"] = api_port
    if passphrase_file is not None:
        settings["passphrase_file"] = str(passphrase_file.absolute())
    card = make_home(
        folder,
        member=member,
        title=title,
        address=address,
        accounts=[f"{member}.{name}" for name in account or []],
        passphrase=new_passphrase(passphrase_file),
        settings=settings,
    )
    good(f"Keys of {card.id} ({card.title}) are in {folder / 'keys'}; keep them, and a copy in a safe place.")
    say(f"Your card is {folder / CARD_FILE}. Send it to your partners; its fingerprint is")
    say_fingerprint(card.fingerprint)
    say("Once you have every partner's card: quorate genesis assemble --help")


@keys.command("show")
def show(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the keys in the data folder, public parts only.

    Example:

        quorate keys show --json
    """
    from node.keystore import is_sealed

    store = open_keystore(data)
    found = [
        {
            "name": name,
            "public_key": store.public(name).hex(),
            "sealed": is_sealed(store.path(name)),
            "file": str(store.path(name)),
        }
        for name in store.names()
    ]
    if as_json:
        say_json(found)
    elif not found:
        raise ConfigurationError(f"no keys in {store.folder}; make them with: quorate init --help")
    else:
        rows = [
            (key["name"], key["public_key"], "sealed" if key["sealed"] else "plain", key["file"])
            for key in found
        ]
        table(("NAME", "PUBLIC KEY", "", "FILE"), rows)


@keys.command("new-account")
def new_account(
    name: Annotated[
        str, typer.Argument(help="Full name: your member id, a dot, and a word, as greenfarm.buying.")
    ],
    data: DataOption = None,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Make a key for a further account. The chain knows the account once your member registers it.

    Example:

        quorate keys new-account greenfarm.buying

        quorate tx register greenfarm.buying
    """
    from node.members import check_account_name

    store = open_keystore(data)
    check_account_name(name, name.partition(".")[0])
    key = store.create(name, new_passphrase(passphrase_file))
    good(f"The key of {name} is in {store.path(name)}; its public key is {key.public_key.hex()}.")
    say(f"To make it known to the chain, once it runs: quorate tx register {name}")


@keys.command("export")
def export(
    name: Annotated[str, typer.Argument(help="validator, network, administrator, or an account.")],
    data: DataOption = None,
    public: Annotated[bool, typer.Option("--public", help="The public key only.")] = False,
) -> None:
    """Print a key as PEM, for OpenSSL or another program. A private key is printed unsealed: mind the reader.

    Example:

        quorate keys export administrator --public | openssl pkey -pubin -text
    """
    from node.keystore import private_pem, public_pem

    store = open_keystore(data)
    pem = public_pem(store.public(name)) if public else private_pem(store.private(name))
    say(pem.rstrip("\n"))


@keys.command("import")
def import_key(
    name: Annotated[str, typer.Argument(help="validator, network, administrator, or an account.")],
    file: Annotated[Path, typer.Argument(help="PEM file with an Ed25519 private key, as OpenSSL makes it.")],
    data: DataOption = None,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Take a key that another program made into the data folder.

    Example:

        openssl genpkey -algorithm ed25519 -out buying.pem && chmod 600 buying.pem

        quorate keys import greenfarm.buying buying.pem
    """
    from node.keystore import read_key

    store = open_keystore(data)
    key = store.add(name, read_key(file, lambda: None), new_passphrase(passphrase_file))
    good(f"{store.path(name)} holds the key {key.public_key.hex()}.")
