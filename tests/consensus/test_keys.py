"""Ed25519 as others test it, and what a signature is bound to."""

import json

from consensus.keys import Ed25519Signer, verify_ed25519
from consensus.messages import executed_payload, vote_payload
from consensus.types import VoteKind
from tests.consensus.support import digest, vectors


def test_wycheproof() -> None:
    """Google's collection of edge cases: malleable, truncated, of small order."""
    groups = json.loads(vectors("ed25519_test.json").read_text())["testGroups"]
    seen = 0
    for group in groups:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            valid = verify_ed25519(key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
            assert valid == (test["result"] == "valid"), test["comment"]
            seen += 1
    assert seen > 100


def test_a_key_of_the_wrong_length_verifies_nothing() -> None:
    signer = Ed25519Signer(bytes(32))
    signature = signer.sign(b"word")
    assert verify_ed25519(signer.public_key, b"word", signature)
    assert not verify_ed25519(signer.public_key[:31], b"word", signature)
    assert not verify_ed25519(b"", b"word", signature)
    assert not verify_ed25519(signer.public_key, b"word", signature[:63])


def test_signed_bytes_differ_by_kind_chain_epoch_and_view() -> None:
    """One signature must never stand for two statements."""
    chains = [digest("one chain"), digest("another chain")]
    payloads = [
        vote_payload(chain, kind, epoch, view, header)
        for chain in chains
        for kind in VoteKind
        for epoch in (1, 2)
        for view in (1, 2)
        for header in (None, digest("header"))
    ]
    payloads += [executed_payload(chain, height, digest("header")) for chain in chains for height in (1, 2)]
    assert len(set(payloads)) == len(payloads)
