"""What computing costs: one table of gas and the meter that counts it.

Gas measures time (10 to 20 ns each on the machine of `docs/benchmarks.md`), allocation measures memory.
Both are counted on our own checked tree and on the sizes of values, never by the interpreter, so that
every supported Python charges the same. Compiled code charges the fixed costs of a straight-line block
when it enters the block; helpers and the host charge what depends on data before they do the work.

The table is part of consensus: a change of any figure needs a new GAS_SCHEDULE_VERSION.
"""

from __future__ import annotations

from typing import NoReturn

from contracts.errors import Revert

GAS_SCHEDULE_VERSION = 4

# ---------------------------------------------------------------- fixed costs, charged by compiled code

NODE = 1
"""Each node of a statement or expression."""
ENTRY = 130
"""Entering an action, a query or a rule from outside."""
CALL = 4
"""Calling a method of the contract itself."""
LOOP = 5
"""Setting up a loop."""
TURN = 5
"""Each turn of a loop, beside its body."""
HELPER = 6
"""An operation that needs a function call of ours: a comparison of money, a count of days, an item set."""
MONEY = 25
"""An operation that makes Money."""
TEXT = 20
"""An operation that makes a str or bytes, beside its bytes, or that tells which of two comes first."""
PRODUCT = 20
"""A power, or a product that may be twice as long as an int."""
HASH = 40
"""One SHA-256, beside its bytes."""
SIGNATURE = 4_000
"""One Ed25519 signature that a contract checks, beside the bytes of the message."""
CALENDAR = 40
"""An operation on the calendar, or on a Decimal that has to be rounded."""
CROSS = 600
"""Calling or asking another instance, beside what it does and its arguments."""
DISPLAY = 6
"""Making a list or dict, beside ITEM for each element."""
REPLACED = 60
"""Changing a record, beside its fields."""
ITEM = 1
"""One element of a list or dict that is made, copied or looked at."""
SETTLED_ITEM = 20
"""One element of a list or dict that is stored, returned or given as an argument."""
TERM = 20
"""Reading a term or the phase, which the engine has at hand."""
READ = 100
"""Reading a stored value, an entry, a fact or a balance."""
WRITE = 300
"""Writing a stored value, an entry or the phase, each time; see ROW."""
SCAN = 1_000
"""Starting to read through a table."""
TRANSFER = 300
"""Moving, minting or burning money, each time; see ROW."""
EMIT = 250
"""Emitting an event."""
EMIT_FIELD = 6
"""Each field of an event."""

# ---------------------------------------------------------------- costs by size, charged by helpers and host

BYTES_PER_GAS = 8
"""Bytes of text that are copied, compared, searched or hashed for one gas."""
STORED_BYTE = 2
"""Each byte of a key or value written to the state."""
SCAN_ITEM = 150
"""Each item that reading through a table passes, beside its bytes."""
EVENT_BYTE = 2
"""Each byte of an event, and of the record of a rule that fired."""

# ---------------------------------------------------------------- costs at the end, charged by the engine

ROW = 1_500
"""Each row of the state that a transaction or timer has changed: its way up the authenticated tree."""

# ---------------------------------------------------------------- memory, in bytes

ALLOCATION_BYTES_MAX = 64 * 1024 * 1024
"""What one transaction may allocate in all; nothing is given back, as live memory is not deterministic."""
VALUE_BYTES = 64
"""Allocation counted for a str, bytes, list or dict itself, and for each element of a list or dict."""


def bytes_gas(size_bytes: int) -> int:
    """Gas for handling this many bytes once."""
    return size_bytes // BYTES_PER_GAS


class GasMeter:
    """The gas and memory that one transaction, query or timer has left; a `contracts.host.Meter`."""

    __slots__ = ("allocation", "gas")

    def __init__(self, gas: int, allocation: int = ALLOCATION_BYTES_MAX) -> None:
        self.gas = gas
        self.allocation = allocation

    def spend(self, gas: int) -> None:
        """Take `gas`. Raises: Revert("gas")."""
        self.gas -= gas
        if self.gas < 0:
            self.out_of_gas()

    def allocate(self, size_bytes: int) -> None:
        """Take allocation. Raises: Revert("allocation")."""
        self.allocation -= size_bytes
        if self.allocation < 0:
            self.allocation = 0
            raise Revert("allocation", "the transaction makes more or larger values than it may")

    def out_of_gas(self) -> NoReturn:
        """Leave nothing. Raises: Revert("gas")."""
        self.gas = 0
        raise Revert("gas", "the gas limit is used up; give a higher gas_limit or do less in one transaction")
