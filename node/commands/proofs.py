"""`quorate proof`: show somebody, who trusts no node, what the chain says; and checking what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.commands.console import DataOption, NodeOption, good, say, say_json
from node.commands.session import connect
from node.errors import CommandFailed, ConfigurationError

KeyArgument = Annotated[
    str, typer.Argument(help="Key of the state: text as balance/millworks/euro, or hex after 0x.")
]


def proof(
    key: KeyArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    node: NodeOption = None,
    data: DataOption = None,
) -> None:
    """Get a proof of what the chain's state has under a key, or that it has nothing there.

    Example:

        quorate proof balance/millworks/euro -o proof.json
    """
    from node.documents import write_json

    with connect(node, data) as client:
        found = client.get(f"/v1/proof/{_key_bytes(key).hex()}")
    if output is None:
        say_json(found)
        return
    write_json(output, found)
    good(f"{output} proves {key}. Whoever has the genesis can check it: quorate verify {output} --help")


def check_proof(file: Path, genesis_path: Path, key: str | None) -> None:
    """Check a proof and say what it shows. Raises: CommandFailed."""
    from consensus.keys import verify_ed25519
    from contracts.errors import ProofError
    from node.documents import read_json
    from node.genesis import load_genesis
    from node.proof import verify_proof

    agreed = load_genesis(genesis_path)
    try:
        proven = verify_proof(
            read_json(file),
            chain=agreed.chain,
            genesis_hash=agreed.hash,
            committee=agreed.committee,
            verifier=verify_ed25519,
        )
    except ProofError as error:
        raise CommandFailed(f"not valid: {error}") from None
    if key is not None and _key_bytes(key) != proven.key:
        raise CommandFailed(f"it is valid, but about {_shown(proven.key)}")
    good(f"Valid: on {agreed.chain}, after block {proven.height},")
    value = "has no value" if proven.value is None else f"has the value {_shown_value(proven.value)}"
    say(f"{_shown(proven.key)} {value}.")


def _key_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    except ValueError:
        raise ConfigurationError(f"{text!r}: a key is text, or pairs of hex digits after 0x") from None


def _shown(data: bytes) -> str:
    return data.decode() if data.isascii() and data.decode().isprintable() else f"0x{data.hex()}"


def _shown_value(data: bytes) -> str:
    """A contract value in JSON; a record as hex."""
    import orjson

    from contracts.arguments import to_json
    from contracts.encoding import decode_value
    from contracts.errors import StateCorruption

    try:
        return orjson.dumps(to_json(decode_value(data))).decode()
    except (StateCorruption, TypeError):
        return f"0x{data.hex()}"
