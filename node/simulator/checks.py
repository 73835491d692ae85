"""What must hold after every step, and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consensus.committee import Committee
from consensus.effects import Acknowledged, Finalise, Report, ReportKind
from consensus.evidence import Accusation
from consensus.messages import Message
from consensus.records import Succession, decode_record, encode_record
from consensus.types import Batch, Certificate, Digest, Proposal, Status, Vote, VoteKind
from node.simulator.swarm import Swarm

if TYPE_CHECKING:
    from node.simulator.machine import Machine

CERTIFICATE_KIND, SUCCESSION_KIND = 4, 5
"""Second byte of such a record."""
N, S, F = VoteKind.NOTARISE, VoteKind.SKIP, VoteKind.FINALISE


class Failed(Exception):
    """An invariant is broken; the text says which."""


class Checks:
    """Sees every promise that an honest machine makes, across its restarts."""

    def __init__(self, swarm: Swarm, committee: Committee) -> None:
        self.reports: list[tuple[int, Report]] = []
        """(member that says it, what it says)."""
        self._swarm = swarm
        self.committees = {committee.epoch: committee}
        self._on_chain: dict[tuple[int, int], int] = {}
        """(epoch, member) to the height whose evidence accuses it."""
        self._blocks: dict[int, tuple[Digest | None, tuple[Digest, ...]]] = {}
        self._headers: dict[int, object] = {}
        self._hashes: dict[int, Digest] = {}
        self._ordered: dict[Digest, int] = {}
        self._certified: dict[tuple[VoteKind, int, int], Digest | None] = {}
        self._votes: dict[tuple[int, int, int, VoteKind], Digest | None] = {}
        self._acknowledged: dict[Digest, str] = {}
        self._final_views: dict[str, int] = {}

    # -- votes --------------------------------------------------------------------------------------
    def on_persist(self, machine: Machine, records: Sequence[bytes]) -> None:
        if not machine.honest:
            return
        for data in records:
            if data[1] not in (CERTIFICATE_KIND, SUCCESSION_KIND):
                continue
            record = decode_record(data)
            if isinstance(record, Certificate):
                self._on_certificate(machine, record)
            elif isinstance(record, Succession):
                self._on_epoch(machine, record.committee)

    def _on_certificate(self, machine: Machine, certificate: Certificate) -> None:
        kind, epoch, view, digest = certificate.kind, certificate.epoch, certificate.view, certificate.digest
        self._check_quorum(machine, certificate)
        if self._certified.setdefault((kind, epoch, view), digest) != digest:
            raise Failed(f"view {view} has two {kind.name} certificates for different headers")
        if (F, epoch, view) in self._certified and (S, epoch, view) in self._certified:
            raise Failed(f"view {view} is both final and skipped")
        final = self._certified.get((F, epoch, view))
        if final is not None and self._certified.get((N, epoch, view), final) != final:
            raise Failed(f"view {view} has another final header than a notarised one")

    def _check_quorum(self, machine: Machine, certificate: Certificate) -> None:
        """It counts with the committee of its own epoch."""
        committee = self.committees.get(certificate.epoch)
        if committee is None:
            raise Failed(f"{machine.name} has a certificate of epoch {certificate.epoch}, which nobody began")
        voters = [voter for voter, _ in certificate.votes]
        if len(voters) < committee.quorum or not set(voters) <= set(committee.numbers):
            epoch, numbers = committee.epoch, committee.numbers
            raise Failed(f"{machine.name} takes {voters} for a quorum of epoch {epoch}: {numbers}")

    def _on_epoch(self, machine: Machine, committee: Committee) -> None:
        """It begins with the same committee everywhere."""
        if self.committees.setdefault(committee.epoch, committee) != committee:
            raise Failed(f"{machine.name} begins epoch {committee.epoch} with another committee")

    def on_send(self, machine: Machine, message: Message) -> None:
        if not machine.honest:
            return
        match message:
            case Vote():
                self._on_vote(machine, message)
            case Proposal():
                self._on_vote(machine, message.vote)
            case Status():
                for vote in message.votes:
                    self._on_vote(machine, vote)
            case Batch():
                if message.header.lane == machine.number and not machine.has_durably(message):
                    raise Failed(f"{machine.name} sends its batch {message.header.seq} before it is durable")
            case _:
                pass

    def _on_vote(self, machine: Machine, vote: Vote) -> None:
        place = vote.voter, vote.epoch, vote.view
        if self._votes.setdefault((*place, vote.kind), vote.digest) != vote.digest:
            raise Failed(f"{machine.name} votes {vote.kind.name} twice in view {vote.view}")
        if (*place, S) in self._votes and (*place, F) in self._votes:
            raise Failed(f"{machine.name} votes both SKIP and FINALISE in view {vote.view}")
        self._check_durable(machine, vote)

    def _check_durable(self, machine: Machine, vote: Vote) -> None:
        """The table of what must be on disk before a vote leaves the node."""
        replica, durable = machine.replica, machine.disk.durable
        if replica is None:
            return
        missing = [] if encode_record(vote) in durable else ["the vote"]
        state = replica._state
        if vote.epoch != state.committee.epoch:
            return  # begun meanwhile, in the same turn
        if not machine.knows_durably(state.committee):
            missing.append("the committee of its epoch")
        needed = vote.view > state.certificates.final_view and not state.epoch_is_over
        if vote.digest is not None and needed:  # a filler is dropped once its boundary is final
            header = state.chain.get(vote.digest)
            if header is None or encode_record(header) not in durable:
                missing.append("the header")
            parent = state.chain.get(header.parent) if header is not None else None
            if header is not None and parent is not None:
                span = state.lanes.span(parent.cut, header.cut)
                missing += ["a batch that is not even held"] * len(span.missing)
                for batches in span.batches.values():
                    missing += ["a batch" for batch in batches if encode_record(batch.batch) not in durable]
            notarised = state.certificates.get(N, vote.view)
            if vote.kind is F and (notarised is None or encode_record(notarised) not in durable):
                missing.append("the notarisation")
        if missing and not (vote.view <= state.certificates.final_view):
            raise Failed(
                f"{machine.name} sends {vote.kind.name} of view {vote.view} before {missing} are durable"
            )

    # -- blocks -------------------------------------------------------------------------------------
    def on_finalise(self, machine: Machine, finalised: Finalise) -> None:
        if not machine.honest:
            return
        header = finalised.block.header
        if self._headers.setdefault(header.height, header) != header:
            raise Failed(f"FORK: {machine.name} finalises another block at height {header.height}")
        for accusation in finalised.accusations:
            self._on_accusation(machine, accusation, header.height)
        for digest in finalised.batches:
            if self._ordered.setdefault(digest, header.height) != header.height:
                raise Failed(f"a batch is ordered at heights {self._ordered[digest]} and {header.height}")
        if len(set(finalised.batches)) != len(finalised.batches):
            raise Failed(f"height {header.height} orders a batch twice")

    def _on_accusation(self, machine: Machine, accusation: Accusation, height: int) -> None:
        if accusation.member not in self._swarm.byzantine:
            raise Failed(f"evidence on the chain accuses the honest {accusation.member}: {accusation.kind}")
        if self._on_chain.setdefault((accusation.epoch, accusation.member), height) != height:
            raise Failed(f"member {accusation.member} is accused twice in epoch {accusation.epoch}")
        machine.world.count(f"on the chain: {accusation.kind}")

    def on_executed(self, machine: Machine, height: int, exec_hash: Digest) -> None:
        if not machine.honest or machine.ledger.corrupt_from is not None:
            return
        if self._hashes.setdefault(height, exec_hash) != exec_hash:
            raise Failed(f"{machine.name} executes height {height} differently")

    def on_acknowledged(self, machine: Machine, acknowledged: Acknowledged) -> None:
        if machine.honest:
            for identifier in acknowledged.transactions:
                self._acknowledged.setdefault(identifier, machine.name)

    def forgive(self, machine: Machine) -> None:
        """It lost its disk, and with it what it alone had promised."""
        kept = self._acknowledged.items()
        self._acknowledged = {identifier: name for identifier, name in kept if name != machine.name}

    def on_report(self, machine: Machine, report: Report) -> None:
        self.reports.append((machine.number, report))
        if not machine.honest:
            return
        if report.kind is ReportKind.EQUIVOCATION and report.member not in self._swarm.byzantine:
            raise Failed(f"{machine.name} accuses the honest {report.member}: {report.text}")
        if report.kind is ReportKind.BAD_MESSAGE and report.member not in self._swarm.byzantine:
            raise Failed(f"{machine.name} blames the honest {report.member}: {report.text}")
        if report.kind is ReportKind.DIVERGED and machine.ledger.corrupt_from is None:
            raise Failed(f"{machine.name} raises a false alarm: {report.text}")

    def all_committed(self, machines: Sequence[Machine]) -> bool:
        """Whether every honest machine executed everything that an honest machine acknowledged."""
        height = max(machine.ledger.height for machine in machines)
        return all(
            machine.ledger.height == height and all(map(machine.ledger.settled, self._acknowledged))
            for machine in machines
        )
