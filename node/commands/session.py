"""A command's way to a node and to the keys that it signs with."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from node.errors import CommandFailed, ConfigurationError, NotRunning

if TYPE_CHECKING:
    from api.client import Account, Client

URL_DEFAULT = "http://127.0.0.1:7750"
REACH_S = 3.0
"""How long a node may take to accept a connection."""
KNOCK_AGAIN_S = 0.2

AsOption = Annotated[
    str | None,
    typer.Option("--as", help="Account that acts; by default your member account.", show_default=False),
]
KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="Key file to sign with, if it is not in the data folder.", show_default=False),
]


@contextmanager
def connect(node: str | None, data: Path | None, patience_s: float = 0.0) -> Iterator[Client]:
    """A client of the node asked for, else of the one that runs on the data folder.

    It is called on for `patience_s`, as there are moments in which a node starts over.

    Raises: CommandFailed, also for whatever problem the node answers within the block.
    """
    from api.client import ApiProblem, Client, Unreachable

    url = _node_url(node, data, patience_s)
    where = urlsplit(url)
    try:
        port = where.port or {"https": 443, "http": 80}[where.scheme]
        _knock((where.hostname or "", port), patience_s)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{url!r} is no address of a node: write it like {URL_DEFAULT}") from None
    except OSError as error:
        raise CommandFailed(f"no node answers at {url} ({error}): is it running? (quorate start)") from None
    try:
        with Client(url) as client:
            yield client
    except ApiProblem as problem:
        raise CommandFailed(
            f"{problem.detail or problem.code} [{problem.code}] {problem.hint}".strip()
        ) from None
    except Unreachable as error:
        raise CommandFailed(f"{url} stopped answering: {error}") from None


def _knock(address: tuple[str, int], patience_s: float) -> None:
    """Make sure that somebody listens. Raises: OSError where nobody does, though asked for `patience_s`."""
    end_s = time.monotonic() + patience_s
    while True:
        try:
            return socket.create_connection(address, REACH_S).close()
        except OSError:
            if time.monotonic() >= end_s:
                raise
        time.sleep(KNOCK_AGAIN_S)


def _node_url(node: str | None, data: Path | None, patience_s: float) -> str:
    """As `node_url`; a node that starts over is waited for."""
    end_s = time.monotonic() + patience_s
    while True:
        try:
            return node_url(node, data)
        except NotRunning:
            if time.monotonic() >= end_s:
                raise
        time.sleep(KNOCK_AGAIN_S)


def node_url(node: str | None, data: Path | None) -> str:
    """--node or QUORATE_NODE, else the node that runs on the data folder; the default port here where no node
    ever ran on it. Raises: NotRunning, ConfigurationError.
    """
    from node.announcement import announced_url, running_pid
    from node.config import data_dir_of

    if node is not None:
        return node.rstrip("/")
    folder = data_dir_of(data)
    if running_pid(folder) is not None:
        return announced_url(folder / "node.json")
    if not (folder / "ledger").is_dir():
        return URL_DEFAULT
    raise NotRunning(
        f"the node of {folder} does not run: start it (quorate start), or name another with --node"
    )


def signer(account: str | None, key: Path | None, data: Path | None) -> Account:
    """The account to act as, with its key: from --key, else from the data folder.

    Raises: ConfigurationError.
    """
    from api.client import Account
    from node.commands.secrets import open_keystore
    from node.config import data_dir_of
    from node.documents import read_json
    from node.home import CARD_FILE
    from node.keystore import Role, read_key
    from node.members import parse_card

    folder = data_dir_of(data)
    card_path = folder / CARD_FILE
    member = parse_card(read_json(card_path), str(card_path)).id if card_path.exists() else None
    name = account or member
    if name is None:
        raise ConfigurationError(
            f"say which account acts with --as, or where your data folder is (not {folder})"
        )
    if key is not None:
        return Account(name, read_key(key, lambda: None))
    return Account(name, open_keystore(data).private(Role.ADMINISTRATOR if name == member else name))


def cosigner(text: str, data: Path | None) -> Account:
    """From NAME, with its key in the data folder, or NAME=KEYFILE. Raises: ConfigurationError."""
    name, _, file = text.partition("=")
    return signer(name, Path(file) if file else None, data)


def items(client: Client, path: str, limit: int) -> Sequence[dict[str, Any]]:
    """At most `limit` items of a list, page after page."""
    found: list[dict[str, Any]] = []
    for item in client.items(path):
        if len(found) == limit:
            break
        found.append(item)
    return found
