"""Keys stay in order however they are added, and adding many stays cheap."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import sorted_keys
from contracts.sorted_keys import RUN_KEYS_MAX, SortedKeys


def listed(keys: SortedKeys) -> list[bytes]:
    found = []
    key = keys.after(None)
    while key is not None:
        found.append(key)
        key = keys.after(key)
    return found


keys_of_two = st.binary(max_size=2)


@given(st.lists(keys_of_two), st.lists(keys_of_two), keys_of_two)
def test_equals_a_sorted_set(added: list[bytes], taken: list[bytes], start: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_keys, "RUN_KEYS_MAX", 4)
        keys = SortedKeys()
        for key in added:
            keys.add(key)
        for key in taken:
            keys.discard(key)
    left = set(added) - set(taken)
    assert listed(keys) == sorted(left)
    assert keys.after(start) == min((key for key in left if key > start), default=None)
    assert keys.until(start) == max((key for key in left if key <= start), default=None)


def test_splits_into_short_lists() -> None:
    keys = SortedKeys()
    numbers = list(range(5 * RUN_KEYS_MAX))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        keys.add(b"%06d" % number)
    assert listed(keys) == [b"%06d" % number for number in range(5 * RUN_KEYS_MAX)]
    assert max(map(len, keys._runs)) <= sorted_keys.RUN_KEYS_MAX
