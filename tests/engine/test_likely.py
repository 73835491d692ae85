"""What a transfer reads, and no other one does, is what it was likely to read."""

from __future__ import annotations

import pytest

from contracts.likely import LIKELY_KEYS_MAX, likely_aux, likely_state
from contracts.memory import Rows
from tests.engine.chain import Chain


def test_what_a_transfer_reads_of_its_own_was_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    chain.euro(**{"bank": 1_000, "bank.clerk": 1_000})
    asked: set[bytes] = set()
    get = Rows.get

    def told(rows: Rows, key: bytes) -> bytes | None:
        asked.add(key)
        return get(rows, key)

    monkeypatch.setattr(Rows, "get", told)
    read, foreseen = [], []
    for payer, target in (("bank.clerk", "greenfarm"), ("bank", "swiftship")):
        given = chain.transaction(payer, ("euro", "transfer", {"to": target, "amount": 1}))
        asked.clear()
        assert chain.block(given).receipts[0].status == "ok"
        read.append(set(asked))
        foreseen.append({*likely_state([given]), *likely_aux([given])})
    own = [mine - other for mine, other in (read, reversed(read))]
    assert len(own[0]) == 5  # two accounts, two balances, whether it was executed before
    assert own == [mine - other for mine, other in (foreseen, reversed(foreseen))]


@pytest.mark.parametrize(("names", "keys"), [(1, 5), (14, 31), (15, LIKELY_KEYS_MAX), (500, LIKELY_KEYS_MAX)])
def test_who_names_very_many_has_few_looked_up(names: int, keys: int) -> None:
    arguments = {f"a{number}": f"member.name-{number}" for number in range(names)}
    given = Chain().transaction("bank", ("euro", "transfer", arguments))
    assert len(list(likely_state([given]))) == keys
