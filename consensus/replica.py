"""The ordering core of one member: Simplex with lanes, as a state machine without I/O.

Terms. n validators, of which f = (n - 1) // 3 may be faulty in any way; a quorum is q = n - f. A *view*
is one leader's turn, a *height* a position in the chain. Each validator has a *lane*, a hash-chained
sequence of its own batches of transactions; a block's *cut* names the tip of each lane up to which it
orders them. A header with q votes N is *notarised*, a view with q votes S *skipped*, a header with q
votes F *final*, and with it all its ancestors.

Data. A batch is durable before it leaves its author, who pushes it to everybody. Whoever holds a lane
up to a tip says so (`Have`); whoever lacks what others have asks for it (`Get`). A leader cuts a lane
where a quorum has it, and a voter votes only for what it holds, so a notarisation proves that what the
block orders cannot be lost.

The vote, in view v of leader L:

    enter    The view is the lowest above the highest notarised or final one that is not skipped. Its
             timer runs while there is work or someone began to vote; otherwise the chain rests.
    gather   Among many validators L first lets work gather, about as long as the last vote took, and all give
             the view so much longer.
    propose  L with work builds on the highest notarised or final block: header, own N, and the
             certificates that justify the parent.
    N        for the first proposal of L if its parent is notarised or final, every view between is
             skipped, its batches are held, its time fits the clock and its execution claim is ours.
             What can never be right gets S; what may still come is waited for.
    S        when the timer expires, unless F was cast.
    F        on the notarisation of a header whose batches are held, unless S was cast.
    retry    Every T0 while the view lasts: say where we stand (`Status`) and repeat our votes. Whoever is
             further answers with the certificate that clears that view and with the highest final one,
             who is there too with its votes, the leader with its proposal. So what a partition lost costs a
             T0 after the healing, however long timeouts have grown.

`consensus.rules` holds the safety rules, `consensus.ballot` refuses to sign against them. Before a vote
leaves the node it is in the journal together with its header and batches, and an F with the
notarisation it rests on: an F alone could, after a crash, leave nobody with a quorum of N.

Epochs. The executed state may hold a decision of the members on the next committee. The first header that
names such an execution is the *boundary*: it, and no other, carries that committee's digest, which voters
check, since they have executed the same. After it leaders propose *fillers*, which repeat it and add a view
and nothing else. Once boundary or filler is final, the next epoch begins at view 1, with the boundary as
first parent in either case, and nothing of it is signed before the boundary's finality and the committee are
durable. Whatever is signed carries its epoch; what comes from another epoch is not counted here, but told
where this one is. Lanes go on; of who left or has another key, what no block orders yet is void, and its
acknowledged transactions are handed over. A member outside the committee *observes*: it follows and signs
nothing. So does a member whose key has lost its journal.

Evidence. Votes or batches that no honest validator signs (`consensus.evidence`) are remembered durably, told
to all, put into a block by the next leaders, judged by the voters, once for each member and epoch, and
delivered with the block. Who signed two batches for one place has its lane frozen.

Execution follows finality, by height. A header names a final height and the chained hash of all
execution up to it; voters compare. A validator whose own execution contradicts a notarised header, or
f + 1 signed words of others, stops with a report. When execution lags, blocks must be empty.

Catch-up. Headers and batches near by come with `Get`; where final blocks are far ahead the driver is
asked for whole blocks (SyncNeeded), which come back through `on_synced` with their certificates, each of
them checked with the committee of its own epoch, which the blocks before it decided.

Deviations from the paper (Chan & Pass, Simplex Consensus, TCC 2023):
- Views and heights are apart: a skipped view takes no height, instead of a dummy block.
- A certificate is not sent to all when formed: votes go to all, and who lacks one asks (retry).
- A notarisation clears all views below its own, so whoever fell behind needs one certificate.
- The timer runs only while there is work, and grows with the views since the last final one.
- No N after S in a view: safe in the paper, but it would revive a view that is given up.
- A block orders references to batches, not transactions.

In code: inputs only add knowledge to `State`; `_settle` then does all that the knowledge allows, so no
order of arrival can miss its moment. `Voting` votes, `Dissemination` moves batches, `Standing` speaks and
hears Status, `deliver` turns certificates into blocks, `epochs` begins the next one, `accusing` handles
evidence, `catchup` knows what others and what we lack, `syncing` takes whole blocks, `contradiction` compares
executions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from consensus import accusing, catchup, contradiction, epochs, syncing, work
from consensus.batches import CheckedBatch
from consensus.committee import Committee, change_fault
from consensus.delivery import deliver
from consensus.dissemination import Dissemination
from consensus.effects import Broadcast, Effect, EpochBegan, Finalise, Outgoing, Persist, ReportKind, Send
from consensus.errors import InvalidMessage, ensure
from consensus.keys import Signer, Verifier
from consensus.messages import Message
from consensus.parameters import Parameters
from consensus.records import encode_record
from consensus.recovery import blank_state, replay, resume, snapshot
from consensus.standing import Standing
from consensus.state import Anchor, Now
from consensus.transactions import Transaction
from consensus.types import (
    Batch,
    BatchHeader,
    Certificate,
    Digest,
    Evidence,
    FinalBlock,
    Get,
    Have,
    Header,
    MemberNumber,
    Proposal,
    Status,
    Vote,
)
from consensus.voting import Voting
from consensus.why import Why, describe, explain

__all__ = ["Admission", "Anchor", "Now", "Replica"]

RETRY_AFTER_MS = 1_000
"""What a client is told to wait when the own lane may not grow."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How many of the submitted transactions, from the first on, were taken; the rest may try again later."""

    accepted: int
    retry_after_ms: int


class Replica:
    """One validator. Every method that takes `now` may queue effects; `effects()` hands them over.

    A driver calls any number of methods, then `effects()`, makes all Persist records durable as one
    journal frame, and then performs the other effects in order.
    """

    def __init__(
        self,
        *,
        chain_id: bytes,
        chain: str,
        me: MemberNumber,
        signer: Signer,
        verifier: Verifier,
        parameters: Parameters,
        genesis_time_ms: int,
        batch_source: Callable[[Digest], Batch | None],
        records: Iterable[bytes],
        anchor: Anchor,
        now: Now,
        abstains: bool = False,
    ) -> None:
        """Start, from nothing or after a stop; queues Finalise for what is final but not executed.

        `chain_id` is the genesis hash (32 bytes), `chain` its name in transactions; `batch_source` finds
        executed batches in the store, for peers that still need them; `records` come from the journal,
        in order; `anchor` from the store. `abstains`: this key signed before, and the journal that knows what
        is lost, or that is not known yet: the replica follows as an observer, whatever the committee says.
        Raises: CorruptionError where the journal contradicts itself or the store.
        """
        self._batch_source = batch_source
        self._out = Outgoing()
        self._stopped = False
        self._unsettled: Now | None = now
        """The time of the last input that was not acted upon yet."""
        self._state = blank_state(
            chain_id=chain_id,
            chain=chain,
            me=me,
            signer=signer,
            verifier=verifier,
            parameters=parameters,
            genesis_time_ms=genesis_time_ms,
            anchor=anchor,
            abstains=abstains,
        )
        for effect in replay(self._state, records):
            self._out.add(effect)
        self._voting = Voting(self._state, self._out)
        self._batches = Dissemination(self._state, self._out, signer)
        self._standing = Standing(self._state, self._out, signer, now)
        for vote in self._state.ballot.votes():
            self._voting.count(vote, trusted=True)
        self._batches.hand_over()

    @property
    def me(self) -> MemberNumber:
        """This member's number."""
        return self._state.me

    @property
    def committee(self) -> Committee:
        """The validators of the epoch that this node is in."""
        return self._state.committee

    @property
    def is_validator(self) -> bool:
        """Whether this node votes in that epoch; else it observes."""
        return self._state.is_validator

    def take_part(self, now: Now) -> None:
        """Abstain no more: the key signed nothing before, as the others say."""
        self._state.abstains = False
        self._unsettled = now

    def lane_key(self, lane: MemberNumber) -> bytes | None:
        """The key (32 bytes) that signs this lane; None where it is no validator's: drop the batch."""
        return self._state.committee.key_of(lane)

    def is_in_step(self, member: MemberNumber) -> bool:
        """Whether a member did not speak of another epoch last; else it may know other keys than we do."""
        peer = self._standing.peers.get(member)
        return peer is None or peer.epoch in (0, self._state.committee.epoch)

    @property
    def final_height(self) -> int:
        """The last block that was delivered for execution."""
        return self._state.chain.floor.header.height

    def snapshot_records(self) -> list[bytes]:
        """What a fresh journal must begin with, so that every older journal file can go.

        Call it when every block up to the last `on_executed` is in the store, durably.
        """
        return snapshot(self._state)

    # -- inputs -------------------------------------------------------------------------------------
    def on_connected(self, member: MemberNumber, now: Now) -> None:
        """A connection to `member` is up (again): tell it where we stand and what we hold."""
        self._standing.tell_one(member, now)
        tips = tuple(lane.tip for lane in self._state.lanes if lane.tip.seq > 0)
        if tips:
            self._out.add(Send(member, Have(tips)))

    def on_message(self, sender: MemberNumber, message: Message, now: Now) -> None:
        """Any message but Batch, from a member, authenticated. Raises: InvalidMessage, its fault."""
        if sender == self._state.me:
            raise InvalidMessage(f"{sender} is not another member")
        self._standing.peer(sender).heard_ms = now.mono_ms
        self._unsettled = now
        epoch = _epoch_of(message)
        if epoch is None or epoch == self._state.committee.epoch:
            self._dispatch(sender, message, now)
        else:  # of use only in its own epoch
            self._standing.hear_epoch(sender, epoch, now)

    def answer(self, sender: MemberNumber, get: Get, now: Now) -> list[Header | Batch]:
        """What a member gets for its question, for a driver that looks at it before it sends it.

        `on_message` does the same, and sends it.
        """
        self._standing.peer(sender).heard_ms = now.mono_ms
        return catchup.answer_get(self._state, get, self._batch_source)

    def expects(self, header: BatchHeader) -> bool:
        """Whether a batch that arrived is worth checking: not held yet, and within bounds or asked for."""
        return self._batches.expects(header)

    def on_batch(self, sender: MemberNumber, batch: CheckedBatch, now: Now) -> None:
        """A batch that `batches.check_batch` accepted, in a thread or wherever the driver likes."""
        self._standing.peer(sender).heard_ms = now.mono_ms
        self._batches.hold(batch)
        self._unsettled = now

    def on_invalid_batch(self, batch: Batch, now: Now) -> None:
        """A batch that `batches.check_batch` refused with InvalidBatch: evidence against its author."""
        self._batches.hold_against(batch)
        self._unsettled = now

    def submit(self, transactions: Sequence[Transaction], now: Now) -> Admission:
        """Put verified transactions into the own lane; accepted ones come back in an Acknowledged effect."""
        can_order = self._state.is_validator and not self._stopped
        accepted = self._batches.submit(transactions, now) if can_order else 0
        self._unsettled = now
        return Admission(accepted, 0 if accepted == len(transactions) else RETRY_AFTER_MS)

    def on_timer(self, now: Now) -> None:
        """The time of the last SetTimer has come (calling early or often does no harm)."""
        self._out.timer_fired()
        self._unsettled = now

    def on_executed(
        self,
        height: int,
        exec_hash: Digest,
        changed: bool,
        next_wakeup_ms: int | None,
        next_committee: Committee | None,
        now: Now,
    ) -> None:
        """The next delivered block is executed and stored durably; strictly by height.

        `changed`: it did more than count a block. `next_wakeup_ms`: the earliest contract timer now.
        `next_committee`: what the state holds as decided successor of this block's epoch, if it does.
        """
        state = self._state
        ensure(
            height == state.execution.height + 1 and height in state.unexecuted,
            f"height {height} is not next",
        )
        state.execution.advance(exec_hash, changed, next_wakeup_ms)
        decides = next_committee is not None and next_committee.epoch == state.committee.epoch + 1
        if decides and next_committee is not None and state.execution.decided is None:
            fault = change_fault(state.committee, next_committee)
            ensure(fault is None, f"height {height} decides a committee that cannot follow: {fault}")
            state.execution.decided = height, next_committee
        state.lanes.release(state.unexecuted.pop(height))
        self._stop_at(contradiction.in_headers(state, state.chain.delivered_above(height)))
        state.execution.forget_below(min(state.chain.floor.header.exec_height, height))
        self._unsettled = now

    def on_synced(self, block: FinalBlock, batches: Sequence[CheckedBatch], now: Now) -> bool:
        """Catch-up brought the final block after the last one, and what it orders.

        `batches.open_batch` suffices for the batches: the certificate vouches for their content.
        Returns False where execution must catch up first: offer it again after the next `on_executed`.
        Raises: InvalidMessage, the serving peer's fault.
        """
        state, height = self._state, block.header.height
        named = syncing.is_named(state, block)
        if height <= state.chain.floor.header.height:
            return True
        if self._stopped or not syncing.can_take(state, block):
            return False
        follows = syncing.follows(state, block)
        syncing.hold(state, self._voting, block, named, batches)
        self._settle(now)
        if follows and named and state.chain.floor.header.height < height:
            raise InvalidMessage(f"final block {height} came without all that it orders")
        return True

    # -- outputs ------------------------------------------------------------------------------------
    def effects(self) -> list[Effect]:
        """Act on what the inputs brought, and hand over what is to be done, in order."""
        if self._unsettled is not None:
            self._settle(self._unsettled)
        return self._out.take()

    def transactions(self, digest: Digest) -> tuple[Transaction, ...]:
        """The transactions of a batch named by a Finalise; at hand until `on_executed` of that height."""
        held = self._state.lanes.get(digest)
        ensure(held is not None, "a batch that waits for execution is always held")
        return held.transactions if held is not None else ()

    def held_batches(self) -> list[CheckedBatch]:
        """Every batch that is held and not executed, by lane and sequence."""
        return self._state.lanes.all()

    def batch(self, digest: Digest) -> Batch | None:
        """A batch held in memory (every batch of a Finalise until `on_executed`), else None."""
        held = self._state.lanes.get(digest)
        return None if held is None else held.batch

    def status_snapshot(self) -> dict[str, Any]:
        """Plain data for the API and metrics; members by number."""
        return describe(self._state, self._standing.peers, self._batches.waiting)

    def why(self, now: Now) -> Why:
        """What this validator waits for, who is missing and what happens next."""
        return explain(self._state, self._voting, self._standing.peers, self._stopped, now)

    # -- messages -----------------------------------------------------------------------------------
    def _dispatch(self, sender: MemberNumber, message: Message, now: Now) -> None:
        match message:
            case Proposal():
                self._voting.on_proposal(sender, message, now)
            case Vote():
                self._voting.on_votes(sender, (message,))
            case Certificate():
                self._voting.on_certificate(message)
            case Status():
                if message.epoch == self._state.committee.epoch:
                    self._voting.on_votes(sender, message.votes)
                self._standing.hear(sender, message, now)
            case Header():
                self._take_header(message)
            case Have():
                self._state.lanes.heard(sender, message.tips)
            case Get():
                for part in catchup.answer_get(self._state, message, self._batch_source):
                    self._out.add(Send(sender, part))
            case Evidence():
                accusing.take(self._state, self._out, message)
            case Batch():
                ensure(False, "a batch goes through check_batch and on_batch")

    def _take_header(self, header: Header) -> None:
        if self._state.chain.is_wanted(header):
            self._state.chain.add(header)
            self._out.add(Persist(encode_record(header)))

    # -- what follows from what is known ------------------------------------------------------------
    def _settle(self, now: Now) -> None:
        """Do everything that the present knowledge allows, and set the timer for the rest.

        Inputs only add knowledge; all action is here, so no order of arrival can miss its moment.
        """
        state, voting = self._state, self._voting
        self._unsettled = None
        if self._stopped:
            return
        floor = state.chain.floor
        self._batches.cut(now)
        proven: tuple[int, ...] = ()
        while proven != state.progress:  # each own vote may prove something new
            proven = state.progress
            for finalise in deliver(state):
                self._out.add(finalise)
                self._report_final(finalise)
            if self._stop_at(contradiction.find(state)):
                return
            self._begin_epoch()
            voting.step(now)
        state.catching_up = state.catching_up and state.is_behind
        stuck = voting.pace.take_retry(now.mono_ms)
        self._standing.tell_all(now, stuck)
        for _, evidence in sorted(state.evidence.items()) if stuck else ():
            self._out.add(Broadcast(evidence))
        self._batches.announce(now, voting.pace.slack_ms)
        self._batches.fetch(now)
        self._standing.seek_sync(now, delivered=floor is not state.chain.floor)
        for wake_ms in (*work.moments(state, now, voting.pace.opens_ms), *voting.pace.moments()):
            self._out.wake(wake_ms)
        self._out.set_timer(now.mono_ms)

    def _begin_epoch(self) -> None:
        """Once the boundary is delivered, and what it names is executed."""
        state = self._state
        succession = epochs.successor(state)
        if succession is None:
            return
        self._out.add(Persist(encode_record(succession)))
        epochs.begin(state, succession)
        for _, evidence in sorted(state.evidence.items()):  # the records of the old epoch count no more
            self._out.add(Persist(encode_record(evidence)))
        self._out.add(EpochBegan(succession.committee, succession.boundary.header.height))
        for effect in resume(state):
            self._out.add(effect)
        self._voting.begin()
        for vote in state.ballot.votes():
            self._voting.count(vote, trusted=True)
        self._batches.begin()

    def _report_final(self, finalise: Finalise) -> None:
        header = finalise.block.header
        fields = (("height", header.height), ("view", header.view), ("batches", len(finalise.batches)))
        self._out.report(ReportKind.PROGRESS, None, "block is final", fields)

    def _stop_at(self, found: contradiction.Contradiction | None) -> bool:
        """Stop if anything is found; whether this node has stopped."""
        if found is not None and not self._stopped:
            self._stopped = True
            contradiction.report(self._state, self._out, found)
        return self._stopped


def _epoch_of(message: Message) -> int | None:
    """The epoch in which a message means something; None where it does in any."""
    match message:
        case Vote() | Certificate() | Evidence():
            return message.epoch
        case Proposal():
            return message.header.epoch
        case _:
            return None
