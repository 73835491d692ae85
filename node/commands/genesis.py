"""`quorate genesis`: partners agree on one genesis without a middleman."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.console import DataOption, JsonOption, good, group, say, say_fingerprint, say_json, table
from node.commands.secrets import open_keystore
from node.errors import CommandFailed, ConfigurationError

if TYPE_CHECKING:
    from node.genesis import SignedGenesis

genesis = group(
    """Agree with your partners on the chain's genesis, without a middleman.

    Everybody does the same four steps, in their own house:

    1. `quorate init` makes keys; send your `member.json` to all partners.

    2. `quorate genesis assemble` with all cards: everybody gets the same bytes, so the same fingerprint.
       Compare it by telephone.

    3. `quorate genesis sign`: send your signed copy to all partners.

    4. `quorate genesis merge` all copies into your data folder, `quorate genesis check`, `quorate start`.
    """
)

FileArgument = Annotated[Path, typer.Argument(help="A genesis file.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="Where to write the genesis.")]


@genesis.command("assemble")
def assemble(
    name: Annotated[str, typer.Argument(help="Name of the chain, as harvest.")],
    cards: Annotated[list[Path], typer.Argument(help="member.json of every member, in any order.")],
    time: Annotated[str, typer.Option(help="Agreed start of the chain's clock, as 2026-03-01T09:00:00Z.")],
    output: OutputOption = Path("genesis.json"),
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="A shared constant, as heartbeat_ms=30000.")
    ] = None,
) -> None:
    """Put the members' cards together; the same cards, name and time give everybody the same file.

    Example:

        quorate genesis assemble harvest greenfarm.json millworks.json --time 2026-03-01T09:00:00Z
    """
    from node import genesis as ceremony
    from node.documents import read_json
    from node.members import parse_card

    members = [parse_card(read_json(path), str(path)) for path in cards]
    assembled = ceremony.assemble(name, _time_ms(time), members, _overrides(parameter or []))
    signed = ceremony.SignedGenesis(assembled, {})
    ceremony.write_genesis(output, signed)
    _say_genesis(signed)
    say(f"Written to {output}. Compare the fingerprint with every partner by telephone. When it is the same:")
    say(f"  quorate genesis sign {output}")


@genesis.command("sign")
def sign(
    file: FileArgument,
    data: DataOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; by default into the same file.")
    ] = None,
) -> None:
    """Sign a genesis with your administrator key, once you have read it (quorate genesis check).

    Example:

        quorate genesis sign genesis.json -o genesis-greenfarm.json
    """
    from node import genesis as ceremony
    from node.keystore import Role

    target = output or file
    signed = ceremony.sign(ceremony.read_genesis(file), open_keystore(data).private(Role.ADMINISTRATOR))
    ceremony.write_genesis(target, signed)
    _say_genesis(signed)
    good(f"Signed: {target}. Send it to your partners, and merge theirs: quorate genesis merge --help")


@genesis.command("merge")
def merge(
    files: Annotated[list[Path], typer.Argument(help="Signed copies of the same genesis.")],
    output: OutputOption = Path("genesis.json"),
) -> None:
    """Gather the signatures of several copies of one genesis into one file.

    Example:

        quorate genesis merge genesis-*.json -o .quorate/genesis.json
    """
    from node import genesis as ceremony

    merged = ceremony.merge([(str(path), ceremony.read_genesis(path)) for path in files])
    ceremony.write_genesis(output, merged)
    _say_genesis(merged)
    say(f"Written to {output}.")


@genesis.command("check")
def check(file: FileArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say who is in a genesis, who signed it, its fingerprint, and whether your node can start from it.

    Exit code 0 when every member signed, else 1.

    Example:

        quorate genesis check .quorate/genesis.json
    """
    from node import genesis as ceremony

    signed = ceremony.read_genesis(file)
    missing = signed.missing()
    if as_json:
        say_json(
            {
                "chain": signed.genesis.chain,
                "hash": signed.genesis.hash.hex(),
                "members": [member.id for member in signed.genesis.members],
                "missing": missing,
            }
        )
    else:
        _say_genesis(signed)
        _say_own_part(signed, data)
    if missing:
        raise CommandFailed(f"not complete: {', '.join(missing)} must still sign")
    if not as_json:
        good("Complete: every member signed. A node can start from it.")


def _say_genesis(signed: SignedGenesis) -> None:
    shown = signed.genesis
    start = datetime.fromtimestamp(shown.time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    say(f"Genesis of {shown.chain}, from {start}", strong=True)
    table(
        ("NO", "MEMBER", "TITLE", "ADDRESS", "SIGNED"),
        [
            (
                member.number,
                member.id,
                member.card.title,
                member.card.address,
                _yes(member.id in signed.signatures),
            )
            for member in shown.members
        ],
    )
    accounts = [account.id for member in shown.members for account in member.card.accounts]
    if accounts:
        say(f"Further accounts: {', '.join(accounts)}")
    changed = shown.changed_parameters()
    if changed:
        say("Differs from the defaults: " + ", ".join(f"{name} = {value}" for name, value in changed.items()))
    say("Fingerprint")
    say_fingerprint(shown.hash)


def _say_own_part(signed: SignedGenesis, data: Path | None) -> None:
    """What the genesis says of the keys in the data folder, if there are any."""
    from node.keystore import Role

    store = open_keystore(data)
    if Role.VALIDATOR.value not in store.names():
        return
    me = signed.genesis.member_of_key(store.public(Role.VALIDATOR))
    if me is None:
        raise ConfigurationError(
            f"the keys in {store.folder} are in no member's card: was it assembled from an old card of yours?"
        )
    for role, key in zip(Role, me.card.keys, strict=True):
        if role.value in store.names() and store.public(role) != key:
            raise ConfigurationError(f"{store.path(role)} is not the {role} key of {me.id} in this genesis")
    good(f"You are {me.id}, member {me.number}; your keys are the ones in this genesis.")


def _overrides(settings: list[str]) -> dict[str, int]:
    overrides = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if not re.fullmatch("[0-9]{1,16}", value):
            raise ConfigurationError(f"--set {setting}: write NAME=NUMBER, as heartbeat_ms=30000")
        overrides[name] = int(value)
    return overrides


def _time_ms(text: str) -> int:
    try:
        return (datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
    except (ValueError, TypeError):  # no time at all, or one without a zone
        raise ConfigurationError(
            f"--time {text!r}: write it with its zone, as 2026-03-01T09:00:00Z"
        ) from None


def _yes(value: bool) -> str:
    return "yes" if value else "no"
