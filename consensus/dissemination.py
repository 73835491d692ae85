"""Batches on their way: own ones cut, others' held, tips announced, what is missing asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from consensus import accusing, catchup
from consensus.batches import CheckedBatch, make_batch
from consensus.effects import (
    Acknowledged,
    Available,
    Broadcast,
    HandOver,
    Outgoing,
    Persist,
    Send,
)
from consensus.errors import InvalidMessage
from consensus.evidence import bad_batch, two_batches
from consensus.fetching import Fetches
from consensus.keys import Signer
from consensus.lanes import Lane
from consensus.messages import batch_digest
from consensus.outbox import Outbox
from consensus.records import encode_record
from consensus.rules import crowd
from consensus.state import Now, State
from consensus.transactions import Transaction
from consensus.types import Batch, BatchHeader, Digest, Evidence, Have, LaneTip, MemberNumber

HAVE_INTERVAL_MS = 10
"""New tips are announced at most this often; among many validators less often, for all announce to all."""
HAVE_INTERVAL_DIVISOR = 4
"""But at least every T0 over this."""
HAVE_AGAIN_HALF_T0_MAX = 4
"""What is not ordered is announced again every T0 / 2, among many less often, but in so many of these."""


class Dissemination:
    """One validator's part in spreading batches."""

    def __init__(self, state: State, out: Outgoing, signer: Signer) -> None:
        self._state = state
        self._out = out
        self._signer = signer
        self._outbox = Outbox(state.parameters)
        self._fetches = Fetches(state.parameters.base_timeout_ms // 4)
        self._named: set[Digest] = set()
        """Batches that a header or certificate names and that are missing."""
        self._announced: dict[MemberNumber, int] = {}
        self._announced_ms: int | None = None
        self._announced_all_ms: int | None = None
        self._available_seq = self.own_lane.final.seq

    @property
    def own_lane(self) -> Lane:
        """This validator's lane."""
        return self._state.lanes.of(self._state.me)

    @property
    def waiting(self) -> int:
        """Own transactions that are in no batch yet."""
        return len(self._outbox)

    def submit(self, transactions: Sequence[Transaction], now: Now) -> int:
        """Take own transactions, as many as the limits allow; returns how many."""
        lane = self.own_lane
        return self._outbox.offer(transactions, len(lane.chain), lane.held_bytes, now.mono_ms)

    def expects(self, header: BatchHeader) -> bool:
        """Whether a batch is worth checking: not held yet, and within bounds or asked for."""
        digest = batch_digest(self._state.chain_id, header)
        held = self._state.lanes.get(digest) is not None
        return not held and (digest in self._named or self._state.lanes.fits(header))

    def hold(self, batch: CheckedBatch) -> None:
        """Take a checked batch, if it is expected."""
        stale = batch.key is not None and batch.key != self._state.committee.key_of(batch.header.lane)
        if stale or not self.expects(batch.header):
            return
        rival = self._state.lanes.add(batch, named=batch.digest in self._named)
        if self._state.lanes.get(batch.digest) is not None:
            self._out.add(Persist(encode_record(batch.batch)))
        if rival is not None:
            self._accuse(two_batches(self._state.committee.epoch, rival.batch, batch.batch))

    def hold_against(self, batch: Batch) -> None:
        """A batch that `check_batch` refused with InvalidBatch: its author signed it."""
        state = self._state
        if batch.header.lane in state.evidence or batch.header.lane in state.accused:
            return
        evidence = bad_batch(state.committee.epoch, batch, state.chain_name, state.verifier, state.parameters)
        if evidence is not None:
            self._accuse(evidence)

    def _accuse(self, evidence: Evidence) -> None:
        with suppress(InvalidMessage):  # a synced batch came without its author's signature being checked
            accusing.take(self._state, self._out, evidence)

    def begin(self) -> None:
        """Another epoch began: who is no validator in it forgets what is in no batch and not acknowledged."""
        self._available_seq = self.own_lane.final.seq
        if not self._state.is_validator:
            self._outbox = Outbox(self._state.parameters)
        self.hand_over()

    def hand_over(self) -> None:
        """Acknowledged own transactions that this member cannot order any more."""
        state = self._state
        gone = state.committee.key_of(state.me) is None
        batches = state.lanes.own_unordered() if gone else state.lanes.voided
        time_ms = state.chain.floor.header.time_ms
        transactions = tuple(
            transaction
            for batch in batches
            for transaction in batch.transactions
            if transaction.expires_ms >= time_ms
        )
        if transactions:
            self._out.add(HandOver(transactions))
        else:
            state.lanes.voided.clear()

    def cut(self, now: Now) -> None:
        """Put waiting transactions into the next batches: durable first, then to everybody."""
        lane, limit = self.own_lane, self._state.parameters.lane_ahead_batches_max
        if not self._state.is_validator or self._state.catching_up:
            return
        while len(lane.chain) < limit:
            due_ms = self._outbox.due_ms()
            if due_ms is None or due_ms > now.mono_ms:
                self._out.wake(due_ms)
                return
            batch = make_batch(
                self._state.chain_id, self._state.me, lane.tip, self._outbox.take(), self._signer
            )
            self._state.lanes.add(batch, named=True)
            self._out.add(Persist(encode_record(batch.batch)))
            self._out.add(Broadcast(batch.batch))
            ids = tuple(transaction.id for transaction in batch.transactions)
            self._out.add(Acknowledged(batch.digest, ids))

    def announce(self, now: Now, slack_ms: int) -> None:
        """Say what is held: new tips at once (but not too often), and all again while some are not ordered.

        `slack_ms`: see `Pacemaker`; a tip that is told sooner than the next leader looks is of no use.
        """
        lanes, parameters = self._state.lanes, self._state.parameters
        tips = [lane.tip for lane in lanes if lane.tip.seq > 0]
        many = crowd(len(self._state.committee.numbers))
        new = [tip for tip in tips if tip.seq > self._announced.get(tip.lane, 0)]
        again_ms = min(many, HAVE_AGAIN_HALF_T0_MAX) * parameters.base_timeout_ms // 2
        if not new and lanes.beyond(self._state.chain.floor.header.cut):
            interval_ms = again_ms
            new = tips
        elif new:
            often_ms = HAVE_INTERVAL_MS * many**2
            interval_ms = min(often_ms, parameters.base_timeout_ms // HAVE_INTERVAL_DIVISOR) + slack_ms
            if many > 1 and self._out.speaks:
                interval_ms //= 2  # together with a vote it wakes nobody one more time
        else:
            interval_ms = 0
        if new:
            due_ms = now.mono_ms if self._announced_ms is None else self._announced_ms + interval_ms
            if due_ms > now.mono_ms:
                self._out.wake(due_ms)
            else:
                if self._announced_all_ms is None or now.mono_ms >= self._announced_all_ms + again_ms:
                    new, self._announced_all_ms = tips, now.mono_ms  # others' new tips must not put it off
                self._announced_ms = now.mono_ms
                self._announced.update((tip.lane, tip.seq) for tip in new)
                self._out.add(Broadcast(Have(tuple(new))))
        self._note_availability()

    def _note_availability(self) -> None:
        state, lane = self._state, self.own_lane
        if not state.is_validator:
            return
        last = state.lanes.available_seq(lane)
        for seq in range(max(self._available_seq, lane.final.seq) + 1, last + 1):
            digest = lane.at(seq)
            if digest is not None:
                self._out.add(Available(LaneTip(state.me, seq, digest)))
        self._available_seq = max(self._available_seq, last)

    def fetch(self, now: Now) -> None:
        """Ask for what is missing, each thing of one peer at a time."""
        needs = list(catchup.needs(self._state))
        self._named = {need.key for need in needs if need.named and need.batches is not None}
        for peer, get in self._fetches.requests(needs, now.mono_ms):
            self._out.add(Send(peer, get))
        self._out.wake(self._fetches.next_ms())
