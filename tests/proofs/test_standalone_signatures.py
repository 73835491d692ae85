"""The standalone file's own Ed25519 accepts exactly what nodes accept (libsodium)."""

from __future__ import annotations

from hashlib import sha512

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.keys import Ed25519Signer, verify_ed25519
from tests.proofs.standalone import standalone as s

MESSAGE = b"a vote"


def both(key: bytes, message: bytes, signature: bytes) -> bool:
    """What both say."""
    ours = s.signature_is_valid(key, message, signature)
    assert ours == verify_ed25519(key, message, signature)
    return bool(ours)


@settings(max_examples=25)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), data=st.data())
def test_a_signature_is_valid_and_a_changed_one_is_not(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    signer = Ed25519Signer(seed)
    signature = signer.sign(message)
    assert both(signer.public_key, message, signature)
    assert not both(signer.public_key, message + b"x", signature)
    bit = data.draw(st.integers(0, 511))
    assert not both(signer.public_key, message, _flip(signature, bit))
    assert not both(_flip(signer.public_key, bit % 256), message, signature)


def _flip(data: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(data))


def _encode(point: tuple[int, int, int, int]) -> bytes:
    inverse = pow(point[2], -1, s.P)
    x, y = point[0] * inverse % s.P, point[1] * inverse % s.P
    encoded: int = y | (x & 1) << 255
    return encoded.to_bytes(32, "little")


def _torsion() -> tuple[int, int, int, int]:
    """A point of order 8."""
    for y in range(2, 1000):
        point = s.decode_point(y.to_bytes(32, "little"))
        if point is not None:
            torsion: tuple[int, int, int, int] = s.multiply(s.ORDER, point)
            if not s.same(s.multiply(4, torsion), s.IDENTITY):
                return torsion
    raise AssertionError("no such point")


def _sign(secret: int, key: bytes, nonce: int, nonce_point: bytes) -> bytes:
    h = int.from_bytes(sha512(nonce_point + key + MESSAGE).digest(), "little")
    scalar: int = (nonce + h * secret) % s.ORDER
    return nonce_point + scalar.to_bytes(32, "little")


SECRET, NONCE = 1234567, 7654321
KEY, NONCE_POINT = s.multiply(SECRET, s.BASE), s.multiply(NONCE, s.BASE)
LOW = _torsion()


@pytest.mark.parametrize(
    ("key", "nonce", "nonce_point", "valid"),
    [
        (KEY, NONCE, NONCE_POINT, True),
        (KEY, NONCE, s.add(NONCE_POINT, LOW), False),
        (s.add(KEY, LOW), NONCE, NONCE_POINT, False),
        (KEY, 0, LOW, False),
        (KEY, 0, s.IDENTITY, False),
        (LOW, NONCE, NONCE_POINT, False),
        (s.IDENTITY, NONCE, NONCE_POINT, False),
    ],
)
def test_points_outside_the_prime_order_group(
    key: tuple[int, ...], nonce: int, nonce_point: tuple[int, ...], valid: bool
) -> None:
    """Where Ed25519 verifiers are known to differ from each other."""
    public = _encode(key)  # type: ignore[arg-type]
    signature = _sign(SECRET, public, nonce, _encode(nonce_point))  # type: ignore[arg-type]
    assert both(public, MESSAGE, signature) == valid


def test_encodings_that_are_not_canonical() -> None:
    signer = Ed25519Signer(bytes(32))
    signature = signer.sign(MESSAGE)
    scalar = int.from_bytes(signature[32:], "little")
    assert not both(signer.public_key, MESSAGE, signature[:32] + (scalar + s.ORDER).to_bytes(32, "little"))
    small = next(y for y in range(2, 19) if s.decode_point(y.to_bytes(32, "little")) is not None)
    for encoding in (small + s.P, 1 + s.P, 1 | 1 << 255, s.P - 1 | 1 << 255, 2**256 - 1):
        encoded = encoding.to_bytes(32, "little")
        assert s.decode_point(encoded) is None
        assert not both(encoded, MESSAGE, signature)
        assert not both(signer.public_key, MESSAGE, encoded + signature[32:])
