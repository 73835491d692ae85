"""A member's data folder before its node first starts: keys, settings, and the card for partners.

config.toml     settings of this node
member.json     the card: send it to the partners
keys/           private keys: never send them
genesis.json    put here once all members signed it
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.config import CONFIG_FILE, config_toml
from node.documents import write_json
from node.errors import ConfigurationError
from node.keystore import Keystore, Role
from node.members import Card, card_of, check_account_name, check_address, check_description, signed_card

CARD_FILE = "member.json"


def make_home(
    folder: Path,
    *,
    member: str,
    title: str,
    address: str,
    accounts: Sequence[str] = (),
    passphrase: str | None = None,
    settings: dict[str, str | int] | None = None,
) -> Card:
    """Make keys, config.toml and member.json in a new or empty `folder`; `accounts` are full names.

    Raises: ConfigurationError, before anything is written where the arguments are at fault.
    """
    check_description(member, title, address)
    for account in accounts:
        check_account_name(account, member)
    settings = {"listen": listen_address(address), **(settings or {})}
    keys = Keystore(folder / "keys", lambda: passphrase)
    if keys.names():
        raise ConfigurationError(f"{keys.folder} holds keys already; a member's keys are made once")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (*Role, *accounts):
        keys.create(name, passphrase)
    card = card_of(keys, member, title, address, accounts)
    write_json(folder / CARD_FILE, signed_card(card, keys))
    (folder / CONFIG_FILE).write_text(config_toml(settings))
    (folder / ".gitignore").write_text("# keys and a chain never belong in a repository\n*\n")
    return card


def listen_address(address: str) -> str:
    """Where to listen for partners who dial `address`: there on this machine, else on all interfaces."""
    port = check_address(address)
    _, kind, host, *_ = address.split("/")
    if host.startswith("127.") or host == "::1":
        return address
    return f"/ip6/::/tcp/{port}" if kind in ("ip6", "dns6") else f"/ip4/0.0.0.0/tcp/{port}"
