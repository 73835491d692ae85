"""What all simulated validators start from."""

from hashlib import sha256

from consensus.parameters import Parameters

CHAIN = "simulated-0123456789abcdef"
CHAIN_ID = sha256(b"simulated genesis").digest()
EXEC_HASH = sha256(b"simulated state at height 0").digest()
WALL_START_MS = 1_800_000_000_000
PARAMETERS = Parameters(
    base_timeout_ms=1_000,
    heartbeat_ms=0,
    batch_count_max=8,
    lane_ahead_batches_max=16,
    exec_lag_max=6,
)
