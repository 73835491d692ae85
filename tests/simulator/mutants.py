"""Bugs planted on purpose. A simulator that does not find them cannot be trusted when it finds nothing.

Each is a known way to get Simplex with lanes wrong, applied to the real code for the length of a `with`.
"""

from __future__ import annotations

from dataclasses import replace

from consensus import ballot, rules, state
from consensus.certificates import Certificates
from consensus.committee import Committee
from consensus.dissemination import Dissemination
from consensus.lanes import Lanes, Span
from consensus.pacemaker import Pacemaker
from consensus.types import Batch, Certificate, Digest, Header, VoteKind
from node.simulator.disk import Disk, MemoryDisk
from node.simulator.swarm import Swarm
from tests.simulator.epoch_mutants import EPOCH_MUTANTS
from tests.simulator.planting import Mutant, Patch, without


def _quorum() -> list[Patch]:
    return [(Committee, "quorum", property(lambda self: 2 * self.faults_max + 1))]


def _skip_and_finalise() -> list[Patch]:
    def may_vote(cast: rules.ViewVotes, kind: VoteKind) -> bool:
        return kind not in [vote.kind for vote in cast.all()]

    return [(ballot, "may_vote", may_vote)]


def _amnesia() -> list[Patch]:
    found = Disk.open

    def forgetful(self: Disk) -> list[bytes]:
        return found(self)[:-3]

    return [(Disk, "open", forgetful)]


def _no_sync() -> list[Patch]:
    return [(MemoryDisk, "sync", lambda self, descriptor: None)]


def _notarisation_not_persisted() -> list[Patch]:
    return without(lambda record: isinstance(record, Certificate) and record.kind is VoteKind.NOTARISE)


def _header_not_persisted() -> list[Patch]:
    return without(lambda record: isinstance(record, Header))


def _batch_not_persisted() -> list[Patch]:
    return without(lambda record: isinstance(record, Batch))


def _no_retry() -> list[Patch]:
    take_retry = Pacemaker.take_retry
    return [(Pacemaker, "take_retry", lambda self, now_ms: take_retry(self, now_ms) and False)]


def _constant_timer() -> list[Patch]:
    return [
        (state, "timeout_ms", lambda view, final_view, faults_max, parameters: parameters.base_timeout_ms)
    ]


def _skips_not_required() -> list[Patch]:
    def justify(self: Certificates, header: Header, followed: Digest) -> list[Certificate] | None:
        parent = self.proven(header.parent_view, followed)
        return [] if header.parent_view == 0 else None if parent is None else [parent]

    return [(Certificates, "justify", justify)]


def _votes_without_data() -> list[Patch]:
    span = Lanes.span
    return [(Lanes, "span", lambda self, base, cut: replace(span(self, base, cut), missing=()))]


def _finalises_without_data() -> list[Patch]:
    return [(Span, "complete", property(lambda self: True))]


def _executes_at_notarisation() -> list[Patch]:
    of_kind = Certificates.of_kind

    def either(self: Certificates, kind: VoteKind, above: int) -> list[Certificate]:
        if kind is VoteKind.FINALISE:
            return of_kind(self, VoteKind.FINALISE, above) + of_kind(self, VoteKind.NOTARISE, above)
        return of_kind(self, kind, above)

    return [(Certificates, "of_kind", either)]


def _rivals_not_fetched() -> list[Patch]:
    add = Lanes.add
    return [(Lanes, "add", lambda self, batch, *, named: add(self, batch, named=False))]


def _twins_and_nothing_else(seed: int) -> Swarm:
    """Two batches for each place of one lane, and a network that lets both halves order theirs."""
    return Swarm(seed=seed, twins=(seed % 4,), delay_ms=(1, 20), submit_every_ms=100, heal_at_ms=8_000)


def _no_pull() -> list[Patch]:
    return [(Dissemination, "fetch", lambda self, now: None)]


MUTANTS = (
    Mutant("quorum", "the quorum is 2f + 1 where n is not 3f + 1", _quorum, 40),
    Mutant("skip-and-finalise", "S and F in one view", _skip_and_finalise, 10),
    Mutant("amnesia", "the journal's last records are not read at a restart", _amnesia, 20),
    Mutant("no-sync", "the journal is written, but not synced", _no_sync, 20),
    Mutant("notar-not-persisted", "F without its notarisation on disk", _notarisation_not_persisted, 3),
    Mutant("header-not-persisted", "N without its header on disk", _header_not_persisted, 3),
    Mutant("batch-not-persisted", "a batch is sent before it is on disk", _batch_not_persisted, 3),
    Mutant("no-retry", "a stuck validator says nothing", _no_retry, 20),
    Mutant("constant-timer", "views never last longer", _constant_timer, 60),
    Mutant("skips-not-required", "a parent may be older than an unskipped view", _skips_not_required, 60),
    Mutant("votes-without-data", "N and F for batches that are not held", _votes_without_data, 10),
    Mutant("finalises-without-data", "F for batches that are not held", _finalises_without_data, 20),
    Mutant(
        "executes-at-notarisation",
        "a notarised block is delivered as if final",
        _executes_at_notarisation,
        40,
    ),
    Mutant(
        "rivals-not-fetched",
        "a batch in conflict with the one seen first is never held",
        _rivals_not_fetched,
        5,
        faults=_twins_and_nothing_else,
    ),
    Mutant("no-pull", "what was lost on the way is never asked for", _no_pull, 20),
    *EPOCH_MUTANTS,
)


def table() -> str:
    """The planted bugs, as docs/simulator.md shows them."""
    rows = [f"| `{mutant.name}` | {mutant.text} | {mutant.seeds_max} |" for mutant in MUTANTS]
    return "\n".join(["| Planted bug | | Found within |", "|---|---|---|", *rows])
