"""Makes proofs from the running store: the state as it is now, once a final header vouches for it.

A header names an execution some blocks below it, so the newest state is certified a little later: this
waits for that. On a chain at rest, where the last blocks changed nothing, it is certified already.
"""

from __future__ import annotations

import time
from typing import Any

from node.errors import NodeError
from node.genesis import Genesis
from node.proof import certify, read_entry
from node.store import Store

POLL_S = 0.02
"""How often the store is asked whether the certifying block has come."""


class ProofTimeout(NodeError):
    """No final block vouches for the state yet."""


def prove(store: Store, genesis: Genesis, key: bytes, deadline_s: float) -> dict[str, Any]:
    """A proof of the value of `key`, or that it has none, as `node.proof` specifies it.

    `deadline_s` is of the monotonic clock. Raises: ProofTimeout. Blocks: call it in a thread.
    """
    with store.snapshot() as view:
        entry = read_entry(view, key)
    while True:
        with store.snapshot() as view:
            proof = certify(view, entry, chain=genesis.chain, genesis_hash=genesis.hash)
        if proof is not None:
            return proof
        if time.monotonic() >= deadline_s:
            raise ProofTimeout(
                f"no final block vouches for the state of height {entry.height} yet; ask again"
            )
        time.sleep(POLL_S)
