"""Signers for simulated validators: hashes in most runs, because they are fast; Ed25519 in some."""

from collections.abc import Callable
from hashlib import sha256

from consensus.keys import Ed25519Signer, Signer, Verifier, verify_ed25519


class HashSigner:
    """Signatures that anyone could make: enough where no simulated node tries to."""

    def __init__(self, seed: bytes) -> None:
        self.public_key = sha256(b"public key of " + seed).digest()

    def sign(self, message: bytes) -> bytes:
        return _tag(self.public_key, message)


def _tag(public_key: bytes, message: bytes) -> bytes:
    half = sha256(public_key + message).digest()
    return half + half


def verify_hash(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """The verifier of a HashSigner's signatures."""
    return signature == _tag(public_key, message)


def scheme(ed25519: bool) -> tuple[Callable[[bytes], Signer], Verifier]:
    """A way to make signers from a seed, and its verifier."""
    return (Ed25519Signer, verify_ed25519) if ed25519 else (HashSigner, verify_hash)
