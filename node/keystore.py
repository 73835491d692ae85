"""A member's private keys as files: three by role, and one for each further account.

    keys/validator.pem        signs votes and batches; on the node
    keys/network.pem          is the node's libp2p identity; on the node
    keys/administrator.pem    signs the genesis and acts for the member; may live elsewhere
    keys/accounts/NAME.pem    acts for the account NAME

A plain file is PKCS#8 in PEM, so OpenSSL reads and writes it. With a passphrase the seed is sealed:
argon2id turns the passphrase into the key of a secretbox. A sealed file still tells its public key.
Files have mode 0600 and are never overwritten.

Source: RFC 8410 (Ed25519 in PKCS#8), RFC 9106 (argon2id), both through libsodium.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import nacl.bindings
import nacl.exceptions
import nacl.pwhash.argon2id
import nacl.utils

from consensus.keys import Ed25519Signer
from consensus.transactions import is_name
from node.disk import Disk
from node.errors import ConfigurationError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
KEY_FILE_BYTES_MAX = 4096
KDF_MEMORY_BYTES_MAX = 1024 * 1024 * 1024
"""A sealed file may ask for at most this much memory when it is opened."""
KDF_PASSES_MAX = 16
"""And for at most so many passes over it."""

_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_SPKI = bytes.fromhex("302a300506032b6570032100")
_PLAIN, _PUBLIC, _SEALED = "PRIVATE KEY", "PUBLIC KEY", "QUORATE SEALED KEY"
_SEALED_VERSION = 1
_SALT_BYTES = nacl.pwhash.argon2id.SALTBYTES
_NONCE_BYTES = nacl.bindings.crypto_secretbox_NONCEBYTES
_SEALED_HEADER_BYTES = 1 + PUBLIC_KEY_BYTES + 4 + 8 + _SALT_BYTES + _NONCE_BYTES

Passphrase = Callable[[], str | None]
"""Asked for the passphrase when a sealed file is opened; None means that there is none."""


class Role(StrEnum):
    """What a member's key is for."""

    VALIDATOR = "validator"
    NETWORK = "network"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class SealingCost:
    """How dear one guess of a passphrase is: passes over memory, and that memory in bytes."""

    passes: int = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = nacl.pwhash.argon2id.MEMLIMIT_MODERATE


class PrivateKey(Ed25519Signer):
    """An Ed25519 private key; `seed` is 32 bytes. Implements consensus.keys.Signer."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self.seed = seed

    def __repr__(self) -> str:
        return f"PrivateKey({self.public_key.hex()})"


def generate() -> PrivateKey:
    """A new key from the system's random source."""
    return PrivateKey(nacl.utils.random(SEED_BYTES))


# ---------------------------------------------------------------- PEM


def private_pem(key: PrivateKey) -> str:
    """PKCS#8, as `openssl genpkey -algorithm ed25519` writes it."""
    return _armour(_PLAIN, _PKCS8 + key.seed)


def public_pem(public_key: bytes) -> str:
    """SubjectPublicKeyInfo, as `openssl pkey -pubout` writes it."""
    return _armour(_PUBLIC, _SPKI + public_key)


def sealed_pem(key: PrivateKey, passphrase: str, cost: SealingCost | None = None) -> str:
    """Version, public key, cost, salt and nonce, then the sealed seed."""
    cost = cost or SealingCost()
    salt, nonce = nacl.utils.random(_SALT_BYTES), nacl.utils.random(_NONCE_BYTES)
    box = nacl.bindings.crypto_secretbox(key.seed, nonce, _derive(passphrase, salt, cost))
    header = bytes([_SEALED_VERSION]) + key.public_key
    header += cost.passes.to_bytes(4, "big") + cost.memory_bytes.to_bytes(8, "big")
    return _armour(_SEALED, header + salt + nonce + box)


def parse_private(text: str, passphrase: Passphrase, where: str) -> PrivateKey:
    """The key in a plain or sealed PEM text; `where` names the text in errors.

    Raises: ConfigurationError.
    """
    label, data = _dearmour(text, where)
    if label == _PLAIN:
        if len(data) != len(_PKCS8) + SEED_BYTES or not data.startswith(_PKCS8):
            raise ConfigurationError(
                f"{where} is not a plain Ed25519 key; make one with: openssl genpkey -algorithm ed25519"
            )
        return PrivateKey(data[len(_PKCS8) :])
    if label == _SEALED:
        return _open_sealed(data, passphrase, where)
    if label == "ENCRYPTED PRIVATE KEY":
        raise ConfigurationError(f"{where} is encrypted by OpenSSL; decrypt it: openssl pkey -in {where}")
    raise ConfigurationError(f"{where} holds a {label.lower()}, not a private key")


def parse_public(text: str, where: str) -> bytes:
    """The 32 byte public key of any PEM text that tells it without a passphrase.

    Raises: ConfigurationError.
    """
    label, data = _dearmour(text, where)
    if label == _PUBLIC and len(data) == len(_SPKI) + PUBLIC_KEY_BYTES and data.startswith(_SPKI):
        return data[len(_SPKI) :]
    if label == _SEALED and len(data) > PUBLIC_KEY_BYTES and data[0] == _SEALED_VERSION:
        return data[1 : 1 + PUBLIC_KEY_BYTES]
    return parse_private(text, lambda: None, where).public_key


def _open_sealed(data: bytes, passphrase: Passphrase, where: str) -> PrivateKey:
    sealed_bytes = _SEALED_HEADER_BYTES + SEED_BYTES + nacl.bindings.crypto_secretbox_MACBYTES
    if len(data) != sealed_bytes or data[0] != _SEALED_VERSION:
        raise ConfigurationError(f"{where} is damaged, or from a newer quorate; restore it from a backup")
    at = 1 + PUBLIC_KEY_BYTES
    passes, memory_bytes = (
        int.from_bytes(data[at : at + 4], "big"),
        int.from_bytes(data[at + 4 : at + 12], "big"),
    )
    cost = SealingCost(passes, memory_bytes)
    at += 12
    salt, nonce = data[at : at + _SALT_BYTES], data[at + _SALT_BYTES : _SEALED_HEADER_BYTES]
    if memory_bytes > KDF_MEMORY_BYTES_MAX or passes > KDF_PASSES_MAX:
        raise ConfigurationError(
            f"{where} asks for {passes} passes over {memory_bytes} bytes of memory to open: it is damaged"
        )
    secret = passphrase()
    if secret is None:
        raise ConfigurationError(
            f"{where} is sealed: set QUORATE_PASSPHRASE, or passphrase_file to a file that holds it"
        )
    try:
        box_key = _derive(secret, salt, cost)
        seed = nacl.bindings.crypto_secretbox_open(data[_SEALED_HEADER_BYTES:], nonce, box_key)
    except nacl.exceptions.CryptoError:
        raise ConfigurationError(f"{where} does not open with this passphrase") from None
    key = PrivateKey(seed)
    if key.public_key != data[1 : 1 + PUBLIC_KEY_BYTES]:
        raise ConfigurationError(f"{where} names another public key than it holds; restore it from a backup")
    return key


def _derive(passphrase: str, salt: bytes, cost: SealingCost) -> bytes:
    return nacl.pwhash.argon2id.kdf(
        nacl.bindings.crypto_secretbox_KEYBYTES,
        passphrase.encode(),
        salt,
        opslimit=cost.passes,
        memlimit=cost.memory_bytes,
    )


def _armour(label: str, data: bytes) -> str:
    lines = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def _dearmour(text: str, where: str) -> tuple[str, bytes]:
    lines = [line.strip() for line in text.strip().splitlines()]
    begin, end = (lines[0], lines[-1]) if lines else ("", "")
    label = begin.removeprefix("-----BEGIN ").removesuffix("-----")
    if begin != f"-----BEGIN {label}-----" or end != f"-----END {label}-----":
        raise ConfigurationError(f"{where} is not a key file: expected PEM (-----BEGIN PRIVATE KEY-----)")
    try:
        return label, base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise ConfigurationError(f"{where} is damaged: its PEM lines are not base64") from None


# ---------------------------------------------------------------- files


def write_key(path: Path, key: PrivateKey, passphrase: str | None, cost: SealingCost | None = None) -> None:
    """Write a new key file, mode 0600, durable on return; sealed when a passphrase is given.

    Raises: ConfigurationError when the file exists: a key that is overwritten is lost for ever.
    """
    text = private_pem(key) if passphrase is None else sealed_pem(key, passphrase, cost)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists; a key is never overwritten: move it away first") from None
    except OSError as error:
        raise _not_written(path, error) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Disk().sync_folder(path.parent)
    except OSError as error:
        path.unlink()  # part of a key is worse than none
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"cannot write the key {path}: {error.strerror}; there is no such key now")


def read_key(path: Path, passphrase: Passphrase) -> PrivateKey:
    """The private key in a file that nobody else may read.

    Raises: ConfigurationError.
    """
    text, mode = _read(path)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"{path} can be read by others; say: chmod 600 {path}")
    return parse_private(text, passphrase, str(path))


def read_public(path: Path) -> bytes:
    """The 32 byte public key of a key file, sealed or not. Raises: ConfigurationError."""
    return parse_public(_read(path)[0], str(path))


def is_sealed(path: Path) -> bool:
    """True when the key file needs a passphrase. Raises: ConfigurationError."""
    return _dearmour(_read(path)[0], str(path))[0] == _SEALED


def _read(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            data, mode = file.read(KEY_FILE_BYTES_MAX + 1), os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise ConfigurationError(f"there is no key file {path}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > KEY_FILE_BYTES_MAX or not data.isascii():
        raise ConfigurationError(f"{path} is not a key file: expected PEM (-----BEGIN PRIVATE KEY-----)")
    return data.decode(), mode


class Keystore:
    """The key files in one folder."""

    def __init__(self, folder: Path, passphrase: Passphrase = lambda: None) -> None:
        self.folder = folder
        self._passphrase = passphrase

    def path(self, name: str) -> Path:
        """Where the key of a role or an account lies. Raises: ConfigurationError."""
        if name in tuple(Role):
            return self.folder / f"{name}.pem"
        if not is_name(name):
            raise ConfigurationError(f"{name!r} is no account name: lower-case words joined by . _ or -")
        return self.folder / "accounts" / f"{name}.pem"

    def names(self) -> list[str]:
        """Roles, then accounts, that have a key file here."""
        roles = [role.value for role in Role if self.path(role).exists()]
        return roles + sorted(path.stem for path in (self.folder / "accounts").glob("*.pem"))

    def private(self, name: str) -> PrivateKey:
        """The key of a role or account. Raises: ConfigurationError."""
        return read_key(self.path(name), self._passphrase)

    def public(self, name: str) -> bytes:
        """32 bytes; needs no passphrase. Raises: ConfigurationError."""
        return read_public(self.path(name))

    def create(self, name: str, passphrase: str | None = None) -> PrivateKey:
        """Make and write a new key. Raises: ConfigurationError when there is one."""
        return self.add(name, generate(), passphrase)

    def add(self, name: str, key: PrivateKey, passphrase: str | None = None) -> PrivateKey:
        """Write a key that exists already. Raises: ConfigurationError when there is one under this name."""
        write_key(self.path(name), key, passphrase)
        return key
