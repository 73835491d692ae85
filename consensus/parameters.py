"""Constants that every member must share; genesis carries them, so that nobody can differ by accident."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.transactions import ENVELOPE_BYTES_MAX, GAS_LIMIT_MAX

BATCH_COUNT_MAX = 4096
"""Transactions in one batch, whatever genesis says."""
BATCH_BYTES_MAX = 2 * 1024 * 1024
"""All envelopes of one batch together, in bytes, whatever genesis says."""


@dataclass(frozen=True)
class Parameters:
    """Protocol constants with their defaults. Times in ms, sizes in bytes."""

    base_timeout_ms: int = 1_000
    """T0: how long a view may take before its validators vote to skip it."""
    timeout_factor_max: int = 64
    """A view's timeout grows to at most this many T0."""
    precision_ms: int = 500
    """How far an honest validator's clock may be off."""
    delay_ms_max: int = 60_000
    """DELAY cap: how old a header's time may be at first receipt after many failed views."""
    heartbeat_ms: int = 60_000
    """An idle chain makes a block this often, to notice a silent loss of quorum; 0: never."""
    block_interval_ms: int = 40
    """A leader waits this long after the view began, so that a block gathers work; 0: it does not."""
    batch_interval_ms: int = 20
    """A lane cuts a batch this long after its first waiting transaction, if it is not full before."""
    batch_bytes_max: int = 512 * 1024
    batch_count_max: int = 1_000
    batch_gas_max: int = 50_000_000
    block_bytes_max: int = 4 * 1024 * 1024
    """New envelopes that one block may order, in bytes."""
    block_gas_max: int = 200_000_000
    """Sum of the gas limits of what one block orders."""
    lane_ahead_batches_max: int = 128
    """Batches that a lane may be past its final tip; beyond it submissions are refused (429)."""
    lane_ahead_bytes_max: int = 32 * 1024 * 1024
    exec_lag_max: int = 16
    """Blocks that ordering may be ahead of certified execution; beyond it blocks must be empty."""
    expiry_ms_max: int = 15 * 60 * 1000
    """A transaction may expire at most this long after the block that executes it."""
    timers_per_block_max: int = 256
    """Due timers run in one block; the rest waits for the next."""
    timer_gas_max: int = 1_000_000
    """Gas of one timer's firing, and of what one listener does on an event."""
    execution_version: int = 3
    """Version of the contract language, its prices and the engine, until the members switch to another."""

    def __post_init__(self) -> None:
        """Refuse values that would let an honest node make what others must refuse. Raises: ValueError."""
        if self.batch_bytes_max < ENVELOPE_BYTES_MAX or self.batch_gas_max < GAS_LIMIT_MAX:
            raise ValueError("batch_bytes_max and batch_gas_max must leave room for the largest transaction")
        if self.batch_bytes_max > BATCH_BYTES_MAX or not 0 < self.batch_count_max <= BATCH_COUNT_MAX:
            raise ValueError(
                f"a batch holds at most {BATCH_BYTES_MAX} bytes and 1 to {BATCH_COUNT_MAX} transactions"
            )
        if self.block_bytes_max < self.batch_bytes_max or self.block_gas_max < self.batch_gas_max:
            raise ValueError("block_bytes_max and block_gas_max must leave room for the largest batch")
        if self.lane_ahead_bytes_max < self.batch_bytes_max or self.lane_ahead_batches_max < 1:
            raise ValueError("a lane must be allowed to be at least one batch ahead")
        if self.base_timeout_ms < 8 or self.exec_lag_max < 2 or self.timeout_factor_max < 1:
            raise ValueError("base_timeout_ms must be at least 8, exec_lag_max 2 and timeout_factor_max 1")
