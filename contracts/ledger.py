"""Who holds how much of what: the one place where money exists.

Balances are kept by (currency, account), beside the supply of each currency. A currency is the name of the
token instance that mints it. An instance holds money in its escrow account, which nobody can sign for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.errors import ensure
from contracts.errors import Revert
from contracts.layout import VALUE, balance_key, supply_key
from contracts.state import Overlay
from contracts.values import INT_MAX

_BALANCES, _SUPPLIES = b"balance/", b"supply/"


class Ledger:
    """Balances and supplies on top of the overlay.

    Invariant: no balance is negative, a balance of 0 is not stored, and the balances of a currency add up to
    its supply. `check_conservation` proves the last of a transaction from what it changed.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def balance(self, currency: str, account: str) -> int:
        return self._overlay.get(balance_key(account, currency), VALUE) or 0

    def supply(self, currency: str) -> int:
        return self._overlay.get(supply_key(currency), VALUE) or 0

    def move(self, currency: str, source: str, target: str, amount: int) -> None:
        """Raises: Revert where `amount` is negative or more than `source` holds."""
        self._take(currency, source, amount)
        self._give(currency, target, amount)

    def mint(self, currency: str, account: str, amount: int) -> None:
        """Raises: Revert where `amount` is negative or the supply would pass the largest integer."""
        _check_sign(amount)
        supply = self.supply(currency) + amount
        if supply > INT_MAX:
            raise Revert(
                "overflow", f"the supply of {currency} would pass the largest integer", consumes_all=False
            )
        self._overlay.put(supply_key(currency), supply, VALUE)
        self._give(currency, account, amount)

    def burn(self, currency: str, account: str, amount: int) -> None:
        """Raises: Revert where `amount` is negative or more than `account` holds."""
        self._take(currency, account, amount)
        self._overlay.put(supply_key(currency), self.supply(currency) - amount, VALUE)

    def check_conservation(self, changes: Mapping[bytes, Any]) -> None:
        """Stop the node where money was made or lost; `changes` are keys with what they had before."""
        surplus: dict[bytes, int] = {}
        for key, before in changes.items():
            if key.startswith(_BALANCES):
                currency, sign = key.rpartition(b"/")[2], 1
            elif key.startswith(_SUPPLIES):
                currency, sign = key[len(_SUPPLIES) :], -1
            else:
                continue
            change = (self._overlay.current(key) or 0) - (before or 0)
            surplus[currency] = surplus.get(currency, 0) + sign * change
        ensure(not any(surplus.values()), f"money was made or lost: {surplus}")

    def _take(self, currency: str, account: str, amount: int) -> None:
        _check_sign(amount)
        key = balance_key(account, currency)
        balance: int = self._overlay.get(key, VALUE) or 0
        if amount > balance:
            raise Revert(
                "funds", f"{account} holds {balance} {currency}, {amount} are needed", consumes_all=False
            )
        if amount:
            self._overlay.put(key, balance - amount or None, VALUE)

    def _give(self, currency: str, account: str, amount: int) -> None:
        if amount:
            key = balance_key(account, currency)
            self._overlay.put(key, (self._overlay.get(key, VALUE) or 0) + amount, VALUE)


def _check_sign(amount: int) -> None:
    if amount < 0:
        raise Revert("arguments", f"an amount of money can not be negative: {amount}", consumes_all=False)
