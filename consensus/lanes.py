"""Lanes: the batches held, the newest tip of each lane, who else has it, and what a block can order of it.

Batches are held by digest. For each lane the *held chain* runs from the final tip without a gap. Where
an author signed two batches for one place, the first one seen stays in the chain, the lane is *frozen*
(no leader here extends it), and the other is held only if a block names it: the cut decides, not the
order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from consensus.batches import CheckedBatch
from consensus.committee import Committee
from consensus.parameters import Parameters
from consensus.rules import execution_order, tips_by_lane
from consensus.types import NO_DIGEST, BatchHeader, BatchRange, Cut, Digest, LaneTip, MemberNumber

SLACK = 2
"""A receiver takes batches up to this many times as far ahead as their author may go, because its own
view of what is final may lag behind the author's."""


@dataclass
class Lane:
    """One validator's lane, as seen here."""

    final: LaneTip
    """Up to here the lane is ordered by a delivered block."""
    chain: list[Digest] = field(default_factory=list)
    """Digests of the batches held without a gap after `final`."""
    places: dict[int, list[Digest]] = field(default_factory=dict)
    """Digests of all batches held after `final`, by sequence, the first one seen first."""
    held_bytes: int = 0
    """Envelopes of those batches together."""
    frozen: bool = False
    """Its author signed two batches for one place."""
    haves: dict[MemberNumber, LaneTip] = field(default_factory=dict)
    """What others said they hold."""
    tip: LaneTip = field(init=False)
    """The end of the held chain."""

    def __post_init__(self) -> None:
        self.tip = self.final

    def at(self, seq: int) -> Digest | None:
        """The held chain's digest at `seq`, the final tip's included."""
        if seq == self.final.seq:
            return self.final.digest
        index = seq - self.final.seq - 1
        return self.chain[index] if 0 <= index < len(self.chain) else None


@dataclass(frozen=True)
class Span:
    """What lies between two cuts, lane by lane: batches in order, what is not held, what is wrong."""

    batches: dict[MemberNumber, tuple[CheckedBatch, ...]]
    missing: tuple[tuple[LaneTip, BatchRange], ...] = ()
    fault: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything is held and chains."""
        return not self.missing and self.fault is None

    def sums(self) -> tuple[int, int]:
        """Bytes of the envelopes and gas, together."""
        headers = [batch.header for batches in self.batches.values() for batch in batches]
        return sum(header.size_bytes for header in headers), sum(header.gas for header in headers)

    def in_order(self, cut: Cut, height: int) -> tuple[Digest, ...]:
        """Digests in the order of execution: lanes rotate with the height, within a lane by sequence."""
        order = execution_order(cut, height)
        return tuple(batch.digest for lane in order for batch in self.batches.get(lane, ()))


class Lanes:
    """All lanes.

    Invariant: of a lane at most SLACK times what its author may be ahead is held, besides what blocks name.
    """

    def __init__(self, me: MemberNumber, committee: Committee, parameters: Parameters) -> None:
        self._me = me
        self._parameters = parameters
        self._committee = committee
        self._lanes: dict[MemberNumber, Lane] = {}
        self._batches: dict[Digest, CheckedBatch] = {}
        self.voided: list[CheckedBatch] = []
        """Own batches that nobody accepts any more, because this member's key was replaced."""
        self._enrol([me, *committee.numbers])

    def _enrol(self, numbers: Iterable[MemberNumber]) -> None:
        for number in numbers:
            self._lanes.setdefault(number, Lane(LaneTip(number, 0, NO_DIGEST)))
        self._lanes = dict(sorted(self._lanes.items()))

    def begin(self, committee: Committee, former: Committee) -> None:
        """Another epoch: of who left or has another key now, what no block orders yet is void.

        A member that left keeps its own batches: should it come back, its lane goes on where it was.
        """
        self._committee = committee
        self._enrol(committee.numbers)
        for number, lane in self._lanes.items():
            key, former_key = committee.key_of(number), former.key_of(number)
            if key == former_key or (number == self._me and None in (key, former_key)):
                continue
            held = [self._batches.pop(digest) for seq in sorted(lane.places) for digest in lane.places[seq]]
            self._lanes[number] = Lane(lane.final)
            for batch in held:
                if key is not None and batch.key == key:  # out of a journal that was ahead of its store
                    self.add(batch, named=True)
                elif number == self._me:
                    self.voided.append(batch)

    def freeze(self, number: MemberNumber) -> None:
        """Its author signed two batches for one place: no leader here extends it."""
        if number in self._lanes:
            self._lanes[number].frozen = True

    def _open(self) -> Iterator[Lane]:
        """The lanes of this epoch's validators."""
        return (self._lanes[number] for number in self._committee.numbers)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def lane(self, number: MemberNumber) -> Lane | None:
        """One member's lane, or None for a stranger."""
        return self._lanes.get(number)

    def of(self, number: MemberNumber) -> Lane:
        """The lane of a validator, or the own one."""
        return self._lanes[number]

    def get(self, digest: Digest) -> CheckedBatch | None:
        """A batch that is held, executed ones excepted."""
        return self._batches.get(digest)

    def all(self) -> list[CheckedBatch]:
        """Every batch held, by lane and sequence, rivals by digest."""
        return sorted(self._batches.values(), key=lambda batch: batch.tip)

    def own_unordered(self) -> list[CheckedBatch]:
        """The own batches that no block orders yet, oldest first, those that are void included."""
        return self.voided + [self._batches[digest] for digest in self._lanes[self._me].chain]

    # -- what arrives -------------------------------------------------------------------------------
    def fits(self, header: BatchHeader) -> bool:
        """Whether a batch that nobody asked for is within bounds (a first rival at its place included)."""
        lane = self._lanes.get(header.lane)
        if lane is None or self._committee.key_of(header.lane) is None:
            return False
        if header.seq in lane.places and lane.frozen:
            return False
        ahead = header.seq - lane.final.seq
        bytes_max = SLACK * self._parameters.lane_ahead_bytes_max
        return 0 < ahead <= SLACK * self._parameters.lane_ahead_batches_max and (
            lane.held_bytes + header.size_bytes <= bytes_max
        )

    def add(self, batch: CheckedBatch, *, named: bool) -> CheckedBatch | None:
        """Hold a batch; `named` says that a block orders it. Returns the rival if its author signed two.

        An unnamed rival is not held.
        """
        lane, seq = self._lanes[batch.header.lane], batch.header.seq
        others = lane.places.get(seq, [])
        if batch.digest in others or seq <= lane.final.seq:
            return None
        rival = self._batches[others[0]] if others else None
        lane.frozen = lane.frozen or rival is not None
        if rival is None or named:
            lane.places.setdefault(seq, []).append(batch.digest)
            lane.held_bytes += batch.header.size_bytes
            self._batches[batch.digest] = batch
            self._extend(lane)
        return rival

    def _extend(self, lane: Lane) -> None:
        while True:
            tip = lane.tip
            following = [
                d for d in lane.places.get(tip.seq + 1, ()) if self._batches[d].header.prev == tip.digest
            ]
            if not following:
                return
            lane.chain.append(following[0])
            lane.tip = LaneTip(tip.lane, tip.seq + 1, following[0])

    def heard(self, member: MemberNumber, tips: Iterable[LaneTip]) -> None:
        """A peer says that it holds lanes up to these tips."""
        for tip in tips:
            lane = self._lanes.get(tip.lane)
            known = None if lane is None else lane.haves.get(member)
            if lane is not None and (known is None or known.seq <= tip.seq):
                lane.haves[member] = tip

    # -- what a block orders ------------------------------------------------------------------------
    def span(self, base: Cut, cut: Cut) -> Span:
        """What `cut` orders beyond `base`, following the hashes from its tips down."""
        olds = tips_by_lane(base)
        found: dict[MemberNumber, tuple[CheckedBatch, ...]] = {}
        missing: list[tuple[LaneTip, BatchRange]] = []
        for tip in cut:
            old = olds.get(tip.lane, LaneTip(tip.lane, 0, NO_DIGEST))
            batches: list[CheckedBatch] = []
            digest, seq = tip.digest, tip.seq
            while seq > old.seq:
                batch = self._batches.get(digest)
                if batch is None:
                    missing.append(self._missing(LaneTip(tip.lane, seq, digest), old.seq))
                    break
                if (batch.header.lane, batch.header.seq) != (tip.lane, seq):
                    return Span({}, fault=f"the cut names a batch of another place in lane {tip.lane}")
                batches.append(batch)
                digest, seq = batch.header.prev, seq - 1
            if seq == old.seq and digest != old.digest:
                return Span({}, fault=f"the cut does not chain to its parent's in lane {tip.lane}")
            if batches:
                found[tip.lane] = tuple(reversed(batches))
        return Span(found, tuple(missing))

    def _missing(self, tip: LaneTip, above: int) -> tuple[LaneTip, BatchRange]:
        lane = self._lanes.get(tip.lane)
        held = lane.tip.seq if lane is not None and not lane.frozen else above
        return tip, BatchRange(tip.digest, held if above <= held < tip.seq else above)

    def gaps(self) -> list[tuple[Lane, MemberNumber, BatchRange]]:
        """What peers hold beyond the chains held here: (lane, peer, what to ask it for), by lane and peer."""
        found = []
        for lane in self._open():
            if lane.frozen:
                continue
            for member, have in sorted(lane.haves.items()):
                if (
                    have.seq > lane.tip.seq
                    and have.seq - lane.final.seq <= self._parameters.lane_ahead_batches_max
                ):
                    span = self.span((lane.tip,) if lane.tip.seq else (), (have,))
                    found += [(lane, member, wanted) for _, wanted in span.missing]
        return found

    def available_seq(self, lane: Lane) -> int:
        """Up to where a quorum holds the lane, this member and the author counted.

        A peer that announced another batch than ours for a place does not count.
        """
        held, quorum = [], self._committee.quorum
        for member in self._committee.numbers:
            if member in (self._me, lane.final.lane):
                held.append(lane.tip.seq)
                continue
            have = lane.haves.get(member)
            if have is not None and (have.seq > lane.tip.seq or lane.at(have.seq) in (None, have.digest)):
                held.append(min(have.seq, lane.tip.seq))
        held.sort(reverse=True)
        return held[quorum - 1] if len(held) >= quorum else 0

    def cut(self, base: Cut, height: int) -> Cut:
        """The cut of a block on `base`: each lane as far as a quorum holds it, within a block's limits.

        Lanes take turns, one batch each, so that no lane fills a block before the others had theirs.
        """
        tips = tips_by_lane(base)
        ends: dict[MemberNumber, int] = {}
        for lane in self._open():
            tip = tips.get(lane.final.lane, LaneTip(lane.final.lane, 0, NO_DIGEST))
            if not lane.frozen and lane.at(tip.seq) == tip.digest:
                ends[lane.final.lane] = self.available_seq(lane)
        bytes_left, gas_left = self._parameters.block_bytes_max, self._parameters.block_gas_max
        new = dict(tips)
        turn = sorted(ends)
        turn = turn[height % len(turn) :] + turn[: height % len(turn)] if turn else []
        while turn:
            still = []
            for number in turn:
                seq = new[number].seq + 1 if number in new else 1
                digest = self._lanes[number].at(seq) if seq <= ends[number] else None
                if digest is None:
                    continue
                header = self._batches[digest].header
                if header.size_bytes > bytes_left or header.gas > gas_left:
                    continue
                bytes_left, gas_left = bytes_left - header.size_bytes, gas_left - header.gas
                new[number] = LaneTip(number, seq, digest)
                still.append(number)
            turn = still
        return tuple(new[number] for number in sorted(new))

    def beyond(self, cut: Cut) -> bool:
        """Whether a lane that may be extended holds a batch that `cut` does not order."""
        tips = tips_by_lane(cut)
        for lane in self._open():
            tip = tips.get(lane.final.lane)
            if not lane.frozen and lane.tip.seq > (tip.seq if tip else 0):
                return True
        return False

    # -- what is done -------------------------------------------------------------------------------
    def advance(self, cut: Cut, ordered: Iterable[Digest]) -> None:
        """A block with this cut is delivered; `ordered` stays at hand until it is executed, rivals go."""
        keep = set(ordered)
        self._enrol(tip.lane for tip in cut if tip.lane not in self._lanes)
        for tip in cut:
            lane = self._lanes[tip.lane]
            if tip.seq <= lane.final.seq:
                continue
            on_chain = lane.at(tip.seq) == tip.digest
            rest = lane.chain[tip.seq - lane.final.seq :] if on_chain else []
            for seq in sorted(seq for seq in lane.places if seq <= tip.seq):
                for digest in lane.places.pop(seq):
                    lane.held_bytes -= self._batches[digest].header.size_bytes
                    if digest not in keep:
                        del self._batches[digest]
            lane.final, lane.chain = tip, rest
            if not rest:
                lane.tip = tip
            self._extend(lane)

    def release(self, digests: Iterable[Digest]) -> None:
        """These batches are executed and in the store."""
        for digest in digests:
            self._batches.pop(digest, None)
