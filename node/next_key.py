"""A key that is to replace another: made beside it, put in its place once the members accepted it."""

from __future__ import annotations

from pathlib import Path

from node.errors import ConfigurationError
from node.keystore import Keystore, PrivateKey, generate, read_public, write_key


def next_key_path(store: Keystore, role: str) -> Path:
    """Where the next key of a role lies."""
    return store.path(role).with_suffix(".next.pem")


def make_next_key(store: Keystore, role: str, passphrase: str | None) -> PrivateKey:
    """A new key beside the one in use. Raises: ConfigurationError where there is one already."""
    path, key = next_key_path(store, role), generate()
    if path.exists():
        raise ConfigurationError(
            f"{path} waits already to be the {role} key: adopt it (quorate member adopt {role}), or move it "
            "away"
        )
    write_key(path, key, passphrase)
    return key


def adopt_next_key(store: Keystore, role: str) -> Path:
    """Put the next key in place; where the old one is kept. Raises: ConfigurationError.

    Stopped in between, it goes on when it is called again.
    """
    coming, present = next_key_path(store, role), store.path(role)
    if not coming.exists():
        raise ConfigurationError(f"there is no {coming}: make one with quorate member rotate {role}")
    read_public(coming)
    kept = present.with_suffix(".before.pem")
    if present.exists():
        kept = present.with_suffix(f".{read_public(present).hex()[:8]}.pem")
        present.rename(kept)
    coming.rename(present)
    return kept
