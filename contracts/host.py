"""What compiled contract code may ask of the engine, and nothing else.

One Host serves one entry of one instance. Every method that costs charges gas on `meter` by the rules
of `contracts.gas` before it does anything. Data-independent costs are charged by the compiled code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from contracts.values import Call, Money


class Meter(Protocol):
    """Gas left and bytes that may still be allocated, for one transaction, query or timer."""

    gas: int
    """Gas left; compiled code takes a straight-line block's cost on entry, calls `out_of_gas` below 0."""
    allocation: int
    """Bytes that may still be allocated over the whole transaction (never given back)."""

    def spend(self, gas: int) -> None:
        """Take `gas`. Raises: Revert("gas")."""

    def allocate(self, size_bytes: int) -> None:
        """Take allocation. Raises: Revert("allocation")."""

    def out_of_gas(self) -> None:
        """Raises: Revert("gas")."""


class Host(Protocol):
    """The engine's side of a running contract."""

    meter: Meter
    instance: str
    """Name of the running instance; money that it holds is in the account `escrow_account(instance)`."""
    now_ms: int
    """Agreed, monotonic block time."""
    height: int
    sender: str
    """Who sent the transaction; in a nested call the caller's escrow account; in a rule the instance's."""

    def is_signer(self, account: str) -> bool:
        """True when `account` signed the running transaction (never in a rule)."""

    def term(self, name: str) -> Any:
        """A term's value."""

    def fact(self, name: str) -> Any:
        """A reported fact's value, or None."""

    def get_phase(self) -> str: ...

    def set_phase(self, phase: str) -> None: ...

    def load(self, field: str) -> Any:
        """A stored variable's value (a fresh copy where it is a list or dict)."""

    def store(self, field: str, value: Any) -> None:
        """Keep a value of the declared type; a list or dict is ours alone from now on."""

    def table_get(self, table: str, key: Any) -> Any:
        """The value, or None. `key` is an int, str, bytes or bool, or a tuple of them."""

    def table_set(self, table: str, key: Any, value: Any) -> None: ...

    def table_delete(self, table: str, key: Any) -> None: ...

    def table_scan(self, table: str, after: Any, limit: int, first: Any = None) -> Iterator[tuple[Any, Any]]:
        """At most `limit` (from 1) items, sorted by canonical key bytes, strictly after `after` or None.

        With `first`, those whose key is a pair that begins with it.
        """

    def take(self, account: str, money: Money) -> None:
        """Move money of a signer of this transaction into the instance's escrow. Raises: Revert."""

    def pay(self, account: str, money: Money) -> None:
        """Move money out of the instance's escrow. Raises: Revert("funds")."""

    def mint(self, account: str, amount: int) -> None:
        """Create `amount` of this instance's own currency."""

    def burn(self, account: str, amount: int) -> None:
        """Destroy `amount` of this instance's own currency held by a signer or by its own escrow."""

    def move(self, source: str, target: str, amount: int) -> None:
        """Transfer this instance's own currency; `source` must be a signer."""

    def balance(self, currency: str, account: str) -> int: ...

    def supply(self, currency: str) -> int: ...

    def emit(self, name: str, fields: tuple[tuple[str, Any], ...]) -> None:
        """Emit a typed event."""

    def call(self, instance: str, action: str, arguments: dict[str, Any], interface: str = "") -> Any:
        """Call another instance's action as `escrow_account(self.instance)`, never re-entrant.

        It must be as the interface of this contract says, where one is named. Raises: Revert.
        """

    def query(self, instance: str, query: str, arguments: dict[str, Any], interface: str = "") -> Any:
        """Ask another instance's query, in the same way. Raises: Revert."""

    def perform(self, call: Call) -> None:
        """Make a kept call, as `escrow_account(self.instance)`, once nothing is at work. Raises: Revert."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """True when `signature` (64 bytes, Ed25519) over `message` is by `public_key` (32 bytes)."""

    def wake(self, time_ms: int) -> None:
        """Note that a rule's condition may change at `time_ms`; the engine keeps the earliest."""

    def saw(self, part: int, held: bool) -> bool:
        """Note what a part of a rule's conditions came to, and give it back; they count through all."""
