"""Our signing vectors: current, right by independent implementations, and kept by the parser."""

from __future__ import annotations

import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import nacl.signing
import pytest
import rfc8785

from consensus.errors import InvalidTransaction
from consensus.keys import Ed25519Signer, verify_ed25519
from consensus.transactions import make_envelope, parse_transaction, signed_bytes, verify
from tests.api import vectors

DOCUMENT: dict[str, Any] = json.loads(vectors.PATH.read_text())
NODE = shutil.which("node")


def test_the_file_is_what_the_code_makes() -> None:
    assert vectors.PATH.read_text() == vectors.text(), "python -m tests.api.vectors writes it anew"


@pytest.mark.parametrize("vector", DOCUMENT["valid"], ids=lambda vector: str(vector["name"]))
def test_an_independent_implementation_agrees(vector: dict[str, Any]) -> None:
    body = rfc8785.dumps(vector["transaction"])
    assert body.decode() == vector["canonical"]
    message = DOCUMENT["signing_prefix"].encode() + body
    assert message.hex() == vector["signed_bytes_hex"]
    assert sha256(message).hexdigest() == vector["id"]
    for signer, made in zip(vector["signers"], vector["signatures"], strict=True):
        key = nacl.signing.SigningKey(bytes.fromhex(signer["seed"]))
        assert bytes(key.verify_key).hex() == made["key"]
        assert key.sign(message).signature.hex() == made["signature"]


@pytest.mark.parametrize("vector", DOCUMENT["valid"], ids=lambda vector: str(vector["name"]))
def test_the_parser_accepts_what_is_valid(vector: dict[str, Any]) -> None:
    transaction = parse_transaction(bytes.fromhex(vector["envelope_hex"]), DOCUMENT["chain"])
    assert transaction.id.hex() == vector["id"]
    assert verify(transaction, verify_ed25519)


@pytest.mark.parametrize("vector", DOCUMENT["invalid"], ids=lambda vector: str(vector["name"]))
def test_the_parser_refuses_what_is_invalid(vector: dict[str, Any]) -> None:
    signer = Ed25519Signer(vectors.seed_of("alice"))
    body = vector["body"].encode()
    envelope = make_envelope(body, [(signer.public_key, signer.sign(signed_bytes(body)))])
    with pytest.raises(InvalidTransaction) as caught:
        parse_transaction(envelope, DOCUMENT["chain"])
    assert caught.value.code == vector["code"]


@pytest.mark.skipif(NODE is None, reason="needs node, for JavaScript's WebCrypto")
def test_javascript_agrees() -> None:
    assert NODE is not None
    script = Path(__file__).with_name("check_vectors.mjs")
    done = subprocess.run(
        [NODE, script, vectors.PATH], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = sum(len(vector["signatures"]) for vector in DOCUMENT["valid"])
    assert done.stdout.strip() == f"{expected} signatures"
