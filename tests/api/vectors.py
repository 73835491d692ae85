"""Makes docs/vectors/transactions.json: `python -m tests.api.vectors` writes it anew."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from api.signing import id_of, sign_transaction
from consensus.keys import Ed25519Signer
from consensus.transactions import canonical_json, envelope_from_json, signed_bytes

PATH = Path(__file__).parents[2] / "docs" / "vectors" / "transactions.json"
CHAIN = "quorate-vectors-0011223344556677"

Json = dict[str, Any]


def seed_of(name: str) -> bytes:
    """The private key of an account in the vectors, 32 bytes; it has no other use."""
    return sha256(b"quorate test vector " + name.encode()).digest()


def _transaction(args: Json, **more: Any) -> Json:
    call = {"contract": "euro", "action": "transfer", "args": args}
    return {
        "chain": CHAIN,
        "sender": "alice",
        "calls": [call],
        "expires_ms": 1767225900000,
        "salt": "1",
        **more,
    }


def _valid(name: str, transaction: Json, *signers: str) -> Json:
    keys = [Ed25519Signer(seed_of(signer)) for signer in signers]
    submission = sign_transaction(transaction, keys)
    pairs = [
        (bytes.fromhex(item["key"]), bytes.fromhex(item["signature"])) for item in submission["signatures"]
    ]
    return {
        "name": name,
        "transaction": transaction,
        "canonical": canonical_json(transaction).decode(),
        "signed_bytes_hex": signed_bytes(canonical_json(transaction)).hex(),
        "id": id_of(transaction),
        "signers": [{"account": signer, "seed": seed_of(signer).hex()} for signer in signers],
        "signatures": submission["signatures"],
        "envelope_hex": envelope_from_json(transaction, pairs).hex(),
    }


def _invalid(name: str, body: str, code: str) -> Json:
    return {"name": name, "body": body, "code": code}


def make() -> Json:
    """The document."""
    plain = _transaction({"to": "bob", "amount": "2500"})
    body = canonical_json(plain).decode()
    odd = {
        "memo": "caf\u00e9 \u20ac \U0001f600 \u05d0 \u2028 \ufb33",
        "controls": "".join(map(chr, range(32))) + '"\\/\u007f',
    }
    nested = {
        "b": [1, {"z": None, "a": [True, False]}],
        "a_1": -9007199254740991,
        "a1": 9007199254740991,
        "a": {},
    }
    money = {"price": {"amount": str(2**255 - 1), "currency": "euro"}}
    together = _transaction(
        {"to": "carol", "amount": "1"}, cosigners=["bob", "carol.erp"], gas_limit=20_000_000
    )
    return {
        "about": "Transactions as any language must sign them: see docs/api.md, Signing.",
        "chain": CHAIN,
        "signing_prefix": "quorate-tx-v1\n",
        "valid": [
            _valid("plain", plain, "alice"),
            _valid("text beyond ASCII, and everything that JSON escapes", _transaction(odd), "alice"),
            _valid("nested arguments with the largest integers", _transaction(nested), "alice"),
            _valid("an amount beyond 2^53 as text", _transaction(money), "alice"),
            _valid("a salt that needs escapes", plain | {"salt": '"\\/~'}, "alice"),
            _valid("several calls", plain | {"calls": plain["calls"] * 3}, "alice"),
            _valid("three accounts, a gas limit", together, "alice", "bob", "carol.erp"),
        ],
        "invalid": [
            _invalid("a space", body.replace(":", ": ", 1), "not_canonical"),
            _invalid("keys out of order", _reversed(plain), "not_canonical"),
            _invalid("a key twice", body.replace('"salt":"1"', '"salt":"0","salt":"1"'), "not_canonical"),
            _invalid("a needless escape", body.replace("alice", "\\u0061lice"), "not_canonical"),
            _invalid("a fraction", body.replace("1767225900000", "1767225900000.0"), "malformed_transaction"),
            _invalid("an integer beyond 2^53 - 1", body.replace("1767225900000", "9007199254740992"),
                     "malformed_transaction"),
            _invalid("an unknown field", body.replace('"salt"', '"more":1,"salt"'), "malformed_transaction"),
            _invalid("a field missing", body.replace('"salt":"1",', ""), "malformed_transaction"),
            _invalid("another chain", body.replace(CHAIN, "quorate-other-0011223344556677"), "wrong_chain"),
            _invalid("a capital letter in a name", body.replace("alice", "Alice"), "malformed_transaction"),
            _invalid("not JSON", body[:-1], "malformed_json"),
        ],
    }  # fmt: skip


def _reversed(transaction: Json) -> str:
    ordered = {key: transaction[key] for key in sorted(transaction, reverse=True)}
    return json.dumps(ordered, separators=(",", ":"))


def text() -> str:
    """The file's content."""
    return json.dumps(make(), indent=1) + "\n"


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text())
