"""Wires one node together, explicitly, and runs it until it is told to stop or must stop."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from functools import partial

import structlog
import trio
from prometheus_client import CollectorRegistry

from api.access import Access
from api.app import create_app
from consensus.committee import Committee
from consensus.effects import Finalise
from consensus.errors import ConsensusError
from consensus.keys import verify_ed25519
from consensus.replica import Anchor, Replica
from contracts.engine import Engine
from contracts.errors import StateCorruption, UnsupportedVersion
from node.announcement import announced, note_end
from node.bridge import Bridge, HttpServer
from node.checking.pool import Checks
from node.clock import Clock
from node.code_cache import CodeCache
from node.config import NodeConfig
from node.directory import NO_NUMBER, Directory, read_directory
from node.divergence import Divergence, refuse_diverged, summary_server
from node.documents import read_json
from node.driver import Driver
from node.errors import ConfigurationError, NodeError
from node.executor import ExecutedBlock, Executor
from node.forwarding import Forwarder
from node.gateway import NodeGateway
from node.genesis import Genesis, SignedGenesis, load_signed_genesis
from node.home import CARD_FILE
from node.http_door import use_all_files
from node.integrity import START_BLOCKS_MAX, START_ENTRIES_MAX, verify_integrity
from node.key_binding import OpenedJournal, open_journal
from node.key_inquiry import KeyInquiry, KeyRequest, Witness, must_not_vote
from node.keystore import Role
from node.known_members import KNOWN_FILE, read_known_members
from node.logs import Levels, StandardError, set_up_logs
from node.members import Card, parse_card
from node.membership import Membership
from node.metrics import LOOK_S_MAX
from node.network import ListenFailed, Network
from node.ops import drain, ops_app, ops_server
from node.peer_clocks import PeerClocks, clock_server
from node.pending import PendingTransactions
from node.proof import before_genesis
from node.reader import node_version
from node.recorder import RecordedReplica, Recorder
from node.services import Service, Services
from node.store import Store
from node.sync import CatchUp
from node.sync_server import BlockServer
from node.wall.engine import WalledEngine
from node.wall.reading import ReadingEngine

log = structlog.get_logger("node")

EXIT_OK, EXIT_FAILED, EXIT_CONFIGURATION = 0, 1, 2
REASONS_TO_STOP = (NodeError, ConsensusError, StateCorruption, UnsupportedVersion, ListenFailed)
"""What a node may stop for and tells its operator in one line; anything else is a fault of ours."""
FINALISED_QUEUE_BLOCKS = 256
"""Final blocks that may wait for execution; ordering slows down long before, by exec_lag_max."""
INQUIRY_S_MAX = 5.0
"""A node whose key is new asks the others first, and serves clients after that time in any case."""
GARBAGE_THRESHOLDS = (20_000, 20, 10)
"""When the collector of cycles looks through what is new: rarely, for the many transactions that wait to be
executed make none."""
SWITCH_INTERVAL_S = 0.001
"""How long a thread keeps the interpreter while another wants it: short, so that votes do not wait."""


def run_node(config: NodeConfig, *, dev: bool = False) -> int:
    """Run the node in `config.data_dir` until SIGTERM or SIGINT; the exit code."""
    try:
        signed = load_signed_genesis(config.genesis_path)
        genesis = signed.genesis
        names = {member.number: member.id for member in genesis.members}
        name = _own_name(config, genesis)
        levels = set_up_logs(config.log_format, config.log_level, name, names)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        use_all_files()
        trio.run(_Node(config, signed, name, names, levels, dev=dev).run)
    except REASONS_TO_STOP as error:
        return _stop_with(config, error)
    except BaseExceptionGroup as group:
        expected, unexpected = group.split(REASONS_TO_STOP)
        if expected is None or unexpected is not None:
            _note_fault(config, unexpected or group)
            raise  # the traceback is what helps
        return _stop_with(config, expected)
    except Exception as error:
        _note_fault(config, error)
        raise
    note_end(config.data_dir, EXIT_OK)
    return EXIT_OK


def _note_fault(config: NodeConfig, error: BaseException) -> None:
    """The node ends through a fault of ours."""
    error = _first_of(error)
    note_end(config.data_dir, EXIT_FAILED, f"a fault of quorate itself, {error!r}; its log has the traceback")


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _stop_with(config: NodeConfig, error: BaseException) -> int:
    """Say in one line why the node cannot go on; the exit code."""
    error = _first_of(error)
    StandardError().write(f"quorate: the node stopped: {error}\n")
    by_operator = isinstance(error, ConfigurationError | UnsupportedVersion | ListenFailed)
    code = EXIT_CONFIGURATION if by_operator else EXIT_FAILED
    note_end(config.data_dir, code, str(error))
    return code


def _own_name(config: NodeConfig, genesis: Genesis) -> str:
    """Which member's node this is, by its keys in the genesis, else by its own card."""
    keys = config.keystore()
    for role in (Role.NETWORK, Role.VALIDATOR):
        founder = genesis.member_of_key(keys.public(role))
        if founder is not None:
            return founder.id
    card = _own_card(config)
    return "newcomer" if card is None else card.id


def _check_keys(config: NodeConfig, genesis: Genesis, directory: Directory) -> None:
    """Notice the wrong folder: a node's keys are in the genesis, in the state, or in the card beside them.

    Raises: ConfigurationError.
    """
    card = _own_card(config)
    known = {key for member in genesis.members for key in member.card.keys}
    known |= {key for member in directory.members for key in (member.validator_key, member.network_key)}
    known |= set(() if card is None else card.keys)
    for role in (Role.VALIDATOR, Role.NETWORK):
        if config.keystore().public(role) not in known:
            raise ConfigurationError(
                f"the {role} key in {config.keys_dir} belongs to no member of {config.genesis_path}, to none "
                f"that came later, and is not in {CARD_FILE} here: is this the right data folder?"
            )


def _own_card(config: NodeConfig) -> Card | None:
    path = config.data_dir / CARD_FILE
    return parse_card(read_json(path), str(path)) if path.exists() else None


class _Node:
    """One node from start to stop."""

    def __init__(
        self,
        config: NodeConfig,
        signed_genesis: SignedGenesis,
        name: str,
        names: dict[int, str],
        levels: Levels,
        *,
        dev: bool,
    ) -> None:
        """`names`: what the log calls members by number; kept as the chain has it."""
        self.config = config
        self.signed_genesis = signed_genesis
        self.genesis = signed_genesis.genesis
        self.name = name
        self.names = names
        self.levels = levels
        self.dev = dev
        self.stopping = False
        self.clock = Clock()

    async def run(self) -> None:
        while await self._run_as_member():
            log.info("the chain knows this node by another number: it starts over")

    async def _run_as_member(self) -> bool:
        """Run until told to stop; true where the chain gave this node another member's number meanwhile."""
        with ExitStack() as stack:
            opened = open_journal(self.config)
            stack.callback(opened.journal.close)
            if opened.lost is not None:
                log.error(f"this node {must_not_vote(opened.lost)}")
            if opened.journal.recovery.dropped_bytes:
                log.warning(
                    "the journal ended in an unfinished write",
                    dropped_bytes=opened.journal.recovery.dropped_bytes,
                )
            refuse_diverged(self.config.ledger_dir)
            store = Store.open(self.config.ledger_dir)
            stack.callback(store.close)
            return await self._serve(stack, opened, store)

    async def _serve(self, stack: ExitStack, opened: OpenedJournal, store: Store) -> bool:
        config, genesis, keys = self.config, self.genesis, self.config.keystore()
        executing, wall = self._executing_engine(stack)
        executor = Executor(executing, store, genesis)
        executor.start()
        await trio.to_thread.run_sync(_check_store, store, genesis)
        anchor = executor.anchor()
        membership = self._membership(store, anchor.committee)
        about = {"chain": genesis.chain, "chain_id": genesis.hash.hex(), "member": membership.name}
        recorder = Recorder(config.recorder_dir, {**about, "quorate": node_version()})
        stack.callback(recorder.close)
        replica = self._replica(recorder, membership.number, opened, anchor, store)
        bridge, pending = Bridge(), PendingTransactions(membership.number)
        for batch in replica.held_batches():
            pending.track(batch.digest, batch.transactions, batch.header.lane)
        checks = Checks()
        stack.callback(checks.close)
        gateway = NodeGateway(
            signed_genesis=self.signed_genesis,
            membership=membership,
            dev=self.dev,
            engine=self._reading_engine(stack),
            store=store,
            clock=self.clock,
            pending=pending,
            bridge=bridge,
            data_dir=config.data_dir,
            wall=wall,
            checks=checks,
        )
        stack.callback(gateway.end_rehearsals)
        api = _api_server(bridge, config)
        ops = ops_server(config)
        witness = Witness(genesis.hash, store)
        finalised, to_execute = trio.open_memory_channel[Finalise](FINALISED_QUEUE_BLOCKS)
        driver = Driver(
            replica=replica,
            journal=opened.journal,
            clock=self.clock,
            committee=anchor.committee,
            chain_id=genesis.hash,
            chain=genesis.chain,
            parameters=genesis.parameters,
            verifier=verify_ed25519,
            read=checks.check_ordered,
            pending=pending,
            finalised=finalised,
            on_sync_needed=lambda wanted: catch_up.ask(wanted),  # noqa: PLW0108 - made below
            on_transactions=gateway.transactions_changed,
            on_epoch=membership.epoch_began,
            on_hand_over=lambda transactions: forwarder.hand_over(transactions),  # noqa: PLW0108
            on_heard=witness.heard,
            on_diverged=lambda report: divergence.explain(report),  # noqa: PLW0108
        )

        def submit(member: int, body: bytes) -> Awaitable[bytes]:
            return forwarder.on_request(member, body)

        blocks = BlockServer(genesis.hash, store.height, store.final_block, store.batches_of)
        network = Network(
            seed=keys.private(Role.NETWORK).seed,
            listen=config.listen,
            me=membership.number,
            peers=membership.peers(),
            on_message=driver.on_message,
            on_request=Services(
                {
                    Service.BLOCKS: blocks.on_request,
                    Service.SUBMIT: submit,
                    Service.KEY_INQUIRY: witness.on_request,
                    Service.CLOCK: clock_server(self.clock),
                    Service.EXECUTION: summary_server(genesis.hash, executor.recent),
                }
            ).on_request,
            on_peer_change=driver.on_peer_change,
            on_offence=_log_offence,
        )
        driver.network = network
        catch_up = CatchUp(
            driver=driver,
            network=network,
            chain_id=genesis.hash,
            chain=genesis.chain,
            read=checks.parse_ordered,
            executed_height=store.height,
            executed=lambda: executor.executed,
        )
        divergence = Divergence(
            recent=executor.recent,
            network=network,
            chain_id=genesis.hash,
            committee=lambda: driver.committee,
            me=membership.number,
            ledger_dir=config.ledger_dir,
        )
        clocks = PeerClocks(network, self.clock)
        forwarder = Forwarder(
            driver=driver,
            network=network,
            pending=pending,
            judge=gateway.judge,
            chain_id=genesis.hash,
            clock=self.clock,
        )
        inquiry = self._inquiry(opened, driver, network, witness, membership.number)
        gateway.attach(driver, network, catch_up, clocks, forwarder, partial(_key_sentence, opened, inquiry))

        def block_executed(block: ExecutedBlock) -> None:
            gateway.block_executed(block)
            if block.concerns_members:
                membership.refresh()

        names = tuple(name.strip().lower() for name in config.api_names.split(",") if name.strip())
        access, registry = Access(hosts=names), CollectorRegistry()
        app = create_app(gateway, access=access, registry=registry, version=node_version())
        async with trio.open_nursery() as nursery:
            listen = await nursery.start(network.run)
            if ops is not None:
                shown = ops_app(
                    gateway,
                    registry=registry,
                    levels=self.levels,
                    access=access,
                    ask=partial(bridge.ask_trio, gateway.look, LOOK_S_MAX),
                    seen=driver.seen,
                    ledger_dir=config.ledger_dir,
                    stopping=lambda: self.stopping,
                )
                nursery.start_soon(ops.serve, shown)
            nursery.start_soon(executor.run, to_execute, driver, block_executed)
            nursery.start_soon(driver.run)
            if inquiry is not None:
                nursery.start_soon(inquiry.run)
                with trio.move_on_after(INQUIRY_S_MAX):  # what is posted meanwhile would find no validator
                    await inquiry.settled.wait()
            nursery.start_soon(api.serve, app)
            nursery.start_soon(membership.run, network)
            nursery.start_soon(forwarder.run)
            nursery.start_soon(catch_up.run)
            nursery.start_soon(clocks.run)
            gc.freeze()  # what start-up made stays; the collector need not look at it again and again
            ops_url = None if ops is None else ops.url
            with (
                trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
                announced(config, api.url, ops_url, listen),
            ):
                log.info(
                    "node started",
                    height=store.height(), api=api.url, ops=ops_url, listen=listen, chain=genesis.chain,
                    executed=wall,
                )  # fmt: skip
                starts_over = await _told_to_stop_or(signals, membership.outdated)
                self.stopping = not starts_over
                log.info("stopping", height=store.height())
                gateway.end_rehearsals()
                await drain(api, signals)
            nursery.cancel_scope.cancel()
        log.info("stopped", height=store.height())
        return starts_over

    def _membership(self, store: Store, committee: Committee) -> Membership:
        engine = self._engine()

        def read() -> Directory:
            with store.snapshot() as view:
                directory = read_directory(engine, view)
            self.names.update(directory.names)
            return directory

        _check_keys(self.config, self.genesis, read())
        keys = self.config.keystore()
        return Membership(
            read,
            committee,
            (keys.public(Role.NETWORK), keys.public(Role.VALIDATOR)),
            self.name,
            read_known_members(self.config.data_dir / KNOWN_FILE),
            store.height,
        )

    def _executing_engine(self, stack: ExitStack) -> tuple[Engine, str]:
        """The engine that executes blocks, and in words where. Raises: WallFailed."""
        if self.config.execution_wall == "off":
            return self._engine(), "in the node's own process"
        engine = WalledEngine(chain=self.genesis.chain, parameters=self.genesis.parameters)
        stack.callback(engine.close)
        for problem in engine.missing:
            log.warning("the second wall has a gap", reason=problem)
        return engine, engine.where

    def _reading_engine(self, stack: ExitStack) -> Engine:
        """The engine that answers the API."""
        if self.config.execution_wall == "off":
            return self._engine()
        engine = ReadingEngine(
            chain=self.genesis.chain,
            parameters=self.genesis.parameters,
            code_cache=CodeCache(self.config.code_cache_dir),
        )
        stack.callback(engine.close)
        return engine

    def _engine(self) -> Engine:
        """Execution and reading each have their own, because they run in different threads."""
        return Engine(
            chain=self.genesis.chain,
            parameters=self.genesis.parameters,
            code_cache=CodeCache(self.config.code_cache_dir),
        )

    def _inquiry(
        self, opened: OpenedJournal, driver: Driver, network: Network, witness: Witness, number: int
    ) -> KeyInquiry | None:
        """None where it is known whether the key may vote, or where the chain does not know this node."""
        if opened.bound or opened.lost is not None or number == NO_NUMBER:
            return None
        key = self.config.keystore().public(Role.VALIDATOR)
        return KeyInquiry(
            driver=driver,
            network=network,
            witness=witness,
            request=KeyRequest(self.genesis.hash, number, key),
            binding=opened.binding,
            journal_id=opened.journal.id,
        )

    def _replica(
        self, recorder: Recorder, number: int, opened: OpenedJournal, anchor: Anchor, store: Store
    ) -> Replica:
        if self.dev and anchor.block is not None:
            # A clock that was moved before the stop goes on from where it led the chain.
            self.clock.advance(max(0, anchor.block.header.time_ms - self.clock.now().wall_ms))
        return RecordedReplica(
            recorder,
            chain_id=self.genesis.hash,
            chain=self.genesis.chain,
            me=number,
            signer=self.config.keystore().private(Role.VALIDATOR),
            verifier=verify_ed25519,
            parameters=self.genesis.parameters,
            genesis_time_ms=self.genesis.time_ms,
            batch_source=store.batch,
            records=opened.records,
            anchor=anchor,
            now=self.clock.now(),
            abstains=not opened.bound,
        )


def _key_sentence(opened: OpenedJournal, inquiry: KeyInquiry | None) -> str | None:
    """Why the validator key does not vote, or None."""
    if opened.lost is not None:
        return must_not_vote(opened.lost)
    return None if inquiry is None else inquiry.sentence


def _check_store(store: Store, genesis: Genesis) -> None:
    """Notice files that were changed or damaged while the node did not run, or that are another chain's.

    Raises: StateCorruption, CorruptionError, ConfigurationError.
    """
    first = store.link(0)
    roots = first.state_root, first.receipts_root, first.events_root
    if before_genesis(genesis.hash).next(*roots) != first:
        raise ConfigurationError(
            f"the ledger was not made with this genesis ({genesis.chain}): put back the genesis that it "
            "was made with, or give the other chain a data folder of its own"
        )
    verify_integrity(store, genesis.hash, START_BLOCKS_MAX, START_ENTRIES_MAX)
    store.release()


def _log_offence(member: int, reason: str, shut_out_s: float) -> None:
    log.warning("bad message", peer=member, reason=reason)
    if shut_out_s:
        log.warning("shut out after too many bad messages", peer=member, for_s=round(shut_out_s))


def _api_server(bridge: Bridge, config: NodeConfig) -> HttpServer:
    try:
        return HttpServer(config.api_host, config.api_port, bridge)
    except OSError as error:
        raise ConfigurationError(
            f"the API cannot listen on {config.api_host}:{config.api_port} ({error.strerror}): "
            "choose another with --api-port or QUORATE_API_PORT"
        ) from None


async def _told_to_stop_or(signals: AsyncIterator[int], outdated: trio.Event) -> bool:
    """False after a signal to stop, true after `outdated`; whichever comes first."""
    starts_over = True
    async with trio.open_nursery() as nursery:

        async def wait_for_signal() -> None:
            nonlocal starts_over
            await anext(signals)
            starts_over = False
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait_for_signal)
        await outdated.wait()
        nursery.cancel_scope.cancel()
    return starts_over
