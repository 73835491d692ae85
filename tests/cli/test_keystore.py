"""Private keys as files: what is written can be read, by us and by OpenSSL, and by nobody else."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from consensus.keys import verify_ed25519
from node.errors import ConfigurationError
from node.keystore import (
    Keystore,
    PrivateKey,
    Role,
    SealingCost,
    generate,
    is_sealed,
    parse_private,
    parse_public,
    private_pem,
    public_pem,
    read_key,
    read_public,
    sealed_pem,
    write_key,
)

CHEAP = SealingCost(passes=1, memory_bytes=8192)
SEED = bytes(range(32))


def no_passphrase() -> None:
    return None


def test_a_plain_key_is_the_pkcs8_of_rfc_8410() -> None:
    """Guards the format: the example key of RFC 8410, section 10.3, reads and writes byte for byte."""
    example = (
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
        "-----END PRIVATE KEY-----\n"
    )
    key = parse_private(example, no_passphrase, "example")
    assert key.public_key.hex() == "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    assert private_pem(key) == example
    assert parse_public(public_pem(key.public_key), "example") == key.public_key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL's command is not installed")
def test_openssl_signs_with_our_file_and_we_read_its_own(tmp_path: Path) -> None:
    """Guards that the administrator key works without any program of ours, both ways."""
    ours, message, signature = tmp_path / "ours.pem", tmp_path / "message", tmp_path / "signature"
    key = generate()
    write_key(ours, key, None)
    message.write_bytes(b"what is signed")
    subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-inkey", ours, "-rawin", "-in", message, "-out", signature],
        check=True,
    )
    assert verify_ed25519(key.public_key, b"what is signed", signature.read_bytes())

    theirs = tmp_path / "theirs.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", theirs], check=True)
    theirs.chmod(0o600)
    public = subprocess.run(
        ["openssl", "pkey", "-in", theirs, "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    assert read_key(theirs, no_passphrase).public_key == parse_public(public, "openssl")


def test_a_sealed_key_opens_with_its_passphrase_only() -> None:
    """Guards the sealing: right passphrase, wrong one, none; the public key needs none."""
    key = PrivateKey(SEED)
    pem = sealed_pem(key, "correct horse", CHEAP)
    assert SEED.hex() not in pem
    assert parse_private(pem, lambda: "correct horse", "file").seed == SEED
    assert parse_public(pem, "file") == key.public_key
    with pytest.raises(ConfigurationError, match="does not open with this passphrase"):
        parse_private(pem, lambda: "correct horsE", "file")
    with pytest.raises(ConfigurationError, match="set QUORATE_PASSPHRASE"):
        parse_private(pem, no_passphrase, "file")


def test_the_default_cost_of_a_guess_is_a_quarter_of_a_gigabyte() -> None:
    """Guards that sealing is not made cheap by accident."""
    assert SealingCost().memory_bytes == 256 * 1024 * 1024
    assert SealingCost().passes >= 3


@pytest.mark.parametrize(
    ("pem", "complaint"),
    [
        ("", "is not a key file"),
        ("no key at all\n", "is not a key file"),
        ("-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n", "not base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a plain Ed25519 key"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "decrypt it"),
        ("-----BEGIN QUORATE SEALED KEY-----\nAQAA\n-----END QUORATE SEALED KEY-----\n", "is damaged"),
        (public_pem(bytes(32)), "holds a public key"),
    ],
)
def test_what_is_no_private_key_is_refused_with_a_reason(pem: str, complaint: str) -> None:
    """Guards the operator against a stack trace, and us against a key read wrongly."""
    with pytest.raises(ConfigurationError, match=complaint):
        parse_private(pem, lambda: "x", "file")


def test_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    """Guards against a lost key and a key that others can read."""
    path = tmp_path / "keys" / "validator.pem"
    key = generate()
    write_key(path, key, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="never overwritten"):
        write_key(path, generate(), None)
    assert read_key(path, no_passphrase).seed == key.seed
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_key(path, no_passphrase)
    with pytest.raises(ConfigurationError, match="there is no key file"):
        read_key(tmp_path / "absent.pem", no_passphrase)


def test_a_keystore_lists_roles_first_and_keeps_accounts_apart(tmp_path: Path) -> None:
    """Guards the layout of the folder, which the operator's guide describes."""
    keys = Keystore(tmp_path / "keys", lambda: "secret")
    account = keys.create("acme.buying")
    for role in reversed(Role):
        keys.create(role)
    assert keys.names() == ["validator", "network", "administrator", "acme.buying"]
    assert (tmp_path / "keys" / "accounts" / "acme.buying.pem").exists()
    assert keys.private("acme.buying").seed == account.seed
    with pytest.raises(ConfigurationError, match="no account name"):
        keys.path("../outside")


def test_a_sealed_file_tells_its_public_key_without_a_passphrase(tmp_path: Path) -> None:
    """Guards `quorate keys show`, which must not ask for a passphrase."""
    path = tmp_path / "sealed.pem"
    key = generate()
    write_key(path, key, "secret", CHEAP)
    assert is_sealed(path)
    assert read_public(path) == key.public_key
