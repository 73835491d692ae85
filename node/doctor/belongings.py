"""Does everything in the data folder belong together: keys, genesis, journal, ledger?"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from consensus.errors import CorruptionError
from contracts.errors import StateCorruption
from node.config import NodeConfig
from node.divergence import refuse_diverged
from node.doctor.findings import Finding, fail, ok, warn
from node.errors import ConfigurationError, NodeError
from node.genesis import Genesis, load_signed_genesis
from node.integrity import START_BLOCKS_MAX, START_ENTRIES_MAX, verify_integrity
from node.journal import newest_segment
from node.key_binding import BINDING_FILE, Binding
from node.keystore import Role
from node.members import check_address
from node.proof import before_genesis
from node.store import Store


def keys_and_genesis(config: NodeConfig) -> Generator[Finding, None, Genesis | None]:
    """Gives the genesis back where all is in order."""
    keys = config.keystore()
    try:
        public = {role: keys.private(role).public_key for role in (Role.VALIDATOR, Role.NETWORK)}
    except ConfigurationError as error:
        yield fail("keys", str(error), "put the keys back from your backup, or open them as it says")
        return None
    yield ok(
        "keys",
        f"validator {public[Role.VALIDATOR].hex()[:16]}..., network {public[Role.NETWORK].hex()[:16]}...",
    )
    try:
        genesis = load_signed_genesis(config.genesis_path).genesis
    except ConfigurationError as error:
        yield fail("genesis", str(error), "put the genesis there that all members signed")
        return None
    me = genesis.member_of_key(public[Role.VALIDATOR])
    if me is None or me.card.validator_key != public[Role.VALIDATOR]:
        advice = (
            "is this the right data folder? A member that joined later is in the state, not in the genesis"
        )
        yield warn("genesis", f"the validator key belongs to no member of {genesis.chain}", advice)
        return genesis
    if me.card.network_key != public[Role.NETWORK]:
        yield fail("genesis", f"the network key is not the one that {me.id} has", "put the right key back")
        return None
    if check_address(me.card.address) != check_address(config.listen):
        advice = "the ports differ: partners dial the one in your card; forward it, or set listen"
        yield warn("genesis", f"partners dial {me.card.address}, the node listens on {config.listen}", advice)
    else:
        yield ok("genesis", f"{genesis.chain}, in which this is {me.id}")
    return genesis


def journal(config: NodeConfig) -> Iterator[Finding]:
    """Whether the validator key may vote."""
    lost = "the key must not vote without it: put it back as it was (never an old copy), or have the members "
    advice = f"{lost}accept a new key; see docs/runbooks/key-without-journal.md"
    try:
        binding = Binding(config.keys_dir / BINDING_FILE, config.keystore().public(Role.VALIDATOR))
        bound_id, segment = binding.journal_id(), newest_segment(config.journal_dir)
    except (CorruptionError, NodeError) as error:
        yield fail("journal", str(error), "see docs/runbooks/journal-damaged.md")
        return
    if bound_id is None and segment is None:
        yield ok("journal", "none yet: it is made at the first start")
    elif segment is None or (bound_id is not None and segment.journal_id != bound_id):
        yield fail(
            "journal", f"the validator key is bound to journal {(bound_id or b'').hex()}, not here", advice
        )
    elif bound_id is None:
        yield warn("journal", "the key is not bound to it yet", "the members are asked at the next start")
    else:
        torn = (
            f", the last write was cut short by {segment.dropped_bytes} bytes"
            if segment.dropped_bytes
            else ""
        )
        yield ok("journal", f"{len(segment.records)} records, bound to the validator key{torn}")


def ledger(config: NodeConfig, genesis: Genesis, pid: int | None) -> Iterator[Finding]:
    """What a starting node would check; `quorate verify` checks all."""
    if pid is not None:
        yield ok("ledger", "in use by the node, which checked it when it started")
        return
    if not (config.ledger_dir / "CURRENT").exists():
        yield ok("ledger", "none yet: blocks are fetched from the members")
        return
    again = "remove the folder ledger and start: blocks are fetched from the members"
    try:
        refuse_diverged(config.ledger_dir)
        store = Store.open(config.ledger_dir)
    except (ConfigurationError, CorruptionError) as error:
        yield fail("ledger", str(error), again)
        return
    try:
        with store.snapshot() as view:
            first = view.link(0)
            roots = first.state_root, first.receipts_root, first.events_root
            if before_genesis(genesis.hash).next(*roots) != first:
                yield fail(
                    "ledger", "it was not made with this genesis", "put the right genesis or ledger there"
                )
                return
            checked = verify_integrity(view, genesis.hash, START_BLOCKS_MAX, START_ENTRIES_MAX)
        yield ok("ledger", f"height {checked.height}, the newest {checked.blocks} blocks fit together")
    except (CorruptionError, StateCorruption) as error:
        yield fail("ledger", str(error), again)
    finally:
        store.close()
