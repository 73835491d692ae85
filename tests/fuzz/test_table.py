"""No code of ours takes bytes or text apart without being in the table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.fuzz.decoders import DECODERS

ROOT = Path(__file__).parents[2]
APART = re.compile(
    r"(^|\.)(b64decode|urlsafe_b64decode|from_bytes|fromhex|fromisoformat|loads|tomllib\.load|unpack|unpack_from"
    r"|unpackb|Unpacker)$"
)
"""Functions and methods that take bytes or text apart."""

READ_BY = {
    "api.http": "api.http.decode_cursor",
    "api.plans": "api.plans.EventReader",
    "api.submissions": "api.transactions.submit",
    "consensus.codec": "consensus.messages.decode_message",
    "consensus.transactions": "consensus.transactions.parse_transaction",
    "contracts.arguments": "contracts.arguments.arguments_from_json",
    "contracts.cards": "node.members.parse_card",
    "contracts.encoding": "contracts.encoding.decode_value",
    "contracts.layout": "contracts.layout.due_of",
    "contracts.system.accounts": "contracts.engine.execute",
    "contracts.system.changes": "contracts.engine.execute",
    "node.commands.arguments": "node.commands.arguments.parse_arguments",
    "node.commands.genesis": "node.commands.genesis.time",
    "node.commands.proofs": "node.commands.proofs.key",
    "node.config": "node.config.load_config",
    "node.demo.control": "node.demo.control",
    "node.documents": "node.members.parse_card",
    "node.journal": "node.journal.parse_segment",
    "node.keystore": "node.keystore.read_key",
    "node.network.secure": "node.network.secure.accept",
    "node.network.yamux": "node.network.yamux.Session",
    "node.key_binding": "node.key_binding.Binding",
    "node.recorder.frames": "node.recorder.read_incident",
    "node.recorder.incident": "node.recorder.read_incident",
    "node.store.view": "node.store.height",
    "api.ops": "api.ops.read_level",
    "node.pipes": "node.wall.messages.effects_of",
    "node.wall.messages": "node.wall.messages.effects_of",
    "node.wall.process": "node.wall.messages.effects_of",
    "node.wire": "node.wire.FrameParser",
}
"""The decoder, or one of several, that reads what a module takes apart."""

TRUSTED = {
    "contracts.compiler": "code that this node has compiled itself, in a cache that it trusts",
    "contracts.epochs": "keys of its own making",
    "contracts.execution": "kept calls, whose arguments are canonical JSON of its own making",
    "contracts.genesis": "the body of a genesis that was checked",
    "contracts.replay": "keys of its own making",
    "contracts.system.decisions": "keys and JSON of its own making",
    "contracts.system.upgrading": "keys of its own making",
    "node.announcement": "a note of its own making, of which nothing is believed where it cannot be read",
    "node.bench.generator": "answers of nodes that the bench has started",
    "node.bench.run": "lines of the load generators that it has started",
    "node.bench.signing": "a task from what started it, and lines of the process that it starts",
    "node.peer_clocks": "eight bytes, or else no answer",
    "node.demo.story": "an answer of a node that the demo has started",
    "node.fingerprint": "a hash",
    "node.checking.messages": "what the node and its own checking process tell each other",
    "node.gateway": "an id that the route's pattern has checked",
    "node.wall.child": "what the node that started it sends",
    "node.reader": "an id or key that the route's pattern has checked, and transactions from blocks",
}
"""Why what a module takes apart needs no decoder in the table."""


def taking_apart() -> set[str]:
    """Modules of ours that call one of APART."""
    found = set()
    for package in ("api", "consensus", "contracts", "node"):
        for path in (ROOT / package).rglob("*.py"):
            calls = (
                node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
            )
            if any(APART.search(ast.unparse(function)) for function in calls):
                found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


def test_every_module_that_takes_bytes_apart_is_in_the_table() -> None:
    found = taking_apart()
    assert found - READ_BY.keys() - TRUSTED.keys() == set(), "add a decoder, or say why there need be none"
    assert (READ_BY.keys() | TRUSTED.keys()) - found == set(), "these take nothing apart any more"


def test_the_table_names_decoders_that_there_are() -> None:
    assert set(READ_BY.values()) <= DECODERS.keys()
