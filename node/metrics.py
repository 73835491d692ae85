"""The node's own metrics, in names that operators know from other BFT chains; looked up when asked for.

What counts since the start and has no name of its own for it (`..._late_votes`) is untyped in Prometheus'
text format, which wants `_total` at the end of a counter's name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.registry import Collector

from node.look import Look
from node.observations import Observations

LOOK_S_MAX = 2.0
"""A node that does not say how it is within this time counts as down."""

Rows = Mapping[str, float]


class NodeCollector(Collector):
    """Says what a node is like at the moment of the question."""

    def __init__(self, ask: Callable[[], Look], seen: Observations, ledger_dir: Path, version: str) -> None:
        """`ask` looks in the node's own thread. Raises: TimeoutError where that does not answer."""
        self._ask = ask
        self._seen = seen
        self._ledger_dir = ledger_dir
        self._version = version

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that asks for names would ask a node that does not run yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        try:
            look = self._ask()
        except TimeoutError:
            yield _gauge("quorate_up", "1 when the node answers", 0)
            return
        yield _gauge("quorate_up", "1 when the node answers", 1)
        yield _gauges("quorate_build_info", "What runs here, always 1", "version", {self._version: 1})
        yield from _agreement(look, self._seen)
        yield from _validators(look, self._seen)
        yield from _network(look)
        yield from self._seen.block_interval.collect()
        yield from self._seen.transaction_size.collect()
        yield from _transactions(look, self._seen)
        yield from self._disk(look)

    def _disk(self, look: Look) -> Iterator[Metric]:
        yield _gauge("quorate_journal_size_bytes", "The journal's segment", look.journal_bytes)
        yield _gauge("quorate_store_size_bytes", "Blocks and state on disk", folder_bytes(self._ledger_dir))
        free_bytes = shutil.disk_usage(self._ledger_dir).free
        yield _gauge("quorate_disk_free_bytes", "Room left for the data folder", free_bytes)


def folder_bytes(folder: Path) -> int:
    """Length of all files directly in a folder; one that goes meanwhile counts as nothing."""
    size_bytes = 0
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            size_bytes += entry.stat().st_size
    return size_bytes


def _agreement(look: Look, seen: Observations) -> Iterator[Metric]:
    consensus, why = look.consensus, look.why
    views = consensus["view"] - consensus["final_view"]
    lag = consensus["final_height"] - look.executed_height
    yield _gauge("quorate_consensus_height", "Newest executed block", look.executed_height)
    yield _gauge("quorate_consensus_final_height", "Newest final block", consensus["final_height"])
    yield _gauge("quorate_consensus_epoch", "Epoch of the validators", consensus["epoch"])
    yield _gauge("quorate_consensus_views", "Views begun since the last final block", views)
    yield _gauge(
        "quorate_consensus_waiting_seconds",
        "How long there has been something to agree on without a final block, 0 when idle",
        0 if why.busy_ms is None else why.busy_ms / 1000,
    )
    yield _gauge(
        "quorate_consensus_num_txs", "Transactions of the newest final block", seen.block_transactions
    )
    yield _gauge("quorate_consensus_block_size_bytes", "What the newest final block orders", seen.block_bytes)
    yield _untyped(
        "quorate_consensus_total_txs", "Transactions that became final since the start", seen.transactions
    )
    yield _untyped("quorate_consensus_late_votes", "Votes for views that are over", seen.late_votes)
    yield _untyped("quorate_consensus_duplicate_vote", "Votes that came before", seen.duplicate_votes)
    yield _gauge("quorate_execution_lag_blocks", "Final blocks that wait for execution", lag)
    yield _gauge(
        "quorate_catch_up_target_height",
        "Height that catch-up runs towards, 0 when it does not run",
        0 if look.progress is None else look.progress.target,
    )
    yield _gauge(
        "quorate_diverged_validators",
        "Validators that say they executed otherwise than this node",
        len(why.contradicted_by),
    )


def _validators(look: Look, seen: Observations) -> Iterator[Metric]:
    numbers = look.validators
    names = {number: look.name(number) for number in numbers}
    away = [number for number in numbers if number in look.away]
    yield _gauge("quorate_consensus_validators", "Validators of the epoch", len(numbers))
    yield _gauge("quorate_consensus_missing_validators", "Validators out of reach", len(away))
    yield _gauge(
        "quorate_consensus_byzantine_validators",
        "Validators that signed what contradicts itself: seen since the start, or on the chain in this epoch",
        len(seen.accused.union(look.consensus["accused"])),
    )
    yield _untyped(
        "quorate_evidence", "Contradictions that members signed, since the start", seen.contradictions
    )
    yield _gauges(
        "quorate_consensus_validator_last_signed_height",
        "Newest final block that the validator signed, as far as was heard here",
        "validator",
        {names[number]: seen.last_signed.get(number, 0) for number in numbers},
    )
    missed = UntypedMetricFamily(
        "quorate_consensus_validator_missed_blocks",
        "Final blocks that the validator did not sign, since the start",
        labels=["validator"],
    )
    for number in numbers:
        missed.add_metric([names[number]], seen.missed_blocks[number])
    yield missed


def _network(look: Look) -> Iterator[Metric]:
    names = {peer.member: look.name(peer.member) for peer in look.peers}
    yield _gauge("quorate_p2p_peers", "Members connected", sum(peer.connected for peer in look.peers))
    sent = CounterMetricFamily("quorate_p2p_message_send_bytes", "Sent to a member", labels=["peer"])
    received = CounterMetricFamily("quorate_p2p_message_receive_bytes", "Received of it", labels=["peer"])
    dropped = CounterMetricFamily("quorate_p2p_dropped_messages", "Not sent: queue full", labels=["peer"])
    for peer in look.peers:
        sent.add_metric([names[peer.member]], peer.bytes_out)
        received.add_metric([names[peer.member]], peer.bytes_in)
        dropped.add_metric([names[peer.member]], peer.dropped)
    yield from (sent, received, dropped)
    yield _gauges(
        "quorate_p2p_peer_connected",
        "1 while the member is connected",
        "peer",
        {names[peer.member]: int(peer.connected) for peer in look.peers},
    )
    yield _gauges(
        "quorate_p2p_peer_rtt_seconds",
        "Round trip to the member",
        "peer",
        {names[peer.member]: peer.rtt_ms / 1000 for peer in look.peers if peer.rtt_ms is not None},
    )
    yield _gauges(
        "quorate_clock_offset_seconds",
        "The member's clock minus this one, measured in the last two minutes",
        "peer",
        {names[who]: seen.offset_ms / 1000 for who, seen in look.clocks.items() if who in names},
    )
    bad = CounterMetricFamily("quorate_p2p_bad_messages", "What no honest member sends")
    bad.add_metric([], look.bad_messages)
    yield bad


def _transactions(look: Look, seen: Observations) -> Iterator[Metric]:
    yield _gauge("quorate_mempool_size", "Transactions that wait for a block", look.waiting_transactions)
    yield _untyped(
        "quorate_mempool_failed_txs",
        "Posted transactions that were refused at once, since the start",
        seen.refused_transactions,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _untyped(name: str, text: str, value: float) -> Metric:
    return UntypedMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in rows.items():
        family.add_metric([key], value)
    return family
