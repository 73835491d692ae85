"""Makes proofs from the store: the state as it is now, and the final header that vouches for it.

A header names an execution some blocks below it, so the newest state is certified a little later: this
waits for that. On a chain at rest, where the last blocks changed nothing, it is certified already.
"""

from __future__ import annotations

import time
from typing import Any

from contracts.merkle import EMPTY, Tree
from contracts.receipts import ExecLink
from node.errors import NodeError
from node.genesis import Genesis
from node.proof import Entry, build_proof
from node.store import Store, View

POLL_S = 0.02
"""How often the store is asked whether the certifying block has come."""


class ProofTimeout(NodeError):
    """No final block vouches for the state yet."""


def prove(store: Store, genesis: Genesis, key: bytes, deadline_s: float) -> dict[str, Any]:
    """A proof of the value of `key`, or that it has none, as `node.proof` specifies it.

    `deadline_s` is of the monotonic clock. Raises: ProofTimeout. Blocks: call it in a thread.
    """
    with store.snapshot() as view:
        height = view.height()
        root = view.link(height).state_root
        value, state_proof = view.state.get(key), Tree(view.tree, root).prove(key)
    while True:
        with store.snapshot() as view:
            proven = _certified_height(view, height)
            if proven is not None:
                block = view.final_block(view.height())
                links = [_link_before(view, genesis, proven)]
                links += (view.link(at) for at in range(proven, block.header.exec_height + 1))
                entry = Entry(proven, root, key, value, state_proof)
                return build_proof(genesis.chain, genesis.hash, entry, links, block)
        if time.monotonic() >= deadline_s:
            raise ProofTimeout(f"no final block vouches for the state of height {height} yet; ask again")
        time.sleep(POLL_S)


def _link_before(view: View, genesis: Genesis, height: int) -> ExecLink:
    return view.link(height - 1) if height > 0 else ExecLink(-1, genesis.hash, EMPTY, EMPTY, EMPTY)


def _certified_height(view: View, height: int) -> int | None:
    """A height with the same state as `height` that the newest block vouches for, if there is one yet."""
    newest = view.height()
    if newest == 0:
        return None
    certified = view.final_block(newest).header.exec_height
    if certified >= height:
        return height
    root = view.link(height).state_root
    unchanged = all(view.link(at).state_root == root for at in range(certified, height))
    return certified if unchanged else None
