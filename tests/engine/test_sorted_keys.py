"""Keys stay in order however they are added, and adding many stays cheap."""

from __future__ import annotations

import random

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


@given(st.lists(st.binary(max_size=2)), st.binary(max_size=2))
def test_equals_a_sorted_set(added: list[bytes], start: bytes) -> None:
    keys = SortedKeys()
    for key in added:
        keys.add(key)
    assert listed(keys) == sorted(set(added))
    assert keys.after(start) == min((key for key in added if key > start), default=None)


def test_splits_into_short_lists() -> None:
    keys = SortedKeys()
    numbers = list(range(5 * RUN_KEYS_MAX))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        keys.add(b"%06d" % number)
    assert listed(keys) == [b"%06d" % number for number in range(5 * RUN_KEYS_MAX)]
    assert max(map(len, keys._runs)) <= sorted_keys.RUN_KEYS_MAX
