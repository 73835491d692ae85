"""Planted bugs in what changes the committee, and in what accuses."""

from __future__ import annotations

from dataclasses import replace

from consensus import accusing, epochs, rules, work
from consensus.dissemination import Dissemination
from consensus.evidence import Accusation, accuse
from consensus.execution import Execution
from consensus.records import Succession
from consensus.rules import filler
from consensus.state import State
from consensus.tally import Tally
from consensus.types import Digest, Evidence, ExecutedTip, Header, MemberNumber
from tests.simulator.planting import Mutant, Patch, without


def _stale_quorum() -> list[Patch]:
    begin = epochs.begin

    def begin_with_old_n(state: State, succession: Succession) -> None:
        begin(state, succession)
        former = replace(succession.former, epoch=succession.committee.epoch)
        state.tally = Tally(former, state.chain_id, state.verifier)

    return [(epochs, "begin", begin_with_old_n)]


def _fillers_with_height() -> list[Patch]:
    def higher(parent: Header, parent_digest: Digest, view: int) -> Header:
        made = filler(parent, parent_digest, view)
        return replace(made, height=parent.height + 1, time_ms=parent.time_ms + 1)

    return [(rules, "filler", higher), (work, "filler", higher)]


def _set_not_checked() -> list[Patch]:
    next_set = State.next_set

    class Anything(bytes):
        """What the judge compares a claim with."""

        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = bytes.__hash__

    def unchecked(self: State, exec_height: int) -> Digest | None:
        found = next_set(self, exec_height)
        return Anything(found) if found is not None else None

    return [(State, "next_set", unchecked)]


def _succession_not_persisted() -> list[Patch]:
    return without(lambda record: isinstance(record, Succession))


def _no_hand_over() -> list[Patch]:
    return [(Dissemination, "hand_over", lambda self: None)]


def _false_alarm() -> list[Patch]:
    contradictions = Execution.contradictions

    def loud(self: Execution) -> list[ExecutedTip]:
        return contradictions(self) * 128

    return [(Execution, "contradictions", loud)]


def _evidence_not_checked() -> list[Patch]:
    def believe(state: State, evidence: Evidence) -> Accusation:
        return accuse(evidence)

    return [(accusing, "check", believe)]


def _accused_again() -> list[Patch]:
    def nobody(state: State, header: Header) -> set[MemberNumber]:
        return set()

    return [(accusing, "_accused", nobody)]


EPOCH_MUTANTS = (
    Mutant("stale-epoch-n", "votes count by the n of the epoch before", _stale_quorum, 60),
    Mutant("fillers-with-height", "a filler is a block", _fillers_with_height, 60),
    Mutant("set-not-checked", "a boundary may name any committee", _set_not_checked, 5, 2_320),
    Mutant("succession-not-persisted", "an epoch begins in memory alone", _succession_not_persisted, 40),
    Mutant("no-hand-over", "who leaves keeps what it acknowledged", _no_hand_over, 120),
    Mutant("false-alarm", "one liar's word stops a node", _false_alarm, 60),
    Mutant("evidence-not-checked", "an accusation is believed", _evidence_not_checked, 60),
    Mutant("accused-again", "a member is accused in every block", _accused_again, 40),
)
