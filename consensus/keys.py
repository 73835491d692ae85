"""Ed25519 verification, the Signer protocol, and the tags that keep signatures of one kind from another.

Every signature of the ordering layer covers `tag ‖ chain id ‖ payload`, so that it means one thing
on one chain. One verifier (libsodium through PyNaCl) is used everywhere, because verifiers differ on
edge cases and nodes must not.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Protocol

import nacl.bindings
import nacl.exceptions

TAG_BATCH = b"quorate/batch/1\n"
TAG_HEADER = b"quorate/header/1\n"
TAG_VOTE = b"quorate/vote/1\n"
TAG_STATUS = b"quorate/status/1\n"
TAG_COMMITTEE = b"quorate/committee/1\n"

CHAIN_ID_BYTES = 32


class Signer(Protocol):
    """Holds one private key and signs with it."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes over `message`."""


class Verifier(Protocol):
    """Decides whether a signature is valid."""

    def __call__(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """True when `signature` (64 bytes) over `message` is by `public_key` (32 bytes)."""


class Ed25519Signer:
    """A Signer over a 32 byte seed."""

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret_key = nacl.bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        return nacl.bindings.crypto_sign(message, self._secret_key)[: nacl.bindings.crypto_sign_BYTES]


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Verify by libsodium; releases the interpreter lock, so threads can check side by side."""
    try:
        nacl.bindings.crypto_sign_open(signature + message, public_key)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def digest(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return sha256(data).digest()
