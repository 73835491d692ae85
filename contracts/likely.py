"""What the transactions of a block will likely read. Whatever is not needed after all does no harm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from consensus.transactions import Transaction, is_name
from contracts.layout import account_key, balance_key, instance_key
from contracts.replay import executed_row

LIKELY_KEYS_MAX = 32
"""Of one transaction, whose gas does not pay for looking them up."""


def likely_state(transactions: Iterable[Transaction]) -> Iterator[bytes]:
    """Keys of the state: who signs, what is called, whom it names, and what these have of it."""
    for transaction in transactions:
        yield from islice(_likely_of(transaction), LIKELY_KEYS_MAX)


def _likely_of(transaction: Transaction) -> Iterator[bytes]:
    for account in (transaction.sender, *transaction.cosigners):
        yield account_key(account)
    for call in transaction.calls:
        yield instance_key(call.contract)
        yield balance_key(transaction.sender, call.contract)
        for value in call.args.values():
            if isinstance(value, str) and is_name(value):
                yield account_key(value)
                yield balance_key(value, call.contract)


def likely_aux(transactions: Iterable[Transaction]) -> Iterator[bytes]:
    """Keys of the rows beside the state: whether it was executed before."""
    return (executed_row(transaction.id, transaction.expires_ms) for transaction in transactions)
