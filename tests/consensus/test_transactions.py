"""What a client signs has one form, and each way to miss it has a code."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from consensus import transactions
from consensus.errors import InvalidTransaction
from consensus.keys import Ed25519Signer, verify_ed25519
from consensus.transactions import (
    SIGNATURE_GAS,
    canonical_json,
    envelope_from_json,
    is_name,
    make_envelope,
    parse_transaction,
    signed_bytes,
    verify,
)
from tests.consensus.support import CHAIN, vectors

CLIENT = Ed25519Signer(bytes(range(32)))
NAMES = ("arrays", "french", "structures", "unicode", "values", "weird")


def body(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "calls": [{"action": "fund", "args": {"amount": 5}, "contract": "acme.escrow"}],
        "chain": CHAIN,
        "expires_ms": 1_800_000_000_000,
        "salt": "s1",
        "sender": "acme",
    }
    value.update(changes)
    return {name: item for name, item in value.items() if item is not ...}


def envelope(value: dict[str, Any]) -> bytes:
    data = canonical_json(value)
    return make_envelope(data, [(CLIENT.public_key, CLIENT.sign(signed_bytes(data)))])


def refused(data: bytes) -> str:
    with pytest.raises(InvalidTransaction) as caught:
        parse_transaction(data, CHAIN)
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


class TestCanonicalJson:
    @pytest.mark.parametrize("name", NAMES)
    def test_published_vectors(self, name: str) -> None:
        """Within our rules we write what RFC 8785 writes; outside them the value is refused."""
        value = json.loads(vectors("jcs").joinpath("input", f"{name}.json").read_bytes())
        expected = vectors("jcs").joinpath("output", f"{name}.json").read_bytes().rstrip(b"\n")
        assert rfc8785.dumps(value) == expected
        try:
            transactions.check_value(value, "value", 0)
        except InvalidTransaction:
            assert name != "arrays"
        else:
            assert canonical_json(value) == expected

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True), inner, max_size=4)
            ),
            max_leaves=12,
        )
    )
    def test_our_fast_form_is_rfc_8785(self, value: Any) -> None:
        assert canonical_json(value) == rfc8785.dumps(value)


class TestParsing:
    def test_a_transaction_is_read_as_it_was_written(self) -> None:
        parsed = parse_transaction(envelope(body(cosigners=["bolt"], gas_limit=SIGNATURE_GAS)), CHAIN)
        assert (parsed.sender, parsed.cosigners, parsed.gas_limit, parsed.salt) == (
            "acme",
            ("bolt",),
            SIGNATURE_GAS,
            "s1",
        )
        assert (parsed.calls[0].contract, parsed.calls[0].action) == ("acme.escrow", "fund")
        assert parsed.calls[0].args == {"amount": 5}
        assert verify(parsed, verify_ed25519)

    def test_the_id_covers_the_body_and_not_the_signatures(self) -> None:
        data = canonical_json(body())
        good = parse_transaction(
            make_envelope(data, [(CLIENT.public_key, CLIENT.sign(signed_bytes(data)))]), CHAIN
        )
        bad = parse_transaction(make_envelope(data, [(CLIENT.public_key, bytes(64))]), CHAIN)
        assert good.id == bad.id
        assert good.envelope != bad.envelope
        assert not verify(bad, verify_ed25519)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"chain": "another"}, "wrong_chain"),
            ({"salt": ...}, "malformed_transaction"),
            ({"surprise": 1}, "malformed_transaction"),
            ({"sender": "Acme"}, "malformed_transaction"),
            ({"sender": "a" * 65}, "malformed_transaction"),
            ({"salt": ""}, "malformed_transaction"),
            ({"salt": "a b"}, "malformed_transaction"),
            ({"expires_ms": -1}, "malformed_transaction"),
            ({"expires_ms": True}, "malformed_transaction"),
            ({"gas_limit": 0}, "malformed_transaction"),
            ({"cosigners": []}, "malformed_transaction"),
            ({"cosigners": ["b", "a"]}, "malformed_transaction"),
            ({"cosigners": ["acme"]}, "malformed_transaction"),
            ({"cosigners": ["b", "b"]}, "malformed_transaction"),
            ({"calls": []}, "malformed_transaction"),
            ({"calls": [{"action": "a", "contract": "c"}]}, "malformed_transaction"),
            ({"calls": [{"action": "A", "args": {}, "contract": "c"}]}, "malformed_transaction"),
            ({"calls": [{"action": "a", "args": [], "contract": "c"}]}, "malformed_transaction"),
            ({"calls": [{"action": "a", "args": {"x": 2**53}, "contract": "c"}]}, "malformed_transaction"),
            ({"calls": [{"action": "a", "args": {"X": 1}, "contract": "c"}]}, "malformed_transaction"),
            ({"calls": [{"action": "a", "args": {"x": 1.5}, "contract": "c"}]}, "malformed_transaction"),
        ],
    )
    def test_what_is_wrong_has_a_code(self, change: dict[str, Any], code: str) -> None:
        assert refused(envelope(body(**change))) == code

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b'{"b":1,"a":2}', "not_canonical"),
            (b'{"a":1,"a":1}', "not_canonical"),
            (b'{ "a":1}', "not_canonical"),
            (b'{"a":1e3}', "malformed_transaction"),
            (b'{"a":"\\u0061"}', "not_canonical"),
            (b"{", "malformed_json"),
            (b"\xff", "malformed_json"),
            (b"NaN", "malformed_json"),
            (b"[]", "malformed_transaction"),
        ],
    )
    def test_json_in_another_form_is_refused(self, data: bytes, code: str) -> None:
        assert refused(make_envelope(data, [(CLIENT.public_key, bytes(64))])) == code

    def test_signatures_must_be_there_sorted_and_once(self) -> None:
        data = canonical_json(body())
        assert refused(make_envelope(data, [])) == "unsigned"
        pair = (CLIENT.public_key, bytes(64))
        assert refused(make_envelope(data, [pair, pair])) == "signature_order"

    @pytest.mark.parametrize("data", [b"", b"\x90", b"\x92\xc4\x01a\x90\x00", b"\xc1"])
    def test_an_envelope_of_another_form_is_refused(self, data: bytes) -> None:
        assert refused(data) == "malformed_envelope"

    @given(st.data())
    def test_a_changed_byte_never_passes_as_the_same_transaction(self, data: Any) -> None:
        original = envelope(body())
        index = data.draw(st.integers(0, len(original) - 1))
        changed = (
            original[:index]
            + bytes([original[index] ^ data.draw(st.integers(1, 255))])
            + original[index + 1 :]
        )
        try:
            parsed = parse_transaction(changed, CHAIN)
        except InvalidTransaction:
            return
        assert parsed.envelope == changed
        assert not verify(parsed, verify_ed25519)


class TestLimits:
    """At the edge and one beyond."""

    def nested(self, depth: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return body(calls=[{"action": "a", "args": {"x": value}, "contract": "c"}])

    def test_depth(self) -> None:
        parse_transaction(envelope(self.nested(transactions.DEPTH_MAX)), CHAIN)
        assert refused(envelope(self.nested(transactions.DEPTH_MAX + 1))) == "malformed_transaction"

    def test_calls(self) -> None:
        call = {"action": "a", "args": {}, "contract": "c"}
        parse_transaction(envelope(body(calls=[call] * transactions.CALLS_MAX)), CHAIN)
        assert refused(envelope(body(calls=[call] * (transactions.CALLS_MAX + 1)))) == "malformed_transaction"

    def test_gas(self) -> None:
        parse_transaction(envelope(body(gas_limit=transactions.GAS_LIMIT_MAX)), CHAIN)
        assert refused(envelope(body(gas_limit=transactions.GAS_LIMIT_MAX + 1))) == "malformed_transaction"

    @pytest.mark.parametrize("count", [1, 2, transactions.SIGNATURES_MAX])
    def test_gas_covers_the_checking_of_the_signatures(self, count: int) -> None:
        """Whatever a transaction does, every node checks its signatures: so its limit pays for them."""
        enough = count * SIGNATURE_GAS
        signers = [Ed25519Signer(bytes([number]) * 32) for number in range(count)]
        for gas_limit, code in ((enough, None), (enough - 1, "gas_limit")):
            data = canonical_json(body(gas_limit=gas_limit))
            signed = make_envelope(
                data, [(signer.public_key, signer.sign(signed_bytes(data))) for signer in signers]
            )
            if code is None:
                assert parse_transaction(signed, CHAIN).gas_limit == enough
            else:
                assert refused(signed) == code

    def test_salt(self) -> None:
        parse_transaction(envelope(body(salt="x" * transactions.SALT_LENGTH_MAX)), CHAIN)
        assert (
            refused(envelope(body(salt="x" * (transactions.SALT_LENGTH_MAX + 1)))) == "malformed_transaction"
        )

    def test_body_bytes(self) -> None:
        def of_size(size: int) -> bytes:
            value = body(calls=[{"action": "a", "args": {"x": ""}, "contract": "c"}])
            missing = size - len(canonical_json(value))
            value["calls"][0]["args"]["x"] = "y" * missing
            return envelope(value)

        parse_transaction(of_size(transactions.BODY_BYTES_MAX), CHAIN)
        assert refused(of_size(transactions.BODY_BYTES_MAX + 1)) == "malformed_envelope"

    def test_signatures(self) -> None:
        data = canonical_json(body())
        pairs = [(bytes(31) + bytes([n]), bytes(64)) for n in range(transactions.SIGNATURES_MAX + 1)]
        parse_transaction(make_envelope(data, pairs[:-1]), CHAIN)
        assert refused(make_envelope(data, pairs)) == "malformed_envelope"

    @pytest.mark.parametrize(
        ("name", "fine"),
        [("acme", True), ("a" * 64, True), ("a" * 65, False), ("green-farm.buyer_2", True), ("", False),
         ("a..b", False), ("a-", False), ("2a", False), ("é", False), ("a\n", False), (5, False)],
    )  # fmt: skip
    def test_names(self, name: Any, fine: bool) -> None:
        assert is_name(name) == fine


def test_an_object_becomes_canonical_on_the_way_into_an_envelope() -> None:
    shuffled = dict(reversed(body().items()))
    data = envelope_from_json(shuffled, [(CLIENT.public_key, bytes(64))])
    assert parse_transaction(data, CHAIN).body == canonical_json(body())
