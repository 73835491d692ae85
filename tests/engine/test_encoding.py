"""Values and keys have one encoding each, which comes back and keeps the order of keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import InvariantError
from contracts.encoding import (
    copy_value,
    count_items,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    size_bytes,
)
from contracts.errors import StateCorruption
from contracts.values import INT_MAX, Money

integers = st.one_of(
    st.integers(-INT_MAX, INT_MAX),
    st.sampled_from([0, 1, -1, 127, 128, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, INT_MAX, -INT_MAX]),
)
names = st.text(max_size=20)
scalars = st.one_of(
    st.none(), st.booleans(), integers, names, st.binary(max_size=20), st.builds(Money, integers, names)
)
keys = st.one_of(integers, names, st.binary(max_size=20), st.booleans())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.integers() | names, inner, max_size=4)
    ),
    max_leaves=10,
)
key_pairs = st.one_of(
    st.tuples(integers, integers),
    st.tuples(names, names),
    st.tuples(st.binary(max_size=5), st.binary(max_size=5)),
    st.tuples(st.tuples(names, integers), st.tuples(names, integers)),
)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, which `==` alone does not tell of True and 1."""
    return one == other and encode_value(one) == encode_value(other) and type(one) is type(other)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert same(decode_value(encode_value(value)), value)


@given(st.dictionaries(names, integers))
def test_a_dict_has_one_encoding_however_it_was_filled(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert encode_value(value) == encode_value(backwards)
    assert list(decode_value(encode_value(value))) == sorted(value)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (-1, "ff"),
        (2**64 - 1, "cfffffffffffffffff"),
        (2**64, "9200c409010000000000000000"),
        (-(2**63) - 1, "9200c409ff7fffffffffffffff"),
        ("euro", "a46575726f"),
        (Money(2500, "euro"), "9301cd09c4a46575726f"),
        ([1, "a"], "930201a161"),
        ({"b": 1, "a": True}, "930392a161c392a16201"),
    ],
)
def test_vectors_of_the_documentation(value: Any, encoded: str) -> None:
    assert encode_value(value).hex() == encoded
    assert same(decode_value(bytes.fromhex(encoded)), value)


@given(keys | st.tuples(keys, keys))
def test_a_key_comes_back_as_it_was(key: Any) -> None:
    decoded = decode_key(encode_key(key))
    assert decoded == key
    assert type(decoded) is type(key)


@given(key_pairs)
def test_keys_sort_as_their_bytes_do(pair: tuple[Any, Any]) -> None:
    one, other = pair
    assert (one < other) == (encode_key(one) < encode_key(other))


@given(st.tuples(names, names), st.tuples(names, names))
def test_no_two_keys_run_together(one: tuple[str, str], other: tuple[str, str]) -> None:
    """("a", "bc") and ("ab", "c") must not be one row."""
    assert (one == other) == (encode_key(one) == encode_key(other))


@pytest.mark.parametrize("data", ["", "07", "03", "0481", "0400", "9104"])
def test_a_damaged_key_is_corruption(data: str) -> None:
    with pytest.raises(StateCorruption):
        decode_key(bytes.fromhex(data))


@pytest.mark.parametrize("data", ["", "9107", "c1", "80", "0101", "9203c0", "cb3ff0000000000000"])
def test_a_damaged_value_is_corruption(data: str) -> None:
    with pytest.raises(StateCorruption):
        decode_value(bytes.fromhex(data))


def test_what_is_no_value_is_a_fault_of_ours() -> None:
    with pytest.raises(InvariantError, match="set"):
        encode_value({1, 2})
    with pytest.raises(InvariantError, match="float"):
        encode_key(0.5)


@given(values)
def test_a_copy_is_equal_and_shares_no_list_or_dict(value: Any) -> None:
    copied = copy_value(value)
    assert same(copied, value)
    if isinstance(value, list | dict):
        assert copied is not value


@given(values)
def test_the_counted_size_bounds_the_encoded_size(value: Any) -> None:
    """Gas and limits use the count; what is really stored may not be much more."""
    assert len(encode_value(value)) <= 2 * size_bytes(value) + 8 * count_items(value) + 16
